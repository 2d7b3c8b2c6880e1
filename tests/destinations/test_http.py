"""``type: http`` against a real server."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.destinations.http import Http
from dbt_activate.destinations.http.request import address, misleading, row_body
from dbt_activate.destinations.http.settings import Settings
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    ConfigError,
    DestinationError,
    FatalError,
    RetryableError,
)
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Account, Connection, DeliveryClass, Limits
from dbt_activate.values.json import JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import ChangeKind, Operation

if TYPE_CHECKING:
    from tests.destinations.conftest import Loopback, Reply

TOKEN = "s3cr3t-t0k3n"
BY_INDEX = {"by": "index", "succeeded": {"field": "status", "values": ["ok", True]}, "message": "error"}
BY_KEY = {**BY_INDEX, "by": "key", "key": "id", "record_id": "record.id"}


def make_http(url: str, **settings: object) -> Http:
    """An output whose settings passed the schema, with its secrets wrapped as the registry wraps them."""
    given = {"url": url, "headers": {"Authorization": f"Bearer {TOKEN}"}, **settings}
    jsonschema.Draft202012Validator(Http.connection_schema).validate(given)
    wrapped = {**given, "headers": {name: Secret(str(value)) for name, value in as_mapping(given["headers"]).items()}}
    if "sign" in given:
        wrapped["sign"] = {**as_mapping(given["sign"]), "secret": Secret(str(as_mapping(given["sign"])["secret"]))}
    connection = Connection(
        name="ops", output="prod", type="http", settings=wrapped, limits=Limits(timeout_seconds=5.0)
    )
    return Http(connection, make_tools())


def as_mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def make_payload(number: int, operation: Operation = Operation.UPSERT, **changes: object) -> Payload:
    fields: JsonObject = {"id": number, "name": f"name-{number}"}
    given: dict[str, object] = {
        "key": f"key-{number}",
        "change": ChangeKind.CHANGED,
        "operation": operation,
        "fields": fields,
        "identity": {"id": number},
        "payload_hash": f"{number:032x}",
    }
    return Payload(**{**given, **changes})  # type: ignore[arg-type]


def make_batch(
    http: Http, *payloads: Payload, operation: Operation = Operation.UPSERT, object_name: str | None = None
) -> Batch:
    return Batch(
        number=1,
        operation=operation,
        object=object_name,
        rows=tuple(http.encode(payload) for payload in payloads),
        idempotency_key="idem-1",
        sync="customers",
        run_id="run-1",
    )


async def deliver(http: Http, *payloads: Payload, operation: Operation = Operation.UPSERT) -> dict[str, RowResult]:
    try:
        results = await http.send(make_batch(http, *payloads, operation=operation))
    finally:
        await http.close()
    assert len({result.key for result in results}) == len(results)
    return {result.key: result for result in results}


async def failure(http: Http, *payloads: Payload, operation: Operation = Operation.UPSERT) -> DestinationError:
    with pytest.raises(DestinationError) as caught:
        await deliver(http, *payloads, operation=operation)
    text = str(caught.value)
    assert TOKEN not in text
    assert "name-" not in text
    assert "/hook" not in text
    return caught.value


TWO = (make_payload(1), make_payload(2))
THREE = (*TWO, make_payload(3))


# Failures of the whole request


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BatchRejectedError),
        (401, FatalError),
        (403, FatalError),
        (404, FatalError),
        (409, BatchRejectedError),
        (413, BatchRejectedError),
        (422, BatchRejectedError),
        (429, RetryableError),
        (500, AmbiguousError),
        (503, AmbiguousError),
    ],
)
async def test_a_status_speaks_for_the_batch(
    server: "Loopback", reply: "type[Reply]", status: int, kind: type[DestinationError]
) -> None:
    server.replies = [reply(status, json={"error": f"name-1 is bad, {TOKEN}"})]
    error = await failure(make_http(f"{server.url}/hook?key={TOKEN}"), *TWO)
    assert (type(error), error.code) == (kind, f"http_{status}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", 5.0), ("-3", 0.0), ("1.5", 2.0), ("99999999", 99999999.0), ("soon", None), ("", None), ("nan", None)],
)
async def test_a_throttled_batch_carries_the_wait(
    server: "Loopback", reply: "type[Reply]", value: str, expected: float | None
) -> None:
    server.replies = [reply(429, headers={"Retry-After": value})]
    error = await failure(make_http(server.url), *TWO)
    assert isinstance(error, RetryableError)
    assert error.retry_after == expected


async def test_a_redirect_is_refused(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(302, headers={"Location": f"{server.url}/?{TOKEN}"})]
    error = await failure(make_http(server.url), *TWO)
    assert isinstance(error, FatalError)
    assert "redirect" in str(error)
    assert len(server.requests) == 1


async def test_a_commit_whose_answer_is_lost_is_ambiguous(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(fault="reset")]
    assert isinstance(await failure(make_http(f"{server.url}/hook"), *TWO), AmbiguousError)
    assert len(server.requests) == 1


async def test_a_refused_single_row_is_rejected_with_its_reason(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(422, json={"error": "name-1 of key-1 is no name"}, headers={"X-Request-Id": "r-9"})]
    http = make_http(server.url, results={"message": "error"})
    assert (await deliver(http, TWO[0]))["key-1"] == RowResult(
        key="key-1", outcome=Outcome.REJECTED, code="http_422", message="*** of *** is no name", request_id="r-9"
    )


async def test_a_single_row_that_is_too_large_says_so(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(413)]
    assert (await deliver(make_http(server.url), TWO[0]))["key-1"].code == "too_large"


# What an answer says of single rows


async def test_a_success_speaks_for_every_row(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(202, headers={"X-Request-Id": "r-1"})]
    results = await deliver(make_http(server.url), *TWO)
    assert {(r.key, r.outcome, r.request_id) for r in results.values()} == {
        ("key-1", Outcome.SUCCEEDED, "r-1"),
        ("key-2", Outcome.SUCCEEDED, "r-1"),
    }


@pytest.mark.parametrize("bad", [0, 1, 2])
async def test_a_partial_failure_names_its_row_at_each_index(
    server: "Loopback", reply: "type[Reply]", bad: int
) -> None:
    items: list[object] = [{"status": "ok"} for _ in THREE]
    items[bad] = {"status": "bad", "error": f"name-{bad + 1} is taken, says {TOKEN}"}
    server.replies = [reply(207, json={"results": items})]
    results = await deliver(make_http(server.url, results=BY_INDEX), *THREE)
    for number, result in enumerate(results[payload.key] for payload in THREE):
        assert result.outcome is (Outcome.REJECTED if number == bad else Outcome.SUCCEEDED)
    refused = results[f"key-{bad + 1}"]
    assert (refused.code, refused.message) == ("refused", "*** is taken, says ***")


async def test_a_key_finds_its_row_in_any_order(server: "Loopback", reply: "type[Reply]") -> None:
    items = [{"id": 3, "status": "no"}, {"id": "1", "status": True, "record": {"id": 77}}, {"id": 2, "status": "ok"}]
    server.replies = [reply(json={"results": items})]
    results = await deliver(make_http(server.url, results=BY_KEY), *THREE)
    assert {key: result.outcome for key, result in results.items()} == {
        "key-1": Outcome.SUCCEEDED,
        "key-2": Outcome.SUCCEEDED,
        "key-3": Outcome.REJECTED,
    }
    assert results["key-1"].record_id == "77"


async def test_the_envelopes_key_is_what_an_answer_names(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": [{"id": "key-2", "status": "ok"}]})]
    results = await deliver(make_http(server.url, results=BY_KEY, envelope=True), *TWO)
    assert list(results) == ["key-2"]


@pytest.mark.parametrize("how", [BY_INDEX, BY_KEY])
async def test_a_row_that_the_answer_does_not_mention_has_no_result(
    server: "Loopback", reply: "type[Reply]", how: Mapping[str, object]
) -> None:
    server.replies = [reply(json={"results": [{"id": 1, "status": "ok"}]})]
    assert list(await deliver(make_http(server.url, results=how), *THREE)) == ["key-1"]


async def test_a_null_in_the_list_is_no_answer(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": [None, {"status": "ok"}]})]
    assert list(await deliver(make_http(server.url, results=BY_INDEX), *TWO)) == ["key-2"]


async def test_an_item_without_a_status_is_no_answer(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": [{"id": 1}, {"id": 2, "status": "ok"}]})]
    assert list(await deliver(make_http(server.url, results=BY_KEY), *TWO)) == ["key-2"]


async def test_an_answer_that_says_yes_and_no_of_a_row_says_nothing(server: "Loopback", reply: "type[Reply]") -> None:
    items = [
        {"id": 1, "status": "ok"},
        {"id": 1, "status": "bad"},
        {"id": 2, "status": "ok"},
        {"id": 2, "status": "ok"},
    ]
    server.replies = [reply(json={"results": items})]
    assert list(await deliver(make_http(server.url, results=BY_KEY), *TWO)) == ["key-2"]


@pytest.mark.parametrize(
    ("how", "items"),
    [(BY_INDEX, [{"status": "ok"}] * 3), (BY_KEY, [{"id": 1, "status": "ok"}, {"id": 99, "status": "ok"}])],
)
async def test_rows_that_were_not_sent_are_a_breach_of_contract(
    server: "Loopback", reply: "type[Reply]", how: Mapping[str, object], items: list[object]
) -> None:
    server.replies = [reply(json={"results": items})]
    error = await failure(make_http(server.url, results=how), *TWO)
    assert (type(error), error.code) == (AmbiguousError, "contract")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"results": "ok"}', b'{"results": {"status": "ok"}}', b"[]"])
@pytest.mark.parametrize("how", [BY_INDEX, BY_KEY])
async def test_a_success_without_a_list_of_results_is_no_answer(
    server: "Loopback", reply: "type[Reply]", how: Mapping[str, object], body: bytes
) -> None:
    server.replies = [reply(200, body=body)]
    error = await failure(make_http(server.url, results=how), *TWO)
    assert (type(error), error.code) == (AmbiguousError, "bad_answer")


async def test_the_answer_itself_can_be_the_list(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json=[{"status": "ok"}, {"status": "no"}])]
    results = await deliver(make_http(server.url, results={**BY_INDEX, "path": ""}), *TWO)
    assert [results[key].outcome for key in ("key-1", "key-2")] == [Outcome.SUCCEEDED, Outcome.REJECTED]
    assert results["key-2"].message == "the destination refused the row and gave no reason"


async def test_the_presence_of_a_field_can_mean_success(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": [{"record": 5}, {"error": "no"}]})]
    how = {"by": "index", "succeeded": {"field": "record"}, "record_id": "record"}
    results = await deliver(make_http(server.url, results=how), *TWO)
    assert (results["key-1"].outcome, results["key-1"].record_id) == (Outcome.SUCCEEDED, "5")
    assert results["key-2"].outcome is Outcome.REJECTED


async def test_other_statuses_can_mean_success(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(409)]
    results = await deliver(make_http(server.url, success_statuses="2xx,409"), *TWO)
    assert {result.outcome for result in results.values()} == {Outcome.SUCCEEDED}


async def test_a_listed_status_leaves_the_others_out(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(202)]
    assert isinstance(await failure(make_http(server.url, success_statuses=["200"]), *TWO), AmbiguousError)


# What goes over the wire


@pytest.mark.parametrize(
    ("settings", "content_type", "body"),
    [
        ({}, "application/json", b'[{"id":1,"name":"name-1"},{"id":2,"name":"name-2"}]'),
        (
            {"body": "object", "records_key": "rows"},
            "application/json",
            b'{"rows":[{"id":1,"name":"name-1"},{"id":2,"name":"name-2"}]}',
        ),
        ({"body": "ndjson"}, "application/x-ndjson", b'{"id":1,"name":"name-1"}\n{"id":2,"name":"name-2"}\n'),
    ],
)
async def test_a_batch_has_the_shape_that_body_says(
    server: "Loopback", reply: "type[Reply]", settings: Mapping[str, object], content_type: str, body: bytes
) -> None:
    server.replies = [reply()]
    await deliver(make_http(server.url, **settings), *TWO)
    sent = server.requests[0]
    assert (sent.method, sent.headers["content-type"], sent.body) == ("POST", content_type, body)
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["idempotency-key"] == "idem-1"


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ("row", "application/json", b'{"id":1,"name":"a&b","tags":["x"],"on":true,"no":null}'),
        ("form", "application/x-www-form-urlencoded", b"id=1&name=a%26b&tags=%5B%22x%22%5D&on=true&no="),
    ],
)
async def test_a_single_row_has_the_shape_that_body_says(
    server: "Loopback", reply: "type[Reply]", body: str, content_type: str, sent: bytes
) -> None:
    server.replies = [reply()]
    fields = {"id": 1, "name": "a&b", "tags": ["x"], "on": True, "no": None}
    await deliver(make_http(server.url, body=body), make_payload(1, fields=fields))
    assert (server.requests[0].headers["content-type"], server.requests[0].body) == (content_type, sent)


async def test_a_users_content_type_wins(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    await deliver(make_http(server.url, headers={"content-type": "application/vnd.ops+json"}), *TWO)
    assert server.requests[0].headers["content-type"] == "application/vnd.ops+json"


async def test_an_envelope_tells_what_the_row_is(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    await deliver(make_http(server.url, envelope=True), TWO[0])
    assert server.requests[0].json == [
        {
            "operation": "upsert",
            "key": "key-1",
            "fields": {"id": 1, "name": "name-1"},
            "sync": "customers",
            "run_id": "run-1",
        }
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, b'[{"id":1},{"id":2}]'),
        ({"body": "object"}, b'{"records":[{"id":1},{"id":2}]}'),
        ({"body": "ndjson"}, b'{"id":1}\n{"id":2}\n'),
    ],
)
async def test_a_delete_sends_the_identifiers(
    server: "Loopback", reply: "type[Reply]", settings: Mapping[str, object], expected: bytes
) -> None:
    server.replies = [reply(204)]
    rows = [make_payload(number, Operation.DELETE) for number in (1, 2)]
    await deliver(make_http(server.url, **settings), *rows, operation=Operation.DELETE)
    assert (server.requests[0].method, server.requests[0].body) == ("DELETE", expected)


@pytest.mark.parametrize("status", [204, 200, 404, 410])
async def test_a_delete_of_a_row_is_done_when_nothing_is_left(
    server: "Loopback", reply: "type[Reply]", status: int
) -> None:
    server.replies = [reply(status)]
    http = make_http(f"{server.url}/customers/{{id}}", body="row")
    results = await deliver(http, make_payload(1, Operation.DELETE), operation=Operation.DELETE)
    assert results["key-1"].outcome is Outcome.SUCCEEDED
    assert (server.requests[0].target, server.requests[0].body) == ("/customers/1", b"")


async def test_a_delete_by_row_without_a_field_in_the_url_says_which_row_in_its_body(
    server: "Loopback", reply: "type[Reply]"
) -> None:
    server.replies = [reply(204)]
    http = make_http(f"{server.url}/customers", body="row")
    await deliver(http, make_payload(1, Operation.DELETE), operation=Operation.DELETE)
    assert server.requests[0].body == b'{"id":1}'


async def test_a_deleted_row_needs_no_list_of_results(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(204)]
    http = make_http(f"{server.url}/{{id}}", body="row", results=BY_KEY)
    results = await deliver(http, make_payload(1, Operation.DELETE), operation=Operation.DELETE)
    assert results["key-1"].outcome is Outcome.SUCCEEDED


async def test_an_update_of_a_record_that_does_not_exist_rejects_the_row(
    server: "Loopback", reply: "type[Reply]"
) -> None:
    server.replies = [reply(404)]
    http = make_http(f"{server.url}/customers/{{id}}", body="row")
    results = await deliver(http, make_payload(1, Operation.UPDATE), operation=Operation.UPDATE)
    assert (results["key-1"].outcome, results["key-1"].code) == (Outcome.REJECTED, "not_found")


async def test_a_clear_empties_each_field_and_keeps_the_identifier(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    await deliver(make_http(server.url), make_payload(1, Operation.CLEAR), operation=Operation.CLEAR)
    assert (server.requests[0].method, server.requests[0].json) == ("PATCH", [{"id": 1, "name": None}])


async def test_a_create_adds_the_fields_of_new_records(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(201)]
    row = make_payload(
        1,
        Operation.CREATE,
        fields={"id": 1, "address": {"city": "Ulm"}},
        create_only={"address": {"zip": "89073"}, "source": "dbt"},
    )
    await deliver(make_http(server.url), row, operation=Operation.CREATE)
    expected = [{"id": 1, "address": {"city": "Ulm", "zip": "89073"}, "source": "dbt"}]
    assert server.requests[0].json == expected


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a/b c", "/c/a%2Fb%20c?o=big%2Fco"),
        ("?x=1#y", "/c/%3Fx%3D1%23y?o=big%2Fco"),
        ("a%2Fb", "/c/a%252Fb?o=big%2Fco"),
        ("ü\r\n", "/c/%C3%BC%0D%0A?o=big%2Fco"),
        ("{object}", "/c/%7Bobject%7D?o=big%2Fco"),
        (12, "/c/12?o=big%2Fco"),
    ],
)
async def test_an_identifier_stays_in_its_place_in_the_url(
    server: "Loopback", reply: "type[Reply]", value: object, target: str
) -> None:
    server.replies = [reply()]
    http = make_http(f"{server.url}/c/{{id}}?o={{object}}", body="row")
    batch = make_batch(http, make_payload(1, identity={"id": value}), object_name="big/co")
    await http.send(batch)
    await http.close()
    assert server.requests[0].target == target


@pytest.mark.parametrize("value", ["", None, "..", ".", "../admin", "a/../../b", "a\\..\\b"])
async def test_an_identifier_that_would_address_something_else_is_never_sent(server: "Loopback", value: object) -> None:
    http = make_http(f"{server.url}/c/{{id}}", body="row")
    row = make_payload(1, Operation.DELETE, identity={"id": value})
    result = (await deliver(http, row, operation=Operation.DELETE))["key-1"]
    assert (result.outcome, result.code, result.field) == (Outcome.REJECTED, "bad_identifier", "id")
    assert server.requests == []


@settings(deadline=None)
@given(st.text())
def test_no_identifier_leaves_its_part_of_the_path(value: str) -> None:
    encodable = value.encode("utf-8", "ignore").decode()
    filled = address("https://x.example/c/{id}/end", None, {"id": encodable})
    assert filled.count("/") == 5
    assert not set(filled) & set("?# \r\n{}")
    if not misleading(encodable):
        assert filled not in {"https://x.example/c//end", "https://x.example/c/../end", "https://x.example/c/./end"}


async def test_a_renamed_record_is_updated_where_it_is(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    row = make_payload(2, Operation.UPDATE, confirmed_identity={"id": 1})
    await deliver(make_http(f"{server.url}/{{id}}", body="row"), row, operation=Operation.UPDATE)
    assert server.requests[0].target == "/1"
    assert server.requests[0].json == {"id": 2, "name": "name-2"}


async def test_a_url_field_that_is_no_identifier_is_fatal(server: "Loopback") -> None:
    error = await failure(make_http(f"{server.url}/hook/{{email}}", body="row"), TWO[0])
    assert (type(error), error.code) == (FatalError, "url_field")
    assert "ops.outputs.prod.url" in str(error)


async def test_an_operation_can_have_a_method_and_a_url_of_its_own(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    operations = {"archive": {"method": "PUT", "url": f"{server.url}/archive"}}
    http = make_http(server.url, operations=operations)
    await deliver(http, make_payload(1, Operation.ARCHIVE), operation=Operation.ARCHIVE)
    sent = server.requests[0]
    assert (sent.method, sent.target, sent.json) == ("PUT", "/archive", [{"id": 1}])


async def test_the_signature_is_of_exactly_the_bytes_sent(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply()]
    http = make_http(server.url, sign={"header": "X-Signature", "secret": "k3y"}, envelope=True)
    await deliver(http, *TWO)
    sent = server.requests[0]
    assert sent.headers["x-signature"] == hmac.new(b"k3y", sent.body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("settings", "operation", "sent"),
    [
        ({}, Operation.UPSERT, True),
        ({}, Operation.CREATE, False),
        ({"delivery": "append"}, Operation.UPSERT, False),
        ({"delivery": "idempotency_key"}, Operation.CREATE, True),
    ],
)
async def test_the_idempotency_key_goes_where_repeating_is_harmless(
    server: "Loopback", reply: "type[Reply]", settings: Mapping[str, object], operation: Operation, sent: bool
) -> None:
    server.replies = [reply()]
    http = make_http(server.url, idempotency_header="X-Idem", **settings)
    await deliver(http, make_payload(1, operation), operation=operation)
    assert ("x-idem" in server.requests[0].headers) is sent


async def test_a_repeated_batch_is_the_same_bytes(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(503), reply()]
    http = make_http(server.url)
    batch = make_batch(http, *TWO)
    with pytest.raises(AmbiguousError):
        await http.send(batch)
    await http.send(batch)
    await http.close()
    first, second = server.requests
    assert (first.body, first.headers["idempotency-key"]) == (second.body, second.headers["idempotency-key"])


@pytest.mark.parametrize("text", ['O\'Brien "x"', "a\r\nb\x00\x1b", "日本\u2028🚀", "{{ x }}", "\\", "</script>"])
async def test_any_text_arrives_as_it_is(server: "Loopback", reply: "type[Reply]", text: str) -> None:
    server.replies = [reply()]
    await deliver(make_http(server.url), make_payload(1, fields={"id": 1, "name": text}))
    assert server.requests[0].json == [{"id": 1, "name": text}]


def test_decimals_are_numbers_with_every_digit() -> None:
    row = make_payload(1, fields={"a": Decimal("12345678901234567890.10"), "b": 2**70})
    assert row_body(row, Settings(url="https://x")) == b'{"a":12345678901234567890.10,"b":1180591620717411303424}'


@settings(deadline=None)
@given(st.dictionaries(st.text(alphabet=st.characters(codec="utf-8")), st.integers() | st.booleans() | st.none()))
def test_encoding_is_deterministic_and_its_size_covers_the_row(fields: JsonObject) -> None:
    http = make_http("https://x.example", envelope=True)
    encoded = http.encode(make_payload(1, fields=fields))
    assert encoded == http.encode(make_payload(1, fields=fields))
    assert isinstance(encoded.body, bytes)
    assert json.loads(encoded.body) == fields
    assert encoded.size > len(encoded.body)


# What it says of itself


async def test_a_check_names_the_server(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(405)]
    http = make_http(f"{server.url}/hook?key={TOKEN}")
    assert await http.check() == Account(server.url)
    await http.close()
    assert (server.requests[0].method, server.requests[0].target) == ("HEAD", "/")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_check_that_refuses_us_is_fatal(server: "Loopback", reply: "type[Reply]", status: int) -> None:
    server.replies = [reply(status)]
    http = make_http(server.url)
    with pytest.raises(FatalError, match=str(status)):
        await http.check()
    await http.close()


@pytest.mark.parametrize(
    ("settings", "classes"),
    [
        ({}, {"upsert": "U", "create": "N", "update": "U", "delete": "U", "clear": "U"}),
        ({"delivery": "upsert"}, dict.fromkeys(["upsert", "create", "update", "delete", "clear"], "U")),
        ({"delivery": "idempotency_key"}, dict.fromkeys(["upsert", "create", "update", "delete", "clear"], "K")),
        ({"delivery": "append"}, dict.fromkeys(["upsert", "create", "update", "delete", "clear"], "N")),
        (
            {"operations": {"archive": {"method": "POST"}}},
            {"upsert": "U", "create": "N", "update": "U", "delete": "U", "clear": "U", "archive": "U"},
        ),
    ],
)
def test_each_operation_has_its_delivery_class(settings: Mapping[str, object], classes: dict[str, str]) -> None:
    spec = make_http("https://x.example", **settings).describe(None)
    assert {op.value: found.delivery.value for op, found in spec.operations.items()} == classes
    assert (spec.exact_numbers, spec.tells_creates, spec.fields, spec.answers) == (False, False, None, "all")


def test_a_refused_append_of_many_rows_may_have_left_some_behind() -> None:
    assert not make_http("https://x.example").describe(None).operations[Operation.CREATE].atomic
    assert make_http("https://x.example", body="row").describe(None).operations[Operation.CREATE].atomic
    assert make_http("https://x.example", delivery="upsert").describe(None).operations[Operation.CREATE].atomic


@pytest.mark.parametrize(("body", "rows"), [("array", 20), ("ndjson", 20), ("object", 20), ("row", 1), ("form", 1)])
def test_a_request_takes_the_rows_that_its_body_has_room_for(body: str, rows: int) -> None:
    spec = make_http("https://x.example", body=body, batch_size=20).describe(None)
    assert spec.operations[Operation.UPSERT].rows == rows


def test_a_key_lives_as_long_as_it_is_declared() -> None:
    assert make_http("https://x.example").idempotency_seconds == 86_400
    assert make_http("https://x.example", idempotency_ttl="30m").idempotency_seconds == 1_800


@pytest.mark.parametrize(
    ("settings", "object_name", "fault"),
    [
        ({"url": "https://x.example/{object}", "body": "row"}, None, "the URL takes {object}"),
        ({"url": "https://x.example/{id}"}, None, "the URL takes {id}, and a request has no row of its own"),
        (
            {"url": "https://x.example", "operations": {"delete": {"url": "https://x.example/{id}"}}},
            None,
            "the URL takes {id}, and a request has no row of its own",
        ),
    ],
)
def test_a_url_that_cannot_be_filled_is_an_error_of_the_configuration(
    settings: dict[str, object], object_name: str | None, fault: str
) -> None:
    url = str(settings.pop("url"))
    with pytest.raises(ConfigError) as caught:
        make_http(url, **settings).describe(object_name)
    assert [problem.fault for problem in caught.value.problems] == [fault]
    assert str(caught.value).startswith("destinations.yml, ops.outputs.prod.url: ")


def change(**settings: object) -> Mapping[str, object]:
    return {"url": "https://x.example", **settings}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        change(url="ftp://x.example"),
        change(url="https://{tenant}.example/x"),
        change(url="https://user:pass@x.example/"),
        change(url="https://x.example/a b"),
        change(colour="red"),
        change(headers={"X Y": "1"}),
        change(headers={"X": "a\r\nb"}),
        change(headers={"X": 1}),
        change(body="xml"),
        change(operations={"replace": {}}),
        change(operations={"delete": {"verb": "POST"}}),
        change(results={"by": "index"}),
        change(results={"by": "key", "key": "id"}),
        change(results={"by": "all", "colour": 1}),
        change(success_statuses="2x"),
        change(success_statuses=[200]),
        change(delivery="exactly_once"),
        change(idempotency_ttl="a day"),
        change(sign={"header": "X"}),
        change(batch_size=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Mapping[str, object]) -> None:
    assert not jsonschema.Draft202012Validator(Http.connection_schema).is_valid(settings)


def test_the_settings_of_the_documentation_are_taken() -> None:
    settings = change(
        headers={"Authorization": "Bearer x"},
        body="array",
        records_key="records",
        envelope=False,
        operations={"upsert": {"method": "POST"}, "update": {"method": "PATCH"}, "delete": {"method": "DELETE"}},
        results={
            "by": "all",
            "path": "results",
            "key": "id",
            "succeeded": {"field": "status", "values": ["ok", "created", "updated"]},
            "message": "error",
            "record_id": "record_id",
        },
        success_statuses=["2xx"],
        delivery="upsert",
        idempotency_header="Idempotency-Key",
        idempotency_ttl="24h",
        sign={"header": "X-Signature", "secret": "x"},
        batch_size=100,
    )
    jsonschema.Draft202012Validator(Http.connection_schema).validate(settings)


def test_the_schema_marks_what_is_secret() -> None:
    properties = as_mapping(Http.connection_schema["properties"])
    headers = as_mapping(as_mapping(properties["headers"])["additionalProperties"])
    secret = as_mapping(as_mapping(as_mapping(properties["sign"])["properties"])["secret"])
    assert (headers["x-secret"], secret["x-secret"]) == (True, True)
    jsonschema.Draft202012Validator.check_schema(dict(Http.connection_schema))


def test_nothing_is_opened_before_it_is_used() -> None:
    opened: list[bool] = []
    make: Callable[[bool], object] = opened.append
    connection = Connection(name="ops", output="prod", type="http", settings={"url": "https://x.example"})
    http = Http(connection, make_tools(make))  # type: ignore[arg-type]
    http.describe(None)
    http.encode(make_payload(1))
    assert opened == []
    assert http.describe(None).operations[Operation.UPSERT].delivery is DeliveryClass.UPSERT
