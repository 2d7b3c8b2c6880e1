"""A real server on loopback that answers as it is told, and breaks connections as it is told."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer.

    *fault*: ``reset`` drops the connection instead of answering, ``truncate`` in the middle of the body, ``hang`` never
    answers, ``drip`` answers with a byte now and then.
    """

    status: int = 200
    json: object = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None

    def to_bytes(self) -> bytes:
        content = self.body if self.body is not None else b"" if self.json is None else json.dumps(self.json).encode()
        length = len(content) + (10 if self.fault == "truncate" else 0)
        told = {"Content-Length": str(length), "Content-Type": "application/json", **self.headers}
        head = f"HTTP/1.1 {self.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
        no_content = self.status in {204, 304}
        return (f"HTTP/1.1 {self.status} X\r\n\r\n".encode()) if no_content else head.encode() + b"\r\n" + content


Answering = Callable[[Request], Reply]


class Loopback:
    """The server. Give it *replies*, used up in order, or an *answering* function."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.answering: Answering | None = None
        self.port = 0
        self.dripped = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.gather(*(writer.wait_closed() for writer in self._open.values()), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if line}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body)
        self.requests.append(request)
        reply = self.answering(request) if self.answering else self.replies.pop(0)
        if reply.fault == "hang":
            await reader.read()
            return False
        while reply.fault == "drip":
            writer.write(b" " if self.dripped else b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            await writer.drain()
            self.dripped += 1
            await asyncio.sleep(0.02)
        if reply.fault == "reset":
            # With no time to linger, closing sends RST instead of FIN.
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        content = reply.to_bytes()
        writer.write(content[: content.index(b"\r\n\r\n") + 4] if method == "HEAD" else content)
        await writer.drain()
        return reply.fault is None


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    """A started server."""
    loopback = Loopback()
    await loopback.start()
    yield loopback
    await loopback.stop()


@pytest.fixture
def reply() -> type[Reply]:
    """The class of answers, for tests that cannot import this file."""
    return Reply
