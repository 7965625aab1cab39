"""The body of `POST /containers/create`, read strictly: what the model cannot do as an engine would, it refuses."""

import random

# Where the application listens unless it is told otherwise.
APP_PORT = 8080
EPHEMERAL = range(32768, 60999)
KNOWN = {"Image", "Env", "Labels", "ExposedPorts", "StopTimeout", "HostConfig"}
KNOWN_OF_HOST = {"Binds", "NetworkMode", "PortBindings", "RestartPolicy", "Memory", "NanoCpus", "LogConfig"}
# The host's own, which a container of the model has anyhow.
BINDS = ("/dev/log:/dev/log",)
# Sent by Docker's own client whatever it was asked, and of no effect here.
HARMLESS = {"MemorySwappiness": -1, "ConsoleSize": None, "AttachStdout": None, "AttachStderr": None}
NO_RESTART = {"Name": "no", "MaximumRetryCount": 0}


def nothing(value):
    """Whether a value of JSON says nothing: null, zero, empty, or made of such."""
    if isinstance(value, dict):
        return all(nothing(each) for each in value.values())
    if isinstance(value, list):
        return all(nothing(each) for each in value)
    return not value


class Spec:
    """`unknown` is called with what the model does not know, and does not return."""

    def __init__(self, body, image, unknown):
        self.body, self.host_config = body, body.get("HostConfig") or {}
        _refuse_others("", body, KNOWN, unknown)
        _refuse_others("HostConfig.", self.host_config, KNOWN_OF_HOST, unknown)
        self.network = self.host_config.get("NetworkMode") or "default"
        if self.network not in ("default", "bridge", "host"):
            unknown(f"NetworkMode {self.network}")
        for bind in self.host_config.get("Binds") or []:
            if bind not in BINDS:
                unknown(f"the bind {bind}")
        if image.run().get("Cmd") != ["/app"] or image.run().get("Entrypoint"):
            unknown(f"an image that runs {image.run().get('Entrypoint')} {image.run().get('Cmd')}")
        self.policy = restart_policy(self.host_config.get("RestartPolicy"))
        self.ports = {} if self.network == "host" else self._ports(unknown)
        self.stop_timeout_s = body.get("StopTimeout", 10)
        if len(set(self.ports.values())) > 1:
            unknown(f"several published ports: {sorted(self.ports.values())}")
        self.run = image.run()

    def _ports(self, unknown):
        """Port inside to port outside."""
        ports = {}
        for key, bindings in (self.host_config.get("PortBindings") or {}).items():
            inside, _, protocol = key.partition("/")
            everywhere = len(bindings) == 1 and bindings[0].get("HostIp") in (None, "", "0.0.0.0")
            if protocol not in ("", "tcp") or not everywhere:
                unknown(f"the port binding {key} {bindings}")
            ports[int(inside)] = int(bindings[0].get("HostPort") or 0) or random.choice(EPHEMERAL)
        return ports

    def shown(self, policy):
        """The HostConfig as it is inspected."""
        bindings = {key: [{"HostIp": "", **each} for each in listed]
                    for key, listed in (self.host_config.get("PortBindings") or {}).items()}
        return {**self.host_config, "PortBindings": bindings, "RestartPolicy": policy, "NetworkMode": self.network,
                "AutoRemove": False}

    def own_network(self):
        """One that publishes nothing listens where nobody reaches it."""
        return ["--net"] if self.network != "host" and not self.ports else []

    def listens_on(self):
        """The port on the host; None where there is none."""
        if self.network == "host":
            return int(self._variables().get("APP_PORT", APP_PORT))
        return next(iter(self.ports.values()), None)

    def _variables(self):
        said = [*(self.run.get("Env") or []), *(self.body.get("Env") or [])]
        return dict(each.partition("=")[::2] for each in said)

    def environment(self, container):
        variables = {**self._variables(), "HOSTNAME": container.id[:12]}
        return {**variables, "APP_PORT": str(self.listens_on())} if self.ports else variables

    def labels(self, _container):
        return {**(self.run.get("Labels") or {}), **(self.body.get("Labels") or {})}

    def published(self):
        return {f"{inside}/tcp": [{"HostIp": address, "HostPort": str(outside)} for address in ("0.0.0.0", "::")]
                for inside, outside in self.ports.items()}

    def config(self, container):
        variables = [f"{name}={value}" for name, value in self._variables().items()]
        return {**self.run, "Hostname": container.id[:12], "Image": container.reference, "Env": variables,
                "Labels": self.labels(container), "StopTimeout": self.body.get("StopTimeout")}


def restart_policy(given):
    return {**NO_RESTART, **{key: value for key, value in (given or {}).items() if value}}


def _refuse_others(where, given, known, unknown):
    for key, value in given.items():
        harmless = key in HARMLESS and HARMLESS[key] in (None, value)
        if key not in known and not harmless and not nothing(value):
            unknown(f"{where}{key} = {value!r} of a new container")
