"""One exchange over a real socket, and what its failures become."""

import gzip
import logging
import socket
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.destinations.classification import Answer, redact, refusal, refuses_content, retry_after, verdict
from dbt_activate.destinations.rest import LARGEST_ANSWER, Rest, origin, parse_json
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    DestinationError,
    FatalError,
    RetryableError,
)
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.json import JsonObject
from dbt_activate.values.secret import Secret

if TYPE_CHECKING:
    from tests.destinations.conftest import Loopback, Reply

TOKEN = "s3cr3t-t0k3n"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def make_rest(*, timeout_seconds: float = 5.0, headers: dict[str, str | Secret] | None = None) -> Rest:
    connection = Connection(name="ops", output="prod", type="http", limits=Limits(timeout_seconds=timeout_seconds))
    return Rest(connection, make_tools(), headers=headers or {"Authorization": Secret(f"Bearer {TOKEN}")})


async def failure(rest: Rest, url: str, body: bytes = b"{}") -> DestinationError:
    with pytest.raises(DestinationError) as caught:
        await rest.call("POST", url, body=body)
    await rest.close()
    assert TOKEN not in str(caught.value)
    return caught.value


async def test_a_closed_port_is_surely_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await failure(make_rest(), f"http://127.0.0.1:{taken.getsockname()[1]}/x?key={TOKEN}")
    assert isinstance(error, RetryableError)
    assert error.code == "connect"


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (httpx.ConnectTimeout("late"), RetryableError, "connect"),
        (httpx.PoolTimeout("full"), RetryableError, "pool"),
        (httpx.ConnectError("dns"), RetryableError, "connect"),
        (httpx.WriteError("broken"), AmbiguousError, "connection_lost"),
        (httpx.WriteTimeout("slow"), AmbiguousError, "connection_lost"),
        (httpx.ReadTimeout("slow"), AmbiguousError, "connection_lost"),
        (httpx.RemoteProtocolError("garbage"), AmbiguousError, "connection_lost"),
        (OSError("reset"), AmbiguousError, "connection_lost"),
        (TimeoutError(), AmbiguousError, "timeout"),
    ],
)
async def test_a_transports_failure_says_whether_it_was_sent(
    raised: Exception, kind: type[DestinationError], code: str
) -> None:
    class Failing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise raised

    connection = Connection(name="ops", output="prod", type="http")
    error = await failure(Rest(connection, make_tools(lambda _: Failing())), "http://x.example/")
    assert (type(error), error.code) == (kind, code)
    assert error.__cause__ is raised


@pytest.mark.parametrize(
    ("cause", "kind", "code"),
    [
        (socket.gaierror(-2, "unknown"), RetryableError, "dns"),
        (ssl.SSLError("handshake"), RetryableError, "tls"),
        (ssl.SSLCertVerificationError("self-signed"), FatalError, "certificate"),
        (ExceptionGroup("all addresses", [ConnectionRefusedError()]), RetryableError, "connect"),
    ],
)
async def test_what_lies_under_a_failed_connection_is_named(
    cause: Exception, kind: type[DestinationError], code: str
) -> None:
    class Failing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("failed") from cause

    connection = Connection(name="ops", output="prod", type="http")
    error = await failure(Rest(connection, make_tools(lambda _: Failing())), "https://x.example/")
    assert (type(error), error.code) == (kind, code)


async def test_tls_to_a_server_without_it_is_surely_not_sent(server: "Loopback") -> None:
    error = await failure(make_rest(), server.url.replace("http:", "https:"))
    assert isinstance(error, RetryableError)
    assert server.requests == []


async def test_a_transports_own_refusal_passes_unchanged() -> None:
    refused = FatalError("ops.prod: 10.0.0.1 is a private address", code="private_address")

    class Refusing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise refused

    connection = Connection(name="ops", output="prod", type="http")
    assert await failure(Rest(connection, make_tools(lambda _: Refusing())), "http://x.example/") is refused


@pytest.mark.parametrize("fault", ["reset", "truncate"])
async def test_a_broken_answer_after_the_request_is_ambiguous(
    server: "Loopback", reply: "type[Reply]", fault: str
) -> None:
    server.replies = [reply(200, json={"ok": True}, fault=fault)]
    error = await failure(make_rest(), server.url)
    assert isinstance(error, AmbiguousError)
    assert len(server.requests) == 1


async def test_no_answer_within_the_whole_time_is_ambiguous(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(fault="hang")]
    error = await failure(make_rest(timeout_seconds=0.2), server.url)
    assert isinstance(error, AmbiguousError)


async def test_the_time_is_for_the_whole_request_and_not_for_each_read(
    server: "Loopback", reply: "type[Reply]"
) -> None:
    server.replies = [reply(fault="drip")]
    error = await failure(make_rest(timeout_seconds=0.3), server.url)
    assert (type(error), error.code) == (AmbiguousError, "timeout")
    assert server.dripped > 1


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_beyond_the_cap_is_ambiguous(server: "Loopback", reply: "type[Reply]", packed: bool) -> None:
    body = b" " * (LARGEST_ANSWER + 1)
    server.replies = [
        reply(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}) if packed else reply(body=body)
    ]
    error = await failure(make_rest(), server.url)
    assert (type(error), error.code) == (AmbiguousError, "oversize")


async def test_a_refusal_stands_though_its_body_is_broken(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(429, json={"a": 1}, headers={"Retry-After": "7"}, fault="truncate")]
    rest = make_rest()
    answer = await rest.call("POST", server.url)
    await rest.close()
    assert (answer.status, answer.json, retry_after(answer.headers)) == (429, None, 7.0)


