"""The way out to HTTP, over real sockets on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from dbt_activate.delivery.pacing import Pacer
from dbt_activate.delivery.transport import PacedTransport, _is_public, public_address, transport_factory
from dbt_activate.errors import FatalError
from dbt_activate.testing.fakes import FakeClock

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "0.1.2.3", "198.18.0.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "2001:db8::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "::a9fe:a9fe",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_known(address: str) -> None:
    assert not _is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known(address: str) -> None:
    assert _is_public(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "::1",
     "::ffff:127.0.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe", "100.64.0.1", "10.0.0.1"],
)  # fmt: skip
async def test_a_private_address_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(FatalError, match="allow_private_addresses: true") as refused:
        await public_address(host, 80)

    assert refused.value.code == "private_address"


async def test_a_public_address_stands_for_itself() -> None:
    assert await public_address("1.1.1.1", 443) == "1.1.1.1"


async def test_a_name_that_does_not_resolve_is_no_connection() -> None:
    with pytest.raises(httpx.ConnectError, match=r"cannot resolve nowhere\.invalid"):
        await public_address("nowhere.invalid", 80)


class Recorder(httpx.AsyncBaseTransport):
    """Takes note of what would go out."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_request_goes_to_the_address_that_was_checked_and_keeps_its_name() -> None:
    inner = Recorder()
    transport = PacedTransport(inner, Pacer(FakeClock(), None), allow_private=False)
    request = httpx.Request("GET", "https://1.1.1.1:8443/path?x=1")
    request.url = request.url.copy_with(host="1.1.1.1")

    await transport.handle_async_request(request)

    [sent] = inner.requests
    assert str(sent.url) == "https://1.1.1.1:8443/path?x=1"
    assert sent.headers["host"] == "1.1.1.1:8443"
    assert sent.extensions["sni_hostname"] == "1.1.1.1"


async def test_a_refused_request_never_reaches_the_network() -> None:
    inner = Recorder()
    transport = PacedTransport(inner, Pacer(FakeClock(), None), allow_private=False)

    with pytest.raises(FatalError):
        await transport.handle_async_request(httpx.Request("GET", "http://localhost/"))

    assert inner.requests == []


class Server:
    """Answers every request with 200, or with a redirect to itself; keeps the heads."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.redirects = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        head = "302 Found\r\nLocation: http://127.0.0.1/" if self.redirects else "200 OK"
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def test_requests_over_a_socket_are_paced_and_counted(server: Server) -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 4.0)

    async with httpx.AsyncClient(transport=transport_factory(pacer)(True)) as client:
        answers = [await client.get(f"http://127.0.0.1:{server.port}/{number}") for number in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert (len(server.heads), pacer.requests) == (5, 5)
    assert sum(clock.slept) == pytest.approx(1.0)


async def test_a_server_on_this_machine_is_not_asked_unless_that_is_allowed(server: Server) -> None:
    async with httpx.AsyncClient(transport=transport_factory(Pacer(FakeClock(), None))(False)) as client:
        with pytest.raises(FatalError, match="private address"):
            await client.get(f"http://localhost:{server.port}/")

    assert server.heads == []


async def test_a_redirect_is_not_followed(server: Server) -> None:
    server.redirects = True

    async with httpx.AsyncClient(transport=transport_factory(Pacer(FakeClock(), None))(True)) as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/")

    assert (answer.status_code, len(server.heads)) == (302, 1)


async def test_closing_closes_what_is_below() -> None:
    inner = Recorder()

    await PacedTransport(inner, Pacer(FakeClock(), None), allow_private=True).aclose()

    assert inner.closed


class ToLoopback(httpx.AsyncBaseTransport):
    """Connects to the loopback server wherever the request wants to go, as a resolver that lies would."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_the_host_header_is_the_name_that_was_asked_for(server: Server) -> None:
    transport = PacedTransport(ToLoopback(server.port), Pacer(FakeClock(), None), allow_private=False)

    async with httpx.AsyncClient(transport=transport) as client:
        await client.get("http://1.0.0.1/", headers={"Host": "api.example.com"})

    assert "Host: api.example.com\r\n" in server.heads[0]


async def test_a_certificate_is_asked_for_by_the_name_and_not_by_the_address() -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    broken: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, details: broken.append(details))

    async def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(drop, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        request = httpx.Request("GET", f"https://127.0.0.1:{port}/", extensions={"sni_hostname": "api.example.com"})
        async with httpx.AsyncHTTPTransport() as plain:
            transport = PacedTransport(plain, Pacer(FakeClock(), None), allow_private=True)
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(request)

    assert names == ["api.example.com"]
