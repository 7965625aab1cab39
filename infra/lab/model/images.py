"""The images of one host, and how one gets there. An image is manifest and configuration; layers are only counted."""

import re

from model import registry
from model.http import Refusal

# Docker shows an image without a time of creation as created in year 1.
NEVER, NEVER_S = "0001-01-01T00:00:00Z", -62135596800
SHORT_ID = 12
FIRST_BYTES = 64 * 1024


class Image:
    def __init__(self, manifest, config):
        self.id = manifest["config"]["digest"]
        self.config, self.layers = config, manifest["layers"]
        self.size = sum(layer["size"] for layer in self.layers)
        # `repository:tag` and `repository@digest`.
        self.tags, self.digests = [], []

    def run(self):
        return self.config.get("config", {})

    def inspect(self):
        return {"Id": self.id, "RepoTags": self.tags, "RepoDigests": self.digests, "Parent": "", "Comment": "",
                "Created": NEVER, "DockerVersion": "", "Author": "", "Config": self.run(),
                "Architecture": self.config["architecture"], "Os": self.config["os"], "Size": self.size,
                "VirtualSize": self.size,
                "RootFS": {"Type": "layers", "Layers": self.config["rootfs"]["diff_ids"]}}

    def summary(self):
        return {"Containers": -1, "Created": NEVER_S, "Id": self.id, "Labels": self.run().get("Labels"),
                "ParentId": "", "RepoDigests": self.digests, "RepoTags": self.tags or ["<none>:<none>"],
                "SharedSize": -1, "Size": self.size, "VirtualSize": self.size}


class Images:
    def __init__(self):
        self.by_id = {}

    def find(self, reference):
        """By name, or by the beginning of an id."""
        begins_id = re.fullmatch(r"(sha256:)?([0-9a-f]{4,64})", reference)
        for image in self.by_id.values():
            names = (*image.tags, *image.digests)
            if reference in names or f"{reference}:latest" in names:
                return image
            if begins_id and image.id.startswith(f"sha256:{begins_id[2]}"):
                return image
        return None

    def known(self, reference):
        image = self.find(reference)
        if image is None:
            raise Refusal(404, f"No such image: {reference}")
        return image

    async def pull(self, repository, reference, login, tell):
        """`tell` is given the lines that the engine sends while it pulls."""
        try:
            found = await registry.manifest(repository, reference, login, 500)
        except Refusal as refusal:
            if refusal.status == 404:
                name = _named(repository, reference)
                raise Refusal(404, f"manifest for {name} not found: {refusal.message}") from refusal
            raise
        manifest = (await registry.of_this_platform(found, login)).manifest
        fresh = Image(manifest, await registry.config(repository, manifest["config"]["digest"], login))
        had = {layer["digest"] for image in self.by_id.values() for layer in image.layers}
        image = self.by_id.setdefault(fresh.id, fresh)
        self._name(image, repository, reference, found.digest)
        await tell({"status": f"Pulling from {repository.partition('/')[2]}", "id": reference})
        for layer in image.layers:
            await _tell_layer(layer, layer["digest"] in had, tell)
        await tell({"status": f"Digest: {found.digest}"})
        await tell({"status": f"Status: Downloaded newer image for {_named(repository, reference)}"})

    def _name(self, image, repository, reference, digest):
        if f"{repository}@{digest}" not in image.digests:
            image.digests.append(f"{repository}@{digest}")
        tag = f"{repository}:{reference}"
        if not reference.startswith("sha256:"):
            for other in self.by_id.values():
                other.tags = [each for each in other.tags if each != tag]
            image.tags.append(tag)

    def remove(self, reference, force, users):
        """Takes one name away, and with the last name the image. `users` are the containers made from it."""
        image = self.known(reference)
        named = [each for each in (*image.tags, *image.digests) if each == reference]
        gone = named or [*image.tags, *image.digests]
        left = [each for each in (*image.tags, *image.digests) if each not in gone]
        # A digest alone does not keep an image whose last tag goes.
        if named and named[0] in image.tags and not any(each in image.tags for each in left):
            gone, left = [*gone, *left], []
        if not left and users and not (force and not any(user.running for user in users)):
            raise Refusal(409, f'conflict: unable to remove repository reference "{reference}" (must force) - container '
                               f"{users[0].id[:SHORT_ID]} is using its referenced image {image.id[7:7 + SHORT_ID]}")
        image.tags = [each for each in image.tags if each in left]
        image.digests = [each for each in image.digests if each in left]
        if not left:
            del self.by_id[image.id]
        return [*({"Untagged": each} for each in gone), *([] if left else [{"Deleted": image.id}])]


def _named(repository, reference):
    return f"{repository}{'@' if reference.startswith('sha256:') else ':'}{reference}"


async def _tell_layer(layer, there, tell):
    name = layer["digest"][7:7 + SHORT_ID]
    if there:
        await tell({"status": "Already exists", "progressDetail": {}, "id": name})
        return
    await tell({"status": "Pulling fs layer", "progressDetail": {}, "id": name})
    for status in ("Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"):
        counts = status in ("Downloading", "Extracting")
        for current in (min(FIRST_BYTES, layer["size"]), layer["size"]) if counts else [None]:
            done = {"current": current, "total": layer["size"]} if counts else {}
            await tell({"status": status, "progressDetail": done, "id": name})