async def test_bad_gzip_in_a_success_is_ambiguous(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})]
    assert isinstance(await failure(make_rest(), server.url), AmbiguousError)


async def test_a_redirect_is_not_followed(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(307, headers={"Location": f"{server.url}/elsewhere"})]
    rest = make_rest()
    answer = await rest.call("POST", server.url, body=b"{}")
    await rest.close()
    assert answer.status == 307
    assert [request.target for request in server.requests] == ["/"]


async def test_cookies_are_not_kept(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(headers={"Set-Cookie": "session=1; Path=/"}), reply()]
    rest = make_rest()
    await rest.call("POST", server.url)
    await rest.call("POST", server.url)
    await rest.close()
    assert "cookie" not in server.requests[1].headers


async def test_the_secret_is_on_the_wire_and_nowhere_else(
    server: "Loopback", reply: "type[Reply]", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies = [reply(200, json={}, headers={"X-Request-Id": "r-1"})]
    rest = make_rest()
    answer = await rest.call("POST", f"{server.url}/hook/{TOKEN}", body=b"{}")
    await rest.close()
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert answer.request_id == "r-1"
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(answer)


@pytest.mark.parametrize("value", [f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}ü"])
async def test_a_header_that_cannot_be_sent_is_fatal_and_stays_unseen(server: "Loopback", value: str) -> None:
    error = await failure(make_rest(headers={"X-Key": Secret(value)}), server.url)
    assert isinstance(error, FatalError)
    assert error.__cause__ is None
    assert server.requests == []


async def test_a_url_that_is_too_long_is_a_fault_of_the_row(server: "Loopback") -> None:
    error = await failure(make_rest(), f"{server.url}/{'x' * 70_000}")
    assert (type(error), error.code) == (BatchRejectedError, "bad_url")


async def test_a_scheme_that_is_not_http_is_fatal() -> None:
    assert isinstance(await failure(make_rest(), "ftp://x.example/"), FatalError)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"a": NaN}', b'{"a": Infinity}', b"[" * 100_000, b'"\xff"', b"\xff\xfe", b'{"a": 1}x', b"1e999"],
)
def test_what_is_no_json_is_none(content: bytes) -> None:
    assert parse_json(content) is None


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(content: bytes) -> None:
    parse_json(content)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example:8443/p/secret?k=v#f", "https://a.example:8443"),
        ("http://user:pass@a.example/x@y", "http://a.example"),
        ("https://a.example", "https://a.example"),
    ],
)
def test_an_origin_shows_no_path_query_or_password(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1.5", 2.0),
        ("99999999", 99999999.0),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("１２", None),  # noqa: RUF001 - full-width digits are the point
        ("1e3", None),
        ("Infinity", None),
        ("nan", None),
        ("  7 ", 7.0),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_or_ignored(value: str, expected: float | None) -> None:
    assert retry_after({"retry-after": value, "date": DATE}) == expected


def test_a_retry_after_date_needs_the_answers_own_date() -> None:
    assert retry_after({"retry-after": DATE}) is None
    assert retry_after({"retry-after": DATE, "date": "soon"}) is None
    assert retry_after({}) is None


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_makes_retry_after_raise_or_negative(value: str, date: str) -> None:
    waits = retry_after({"retry-after": value, "date": date})
    assert waits is None or 0 <= waits < float("inf")


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((408, 423, 425, 429, 477), RetryableError),
        ((500, 502, 503, 504, 520, 521, 522, 523, 524, 599, 101), AmbiguousError),
        ((301, 302, 307, 308, 401, 402, 403, 404, 405, 410, 415, 418, 451, 501, 505, 511), FatalError),
        ((400, 409, 413, 422), BatchRejectedError),
    ],
)
def test_each_status_has_one_meaning(statuses: tuple[int, ...], kind: type[DestinationError]) -> None:
    for status in statuses:
        error = refusal(Answer(status=status, request_id="r-1"), "ops.prod")
        assert type(error) is kind is verdict(status).error
        assert (error.code, error.request_id) == (f"http_{status}", "r-1")
        assert refuses_content(status) is (kind is BatchRejectedError)
        assert str(error).startswith("ops.prod: answered ")
        assert "; " in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "wait", "expected"),
    [
        (429, {}, None, None),
        (429, {}, 10.0, 10.0),
        (429, {"retry-after": "3"}, 10.0, 3.0),
        (429, {"retry-after": "0"}, 10.0, 0.0),
        (423, {}, None, 2.0),
        (423, {"retry-after": "1"}, None, 2.0),
        (423, {"retry-after": "9"}, None, 9.0),
        (477, {"retry-after": "86400"}, None, 86400.0),
    ],
)
def test_a_refusal_carries_the_wait(
    status: int, headers: dict[str, str], wait: float | None, expected: float | None
) -> None:
    error = refusal(Answer(status=status, headers=headers), "ops.prod", wait=wait)
    assert isinstance(error, RetryableError)
    assert error.retry_after == expected


def test_a_redacted_message_holds_no_value_of_the_row() -> None:
    row: JsonObject = {
        "email": "Ann@x.example",
        "address": {"city": "Ulm"},
        "tags": ["vip"],
        "age": 41,
        "on": True,
        "no": None,
    }
    text = redact("ann@X.example of ULM\r\n\x1b[0m (vip, 41, 410, True): bad", [row])
    assert text == "*** of *** [0m (***, ***, 410, True): bad"


def test_a_redacted_message_is_cut() -> None:
    assert len(redact("x" * 10_000, [])) == 300
