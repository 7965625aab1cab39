"""The daemons beside the hosts: how each is configured and started, and how one sees that it is ready."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys

from world import keys

ADDRESS = "10.77.0.1"
LAB = pathlib.Path(__file__).resolve().parent.parent

# Frontends cannot be added to a running HAProxy. So every port of this range is bound from the start, each with a
# backend of empty slots that the load balancer's side (aws/balancer.py) fills over the admin socket.
LISTEN_PORTS = range(8100, 8200)
SLOTS = 12
# Of a large lab the first ports have a slot for every host. For all of them HAProxy would need seconds to start.
LARGE_PORTS = 10

RABBITMQ_CONF = """\
listeners.tcp.1 = 10.77.0.1:5672
management.tcp.ip = 10.77.0.1
management.tcp.port = 15672
load_definitions = {state}/rabbitmq/definitions.json
disk_free_limit.absolute = 50MB
consumer_timeout = 60000
log.file.level = info
"""

# How often the broker looks whether a delivery has waited for its acknowledgement too long: each minute by default.
RABBITMQ_ADVANCED = "[{rabbit, [{channel_tick_interval, 1000}]}].\n"

REGISTRY_CONF = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {state}/registry}}, delete: {{enabled: true}}}}
http: {{addr: "10.77.0.1:5000", secret: lab}}
auth: {{htpasswd: {{realm: lab, path: {state}/htpasswd}}}}
"""

# No retries, no redispatch, a new connection per request: a request that meets a stopped container has failed.
HAPROXY_CONF = """\
global
    stats socket {state}/haproxy.sock mode 600 level admin
    maxconn 4000
defaults
    mode http
    option http-server-close
    http-reuse never
    retries 0
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend all
    log stdout format raw local0 info
    log-format '{{{log_format}}}'
    bind 10.77.0.1:{first}-{last}
    use_backend tg-%[dst_port]
"""

HAPROXY_LOG = ('"at_ms":%[date(0,ms)],"backend":"%b","server":"%s","address":"%si:%sp","status":%ST,"total_ms":%Ta,'
               '"end":"%ts","request":"%HM %HP"')

HAPROXY_BACKEND = """\
backend tg-{port}
    balance roundrobin
    server-template s 1-{slots} 127.0.0.1:9 disabled
"""


def slots(port):
    """How many targets the backend of that port takes; some more than hosts, for those that come while others drain."""
    large = port in LISTEN_PORTS[:LARGE_PORTS]
    return max(SLOTS, keys.COUNT + 3) if large else SLOTS


def _spawn(state, name, command, environment=None, stdout=None):
    """In a session of its own: Ctrl-C on the terminal is for the command, not for the daemons."""
    with open(state / "logs" / f"{name}.log", "ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log,
                                   start_new_session=True)
    (state / "pids" / name).write_text(str(process.pid))
    return process


def configure_rabbitmq(state, password):
    """Once. Users and rights are there from the first connection on, since definitions are loaded before listeners."""
    home = state / "rabbitmq"
    home.mkdir()
    users = [{"name": "drawgate", "password_hash": keys.rabbitmq_hash(password), "tags": "administrator"},
             {"name": "ci", "password_hash": keys.rabbitmq_hash("ci-password"), "tags": ""}]
    everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    (home / "definitions.json").write_text(json.dumps(
        {"vhosts": [{"name": "/"}], "users": users,
         "permissions": [{"user": user["name"], **everything} for user in users]}))
    (home / "rabbitmq.conf").write_text(RABBITMQ_CONF.format(state=state))
    (home / "advanced.config").write_text(RABBITMQ_ADVANCED)
    (home / "enabled_plugins").write_text("[rabbitmq_management].\n")


def start_rabbitmq(state):
    """Also after it was killed: its queues are where it left them."""
    home = state / "rabbitmq"
    environment = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": str(home), "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": "4369", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        # Makes the start script become the broker, where else it stays as its parent: a kill shall hit the broker.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_NODENAME": "lab@localhost", "RABBITMQ_DIST_PORT": "25672", "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(state / "logs"), "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"), "RABBITMQ_PID_FILE": str(home / "pid"),
        # Erlang's schedulers wait busily by default, which costs the others half of a small machine.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
    }
    return _spawn(state, "rabbitmq", _from_root(os.environ.get("DRAWGATE_LAB_RABBITMQ"),
                                                "/usr/lib/rabbitmq/bin/rabbitmq-server"), environment)


def _from_root(root, program):
    """The program of this machine, or that of another Debian whose root lies in a folder."""
    if not root:
        return [program]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0/usr" /usr && exec "$1"',
            root, program]


def start_registry(state):
    (state / "registry.yml").write_text(REGISTRY_CONF.format(state=state))
    return _spawn(state, "registry", ["docker-registry", "serve", str(state / "registry.yml")])


def start_haproxy(state):
    values = {"first": LISTEN_PORTS[0], "last": LISTEN_PORTS[-1], "log_format": HAPROXY_LOG}
    backends = [HAPROXY_BACKEND.format(port=port, slots=slots(port)) for port in LISTEN_PORTS]
    (state / "haproxy.cfg").write_text(HAPROXY_CONF.format(state=state, **values) + "".join(backends))
    with open(state / "logs" / "haproxy-access.log", "ab") as access:
        return _spawn(state, "haproxy", ["haproxy", "-db", "-f", str(state / "haproxy.cfg")], stdout=access)


def start_aws(state, target):
    environment = {**os.environ, "LAB_STATE": str(state), "LAB_TARGET": str(target), "PYTHONPATH": str(LAB)}
    return _spawn(state, "aws", [str(target / "venv" / "bin" / "python3"), "-B", "-m", "aws.server"], environment)


def start_model(state, target):
    """The engines of world.keys.MODELS, all in one process."""
    environment = {**os.environ, "LAB_STATE": str(state), "LAB_TARGET": str(target), "PYTHONPATH": str(LAB)}
    return _spawn(state, "model", [sys.executable, "-B", "-m", "model.server"], environment)


def rabbitmq_ready(password):
    login = base64.b64encode(f"drawgate:{password}".encode()).decode()
    return _status(15672, "/api/vhosts/%2f", {"Authorization": f"Basic {login}"}) == 200 and _accepts(ADDRESS, 5672)


def registry_ready():
    return _status(5000, "/v2/") == 401


def haproxy_ready(state):
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(state / "haproxy.sock"))
        return True
    return False


def model_ready(state):
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(state / "model.sock"))
        return True
    return False


def aws_ready():
    return _status(5555, "/lab/state") == 200


def host_ready(state, name):
    """The engine answers on the shared socket, and sshd on the host's address."""
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.settimeout(1)
        client.connect(str(state / "hosts" / name / "docker.sock"))
        client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b" 200 " in client.recv(64) and _accepts(keys.HOSTS[name], 22)
    return False


def _status(port, path, headers=None):
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=2)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _accepts(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
