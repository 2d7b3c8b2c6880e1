"""The sandbox as a web server. Needs the ``sandbox`` extra: starlette and uvicorn."""

import asyncio
import base64
import contextlib
import hashlib
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from importlib import resources
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.sandbox import state_file
from dbt_activate.sandbox.control import GET_PATHS, Control
from dbt_activate.sandbox.emulator import Emulator
from dbt_activate.sandbox.exchange import Answer, Call
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.reply import Reply, read_call, stranger

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(options: SandboxOptions) -> "Starlette":
    """Build the sandbox: the page at ``/``, control under ``/_sandbox/``, receivers under ``/hooks/``, else the CRM.

    Raises:
        ConfigError: The state file or a definition in *options* is wrong, or the ``sandbox`` extra is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as error:
        raise _not_installed() from error
    emulator = Emulator(options)
    routes = [
        Route("/", _page(options), methods=["GET"]),
        *(Route(path, endpoint, methods=methods) for path, methods, endpoint in _control_routes(emulator)),
        Route("/{path:path}", _data(emulator), methods=_METHODS),
    ]
    return Starlette(routes=routes, lifespan=_keeper(emulator))


def serve(
    options: SandboxOptions, port: int, host: str = "127.0.0.1", *, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; prints nothing. *on_ready* is told the address once requests are taken.

    Raises:
        ConfigError: The port is taken, or the state could not be saved at the end; see also :func:`create_app`.
    """
    with open_socket(host, port) as listener, _Serving(options, listener) as serving, _stopped_by_signals(serving):
        if on_ready is not None:
            on_ready(serving.url)
        serving.wait()


class RunningSandbox:
    """A sandbox on a free port of the loopback interface, for as long as the block lasts.

    Attributes:
        url: Its address, without a slash at the end.
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self._options = options or SandboxOptions(rate_limit=0)
        self._stack = contextlib.ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(open_socket("127.0.0.1", 0))
            self.url = stack.enter_context(_Serving(self._options, listener)).url
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on *port* of *host*; 0 takes a free one.

    Raises:
        ConfigError: The port is taken or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        problem = Problem(f"sandbox, {host}:{port}", f"cannot listen: {error.strerror}", "choose another --port")
        raise ConfigError(problem) from error


class _Serving:
    """uvicorn in a thread of its own, over a socket that listens already."""

    def __init__(self, options: SandboxOptions, listener: socket.socket) -> None:
        try:
            from dbt_activate.sandbox.wire import QuietServer
        except ImportError as error:
            raise _not_installed() from error
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._app = create_app(options)
        self._server = QuietServer(self._app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="dbt-activate sandbox", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        pause = threading.Event()
        for _ in range(int(_START_SECONDS * 100)):
            if self._server.started:
                return self
            if not self._thread.is_alive():
                break
            pause.wait(0.01)
        self.stop()
        raise ConfigError(Problem("sandbox", "the server did not start"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(_STOP_SECONDS)
        problem = getattr(self._app.state, "problem", None)
        if kind is None and problem is not None:
            raise problem

    def stop(self) -> None:
        self._server.should_exit = True

    def wait(self) -> None:
        # Joined in slices: a signal handler of Python runs only between two of them.
        while self._thread.is_alive():
            self._thread.join(0.2)


@contextlib.contextmanager
def _stopped_by_signals(serving: _Serving) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        serving.stop()

    before = {number: signal.signal(number, stop) for number in _STOPPING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _not_installed() -> ConfigError:
    remedy = "install it with: pip install 'dbt-activate[sandbox]'"
    return ConfigError(Problem("sandbox", "starlette and uvicorn are not installed", remedy))


def _keeper(emulator: Emulator) -> Callable[["Starlette"], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: "Starlette") -> AsyncIterator[None]:
        path = emulator.options.state
        if path is None:
            yield
            return
        saver = asyncio.create_task(_save_again_and_again(emulator))
        yield
        saver.cancel()
        await asyncio.wait([saver])
        try:
            state_file.save(path, msgspec.json.encode(emulator.state()))
        except ConfigError as error:
            app.state.problem = error  # raised where the sandbox is stopped: here nobody would see it

    return lifespan


async def _save_again_and_again(emulator: Emulator) -> None:
    path, saved = emulator.options.state, emulator.writes
    while path is not None:
        # The machine's own time: a still clock in a test must not spin here.
        await asyncio.sleep(emulator.options.save_seconds)
        if saved != emulator.writes:
            saved = emulator.writes
            content = msgspec.json.encode(emulator.state())
            with contextlib.suppress(ConfigError):  # a full disk: tried again at the next change and at the end
                await asyncio.to_thread(state_file.save, path, content)


Endpoint = Callable[["Request"], Awaitable[Reply]]


def _control_routes(emulator: Emulator) -> list[tuple[str, list[str], Endpoint]]:
    control = Control(emulator)
    plain = [
        *((path, "GET", handler) for path, handler in GET_PATHS.items()),
        ("/_sandbox/faults", "POST", Control.add_fault),
        ("/_sandbox/faults", "DELETE", Control.clear_faults),
        ("/_sandbox/reset", "POST", Control.reset),
    ]
    named: list[tuple[str, str, Callable[[Call, Mapping[str, Any]], Answer]]] = [
        ("/_sandbox/requests/{number:int}", "GET", lambda _call, names: control.request(names["number"])),
        ("/_sandbox/faults/{number:int}", "DELETE", lambda _call, names: control.remove_fault(names["number"])),
        ("/_sandbox/hooks/{name}", "PUT", lambda call, names: control.set_hook(names["name"], call)),
    ]

    def endpoint(handler: Callable[[Call, Mapping[str, Any]], Answer]) -> Endpoint:
        async def answer(request: "Request") -> Reply:
            refused = stranger(request, emulator.options)
            return Reply(refused or handler(await read_call(request), request.path_params))

        return answer

    def bound(handler: Callable[[Control, Call], Answer]) -> Callable[[Call, Mapping[str, Any]], Answer]:
        return lambda call, _names: handler(control, call)

    return [
        *((path, [method], endpoint(bound(handler))) for path, method, handler in plain),
        *((path, [method], endpoint(handler)) for path, method, handler in named),
    ]


def _data(emulator: Emulator) -> Endpoint:
    async def answer(request: "Request") -> Reply:
        refused = stranger(request, emulator.options)
        return Reply(refused or await emulator.exchange(await read_call(request)))

    return answer


def _page(options: SandboxOptions) -> Endpoint:
    page = resources.files("dbt_activate.sandbox").joinpath("page.html").read_bytes()
    script = re.search(rb"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[1] if script else b"").digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}

    async def answer(request: "Request") -> Reply:
        return Reply(stranger(request, options) or Answer(200, page, dict(headers)))

    return answer
