"""As much of HTTP/1.1 as Docker's clients need of a server: answers of known length, streams, upgraded connections."""

import asyncio
import json
import urllib.parse
from http import HTTPStatus

MAX_HEAD = 64 * 1024
MAX_BODY = 4 << 20


class Refusal(Exception):
    """An error that is Docker's answer: a status and its `message`."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Request:
    def __init__(self, method, target, headers, body, reader):
        parts = urllib.parse.urlsplit(target)
        self.method, self.path = method, urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.headers, self.body, self.reader = headers, body, reader

    def json(self):
        try:
            return json.loads(self.body) if self.body else {}
        except ValueError as error:
            raise Refusal(400, f"invalid JSON: {error}") from error

    async def outlived_by(self, awaitable):
        """Waits for something for as long as the client is there; False when it went away first."""
        wanted, gone = asyncio.ensure_future(awaitable), asyncio.ensure_future(self.reader.read(1))
        try:
            await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
            return wanted.done()
        finally:
            wanted.cancel()
            gone.cancel()

    def flag(self, name):
        """As Docker's engine reads a boolean of the query."""
        return self.query.get(name, "").lower() not in ("", "0", "no", "false", "none")


async def read_request(reader):
    """The next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, target, _version = head.split("\r\n", 1)[0].split(" ")
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in lines}
    return Request(method, target, headers, await _body(reader, headers), reader)


async def _body(reader, headers):
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(_bounded(len(body) + size) - len(body))
            await reader.readline()
        await reader.readline()
        return body
    return await reader.readexactly(_bounded(int(headers.get("content-length", 0))))


def _bounded(size):
    if size > MAX_BODY:
        raise Refusal(413, f"a body of {size} bytes")
    return size


class Answer:
    """What goes back on one connection. Each request gets exactly one of `json`, `empty`, `stream` and `upgrade`."""

    def __init__(self, writer, common):
        self.writer, self.common = writer, common
        self.begun = False

    async def json(self, status, value):
        await self.whole(status, json.dumps(value).encode() + b"\n", "application/json")

    async def whole(self, status, body, content_type, bodiless=False):
        self._head(status, [("Content-Type", content_type), ("Content-Length", len(body))])
        self.writer.write(b"" if bodiless else body)
        await self.writer.drain()

    async def empty(self, status):
        self._head(status, [])
        await self.writer.drain()

    def stream(self, content_type):
        """Afterwards `chunk` any number of times, then `end`."""
        self._head(200, [("Content-Type", content_type), ("Transfer-Encoding", "chunked")])

    async def chunk(self, data):
        if data:
            self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await self.writer.drain()

    async def end(self):
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def upgrade(self):
        """The connection is a plain stream from here on, and is closed at its end."""
        self._head(101, [("Content-Type", "application/vnd.docker.raw-stream"), ("Connection", "Upgrade"),
                         ("Upgrade", "tcp")])

    def _head(self, status, headers):
        self.begun = True
        phrase = "UPGRADED" if status == 101 else HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in [*headers, *self.common])]
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")


def frame(data, stream=1):
    """Output of a container without a terminal: which stream, how long, and the bytes."""
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data
