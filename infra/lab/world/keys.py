"""Keys, certificates and passwords, made anew for every lab."""

import base64
import hashlib
import os
import secrets
import subprocess

# An engine each, 60 MB and a second of a processor: three are enough for most, and nine for any.
COUNT = min(max(int(os.environ.get("DRAWGATE_LAB_HOSTS", "3")), 1), 9)
HOSTS = {f"h{number}": f"10.77.0.{10 + number}" for number in range(1, COUNT + 1)}

SSH_CONFIG = """\
Host *
    User deploy
    IdentityFile {state}/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {state}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


def make_all(state):
    _make_ssh(state)
    (state / "rabbitmq-password").write_text(secrets.token_hex(12))
    registry_password = secrets.token_hex(12)
    (state / "registry-password").write_text(registry_password)
    (state / "registry-password").chmod(0o600)
    login = base64.b64encode(f"AWS:{registry_password}".encode()).decode()
    (state / "docker").mkdir()
    (state / "docker" / "config.json").write_text('{"auths": {"10.77.0.1:5000": {"auth": "%s"}}}' % login)
    # The lowest cost that bcrypt has: the password is random, and each pull asks for it several times.
    entry = _output("htpasswd", "-nbB", "-C", "4", "AWS", registry_password)
    (state / "htpasswd").write_text(entry)


def _make_ssh(state):
    """Host certificates without principals are good for any name, so for every instance id as HostKeyAlias."""
    _new_key(state / "id_ed25519", "lab")
    _new_key(state / "ca", "lab-ca")
    authority = (state / "ca.pub").read_text()
    (state / "known_hosts").write_text(f"@cert-authority * {authority}")
    (state / "ssh_config").write_text(SSH_CONFIG.format(state=state))
    (state / "hosts").mkdir()
    for name in HOSTS:
        folder = state / "hosts" / name
        folder.mkdir()
        _new_key(folder / "ssh_host_key", name)
        _output("ssh-keygen", "-q", "-s", state / "ca", "-I", name, "-h", folder / "ssh_host_key.pub")


def _new_key(path, comment):
    _output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rabbitmq_hash(password):
    """As RabbitMQ stores it: four bytes of salt, then SHA-256 of salt and password."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
