"""Keys, certificates and passwords, made anew for every lab."""

import base64
import hashlib
import os
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor

# Three hosts are enough for most tests. 500 is a large fleet, and half of what one bridge of the kernel can take.
MAX_HOSTS = 500
# A real engine takes 65 MB and a second of a processor to start, so beyond this many hosts the engine is a model.
MOST_ENGINES = 40
# Of 10.77.0.0/16: .1 is the world itself, .11 to .210 in each third octet are hosts.
HOSTS_PER_OCTET = 200
KEYS_AT_ONCE = 4


def _count(name, default, most):
    return min(max(int(os.environ.get(name) or default), 0), most)


def _address(number):
    octet, rest = divmod(number - 1, HOSTS_PER_OCTET)
    return f"10.77.{octet}.{11 + rest}"


COUNT = max(_count("DRAWGATE_LAB_HOSTS", 3, MAX_HOSTS), 1)
ENGINES = _count("DRAWGATE_LAB_ENGINES", min(COUNT, MOST_ENGINES), COUNT)
HOSTS = {f"h{number}": _address(number) for number in range(1, COUNT + 1)}
# The hosts whose engine is a model (folder model): the last ones.
MODELS = frozenset(list(HOSTS)[ENGINES:])

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
    keys = {name: state / "hosts" / name / "ssh_host_key" for name in HOSTS}
    for key in keys.values():
        key.parent.mkdir()
    with ThreadPoolExecutor(KEYS_AT_ONCE) as pool:
        list(pool.map(lambda item: _new_key(item[1], item[0]), keys.items()))
    # One run signs them all; what it calls them is only what sshd's log says of a login.
    _output("ssh-keygen", "-q", "-s", state / "ca", "-I", "lab", "-h", *(f"{key}.pub" for key in keys.values()))


def _new_key(path, comment):
    _output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rabbitmq_hash(password):
    """As RabbitMQ stores it: four bytes of salt, then SHA-256 of salt and password."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
