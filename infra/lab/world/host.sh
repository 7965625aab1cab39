#!/bin/bash
# The first process of a host, alone in its namespaces: gives it a disk and a user of its own, then runs syslog, sshd
# and the Docker engine, or leaves that to the model. Everything it writes lands on the lab's tmpfs, nothing on the
# machine.
set -eu
state=$1 name=$2 address=$3 engine=$4
disk=$state/hosts/$name
socket=$disk/docker.sock

own_folder() {
    mkdir -p "$disk/upper$1" "$disk/work$1"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$disk/upper$1,workdir=$disk/work$1" "$1"
}

own_dev() { # /dev/log has to be the host's, and so has whatever Docker makes of a mount source that is missing
    mkdir -p "$disk/pts" "$disk/shm"
    mount --rbind /dev/pts "$disk/pts"
    rm -rf "$disk/upper/dev" "$disk/work/dev"
    own_folder /dev
    mkdir -p /dev/pts /dev/shm
    mount --rbind "$disk/pts" /dev/pts
    mount -t tmpfs tmpfs /dev/shm
}

# Whatever the machine has under this name: its user of that name, and the files of that user, are not the host's.
own_user() {
    sed -i '/^deploy:/d' /etc/passwd /etc/group /etc/shadow
    echo "deploy:x:1900:1900:deploy:/home/deploy:/bin/bash" >>/etc/passwd
    echo "deploy:x:1900:" >>/etc/group
    echo "deploy:*:19000:0:99999:7:::" >>/etc/shadow # not "!": sshd without PAM takes that for a locked account
    sed -i 's/^\(docker:[^:]*:[^:]*:\).*/\1deploy/' /etc/group
    install -d -o 1900 -g 1900 /home/deploy
}

first_boot() {
    own_user
    echo "$name" >/etc/hostname
    install -m 644 "$state/id_ed25519.pub" /etc/ssh/lab_authorized_keys
    cat >/etc/ssh/lab_sshd_config <<CONFIG
ListenAddress $address:22
HostKey $disk/ssh_host_key
HostCertificate $disk/ssh_host_key-cert.pub
AuthorizedKeysFile /etc/ssh/lab_authorized_keys .ssh/authorized_keys
PasswordAuthentication no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
CONFIG
    touch "$disk/booted"
}

hostname "$name"
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/lock
for folder in /etc /var; do own_folder "$folder"; done
mkdir -p "$disk/home"
mount --bind "$disk/home" /home
own_dev
mkdir -p "$disk/docker" /var/lib/docker
mount --bind "$disk/docker" /var/lib/docker
# The disk says whether it has booted before. Nothing of the machine does: it may have a user `deploy` of its own.
[ -e "$disk/booted" ] || first_boot
if [ "$engine" = real ]; then rm -f "$socket"; fi

busybox syslogd -n -O "$state/logs/$name-syslog.log" &
/usr/sbin/sshd -D -e -f /etc/ssh/lab_sshd_config &

# The model's socket is beside the disk, and its containers are children of this process: it must only say when the
# host is ready for them, and collect them.
if [ "$engine" = model ]; then
    ln -s "$socket" /run/docker.sock
    touch "$disk/model-may-serve"
    while :; do wait; sleep 3600; done
fi

open_socket() { # reachable for whoever runs the tests, also when not in the group docker
    for _ in $(seq 500); do
        if [ -S "$socket" ]; then chmod 666 "$socket"; return; fi
        sleep 0.02
    done
}

# As under systemd, an engine that dies comes back after two seconds. Its cgroups carry the lab's name, so that they
# can be told from those of other labs and removed.
while :; do
    open_socket &
    dockerd --group docker --insecure-registry 10.77.0.1:5000 --exec-opt native.cgroupdriver=cgroupfs \
        --cgroup-parent "/${state##*/}" -H unix:///var/run/docker.sock -H "unix://$socket" || true
    rm -f "$socket"
    sleep 2
done
