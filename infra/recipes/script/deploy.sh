#!/bin/sh
# deploy.sh --tag=TAG: this host serves releases/TAG from now on. May be run again at any time.
set -eu
cd "$(dirname "$0")"

tag=main
for word; do
    case $word in
    --tag=*) tag=${word#--tag=} ;;
    *) echo "usage: deploy.sh [--tag=TAG]" >&2; exit 2 ;;
    esac
done
case $tag in
"" | .* | *[!A-Za-z0-9._-]*) echo "no tag: $tag" >&2; exit 2 ;;
esac
[ -x "releases/$tag/run" ] || { echo "releases/$tag is not on this host" >&2; exit 1; }

# One rename: whoever looks sees the one or the other.
ln -sfn "releases/$tag" next
mv -T next current

# Where systemd runs the service: sudo systemctl restart web
if [ -f pid ] && kill "$(cat pid)" 2>/dev/null; then
    while kill -0 "$(cat pid)" 2>/dev/null; do sleep 0.05; done
fi
setsid ./current/run >log 2>&1 </dev/null &
echo $! >pid

echo "$tag" >VERSION.next
mv VERSION.next VERSION
echo "serves $tag"
