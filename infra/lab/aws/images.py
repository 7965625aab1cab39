"""Images of the test application, put together here and pushed to the registry by its HTTP API.

No engine builds them, so none has them: every host's pull is a real one. An image has two layers: the programs, which
all share, and a file with the version, as in real life most of an image is there already.
"""

import base64
import gzip
import hashlib
import http.client
import io
import json
import pathlib
import platform
import tarfile
import threading

REGISTRY = "10.77.0.1:5000"
TIMEOUT_S = 10
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SECOND_NS = 1_000_000_000
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Images:
    def __init__(self, password, app):
        login = base64.b64encode(f"AWS:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}"}
        self.app, self.lock, self.programs = app, threading.Lock(), None

    def push(self, repository, tag, version, mode="ok", healthcheck=False, platforms=None):
        """Returns the digest. A tag that exists is pointed to the new image. With platforms (amd64, arm64, ...) it is a
        list of one image for each; the programs in them are this machine's all the same."""
        layers = [self._programs(), layer([("version", f"{version}\n".encode(), 0o644)])]
        connection = http.client.HTTPConnection(REGISTRY, timeout=TIMEOUT_S)
        try:
            if not platforms:
                image = config_of(layers, version, mode, healthcheck, ARCHITECTURE)
                return self._push_image(connection, repository, layers, image, tag)
            parts = []
            for platform in platforms:
                image = config_of(layers, version, mode, healthcheck, platform)
                parts.append((platform, *self._push_part(connection, repository, layers, image)))
            manifest = json.dumps(list_of(parts)).encode()
            self._call(connection, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, MANIFEST_LIST)
            return digest(manifest)
        finally:
            connection.close()

    def _push_part(self, connection, repository, layers, image):
        """Under no tag; (digest, size)"""
        manifest = json.dumps(manifest_of(json.dumps(image).encode(), layers)).encode()
        return self._push_image(connection, repository, layers, image, digest(manifest)), len(manifest)

    def _push_image(self, connection, repository, layers, image, name):
        config = json.dumps(image).encode()
        for blob in [config, *(packed for packed, _digest in layers)]:
            self._push_blob(connection, repository, blob)
        manifest = json.dumps(manifest_of(config, layers)).encode()
        self._call(connection, "PUT", f"/v2/{repository}/manifests/{name}", manifest, MANIFEST)
        return digest(manifest)

    def _programs(self):
        with self.lock:
            if self.programs is None:
                self.programs = layer([("app", self.app.read_bytes(), 0o755),
                                       ("bin/busybox", pathlib.Path("/bin/busybox").read_bytes(), 0o755)],
                                      links={"bin/sh": "busybox"})
            return self.programs

    def _push_blob(self, connection, repository, blob):
        """In one piece: a POST gives the place, a PUT with the digest fills it."""
        name = digest(blob)
        if self._call(connection, "HEAD", f"/v2/{repository}/blobs/{name}", missing_ok=True).status == 200:
            return
        place = self._call(connection, "POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        path = place[place.index("/v2/"):]
        self._call(connection, "PUT", f"{path}{'&' if '?' in path else '?'}digest={name}", blob, "application/octet-stream")

    def _call(self, connection, method, path, body=None, content_type=None, missing_ok=False):
        headers = {**self.headers, **({"Content-Type": content_type} if content_type else {})}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        if response.status >= 400 and not (missing_ok and response.status == 404):
            raise RuntimeError(f"registry: {method} {path}: {response.status} {text.strip()}")
        return response


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(files, links=None):
    """(gzip of a tar, digest of the tar), the same bytes for the same content."""
    tar_bytes = io.BytesIO()
    with tarfile.open(fileobj=tar_bytes, mode="w") as tar:
        for name, data, mode in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
        for name, to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            tar.addfile(info)
    plain = tar_bytes.getvalue()
    return gzip.compress(plain, compresslevel=1, mtime=0), digest(plain)


def config_of(layers, version, mode, healthcheck, architecture):
    run = {"Env": ["PATH=/bin:/", f"APP_VERSION={version}", f"APP_MODE={mode}"], "Cmd": ["/app"], "WorkingDir": "/",
           "ExposedPorts": {"8080/tcp": {}}, "Labels": {"version": version}}
    if healthcheck is not False:
        run["Healthcheck"] = {"Test": ["CMD", "/app", "--probe"], **healthcheck_of(healthcheck)}
    return {"architecture": architecture, "os": "linux", "config": run,
            "rootfs": {"type": "layers", "diff_ids": [plain for _packed, plain in layers]}}


def healthcheck_of(wanted):
    """`true` is a quick one; an object says what is not Docker's default: interval_s, timeout_s, start_period_s, retries."""
    if wanted is True:
        wanted = {"interval_s": 1, "timeout_s": 1, "retries": 2}
    seconds = {"interval_s": "Interval", "timeout_s": "Timeout", "start_period_s": "StartPeriod"}
    said = {key: int(wanted[name] * SECOND_NS) for name, key in seconds.items() if name in wanted}
    return {**said, "Retries": wanted["retries"]} if "retries" in wanted else said


def list_of(parts):
    return {"schemaVersion": 2, "mediaType": MANIFEST_LIST,
            "manifests": [{"mediaType": MANIFEST, "size": size, "digest": name,
                           "platform": {"os": "linux", "architecture": platform}} for platform, name, size in parts]}


def manifest_of(config, layers):
    return {"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": LAYER, "size": len(packed), "digest": digest(packed)} for packed, _plain in layers]}
