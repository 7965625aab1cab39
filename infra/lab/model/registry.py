"""The lab's registry, asked for manifests and configurations as an engine asks it, and never for layers."""

import asyncio
import base64
import binascii
import hashlib
import http.client
import json
import platform

from model.http import Refusal

ADDRESS = "10.77.0.1:5000"
TIMEOUT_S = 30
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
UNAUTHORIZED = "unauthorized: authentication required"


class Found:
    """A manifest, or a list of them."""

    def __init__(self, repository, media_type, text):
        self.repository, self.media_type, self.text = repository, media_type, text
        self.digest = "sha256:" + hashlib.sha256(text).hexdigest()
        self.manifest = json.loads(text)

    def is_list(self):
        return self.media_type == MANIFEST_LIST


def login_of(headers):
    """The header for the registry, from what a client put into X-Registry-Auth; None for an anonymous one."""
    try:
        given = json.loads(base64.urlsafe_b64decode(headers.get("x-registry-auth", "") + "==") or b"{}")
    except (ValueError, binascii.Error) as error:
        raise Refusal(400, f"X-Registry-Auth: {error}") from error
    if not given.get("username"):
        return None
    return "Basic " + base64.b64encode(f"{given['username']}:{given.get('password', '')}".encode()).decode()


async def manifest(repository, reference, login, refused_status):
    """What the registry has under a tag or a digest. A wrong password has a status of its own in each operation."""
    return await asyncio.to_thread(_manifest, repository, reference, login, refused_status)


async def config(repository, digest, login):
    """(text, configuration) of an image."""
    text, _media_type = await asyncio.to_thread(_get, repository, f"blobs/{digest}", login, 500)
    return json.loads(text)


async def of_this_platform(found, login):
    """The image that this machine's engine takes from a list."""
    if not found.is_list():
        return found
    for part in found.manifest["manifests"]:
        if part["platform"] == {"os": "linux", "architecture": ARCHITECTURE}:
            return await manifest(found.repository, part["digest"], login, 500)
    raise Refusal(404, f"no matching manifest for linux/{ARCHITECTURE} in the manifest list entries")


async def platforms(found, login):
    if found.is_list():
        return [part["platform"] for part in found.manifest["manifests"]]
    image = await config(found.repository, found.manifest["config"]["digest"], login)
    return [{"architecture": image["architecture"], "os": image["os"]}]


def _manifest(repository, reference, login, refused_status):
    text, media_type = _get(repository, f"manifests/{reference}", login, refused_status)
    if media_type not in (MANIFEST, MANIFEST_LIST):
        raise Refusal(501, f"the model engine does not know manifests of type {media_type}")
    return Found(repository, media_type, text)


def _get(repository, what, login, refused_status):
    path = f"/v2/{_path(repository)}/{what}"
    connection = http.client.HTTPConnection(ADDRESS, timeout=TIMEOUT_S)
    try:
        headers = {"Accept": f"{MANIFEST}, {MANIFEST_LIST}", **({"Authorization": login} if login else {})}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        text = response.read()
    except OSError as error:
        raise Refusal(500, f'Get "http://{ADDRESS}/v2/": {error}') from error
    finally:
        connection.close()
    if response.status == 401 and not login:
        raise Refusal(500, f'Head "http://{ADDRESS}{path}": no basic auth credentials')
    if response.status == 401:
        raise Refusal(refused_status, UNAUTHORIZED)
    if response.status == 404:
        raise Refusal(404, "manifest unknown: manifest unknown")
    if response.status != 200:
        raise Refusal(500, f"registry: {response.status} for {path}")
    return text, response.headers["Content-Type"]


def _path(repository):
    """Without the registry's address; of another registry than the lab's, nothing can be had."""
    address, _, path = repository.partition("/")
    if address != ADDRESS:
        raise Refusal(500, f'Get "https://{address}/v2/": dial tcp: lookup {address}: no such host')
    return path
