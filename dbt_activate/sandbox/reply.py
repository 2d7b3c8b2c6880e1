"""Between ASGI and the values of an exchange: reading a request, sending an answer or cutting the connection."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from dbt_activate.sandbox.exchange import Answer, Call
from dbt_activate.sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from starlette.requests import Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def stranger(request: "Request", options: SandboxOptions) -> Answer | None:
    """Refuse a request that a web page of somebody else made; None where it may pass."""
    # Somebody else's web page, open in the user's browser, must neither read the records nor switch faults.
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    name = re.sub(r":\d+$", "", host)
    if options.hosts is not None and name not in options.hosts:
        return Answer(421, {"error": f"this sandbox does not answer to the name {name}"})
    if origin is not None and origin.partition("://")[2] != host:
        return Answer(403, {"error": "requests of another web page are refused"})
    return None


async def read_call(request: "Request") -> Call:
    """Read *request* to its end."""
    return Call(
        method=request.method,
        path=request.scope["raw_path"].decode("ascii"),
        query=parse_qs(request.url.query, keep_blank_values=True),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
    )


class Reply:
    """Sends an answer as ASGI; None cuts the connection."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, as an ASGI application does."""
        if self._answer is None:
            await _cut(scope, receive)
            return
        body = _encoded(self._answer.body)
        headers = {"content-length": str(len(body)), "cache-control": "no-store", "x-content-type-options": "nosniff"}
        if self._answer.body is not None:
            headers["content-type"] = "application/json"
        headers |= {name.lower(): value for name, value in self._answer.headers.items()}
        if self._answer.status == 204:  # noqa: PLR2004 - "no content" has no length either
            del headers["content-length"]
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self._answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


async def _cut(scope: Scope, receive: Receive) -> None:
    from dbt_activate.sandbox.wire import CUT

    cut = scope.get("state", {}).get(CUT)
    if cut is None:
        raise ConnectionResetError("a fault closes the connection, and this server has none to close")
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass


def _encoded(body: object) -> bytes:
    if body is None:
        return b""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)
