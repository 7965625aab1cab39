"""A container of a model engine: the lab's test application as a process of its host, in place of one of its image.

    host's init (net, mount, uts of the host)          this process (in the world)
      └ unshare (a pid namespace of its own)    <---   nsenter
          └ /app, told by APP_PORT to listen on the published port itself

So what answers, crashes, hangs and is signalled is real, and dies with its host; the image's layers, networks and
limits are not there. `docker exec` runs in the host's files.
"""

import asyncio
import collections
import datetime
import http.client
import os
import secrets
import shutil
import signal
import subprocess
import time

from model.http import Refusal

NSENTER, UNSHARE = shutil.which("nsenter"), shutil.which("unshare")
# How long the process may take to appear below the two that make its namespaces; milliseconds, as a rule.
APPEAR_TIMEOUT_S, APPEAR_POLL_S = 10, 0.002
LOG_LINES = 1000
# The engine cuts longer lines.
MAX_LINE = 16 * 1024
# As Docker restarts: twice as long after each quick end, and from the beginning after a run of ten seconds.
FIRST_DELAY_S, MOST_DELAY_S, LONG_RUN_S = 0.1, 60, 10
HEALTH_LOG = 5
SECOND_NS = 1_000_000_000
HEALTH_DEFAULTS = {"Interval": 30 * SECOND_NS, "Timeout": 30 * SECOND_NS, "StartPeriod": 0, "Retries": 3}
LOST_STATUS, KILLED_STATUS = 255, 137
NEVER = "0001-01-01T00:00:00Z"


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def watch_end(pid, ended):
    """Calls `ended` when that process has ended."""
    loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(pid)

    def readable():
        loop.remove_reader(descriptor)
        os.close(descriptor)
        ended()

    loop.add_reader(descriptor, readable)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as listed:
            return [int(child) for child in listed.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def pid_on_host(pid):
    """A process of a container has a number here, one on its host, and one in its container."""
    try:
        with open(f"/proc/{pid}/status") as status:
            numbers = next(line for line in status if line.startswith("NSpid:")).split()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(numbers[1])


class Container:
    def __init__(self, host, name, image, reference, spec):
        self.host, self.name, self.image, self.reference, self.spec = host, name, image, reference, spec
        self.id, self.created, self.created_s = secrets.token_hex(32), now(), int(time.time())
        self.policy = spec.policy
        self.status, self.exit_code, self.error = "created", 0, ""
        self.started_at = self.finished_at = NEVER
        self.restart_count, self.manually_stopped = 0, False
        self.process, self.pid, self.host_pid = None, 0, 0
        self.ended, self.delay_s, self.again, self.killed = None, FIRST_DELAY_S, None, False
        # Who waits for the next end of its process.
        self.waiting = []
        self.log, self.partial = collections.deque(maxlen=LOG_LINES), b""
        self.health, self.prober = None, None
        # One order at a time.
        self.lock = asyncio.Lock()

    @property
    def running(self):
        """A container between two restarts counts as running, at Docker too."""
        return self.status in ("running", "restarting")

    # Orders.

    async def start(self):
        """False: it runs already."""
        async with self.lock:
            if self.running:
                return False
            self.restart_count, self.manually_stopped, self.delay_s = 0, False, FIRST_DELAY_S
            await self._launch()
            return True

    async def stop(self, patience_s):
        """False: it does not run. SIGTERM, and SIGKILL after that time; a negative one is for ever."""
        async with self.lock:
            if not self.running:
                return False
            self.manually_stopped = True
            if self.again:
                self.again.cancel()
                self._end(self.exit_code)
                return True
            await self._signal_until_ended(signal.SIGTERM, None if patience_s < 0 else patience_s)
            await self._signal_until_ended(signal.SIGKILL, None)
            return True

    async def kill(self, number):
        if self.status != "running":
            raise Refusal(409, f"Cannot kill container: {self.id}: Container {self.id} is not running")
        if number == signal.SIGKILL:
            self.manually_stopped = True
            await self._signal_until_ended(number, None)
        else:
            self._signal(number)

    async def remove(self):
        """Whatever state it is in."""
        async with self.lock:
            self.manually_stopped = True
            if self.again:
                self.again.cancel()
            await self._signal_until_ended(signal.SIGKILL, None)

    def lost(self):
        """Its host has died, and it with it."""
        if self.again:
            self.again.cancel()
        if self.running:
            self._end(LOST_STATUS)
            self._tell_waiting()

    async def next_end(self):
        ended = asyncio.get_running_loop().create_future()
        self.waiting.append(ended)
        await ended

    def starts_at_boot(self):
        always = self.policy["Name"] == "always"
        left_on = self.policy["Name"] == "unless-stopped" and not self.manually_stopped
        return self.status != "created" and (always or left_on)

    # Its process.

    async def _launch(self):
        self.host.claim_ports(self)
        self.process = subprocess.Popen(
            [NSENTER, "--target", str(self.host.init), "--net", "--mount", "--uts", "--pid", "--",
             UNSHARE, "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", *self.spec.own_network(), "--",
             str(self.host.app)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.spec.environment(self),
            start_new_session=True)
        self.status, self.exit_code, self.started_at, self.killed = "running", 0, now(), False
        self.ended, launched = asyncio.Event(), time.monotonic()
        process = self.process
        self._follow_output(process.stdout)
        watch_end(process.pid, lambda: self._ended(process, time.monotonic() - launched))
        await self._find_process()
        self._watch_health()

    async def _find_process(self):
        """Its number, once the program of the image runs: before, nsenter and unshare are still at work."""
        deadline = time.monotonic() + APPEAR_TIMEOUT_S
        while not self.ended.is_set() and time.monotonic() < deadline:
            for unshare in children(self.process.pid):
                for pid in children(unshare):
                    if self.host.runs_app(pid):
                        self.pid, self.host_pid = pid, pid_on_host(pid)
                        return
            await asyncio.sleep(APPEAR_POLL_S)

    def _follow_output(self, pipe):
        loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)

        def readable():
            data = pipe.read(MAX_LINE)
            if data is None:
                return
            if not data:
                loop.remove_reader(pipe.fileno())
                pipe.close()
            *lines, self.partial = (self.partial + data).split(b"\n")
            self.log.extend(line + b"\n" for line in lines)
            if self.partial and (not data or len(self.partial) > MAX_LINE):
                self.log.append(self.partial)
                self.partial = b""

        loop.add_reader(pipe.fileno(), readable)

    def _ended(self, process, ran_s):
        code = process.wait()
        if process is not self.process or not self.running:
            return
        # unshare cannot end by SIGKILL as its child did, and ends with an error instead.
        code = KILLED_STATUS if self.killed else code if code >= 0 else 128 - code
        self._tell_waiting()
        if self.manually_stopped or not self.host.up or not self._restarts(code):
            self._end(code)
            return
        self.delay_s = FIRST_DELAY_S if ran_s >= LONG_RUN_S else self.delay_s
        self._stop_probing()
        self.status, self.exit_code, self.finished_at = "restarting", code, now()
        self.pid, self.host_pid = 0, 0
        self.restart_count += 1
        self.again = asyncio.get_running_loop().create_task(self._restart(self.delay_s))
        self.delay_s = min(self.delay_s * 2, MOST_DELAY_S)
        self.ended.set()

    def _tell_waiting(self):
        for waiting in self.waiting:
            if not waiting.done():
                waiting.set_result(None)
        self.waiting.clear()

    def _restarts(self, code):
        name, most = self.policy["Name"], self.policy.get("MaximumRetryCount", 0)
        if name == "on-failure":
            return code != 0 and (most == 0 or self.restart_count < most)
        return name in ("always", "unless-stopped")

    async def _restart(self, delay_s):
        await asyncio.sleep(delay_s)
        self.again = None
        try:
            await self._launch()
        except Refusal as refusal:
            self.error = refusal.message
            self._end(128)

    def _end(self, code):
        self._stop_probing()
        self.status, self.exit_code, self.finished_at = "exited", code, now()
        self.pid, self.host_pid, self.again = 0, 0, None
        if self.ended:
            self.ended.set()

    def _signal(self, number):
        if self.pid and not self.ended.is_set():
            self.killed = self.killed or number == signal.SIGKILL
            os.kill(self.pid, number)

    async def _signal_until_ended(self, number, patience_s):
        if self.status != "running":
            return
        self._signal(number)
        try:
            await asyncio.wait_for(self.ended.wait(), patience_s)
        except asyncio.TimeoutError:
            pass

    # Its health.

    def _watch_health(self):
        check = self.image.run().get("Healthcheck")
        if not check or check["Test"][0] == "NONE":
            return
        if check["Test"] != ["CMD", "/app", "--probe"] or self.spec.listens_on() is None:
            self.host.unknown(f"a health check {check['Test']} of a container on port {self.spec.listens_on()}")
        said = {**HEALTH_DEFAULTS, **{key: value for key, value in check.items() if value}}
        self.health = {"Status": "starting", "FailingStreak": 0, "Log": []}
        self.prober = asyncio.get_running_loop().create_task(self._probe(said))

    def _stop_probing(self):
        if self.prober:
            self.prober.cancel()
        self.prober = None

    async def _probe(self, check):
        begun = time.monotonic()
        while True:
            await asyncio.sleep(check["Interval"] / SECOND_NS)
            start = now()
            good = await self._answers(check["Timeout"] / SECOND_NS)
            entry = {"Start": start, "End": now(), "ExitCode": 0 if good else 1, "Output": ""}
            self.health["Log"] = [*self.health["Log"], entry][-HEALTH_LOG:]
            if good:
                self.health.update(Status="healthy", FailingStreak=0)
            elif self.health["Status"] != "starting" or time.monotonic() - begun >= check["StartPeriod"] / SECOND_NS:
                self.health["FailingStreak"] += 1
                if self.health["FailingStreak"] >= check["Retries"]:
                    self.health["Status"] = "unhealthy"

    async def _answers(self, timeout_s):
        """What `/app --probe` asks, asked from outside: a process for each probe would cost more than all containers."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection(self.host.address, self.spec.listens_on())
                try:
                    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
                finally:
                    writer.close()
        except (OSError, TimeoutError, http.client.HTTPException):
            return False

    # What clients see of it.

    def state(self):
        state = {"Status": self.status, "Running": self.running, "Paused": False,
                 "Restarting": self.status == "restarting", "OOMKilled": False, "Dead": False, "Pid": self.host_pid,
                 "ExitCode": self.exit_code, "Error": self.error, "StartedAt": self.started_at,
                 "FinishedAt": self.finished_at}
        return {**state, "Health": self.health} if self.health else state

    def inspect(self):
        return {"Id": self.id, "Created": self.created, "Path": "/app", "Args": [], "State": self.state(),
                "Image": self.image.id, "Name": f"/{self.name}", "RestartCount": self.restart_count,
                "Driver": "overlay2", "Platform": "linux", "Mounts": [],
                "HostConfig": self.spec.shown(self.policy),
                "Config": self.spec.config(self),
                "NetworkSettings": {"Ports": self.spec.published() if self.running else {}}}

    def summary(self):
        ports = [{"IP": address, "PrivatePort": inside, "PublicPort": outside, "Type": "tcp"}
                 for inside, outside in self.spec.ports.items() for address in ("0.0.0.0", "::")] if self.running else []
        return {"Id": self.id, "Names": [f"/{self.name}"], "Image": self.reference, "ImageID": self.image.id,
                "Command": "/app", "Created": self.created_s, "Ports": ports, "Labels": self.spec.labels(self),
                "State": self.status, "Status": self._in_words(), "HostConfig": {"NetworkMode": self.spec.network},
                "NetworkSettings": {"Networks": {}}, "Mounts": []}

    def _in_words(self):
        return {"created": "Created", "exited": f"Exited ({self.exit_code})", "running": "Up",
                "restarting": f"Restarting ({self.exit_code})"}[self.status]
