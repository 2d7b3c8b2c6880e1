"""The way out to HTTP: paced, counted, and never to a private address unless that is allowed.

Redirects are not followed by anybody: a destination's address is what its connection says.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import httpx

from dbt_activate.delivery.pacing import Pacer
from dbt_activate.errors import FatalError

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")


class PacedTransport(httpx.AsyncBaseTransport):
    """Lets each request wait for its place, and connects only to an address that was checked."""

    def __init__(self, inner: httpx.AsyncBaseTransport, pacer: Pacer, *, allow_private: bool) -> None:
        self._inner = inner
        self._pacer = pacer
        self._allow_private = allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait, check, send."""
        await self._pacer.admit()
        if not self._allow_private:
            await self._pin(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._inner.aclose()

    async def _pin(self, request: httpx.Request) -> None:
        """Send *request* to the very address that was checked, so that a name cannot change its mind in between."""
        host = request.url.host
        address = await public_address(host, request.url.port or {"https": 443}.get(request.url.scheme, 80))
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}


async def public_address(host: str, port: int) -> str:
    """Resolve *host* to an address, all of whose siblings are public.

    Raises:
        FatalError: One of them is private, loopback, link-local or otherwise not of the public internet.
        httpx.ConnectError: The name does not resolve.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"cannot resolve {host}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _is_public(address):
            raise FatalError(
                f"{host} is a private address; set `allow_private_addresses: true` on the connection to permit that",
                code="private_address",
            )
    return addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    meant = (_carried(ip) or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
    site_local = isinstance(meant, ipaddress.IPv6Address) and meant.is_site_local
    return meant.is_global and not meant.is_multicast and not site_local


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a packet to *ip* ends at: mapped, compatible, 6to4 or by way of a NAT64."""
    if ip in NAT64 or ip in COMPATIBLE:
        return ipaddress.IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour


def transport_factory(pacer: Pacer) -> Callable[[bool], httpx.AsyncBaseTransport]:
    """Make transports that share *pacer*; their argument is ``allow_private_addresses``."""

    def make(allow_private: bool) -> httpx.AsyncBaseTransport:  # noqa: FBT001 - the contract's form
        return PacedTransport(httpx.AsyncHTTPTransport(retries=0), pacer, allow_private=allow_private)

    return make
