"""One HTTP exchange: deadline, cap, parsing, and foreign errors turned into ours. No retry, no pacing."""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import msgspec

from dbt_activate import __version__
from dbt_activate.contracts import Tools
from dbt_activate.destinations.classification import Answer
from dbt_activate.errors import AmbiguousError, BatchRejectedError, DestinationError, FatalError, RetryableError
from dbt_activate.values.destination import Connection
from dbt_activate.values.json import Json
from dbt_activate.values.secret import Secret

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer, unpacked, that are read."""

LONGEST_CONNECT = 10.0
"""Seconds to wait for a connection, within the time for the whole request."""

SHORTEST_SECRET = 6
"""Characters; a shorter word of a header, such as its scheme, may stand in a request's name by chance."""

_SUCCESS = range(200, 300)

_REQUEST_ID_HEADERS = ("x-hubspot-correlation-id", "x-request-id", "x-correlation-id", "request-id", "x-amzn-requestid")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)

_CAUSES: Mapping[type[BaseException], tuple[type[DestinationError], str, str]] = {
    ssl.SSLCertVerificationError: (FatalError, "certificate", "its certificate is not trusted; renew it or its issuer"),
    ssl.SSLError: (RetryableError, "tls", "the TLS handshake failed"),
    socket.gaierror: (RetryableError, "dns", "its name cannot be resolved; check the host name"),
    ConnectionRefusedError: (RetryableError, "connect", "it refused the connection; check host and port"),
    httpx.PoolTimeout: (RetryableError, "pool", "no connection became free in time"),
}
"""What lies under a failure before anything was sent, the telling ones first."""

_UNREACHABLE = (RetryableError, "connect", "it cannot be reached; check host, port and network")


class Rest:
    """A client for one connection. Secrets are revealed here, as header values, and nowhere else.

    Args:
        connection: Whose limits and permissions hold.
        tools: Lends the transport.
        headers: Sent with each request.
    """

    def __init__(
        self, connection: Connection, tools: Tools, *, headers: Mapping[str, str | Secret] | None = None
    ) -> None:
        silence_loggers()
        total = connection.limits.timeout_seconds
        self._connection = connection
        self._headers = {"Accept": "application/json", **dict(headers or {})}
        self._client = httpx.AsyncClient(
            transport=tools.transport(connection.allow_private_addresses),
            timeout=httpx.Timeout(total, connect=min(LONGEST_CONNECT, total / 2), pool=total / 2),
            # Brotli and zstd are left out: one chunk of them can unpack to more than the cap allows.
            headers={"User-Agent": f"dbt-activate/{__version__}", "Accept-Encoding": "gzip"},
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def call(
        self, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str | Secret] | None = None
    ) -> Answer:
        """Make one request and read its answer, whatever its status, within the connection's time for a whole request.

        Raises:
            RetryableError: It was not sent.
            AmbiguousError: It may have been sent, and no whole answer came back.
            BatchRejectedError: The URL cannot be sent, as it is too long.
            FatalError: It can never be sent: a header with a line break, a certificate that is not trusted.
        """
        where = self.place(method, url)
        sent = {**self._headers, **dict(headers or {})}
        request = self._request(where, method, url, body, sent)
        total = self._connection.limits.timeout_seconds
        try:
            async with asyncio.timeout(total):
                answer = await self._exchange(request, where)
        except TimeoutError as error:
            raise AmbiguousError(f"{where}: no answer within {total:g} s", code="timeout") from error
        except httpx.LocalProtocolError:
            # Its text quotes the header's value.
            raise FatalError(f"{where}: a header cannot be sent; check the headers", code="bad_header") from None
        except (httpx.HTTPError, OSError) as error:
            raise _ours(error, where) from error
        return answer if not _tells(answer.request_id, sent) else replace(answer, request_id=None)

    def place(self, method: str, url: str) -> str:
        """Who is asked, for error texts: no path and no query, as some vendors keep secrets there."""
        return f"{self._connection.name}.{self._connection.output} ({method} {origin(url)})"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _request(
        self, where: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str | Secret]
    ) -> httpx.Request:
        try:
            revealed = {name: _reveal(value) for name, value in headers.items()}
            return self._client.build_request(method, url, content=body, headers=revealed)
        except UnicodeEncodeError:
            raise FatalError(f"{where}: a header is not ASCII; check the headers", code="bad_header") from None
        except httpx.InvalidURL:
            raise BatchRejectedError(f"{where}: the URL is too long or malformed", code="bad_url") from None

    async def _exchange(self, request: httpx.Request, where: str) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            content = await self._content(response, where)
        finally:
            await response.aclose()
        headers = dict(response.headers.items())
        return Answer(
            status=response.status_code, json=parse_json(content), headers=headers, request_id=_request_id(headers)
        )

    async def _content(self, response: httpx.Response, where: str) -> bytes:
        try:
            return await _read(response, where)
        except (httpx.HTTPError, DestinationError):
            # A refusal stands without its body; a success does not.
            if response.status_code in _SUCCESS:
                raise
            return b""


def origin(url: str) -> str:
    """The scheme, host and port of *url*."""
    return re.sub(r"^([a-z]+://)(?:[^/?#@]*@)?([^/?#@]*).*$", r"\1\2", url, flags=re.IGNORECASE | re.DOTALL)


def parse_json(content: bytes) -> Json:
    """Parse JSON strictly (no NaN, no Infinity, bounded depth); None for what is none."""
    try:
        parsed: Json = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed


def silence_loggers() -> None:
    """Keep httpx and httpcore from writing URLs and headers into logs."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


async def _read(response: httpx.Response, where: str) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > LARGEST_ANSWER:
            raise AmbiguousError(f"{where}: the answer is larger than {LARGEST_ANSWER} bytes", code="oversize")
    return bytes(content)


def _reveal(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _request_id(headers: Mapping[str, str]) -> str | None:
    found = (headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name))
    return next((value[:128] for value in found if value.isprintable()), None)


def _tells(text: str | None, headers: Mapping[str, str | Secret]) -> bool:
    """Whether *text*, which a server wrote and the ledger would keep, repeats a secret that it was sent."""
    secrets = (value.reveal() for value in headers.values() if isinstance(value, Secret))
    words = (word for secret in secrets for word in secret.split() if len(word) >= SHORTEST_SECRET)
    return text is not None and any(word in text for word in words)


def _ours(error: Exception, where: str) -> DestinationError:
    if isinstance(error, httpx.UnsupportedProtocol):
        return FatalError(f"{where}: the URL must start with https:// or http://", code="bad_url")
    if not isinstance(error, _NOT_SENT):
        return AmbiguousError(f"{where}: the connection broke before a whole answer came back", code="connection_lost")
    causes = list(_causes(error))
    kind, code, fault = next(
        (told for cause, told in _CAUSES.items() if any(isinstance(found, cause) for found in causes)), _UNREACHABLE
    )
    return kind(f"{where}: {fault}", code=code)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
