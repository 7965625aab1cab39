"""A host: a network namespace on the lab's bridge, and in it sshd and a Docker engine under one process.

Killing that process is a crash: everything in the host's pid namespace dies with it, and its address stops
answering. Starting it again is a reboot; its disk (the upper folders of /etc and /var, /home and Docker's) is kept.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

from world.keys import HOSTS

SCRIPT = pathlib.Path(__file__).resolve().parent / "host.sh"
NAMESPACES = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
DEATH_TIMEOUT_S = 5


def start(state, name):
    """Returns at once; the engine answers about a second later (see daemons.host_ready)."""
    _cable(name)
    with open(state / "logs" / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "unshare", *NAMESPACES, "--",
             "bash", str(SCRIPT), str(state), name, HOSTS[name]],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (state / "pids" / name).write_text(str(process.pid))
    return process


def alive(state, name):
    return _running(int((state / "pids" / name).read_text()))


def crash(state, name):
    """kill -9, and the cable with it: a crashed instance does not even refuse a connection."""
    kill(state, name)
    _uncable(name)


def kill(state, name):
    """Returns when the part is gone, and with a host all that ran on it."""
    pid = int((state / "pids" / name).read_text())
    inside = _children(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + DEATH_TIMEOUT_S
    while any(_running(each) for each in [pid, *inside]) and time.monotonic() < deadline:
        time.sleep(0.005)


def _cable(name):
    _uncable(name)
    outer, inner, address = f"v-{name}", f"p-{name}", HOSTS[name]
    # The same hardware address after a reboot, or the others would go on sending to the old one for half a minute.
    hardware = "02:00:0a:4d:00:%02x" % int(address.rpartition(".")[2])
    _ip("netns", "add", name)
    _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "address", hardware, "netns", name)
    _ip("link", "set", outer, "master", "lab0", "up")
    _ip("-n", name, "link", "set", inner, "name", "eth0")
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "route", "add", "default", "via", "10.77.0.1")


def _uncable(name):
    if os.path.exists(f"/run/netns/{name}"):
        subprocess.run(["ip", "link", "del", f"v-{name}"], stderr=subprocess.DEVNULL)
        _ip("netns", "del", name)


def _ip(*command):
    subprocess.run(["ip", *command], check=True)


def _children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _running(pid):
    """A zombie does not run: whoever started it may not have collected it yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
