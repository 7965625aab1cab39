"""The AWS API of the lab: moto, behind what counts calls, throttles, injects faults and translates CBOR. Beside it: /lab.

    request -> /lab/...  -> api
            -> identify -> record -> throttled? -> permitted? -> fault? -> stale? -> (CBOR to JSON) -> moto, under LOCK -> (to CBOR)
"""

import io
import json
import os
import pathlib
import threading
import traceback

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from aws import access
from aws import alarms
from aws import answers
from aws import backends
from aws import calls
from aws import cbor
from aws import faults
from aws import health
from aws import pages
from aws import parameters
from aws import registry
from aws import scaling
from aws import stale
from aws import throttling
from aws import world
from aws.api import MAX_BODY, Api
from aws.backends import LOCK
from aws.balancer import Balancer
from aws.engines import Engines
from aws.fleets import USER_AGENT, Fleets
from aws.images import Images

ADDRESS, PORT = "10.77.0.1", 5555
STATUS_TEXT = {200: "200 OK", 400: "400 Bad Request", 403: "403 Forbidden", 404: "404 Not Found",
               500: "500 Internal Server Error", 503: "503 Service Unavailable"}


class Lab:
    def __init__(self, state, target):
        password = (state / "registry-password").read_text()
        self.balancer = Balancer(str(state / "haproxy.sock"))
        self.engines, self.images = Engines(state), Images(password, target / "app")
        self.fleets = Fleets(self.balancer, f"http://{ADDRESS}:{PORT}")
        self.record, self.faults, self.asked = calls.Record(), faults.Faults(), calls.Asked()
        self.world, self.throttling = world.World(world.asked_for(os.environ)), throttling.Throttling()
        self.replicas, self.permissions = stale.Replicas(self.world), access.Permissions()
        self.throttling.set(self.world["rates"], self.world["others"])
        self.moto, self.api = DomainDispatcherApplication(create_backend_app), Api(self)

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BODY))
        if environ["PATH_INFO"].startswith("/lab/"):
            status, values = self.api.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
            headers, answer = [("Content-Type", "application/json")], json.dumps(values, default=str).encode()
        else:
            status, headers, answer = self.aws(environ, body)
        if isinstance(status, int):
            status = STATUS_TEXT.get(status, f"{status} -")
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(answer)))])
        return [answer]

    def aws(self, environ, body):
        call = calls.identify(environ, body)
        if call is None or USER_AGENT in environ.get("HTTP_USER_AGENT", ""):
            return self.act(environ, body)
        self.record.add(call)
        # Throttled before anything else, as at AWS: such a request does not use up a fault that was ordered.
        if not self.throttling.admits(call):
            return faults.error_answer(call, "throttle")
        answer = self.by_permissions(call, environ, body)
        if answer:
            return answer
        fault = self.faults.strike(call, body)
        mode = fault and fault.mode
        if mode == "stale":
            return fault.answers[call.action, body]
        if not mode:
            self.asked.note(call.action, environ, body)
        if mode == "timeout_after_act":
            answer = self.perform(call, environ, body)
            self.faults.hold()
            return answer
        if mode == "timeout":
            self.faults.hold()
        return faults.error_answer(call, mode) if mode else self.perform(call, environ, body)

    def by_permissions(self, call, environ, body):
        """The answer to a request that the caller's policies do not admit, or that asks what they admit; None else."""
        values = calls.values_of(environ, body)
        denial = self.permissions.judge(call, values)
        if denial:
            return faults.error_answer(call, "access_denied", str(denial))
        if call.action == access.SIMULATION:
            return 200, [("Content-Type", "text/xml")], access.as_xml(self.permissions.simulate(values))
        return None

    def perform(self, call, environ, body):
        """As act, for a request from outside: what it reads may be what was true a moment ago."""
        with self.replicas.seen_by(call):
            return self.act(environ, body)

    def order(self, fault):
        """Whatever was asked before is answered once more now, to be given as an old answer later."""
        if fault.mode == "stale":
            fault.answers = {(action, body): self.act(environ, body) for action, environ, body in self.asked.of(fault.action)}
        self.faults.add(fault)

    def act(self, environ, body):
        translated = cbor.to_json_request(environ, body)
        if translated is None:
            return self.ask_moto(environ, body)
        status, headers, answer = self.ask_moto(*translated)
        operation = cbor.PATH.match(environ["PATH_INFO"])[2]
        kept = [(name, value) for name, value in headers if name.lower().startswith("x-amzn")]
        return status, [*kept, *cbor.HEADERS], cbor.from_json_answer(operation, int(status.split()[0]), answer)

    def ask_moto(self, environ, body):
        answer = {}

        def start_response(status, headers, _error=None):
            answer["status"], answer["headers"] = status, headers

        with LOCK:
            chunks = self.moto({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
            text = b"".join(chunks)
            close = getattr(chunks, "close", None)
            if close:
                close()
        return answer["status"], answer["headers"], text

    def log_exception(self):
        traceback.print_exc()


class RequestHandler(MotoRequestHandler):
    def log_request(self, code="-", size="-"):
        """Errors only: a log of every poll would fill the lab's small disk and tell nothing."""
        if str(code)[:1] not in "123":
            super().log_request(code, size)


def main():
    state, target = pathlib.Path(os.environ["LAB_STATE"]), pathlib.Path(os.environ["LAB_TARGET"])
    lab = Lab(state, target)
    answers.install()
    backends.install()
    pages.install()
    registry.install((state / "registry-password").read_text())
    health.install(lab.balancer, lab.world)
    scaling.install(lab.replicas)
    alarms.install(lab.world)
    parameters.install(lab.world)
    access.install()
    server = make_server(ADDRESS, PORT, lab, threaded=True, request_handler=RequestHandler)
    serving = threading.Thread(target=server.serve_forever, name="http")
    # It answers from now on; whoever orders a fleet waits until the ground is prepared, by calls to this very server.
    with lab.fleets.lock:
        serving.start()
        lab.fleets.prepare()
    serving.join()


main()
