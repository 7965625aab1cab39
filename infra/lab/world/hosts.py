"""A host: a network namespace on the lab's bridge, and in it sshd and a Docker engine under one process.

A host of world.keys.MODELS has no engine of its own: the model (folder model) serves its socket, and runs its
containers as processes of the host. To everything else it is a host like the others.

Killing that process is a crash: everything in the host's pid namespace dies with it, and its address stops
answering. Starting it again is a reboot; its disk (the upper folders of /etc and /var, /home and Docker's) is kept.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from world.keys import HOSTS, MODELS

SCRIPT = pathlib.Path(__file__).resolve().parent / "host.sh"
NAMESPACES = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
DEATH_TIMEOUT_S = 5
# The bridge's own, so that it does not change with what is plugged in, and hosts need not ask for it.
BRIDGE_HARDWARE = "02:00:0a:4d:00:01"
MODEL_TIMEOUT_S = 30


def start(state, name):
    """Returns at once; the engine answers about a second later (see daemons.host_ready)."""
    _cable(name)
    booted = state / "hosts" / name / "model-may-serve"
    booted.unlink(missing_ok=True)
    kind = "model" if name in MODELS else "real"
    with open(state / "logs" / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "unshare", *NAMESPACES, "--",
             "bash", str(SCRIPT), str(state), name, HOSTS[name], kind],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (state / "pids" / name).write_text(str(process.pid))
    if name in MODELS:
        ask_model(state, {"boots": name, "pid": process.pid})
    return process


def ask_model(state, order):
    """One order to the process that serves the model engines, and its answer. A line of JSON each."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(MODEL_TIMEOUT_S)
        client.connect(str(state / "model.sock"))
        client.sendall(json.dumps(order).encode() + b"\n")
        with client.makefile("rb") as answer:
            return json.loads(answer.readline())


def alive(state, name):
    return _running(int((state / "pids" / name).read_text()))


def crash(state, name):
    """kill -9, and the cable with it: a crashed instance does not even refuse a connection."""
    kill(state, name)
    _uncable(name)


def kill_engine(state, name):
    """kill -9 of the engine alone; it comes back after two seconds."""
    if name in MODELS:
        ask_model(state, {"kill": name})
        return
    for init in _children(int((state / "pids" / name).read_text())):
        for child in _children(init):
            if _program(child) == "dockerd":
                os.kill(child, signal.SIGKILL)


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
    hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
    _ip("netns", "add", name)
    _batch([], [f"link add {outer} type veth peer name {inner} address {hardware} netns {name}",
                f"link set {outer} addrgenmode none",
                f"link set {outer} master lab0 up"])
    # The kernel keeps 1024 neighbours that it had to ask for, of all namespaces together; fixed ones do not count.
    _batch(["-n", name], [f"link set {inner} name eth0",
                          f"addr add {address}/16 dev eth0",
                          "link set eth0 up",
                          "link set lo up",
                          f"neigh add 10.77.0.1 lladdr {BRIDGE_HARDWARE} nud permanent dev eth0",
                          "route add default via 10.77.0.1"])


def _uncable(name):
    if os.path.exists(f"/run/netns/{name}"):
        subprocess.run(["ip", "link", "del", f"v-{name}"], stderr=subprocess.DEVNULL)
        _ip("netns", "del", name)


def _ip(*command):
    subprocess.run(["ip", *command], check=True)


def _batch(options, commands):
    """Several commands of one process, which costs more to start than they do."""
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(commands).encode(), check=True)


def _children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _program(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _running(pid):
    """A zombie does not run: whoever started it may not have collected it yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
