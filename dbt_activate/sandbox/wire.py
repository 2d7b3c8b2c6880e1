"""The edge to uvicorn: a quiet server, and a connection that can be cut. Imported only when a sandbox is served."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

CUT = "sandbox_cut"
"""Where a request's ASGI state holds the function that cuts its connection."""

_GRACE_SECONDS = 2


class CuttableProtocol(H11Protocol):
    """HTTP/1.1, with a function in each request's state that resets the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Lend the connection's cutter to its requests."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        # asyncio does so only for sockets that name their protocol; without it every answer waits 40 ms for an ACK.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def cut() -> None:
            if not transport.is_closing():
                # No lingering: the client sees a reset, not an orderly end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

        self.app_state = {**self.app_state, CUT: cut}


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handling: who starts it decides what stops it."""

    def __init__(self, app: "Starlette") -> None:
        config = uvicorn.Config(
            app,
            http=CuttableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield
