"""HAProxy as the load balancer: each target group with a listener owns the backend of that port, each target a slot.

    healthy -> ready      draining -> drain (requests in flight finish, none is new)      the rest -> maint
                          draining, but still sent new connections -> ready

HAProxy is told over its admin socket at the very moment a target changes, so a deregistration that was answered is in
effect. As AWS does, it fails open: where no target is healthy or waits for its first checks, unhealthy ones are served.
"""

import socket

from world.daemons import LISTEN_PORTS, slots

ADMIN_TIMEOUT_S = 2
# HAProxy takes a line of 16 KB at most (tune.bufsize), with several commands in it.
MAX_LINE = 8192
# What HAProxy answers where it has done as told; on changes of the state it says nothing.
TAKEN = ("IP changed", "port changed", "no need to change")
SERVED = {"healthy": "ready", "draining": "drain"}


class Balancer:
    def __init__(self, admin_socket):
        self.admin_socket = admin_socket
        # Port of the listener -> slot -> (target, what HAProxy was told last).
        self.backends = {}

    def listen(self, port):
        if port not in LISTEN_PORTS:
            raise ValueError(f"listen must be within {LISTEN_PORTS[0]} to {LISTEN_PORTS[-1]}")
        if port in self.backends:
            raise ValueError(f"port {port} has a listener already")
        self.backends[port] = {}

    def sync(self, port, targets, ends_connections=True):
        """Brings one backend in line with the targets of its group."""
        held_slots = self.backends[port]
        wanted = {target: mode for target, mode in _modes(targets)}
        commands = []
        for slot, (target, _told) in list(held_slots.items()):
            if target not in wanted:
                # The delay is over: whatever is still in flight is cut, as AWS does where it does.
                if ends_connections:
                    commands.append(f"shutdown sessions server {_server(port, slot)}")
                commands.append(_state(port, slot, "maint"))
                del held_slots[slot]
        held = {target: slot for slot, (target, _told) in held_slots.items()}
        for target, mode in wanted.items():
            slot = held.get(target)
            if slot is None:
                slot = next(number for number in range(1, slots(port) + 1) if number not in held_slots)
                commands.append(f"set server {_server(port, slot)} addr {target.address} port {target.port}")
                held_slots[slot] = (target, None)
            if held_slots[slot][1] != mode:
                commands.append(_state(port, slot, mode))
                held_slots[slot] = (target, mode)
        self._tell(commands)

    def close(self, port):
        """The listener is gone: nobody answers there any more."""
        self.sync(port, [])
        del self.backends[port]

    def clear(self):
        for port in list(self.backends):
            self.close(port)

    def _tell(self, commands):
        for line in _lines(commands):
            self._tell_line(line)

    def _tell_line(self, line):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ADMIN_TIMEOUT_S)
            client.connect(self.admin_socket)
            client.sendall(f"{line}\n".encode())
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
        refusals = [line for line in answer.decode().splitlines() if line and not line.startswith(TAKEN)]
        if refusals:
            raise RuntimeError(f"HAProxy: {'; '.join(refusals)} (told: {line})")


def _lines(commands):
    """The commands, several to a line."""
    line = ""
    for command in commands:
        if line and len(line) + len(command) >= MAX_LINE:
            yield line
            line = ""
        line += f";{command}" if line else command
    if line:
        yield line


def _modes(targets):
    states = {target.state for target in targets}
    open_anyway = "unhealthy" in states and not states & {"healthy", "initial"}
    for target in targets:
        if target.takes_new or open_anyway and target.state == "unhealthy":
            yield target, "ready"
        else:
            yield target, SERVED.get(target.state, "maint")


def _server(port, slot):
    return f"tg-{port}/s{slot}"


def _state(port, slot, mode):
    return f"set server {_server(port, slot)} state {mode}"
