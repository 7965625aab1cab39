"""Docker's Engine API for one host, version 1.41, as far as Drawgate and the lab's tests use it (routes below).

Whatever else is asked gets 501, stands in the model's log, and is shown by `GET /lab/engines/unknown`: a test that
needs more than the model knows shall fail, and say so.
"""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys

from model.container import NSENTER, Container, watch_end
from model.http import Answer, Refusal, frame, read_request
from model.images import Images
from model.registry import ADDRESS as REGISTRY
from model.registry import ARCHITECTURE, login_of, manifest, platforms
from model.spec import Spec, nothing, restart_policy

VERSION, API_VERSION, MIN_API_VERSION = "20.10.24+model", "1.41", "1.12"
COMMON = [("Api-Version", API_VERSION), ("Docker-Experimental", "false"), ("Ostype", "linux"),
          ("Server", f"Docker/{VERSION} (linux)")]
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
OUTPUT_CHUNK = 16 * 1024


class Engine:
    """`up` from the moment when its host is ready to the moment when it dies. Images and containers outlive that."""

    def __init__(self, name, address, app, report):
        self.name, self.address, self.app, self.report = name, address, app, report
        self.up, self.init = False, 0
        self.images, self.containers, self.execs = Images(), {}, {}
        self.connections = set()
        container, image, run = r"/containers/([^/]+)", r"/images/(.+)", r"/exec/([0-9a-f]+)"
        self.routes = [(method, re.compile(f"{path}$"), set(known.split()), handler) for method, path, known, handler in (
            ("HEAD", "/_ping", "", self.ping), ("GET", "/_ping", "", self.ping),
            ("GET", "/version", "", self.version), ("GET", "/info", "", self.info),
            ("GET", "/images/json", "all digests", self.list_images),
            ("POST", "/images/create", "fromImage tag", self.pull),
            ("POST", "/images/prune", "filters", self.prune_images),
            ("GET", image + "/json", "", self.inspect_image),
            ("DELETE", image, "force noprune", self.remove_image),
            ("GET", "/distribution/(.+)/json", "", self.distribution),
            ("GET", "/containers/json", "all limit filters", self.list_containers),
            ("POST", "/containers/create", "name", self.create),
            ("GET", container + "/json", "", self.inspect),
            ("GET", container + "/logs", "stdout stderr tail", self.logs),
            ("POST", container + "/start", "", self.start),
            ("POST", container + "/stop", "t", self.stop),
            ("POST", container + "/restart", "t", self.restart),
            ("POST", container + "/kill", "signal", self.kill),
            ("POST", container + "/wait", "condition", self.wait),
            ("POST", container + "/rename", "name", self.rename),
            ("POST", container + "/update", "", self.update),
            ("DELETE", container, "force v", self.remove),
            ("POST", container + "/exec", "", self.create_exec),
            ("POST", run + "/start", "", self.start_exec),
            ("GET", run + "/json", "", self.inspect_exec),
        )]

    def unknown(self, what):
        print(f"{self.name}: unknown: {what}", file=sys.stderr, flush=True)
        self.report(self.name, what)
        raise Refusal(501, f"the lab's model engine does not know {what}")

    # The host.

    def boots(self, init):
        self.up, self.init = True, init
        for container in self.containers.values():
            if container.starts_at_boot():
                asyncio.get_running_loop().create_task(container.start())

    def dies(self):
        self.up = False
        for container in self.containers.values():
            container.lost()
        self.drop_connections()

    def drop_connections(self):
        for writer in list(self.connections):
            writer.transport.abort()

    def runs_app(self, pid):
        try:
            return os.path.samefile(f"/proc/{pid}/exe", self.app)
        except OSError:
            return False

    def claim_ports(self, starting):
        """Docker's own words."""
        for container in self.containers.values():
            if container is not starting and container.running:
                for port in set(container.spec.ports.values()) & set(starting.spec.ports.values()):
                    raise Refusal(500, "driver failed programming external connectivity on endpoint "
                                       f"{starting.name}: Bind for 0.0.0.0:{port} failed: port is already allocated")

    # Requests.

    async def serve(self, reader, writer):
        self.connections.add(writer)
        try:
            while request := await read_request(reader):
                answer = Answer(writer, COMMON)
                try:
                    await self._answer(request, answer)
                except Refusal as refusal:
                    if answer.begun:
                        break
                    await answer.json(refusal.status, {"message": refusal.message})
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def _answer(self, request, answer):
        path = re.sub(r"^/v1\.\d+(?=/)", "", request.path)
        for method, pattern, parameters, handler in self.routes:
            match = pattern.match(path)
            if match and method == request.method:
                for name, value in request.query.items():
                    if name not in parameters and value not in ("", "0", "false"):
                        self.unknown(f"{request.method} {path}?{name}={value}")
                await handler(request, answer, *match.groups())
                return
        self.unknown(f"{request.method} {path}")

    def _container(self, name):
        by_name = [each for each in self.containers.values() if each.name == name.removeprefix("/")]
        by_id = [each for each in self.containers.values() if each.id.startswith(name)]
        for found in (*by_name, *by_id[:1]):
            return found
        raise Refusal(404, f"No such container: {name}")

    def _name_is_free(self, name, begin=""):
        for other in self.containers.values():
            if other.name == name:
                raise Refusal(409, f'{begin}Conflict. The container name "/{name}" is already in use by container "{other.id}". '
                                   "You have to remove (or rename) that container to be able to reuse that name.")

    async def ping(self, request, answer):
        await answer.whole(200, b"OK", "text/plain; charset=utf-8", bodiless=request.method == "HEAD")

    async def version(self, _request, answer):
        about = {"ApiVersion": API_VERSION, "MinAPIVersion": MIN_API_VERSION, "Arch": ARCHITECTURE, "Os": "linux",
                 "KernelVersion": os.uname().release, "GitCommit": "", "GoVersion": "", "BuildTime": ""}
        await answer.json(200, {"Platform": {"Name": "model"}, "Version": VERSION, **about,
                                "Components": [{"Name": "Engine", "Version": VERSION, "Details": about}]})

    async def info(self, _request, answer):
        states = [each.running for each in self.containers.values()]
        await answer.json(200, {
            "ID": self.name, "Name": self.name, "Containers": len(states), "ContainersRunning": sum(states),
            "ContainersPaused": 0, "ContainersStopped": len(states) - sum(states), "Images": len(self.images.by_id),
            "Driver": "overlay2", "DockerRootDir": "/var/lib/docker", "OSType": "linux",
            "Architecture": os.uname().machine, "OperatingSystem": "model", "KernelVersion": os.uname().release,
            "ServerVersion": VERSION, "LiveRestoreEnabled": False, "NCPU": os.cpu_count(),
            "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs", "Warnings": None,
            "RegistryConfig": {"IndexConfigs": {
                REGISTRY: {"Name": REGISTRY, "Mirrors": [], "Secure": False, "Official": False}}}})

    # Images.

    async def list_images(self, _request, answer):
        await answer.json(200, [image.summary() for image in self.images.by_id.values()])

    async def pull(self, request, answer):
        async def tell(line):
            if not answer.begun:
                answer.stream("application/json")
            await answer.chunk(json.dumps(line).encode() + b"\r\n")

        repository, reference = _reference(request.query["fromImage"], request.query.get("tag"))
        await self.images.pull(repository, reference, login_of(request.headers), tell)
        await answer.end()

    async def inspect_image(self, _request, answer, reference):
        image = self.images.find(reference)
        if image is None:
            raise Refusal(404, f"no such image: {reference}: No such image: {reference}")
        await answer.json(200, image.inspect())

    async def remove_image(self, request, answer, reference):
        image = self.images.known(reference)
        await answer.json(200, self.images.remove(reference, request.flag("force"), self._users(image)))

    async def prune_images(self, request, answer):
        if json.loads(request.query.get("filters", "{}")) != {"dangling": {"false": True}}:
            self.unknown(f"pruning images with {request.query.get('filters')}")
        unused = [image for image in self.images.by_id.values() if not self._users(image)]
        removed = [each for image in unused for each in self.images.remove(image.id, True, [])]
        await answer.json(200, {"ImagesDeleted": removed, "SpaceReclaimed": sum(image.size for image in unused)})

    async def distribution(self, request, answer, name):
        login = login_of(request.headers)
        found = await manifest(*_reference(name, None), login, 401)
        descriptor = {"mediaType": found.media_type, "digest": found.digest, "size": len(found.text)}
        await answer.json(200, {"Descriptor": descriptor, "Platforms": await platforms(found, login)})

    def _users(self, image):
        return [each for each in self.containers.values() if each.image is image]

    # Containers.

    async def list_containers(self, request, answer):
        """A limit makes the engine list those that do not run, too."""
        every, limit = request.flag("all") or request.query.get("limit"), int(request.query.get("limit") or 0)
        shown = [each for each in self.containers.values() if each.running or every]
        for kind, wanted in json.loads(request.query.get("filters") or "{}").items():
            if kind != "label":
                self.unknown(f"listing containers by {kind}")
            shown = [each for each in shown if all(_has_label(each, label) for label in wanted)]
        newest_first = sorted(shown, key=lambda each: each.created, reverse=True)
        await answer.json(200, [each.summary() for each in (newest_first[:limit] if limit > 0 else newest_first)])

    async def create(self, request, answer):
        body, name = request.json(), request.query.get("name")
        image = self.images.known(body.get("Image", ""))
        if name is not None and not NAME.fullmatch(name):
            raise Refusal(400, f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        spec = Spec(body, image, self.unknown)
        self._name_is_free(name)
        container = Container(self, name, image, body["Image"], spec)
        container.name = name or container.id[:12]
        self.containers[container.id] = container
        await answer.json(201, {"Id": container.id, "Warnings": []})

    async def inspect(self, _request, answer, name):
        await answer.json(200, self._container(name).inspect())

    async def start(self, _request, answer, name):
        await answer.empty(204 if await self._container(name).start() else 304)

    async def stop(self, request, answer, name):
        container = self._container(name)
        await answer.empty(204 if await container.stop(_patience_s(request, container)) else 304)

    async def restart(self, request, answer, name):
        container = self._container(name)
        await container.stop(_patience_s(request, container))
        await container.start()
        await answer.empty(204)

    async def kill(self, request, answer, name):
        given = request.query.get("signal", "KILL")
        try:
            number = int(given) if given.isdigit() else signal.Signals["SIG" + given.upper().removeprefix("SIG")]
        except KeyError as error:
            raise Refusal(400, f"Invalid signal: {given}") from error
        await self._container(name).kill(number)
        await answer.empty(204)

    async def wait(self, request, answer, name):
        """`docker run` asks for it before it starts the container, also when it does not wait."""
        container, condition = self._container(name), request.query.get("condition", "not-running")
        if condition not in ("not-running", "next-exit"):
            self.unknown(f"waiting for a container to be {condition}")
        answer.stream("application/json")
        if container.running or condition == "next-exit":
            if not await request.outlived_by(container.next_end()):
                return
        await answer.chunk(json.dumps({"StatusCode": container.exit_code}).encode())
        await answer.end()

    async def rename(self, request, answer, name):
        container, wanted = self._container(name), request.query["name"]
        self._name_is_free(wanted, "Error when allocating new name: ")
        container.name = wanted
        await answer.empty(204)

    async def update(self, request, answer, name):
        container, body = self._container(name), request.json()
        for key, value in body.items():
            if key != "RestartPolicy" and not nothing(value):
                self.unknown(f"updating {key} of a container")
        if body.get("RestartPolicy"):
            container.policy = restart_policy(body["RestartPolicy"])
        await answer.json(200, {"Warnings": None})

    async def remove(self, request, answer, name):
        container = self._container(name)
        if container.running and not request.flag("force"):
            raise Refusal(409, f"You cannot remove a running container {container.id}. Stop the container before "
                               "attempting removal or force remove")
        await container.remove()
        self.containers.pop(container.id, None)
        await answer.empty(204)

    async def logs(self, request, answer, name):
        """The application's two outputs are one here."""
        container, tail = self._container(name), request.query.get("tail", "all")
        if not (request.flag("stdout") or request.flag("stderr")):
            raise Refusal(400, "Bad parameters: you must choose at least one stream")
        lines = list(container.log)
        answer.stream("application/octet-stream")
        for line in lines if tail == "all" else lines[-int(tail):] if int(tail) else []:
            await answer.chunk(frame(line))
        await answer.end()

    # Commands in containers.

    async def create_exec(self, request, answer, name):
        container, body = self._container(name), request.json()
        for key, value in body.items():
            if key not in ("Cmd", "AttachStdout", "AttachStderr") and not nothing(value):
                self.unknown(f"{key} of an exec")
        if container.status != "running":
            raise Refusal(409, f"Container {container.id} is not running")
        made = Exec(container, body["Cmd"])
        self.execs[made.id] = made
        await answer.json(201, {"Id": made.id})

    async def start_exec(self, request, answer, number):
        made = self._exec(number)
        for key, value in request.json().items():
            if not nothing(value):
                self.unknown(f"{key} of a started exec")
        answer.upgrade()
        await made.run(answer.writer)
        answer.writer.close()

    async def inspect_exec(self, _request, answer, number):
        await answer.json(200, self._exec(number).inspect())

    def _exec(self, number):
        if number not in self.execs:
            raise Refusal(404, f"No such exec instance: {number}")
        return self.execs[number]


class Exec:
    def __init__(self, container, command):
        self.id, self.container, self.command = os.urandom(32).hex(), container, command
        self.running, self.exit_code = False, None

    async def run(self, writer):
        """To its end, even when nobody listens any more."""
        command = [NSENTER, "--target", str(self.container.pid), "--net", "--mount", "--uts", "--pid", "--", *self.command]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.container.spec.environment(self.container), start_new_session=True)
        self.running, ended = True, asyncio.Event()
        watch_end(process.pid, ended.set)
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        while data := await reader.read(OUTPUT_CHUNK):
            try:
                writer.write(frame(data))
                await writer.drain()
            except ConnectionError:
                said = shlex.join(self.command)
                print(f"{self.container.host.name}: nobody reads on: {said}", file=sys.stderr, flush=True)
        await ended.wait()
        transport.close()
        code = process.wait()
        self.running, self.exit_code = False, code if code >= 0 else 128 - code

    def inspect(self):
        return {"ID": self.id, "Running": self.running, "ExitCode": self.exit_code, "ContainerID": self.container.id,
                "ProcessConfig": {"tty": False, "entrypoint": self.command[0], "arguments": self.command[1:],
                                  "privileged": False},
                "OpenStdin": False, "OpenStderr": True, "OpenStdout": True, "CanRemove": False, "DetachKeys": "",
                "Pid": 0}


def _patience_s(request, container):
    return int(request.query.get("t", container.spec.stop_timeout_s))


def _reference(name, tag):
    """(repository, tag or digest) of a name, where the port of the registry is no tag."""
    if tag:
        return name, tag
    if "@" in name:
        return tuple(name.split("@", 1))
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _has_label(container, wanted):
    name, given, value = wanted.partition("=")
    labels = container.spec.labels(container)
    return name in labels and (not given or labels[name] == value)
