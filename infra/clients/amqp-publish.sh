#!/bin/sh
# amqp-publish.sh ENVIRONMENT SERVICE IMAGE: asks for a release, and prints its id.
# DRAWGATE_AMQP_URL is the broker's address. That the broker took the message is not confirmed: amqp-publish cannot.
set -eu
[ $# -eq 3 ] || { sed -n 2,3p "$0" >&2; exit 2; }
environment=$1
service=$2
image=$3

# What goes into JSON as it is may hold nothing that JSON would read.
case $environment$service$image in
*[!A-Za-z0-9._:/@-]*) echo "letters that no name and no image has" >&2; exit 2 ;;
esac

# A UUID of version 7: milliseconds since 1970, then chance (RFC 9562, section 5.7).
chance=$(od -An -N9 -tx1 /dev/urandom | tr -d ' \n')
id=$(printf '%012x' "$(date +%s%3N)" | sed 's/^\(.\{8\}\)/\1-/')-7$(echo "$chance" | cut -c1-3)-8$(echo "$chance" | cut -c4-6)-$(echo "$chance" | cut -c7-18)

body=$(printf '{"version":1,"id":"%s","environment":"%s","service":"%s","image":"%s","requested_at":"%s"}' \
    "$id" "$environment" "$service" "$image" "$(date -u +%Y-%m-%dT%H:%M:%SZ)")
amqp-publish --url="$DRAWGATE_AMQP_URL" --exchange=drawgate.releases --routing-key="$environment.$service" \
    --content-type=application/json --persistent --body="$body"
echo "$id"
