"""The engines of all model hosts in one process: for each a socket as Docker's, and one socket for the lab's orders.

    hosts/hN/docker.sock   Docker's Engine API (engine.py), there while the host is up
    model.sock             a line of JSON each: {"boots": "h7", "pid": 123}, {"kill": "h7"}, {"unknown": true}
"""

import asyncio
import collections
import json
import os
import pathlib
import sys

from model.container import children, watch_end
from model.engine import Engine
from world.keys import HOSTS, MODELS

# A host that boots mounts its disk before it may be served: a second on a busy machine.
READY_POLL_S = 0.02
MAX_UNKNOWN = 1000
# As under systemd, an engine that dies comes back after two seconds (host.sh has the same for real ones).
ENGINE_AWAY_S = 2


class Model:
    def __init__(self, state, target):
        self.state = state
        self.unknown = collections.deque(maxlen=MAX_UNKNOWN)
        self.engines = {name: Engine(name, HOSTS[name], target / "app", self.report) for name in MODELS}
        # A host that boots anew before the last one's end was noticed is another one.
        self.boots, self.servers, self.tasks = collections.Counter(), {}, set()

    def report(self, host, what):
        self.unknown.append({"host": host, "what": what})

    async def order(self, reader, writer):
        """Orders of the lab itself, one to a connection."""
        line = await reader.readline()
        if line:
            order = json.loads(line)
            writer.write(json.dumps(self.obey(order)).encode() + b"\n")
        writer.close()

    def obey(self, order):
        if "boots" in order:
            self.go_on_with(self.serve(order["boots"], order["pid"]))
            return {}
        if "kill" in order:
            self.close(order["kill"])
            self.go_on_with(self.come_back(order["kill"], self.boots[order["kill"]]))
            return {}
        if order == {"unknown": True}:
            return list(self.unknown)
        raise ValueError(f"no such order: {order}")

    def go_on_with(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, name, pid):
        """From the moment when the host says that it is ready until its first process ends."""
        engine, folder = self.engines[name], self.state / "hosts" / name
        self.boots[name] += 1
        boot = self.boots[name]
        self.die(name)
        while not (folder / "model-may-serve").exists():
            if not os.path.exists(f"/proc/{pid}"):
                return
            await asyncio.sleep(READY_POLL_S)
        inits = children(pid)
        if not inits:
            return
        died = asyncio.Event()
        watch_end(inits[0], died.set)
        engine.boots(inits[0])
        await self.open(name)
        await died.wait()
        if self.boots[name] == boot:
            self.die(name)

    async def come_back(self, name, boot):
        """After the engine alone was killed. Its containers run on."""
        await asyncio.sleep(ENGINE_AWAY_S)
        if self.boots[name] == boot and self.engines[name].up and name not in self.servers:
            await self.open(name)

    async def open(self, name):
        path = self.state / "hosts" / name / "docker.sock"
        path.unlink(missing_ok=True)
        self.servers[name] = await asyncio.start_unix_server(self.engines[name].serve, path)
        # As Docker's second socket: reachable for whoever runs the tests, also when not in the group docker.
        path.chmod(0o666)

    def close(self, name):
        server = self.servers.pop(name, None)
        if server:
            server.close()
            (self.state / "hosts" / name / "docker.sock").unlink(missing_ok=True)
        self.engines[name].drop_connections()

    def die(self, name):
        self.close(name)
        self.engines[name].dies()


async def main():
    model = Model(pathlib.Path(os.environ["LAB_STATE"]), pathlib.Path(os.environ["LAB_TARGET"]))
    server = await asyncio.start_unix_server(model.order, model.state / "model.sock")
    print(f"model engines of {len(MODELS)} hosts", file=sys.stderr, flush=True)
    await server.serve_forever()


asyncio.run(main())
