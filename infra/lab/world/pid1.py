"""The first process of the world: sets up the network, starts the parts, runs the command, takes all along.

It is process 1 of its pid namespace, so when it ends, the kernel kills whatever still runs in there.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from world import daemons, hosts, keys  # noqa: E402

STARTUP_FAILED = 125
STARTUP_TIMEOUT_S = 60
# For each host, with its engine: on a busy machine it takes a few times what it takes on an idle one.
STARTUP_TIMEOUT_PER_HOST_S = 3
# More at once would only wait for each other, and each longer than its part.
BOOTS_AT_ONCE = 9
# What a command gets to put things in order after it was asked to end.
STOP_GRACE_S = 10
# A bound for everything that is written in a lab: images, containers, queues, logs; and a share for each host.
STATE_SIZE_MB, STATE_SIZE_PER_HOST_MB = 4096, 16
LOG_LINES = 25


class StartupError(Exception):
    def __init__(self, part, text):
        super().__init__(text)
        self.part = part


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=pathlib.Path, required=True)
    parser.add_argument("--target", type=pathlib.Path, required=True)
    parser.add_argument("--stop-fd", type=int, required=True)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--logs", type=pathlib.Path)
    parser.add_argument("cmd", nargs="+")
    return parser.parse_args()


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def private_world(state):
    """A tmpfs for all files, so that nothing survives; one on /run for network namespaces and locks of our own."""
    size_mb = STATE_SIZE_MB + STATE_SIZE_PER_HOST_MB * keys.COUNT
    run("mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(state))
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    socket.sethostname("lab")
    for folder in ("logs", "pids"):
        (state / folder).mkdir()
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "lab0", "address", hosts.BRIDGE_HARDWARE, "type", "bridge")
    run("ip", "addr", "add", "10.77.0.1/16", "dev", "lab0")
    run("ip", "link", "set", "lab0", "up")


def start_parts(state, target, narrate):
    """All at once, but for hosts, of which so many boot at once. The slowest (RabbitMQ) hides the others."""
    begin = time.monotonic()
    timeout_s = STARTUP_TIMEOUT_S + STARTUP_TIMEOUT_PER_HOST_S * keys.COUNT
    keys.make_all(state)
    password = (state / "rabbitmq-password").read_text()
    daemons.configure_rabbitmq(state, password)
    waiting = {
        "rabbitmq": (daemons.start_rabbitmq(state), lambda: daemons.rabbitmq_ready(password)),
        "aws": (daemons.start_aws(state, target), daemons.aws_ready),
        "registry": (daemons.start_registry(state), daemons.registry_ready),
        "haproxy": (daemons.start_haproxy(state), lambda: daemons.haproxy_ready(state)),
    }
    if keys.MODELS:
        waiting["model"] = (daemons.start_model(state, target), lambda: daemons.model_ready(state))
    to_boot = collections.deque(keys.HOSTS)
    while waiting or to_boot:
        while to_boot and _may_boot(to_boot[0], waiting):
            name = to_boot.popleft()
            waiting[name] = (hosts.start(state, name), lambda name=name: daemons.host_ready(state, name))
        for name, (process, ready) in list(waiting.items()):
            if ready():
                del waiting[name]
                narrate(f"{name:<9} up after {time.monotonic() - begin:.1f} s")
            elif process.poll() is not None:
                raise StartupError(name, f"ended with status {process.returncode}")
        if waiting and time.monotonic() - begin > timeout_s:
            raise StartupError(next(iter(waiting)), f"not ready after {timeout_s} s")
        time.sleep(0.05 if len(waiting) < BOOTS_AT_ONCE else 0.01)
    return password


def _may_boot(name, waiting):
    booting = sum(1 for part in waiting if part in keys.HOSTS)
    return booting < BOOTS_AT_ONCE and not (name in keys.MODELS and "model" in waiting)


def command_environment(state, password):
    """The caller's own, without what could lead a client to a proxy or to a real cloud account."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    return {
        **inherited, "DRAWGATE_LAB": str(state),
        "AWS_ENDPOINT_URL": "http://10.77.0.1:5555", "AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "LAB_API": "http://10.77.0.1:5555/lab", "LAB_REGISTRY": "10.77.0.1:5000",
        "DRAWGATE_AMQP_URL": f"amqp://drawgate:{password}@10.77.0.1:5672/%2f",
        "LAB_RABBITMQ_API": f"http://drawgate:{password}@10.77.0.1:15672/api", "LAB_RABBITMQ_PASSWORD": password,
        "no_proxy": "*", "NO_PROXY": "*",
    }


def end_of_child(process):
    """Its exit code. As process 1 we inherit every orphan of the world, and collect those too."""
    while True:
        pid, status = os.wait()
        if pid == process.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


class Stopper(threading.Thread):
    """Waits for the word from outside: a byte (the number of a signal), or the end of the pipe when lab died.

    Zero is Ctrl-C on the terminal. A running command got that itself, and what it means is for the command to say.
    """

    def __init__(self, fd, finish):
        super().__init__(daemon=True)
        self.fd, self.finish, self.command = fd, finish, None

    def run(self):
        word = os.read(self.fd, 1)
        while word == b"\0" and self.command is not None:
            word = os.read(self.fd, 1)
        number = (word[0] or signal.SIGINT) if word else signal.SIGKILL
        code = 128 + number
        if self.command is not None:
            with contextlib.suppress(ProcessLookupError):
                self.command.terminate()
                time.sleep(STOP_GRACE_S)
        self.finish(code)


def print_log_tail(state, part):
    for log in sorted((state / "logs").glob(f"{part}*.log")):
        for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
            print(f"  {line}", file=sys.stderr)


def main():
    options = arguments()
    state = options.state

    def narrate(text):
        if not options.quiet:
            print(f"lab: {text}", file=sys.stderr, flush=True)

    def finish(code):
        if options.logs and (state / "logs").exists():
            shutil.copytree(state / "logs", options.logs, dirs_exist_ok=True)
        os._exit(code)

    # lab blocks the signals that it hands on; we hear of them by the pipe, and the command shall have them unblocked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    stopper = Stopper(options.stop_fd, finish)
    stopper.start()
    try:
        private_world(state)
        password = start_parts(state, options.target, narrate)
    except (StartupError, OSError, subprocess.CalledProcessError) as error:
        part = getattr(error, "part", "world")
        print(f"lab: {part} failed: {error}", file=sys.stderr)
        print_log_tail(state, part)
        finish(STARTUP_FAILED)
    try:
        command = subprocess.Popen(
            options.cmd, env=command_environment(state, password),
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGPIPE)])
    except OSError as error:
        print(f"lab: {options.cmd[0]}: {error.strerror}", file=sys.stderr)
        finish(127)
    stopper.command = command
    finish(end_of_child(command))


main()
