"""The lab's own API under /lab: what tests order, and what they look at. JSON in, JSON out; errors as {"error": ...}."""

import json
import re

from botocore.exceptions import ClientError
from moto.core.exceptions import ServiceException
from moto.moto_api._internal.models import moto_api_backend
from werkzeug.exceptions import HTTPException

from aws import alarms, crowd, fleets, health, throttling
from aws.backends import LOCK, cloudwatch, target_group
from aws.faults import Fault
from aws.images import REGISTRY
from aws.scaling import refreshing
from world.keys import HOSTS

MAX_BODY = 1 << 20


class NotFound(Exception):
    pass


class Api:
    def __init__(self, lab):
        self.lab = lab
        self.routes = [(method, re.compile(path + "$"), handler) for method, path, handler in (
            ("POST", "/lab/reset", self.reset),
            ("POST", "/lab/fleet", self.fleet),
            ("GET", "/lab/state", self.state),
            ("GET", "/lab/calls", lambda _body: lab.record.summary()),
            ("GET", "/lab/calls/log", lambda _body: lab.record.entries()),
            ("POST", "/lab/calls/reset", lambda _body: lab.record.reset()),
            ("GET", "/lab/transitions", self.transitions),
            ("POST", "/lab/transitions/reset", self.reset_transitions),
            ("POST", "/lab/targets/fail", self.fail_target),
            ("POST", "/lab/drain", self.hold_drain),
            ("POST", "/lab/group/launch", self.launch),
            ("POST", "/lab/instance/terminate", lambda body: lab.fleets.terminate(body["id"])),
            ("POST", "/lab/refresh", self.refresh),
            ("POST", "/lab/alarm", self.alarm),
            ("GET", "/lab/alarms/fired", alarms.fired),
            ("POST", "/lab/fault", lambda body: lab.order(Fault(**body))),
            ("DELETE", "/lab/fault", lambda _body: lab.faults.clear()),
            ("GET", "/lab/world", self.world),
            ("POST", "/lab/world", lambda body: self.set_world(**body)),
            ("DELETE", "/lab/world", lambda _body: self.reset_world()),
            ("GET", "/lab/rates", lambda _body: lab.throttling.state()),
            ("POST", "/lab/rates", lambda body: self.set_world(rates=True, others=body.pop("others", 0.0), **body)),
            ("DELETE", "/lab/rates", lambda _body: self.set_world(rates=False, others=0.0)),
            ("POST", "/lab/rates/of", lambda body: throttling.drawn_on(**body)),
            ("GET", "/lab/iam", lambda _body: lab.permissions.state()),
            ("POST", "/lab/iam", lambda body: lab.permissions.give(**body)),
            ("DELETE", "/lab/iam", lambda _body: lab.permissions.lift()),
            ("GET", "/lab/crowd", self.touched_crowd),
            ("POST", "/lab/crowd", self.crowd),
            ("POST", "/lab/target_group/delete", self.delete_target_group),
            ("POST", "/lab/target_group/leave_listeners", self.leave_listeners),
            ("POST", "/lab/images", self.image),
            ("POST", r"/lab/hosts/(\w+)/stop", self.stop_host),
            ("POST", r"/lab/hosts/(\w+)/start", self.start_host),
            ("POST", r"/lab/hosts/(\w+)/engine/kill", self.kill_engine),
            ("POST", r"/lab/hosts/(\w+)/run", self.run_on_host),
            ("GET", r"/lab/hosts/(\w+)/containers", self.containers),
            ("GET", "/lab/engines/unknown", lambda _body: lab.engines.unknown()),
            ("POST", "/lab/rabbitmq/stop", lambda _body: lab.engines.stop_rabbitmq()),
            ("POST", "/lab/rabbitmq/start", lambda _body: lab.engines.start_rabbitmq()),
        )]

    def answer(self, method, path, text):
        """(status, object to send as JSON)"""
        try:
            body = json.loads(text) if text else {}
            result = self._handler(method, path)(body)
            return 200, {} if result is None else result
        except NotFound as error:
            return 404, {"error": str(error)}
        except KeyError as error:
            return 400, {"error": f"missing or unknown: {error.args[0]}"}
        except (ValueError, TypeError, ServiceException, ClientError, HTTPException) as error:
            return 400, {"error": str(error)}
        except Exception as error:  # a test shall see what went wrong, whatever it was
            self.lab.log_exception()
            return 500, {"error": f"{type(error).__name__}: {error}"}

    def _handler(self, method, path):
        for its_method, pattern, handler in self.routes:
            match = pattern.match(path)
            if match and its_method == method:
                return lambda body: handler(body, *match.groups())
        raise NotFound(f"no {method} {path} here")

    def reset(self, _body):
        """Hosts first: where one has to boot, the old state is there until it is up."""
        with self.lab.fleets.lock:
            self.lab.faults.clear()
            self.lab.engines.reset()
            with LOCK:
                self.lab.balancer.clear()
                moto_api_backend.reset()
                self.lab.fleets.forget()
                refreshing.clear()
                health.transitions.clear()
            self.lab.fleets.prepare()
            self.lab.record.reset()
            self.lab.asked.reset()
            self.lab.permissions.lift()
            self.reset_world()

    def world(self, _body):
        with LOCK:
            return {**self.lab.world.state(), "stale_reads": self.lab.replicas.stale_reads}

    def set_world(self, **values):
        with LOCK:
            self.lab.world.set(**values)
            self.lab.replicas.forget()
            # Full buckets for whoever asks for rates; a test of something else keeps those that it has.
            if values.keys() & {"setting", "rates", "others"}:
                self._fill_buckets()

    def reset_world(self):
        with LOCK:
            self.lab.world.reset()
            self.lab.replicas.forget()
            self._fill_buckets()

    def _fill_buckets(self):
        self.lab.throttling.set(self.lab.world["rates"], self.lab.world["others"])

    def fleet(self, body):
        with self.lab.fleets.lock:
            made = self.lab.fleets.create(body)
            # What a test orders has been there for long: no read is too old to know of it.
            self.lab.replicas.forget()
            return made

    def crowd(self, body):
        with self.lab.fleets.lock:
            made = crowd.add(self.lab.fleets, crowd.Crowd(**body))
            self.lab.replicas.forget()
            return made

    def touched_crowd(self, _body):
        with LOCK:
            return crowd.state()

    def delete_target_group(self, body):
        with LOCK:
            fleets.delete_target_group(self.lab.balancer, _target_group({"target_group": body["name"]}))

    def leave_listeners(self, body):
        with LOCK:
            fleets.leave_listeners(self.lab.balancer, _target_group({"target_group": body["name"]}))

    def state(self, _body):
        with LOCK:
            return fleets.state()

    def transitions(self, _body):
        with LOCK:
            return list(health.transitions)

    def reset_transitions(self, _body):
        with LOCK:
            health.transitions.clear()

    def fail_target(self, body):
        with LOCK:
            failing = _target_group(body).failing
            if body["fail"]:
                failing.add(body["target"])
            else:
                failing.discard(body["target"])

    def hold_drain(self, body):
        with LOCK:
            _target_group(body).hold_draining = bool(body["hold"])

    def launch(self, body):
        _host(body["host"])
        return self.lab.fleets.launch(body["group"], body["host"], body.get("zone"), body.get("pending_s"))

    def refresh(self, body):
        with LOCK:
            fleets.refresh(body["group"], body["active"])

    def alarm(self, body):
        with LOCK:
            cloudwatch().set_alarm_state(body["name"], body.get("reason", "lab"), None, body["state"])

    def image(self, body):
        digest = self.lab.images.push(body["repository"], body["tag"], body["version"], body.get("mode", "ok"),
                                      body.get("healthcheck", False), body.get("platforms"))
        return {"digest": digest, "reference": f"{REGISTRY}/{body['repository']}:{body['tag']}"}

    def stop_host(self, _body, name):
        self.lab.engines.stop(_host(name))

    def start_host(self, _body, name):
        self.lab.engines.start(_host(name))

    def kill_engine(self, _body, name):
        self.lab.engines.kill(_host(name))

    def run_on_host(self, body, name):
        return {"id": self.lab.engines.run(_host(name), body["image"], body["name"], body.get("args", []))}

    def containers(self, _body, name):
        return self.lab.engines.containers(_host(name))


def _host(name):
    if name not in HOSTS:
        raise NotFound(f"no host {name}")
    return name


def _target_group(body):
    group = target_group(body["target_group"])
    if group is None:
        raise NotFound(f"no target group {body['target_group']}")
    return group
