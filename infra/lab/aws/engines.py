"""The hosts' Docker engines, spoken to over their shared sockets; and the power switch of hosts and broker."""

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from world import daemons, hosts
from world.keys import HOSTS, MODELS

API_TIMEOUT_S = 30
# Hosts that are reset at once, each with four removals at once: more would only wait for a processor.
RESETS_AT_ONCE = 16
BOOT_TIMEOUT_S = 60
RUN_TIMEOUT_S = 60


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=API_TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Engines:
    def __init__(self, state):
        self.state = state
        # Starting and stopping one host at a time; the processes are kept so that they are collected.
        self.locks = {name: threading.Lock() for name in (*HOSTS, "rabbitmq")}
        self.processes = {}

    def stop(self, name):
        with self.locks[name]:
            hosts.crash(self.state, name)

    def start(self, name):
        with self.locks[name]:
            if hosts.alive(self.state, name):
                return
            self.processes[name] = hosts.start(self.state, name)
            self._await(name, lambda: daemons.host_ready(self.state, name))

    def kill(self, name):
        with self.locks[name]:
            hosts.kill_engine(self.state, name)

    def stop_rabbitmq(self):
        with self.locks["rabbitmq"]:
            hosts.kill(self.state, "rabbitmq")

    def start_rabbitmq(self):
        with self.locks["rabbitmq"]:
            if hosts.alive(self.state, "rabbitmq"):
                return
            password = (self.state / "rabbitmq-password").read_text()
            self.processes["rabbitmq"] = daemons.start_rabbitmq(self.state)
            self._await("rabbitmq", lambda: daemons.rabbitmq_ready(password))

    def containers(self, name):
        """Containers may go away between the list and the look at each."""
        listed = self._call(name, "GET", "/containers/json?all=1")
        return [found for item in listed if (found := self._call(name, "GET", f"/containers/{item['Id']}/json"))]

    def run(self, name, image, container, args):
        """docker run by hand, pulled with the registry's login: a container as another tool makes it."""
        command = ["docker", "--config", str(self.state / "docker"), "-H", f"unix://{self._socket(name)}",
                   "run", "-d", "--name", container, *args, image]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S,
                              env={"PATH": os.environ["PATH"], "HOME": str(self.state)})
        if done.returncode:
            raise ValueError(done.stderr.strip())
        return done.stdout.strip().splitlines()[-1]

    def reset(self):
        """Every host up, no container on any."""
        with ThreadPoolExecutor(min(len(HOSTS), RESETS_AT_ONCE)) as pool:
            list(pool.map(self._reset_host, HOSTS))

    def unknown(self):
        """What the model engines were asked and do not know, the last thousand."""
        return hosts.ask_model(self.state, {"unknown": True}) if MODELS else []

    def _reset_host(self, name):
        self.start(name)
        listed = [item["Id"] for item in self._call(name, "GET", "/containers/json?all=1")]
        if not listed:
            return
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: self._call(name, "DELETE", f"/containers/{each}?force=1&v=1"), listed))

    def _await(self, name, ready):
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not up after {BOOT_TIMEOUT_S} s, see logs/{name}.log")
            time.sleep(0.02)

    def _socket(self, name):
        return self.state / "hosts" / name / "docker.sock"

    def _call(self, name, method, path):
        """The answer's JSON; None when there is no such container (any more)."""
        connection = UnixConnection(self._socket(name))
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        # 409: somebody else is removing it at this moment.
        if response.status in (404, 409):
            return None
        if response.status >= 400:
            raise RuntimeError(f"{name}: {method} {path}: {body.decode(errors='replace').strip()}")
        return json.loads(body) if body else {}
