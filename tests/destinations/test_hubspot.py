"""``type: hubspot`` against a small CRM on loopback that behaves as the published API description says."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.destinations.hubspot import HubSpot
from dbt_activate.destinations.hubspot.spelling import text_of
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    ConfigError,
    DestinationError,
    FatalError,
    RetryableError,
)
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Account, Connection, FieldSpec, Limits
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import ChangeKind, Operation

if TYPE_CHECKING:
    from tests.destinations.conftest import Loopback, Reply, Request

TOKEN = "pat-eu1-s3cr3t"
TRACE = "objectWriteTraceId"


class Crm:
    """A CRM with one kind of record, whose *unique* property matches without regard to case.

    *scripted* maps an action to the answers it gives first; a function changes the CRM's own answer.
    """

    def __init__(self, server: "Loopback", reply: "type[Reply]", unique: str = "email") -> None:
        self.server = server
        self.reply = reply
        self.unique = unique
        self.records: dict[str, dict[str, str]] = {}
        self.scripted: dict[str, list[Reply | Callable[[Reply], Reply]]] = {}
        self.refuses_all_for: str | None = None
        self._ids = count(101)
        server.answering = self.answer

    def add(self, **properties: str) -> str:
        record_id = str(next(self._ids))
        self.records[record_id] = properties
        return record_id

    @property
    def asked(self) -> list[str]:
        """The actions of the requests so far."""
        return [request.target.rsplit("/", 1)[1] for request in self.server.requests]

    def inputs(self, action: str) -> list[dict[str, Any]]:
        """The inputs of the last request for *action*."""
        found = [request for request in self.server.requests if request.target.endswith(f"/batch/{action}")]
        body: Any = found[-1].json
        return list(body["inputs"])

    def answer(self, request: "Request") -> "Reply":
        action = request.target.rsplit("/", 1)[1]
        scripted = self.scripted.get(action, [])
        change = scripted.pop(0) if scripted else None
        body: Any = request.json
        if callable(change):
            return change(self._own(action, body))
        return change or self._own(action, body)

    def _own(self, action: str, body: Any) -> "Reply":
        if action == "archive":
            for part in body["inputs"]:
                self.records.pop(part["id"], None)
            return self.reply(204)
        if self.refuses_all_for and self.refuses_all_for in str(body):
            return self.reply(400, json={"status": "error", "category": "VALIDATION_ERROR", "message": "bad input"})
        results: list[object] = []
        errors: list[object] = []
        for part in body["inputs"]:
            done = getattr(self, f"_{action}")(part, body)
            (errors if "category" in done else results).append(done)
        status = 207 if errors else 201 if action == "create" else 200
        answer = {"status": "COMPLETE", "results": results[::-1]}
        return self.reply(status, json={**answer, "numErrors": len(errors), "errors": errors} if errors else answer)

    def _find(self, value: str, name: str | None) -> str | None:
        if not name:
            return value if value in self.records else None
        found = (key for key, record in self.records.items() if record.get(name, "").lower() == value.lower())
        return next(found, None)

    def _told(self, record_id: str, part: Mapping[str, Any]) -> dict[str, object]:
        told: dict[str, object] = {"id": record_id, "properties": dict(self.records[record_id])}
        return {**told, TRACE: part[TRACE]} if TRACE in part else told

    def _fault(self, part: Mapping[str, Any], category: str, message: str) -> dict[str, object]:
        context = {TRACE: [part[TRACE]]} if TRACE in part else {"ids": [part["id"]]}
        return {"status": "error", "category": category, "message": message, "context": context}

    def _read(self, part: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, object]:
        record_id = self._find(part["id"], body.get("idProperty"))
        return self._told(record_id, {}) if record_id else self._fault(part, "OBJECT_NOT_FOUND", "no such object")

    def _update(self, part: Mapping[str, Any], _body: object) -> dict[str, object]:
        record_id = self._find(part["id"], part.get("idProperty"))
        if not record_id:
            return self._fault(part, "OBJECT_NOT_FOUND", "Could not get some objects")
        self.records[record_id].update(part["properties"])
        return self._told(record_id, part)

    def _create(self, part: Mapping[str, Any], _body: object) -> dict[str, object]:
        value = part["properties"].get(self.unique)
        if value and (taken := self._find(value, self.unique)):
            return self._fault(part, "CONFLICT", f"Contact already exists. Existing ID: {taken}")
        return self._told(self.add(**part["properties"]), part)

    def _upsert(self, part: Mapping[str, Any], body: object) -> dict[str, object]:
        if self._find(part["id"], part["idProperty"]):
            return {**self._update(part, body), "new": False}
        return {**self._create({**part, "properties": {**part["properties"], part["idProperty"]: part["id"]}}, body)}


@pytest.fixture
def crm(server: "Loopback", reply: "type[Reply]") -> Crm:
    return Crm(server, reply)


def make_hubspot(url: str, **settings: object) -> HubSpot:
    given = {"token": TOKEN, "base_url": url, **settings}
    jsonschema.Draft202012Validator(HubSpot.connection_schema).validate(given)
    connection = Connection(
        name="crm",
        output="prod",
        type="hubspot",
        settings={**given, "token": Secret(TOKEN)},
        limits=Limits(timeout_seconds=5.0),
    )
    return HubSpot(connection, make_tools())


def make_payload(number: int, operation: Operation = Operation.UPSERT, **changes: object) -> Payload:
    email = f"person-{number}@x.example"
    fields: JsonObject = {"email": email, "score": number + 1000}
    given: dict[str, object] = {
        "key": f"key-{number}",
        "change": ChangeKind.CHANGED,
        "operation": operation,
        "fields": fields,
        "identity": {"email": email},
        "payload_hash": f"{number:032x}",
    }
    return Payload(**{**given, **changes})  # type: ignore[arg-type]


def make_company(number: int, operation: Operation = Operation.UPSERT, **changes: object) -> Payload:
    fields: JsonObject = {"ext_id": f"ext-{number}", "name": f"Company {number}"}
    return make_payload(number, operation, **{"fields": fields, "identity": {"ext_id": f"ext-{number}"}, **changes})


Delivered = dict[str, RowResult]


async def deliver(url: str, *payloads: Payload, object_name: str = "contacts", **settings: object) -> Delivered:
    hubspot = make_hubspot(url, **settings)
    batch = Batch(
        number=1,
        operation=payloads[0].operation,
        object=object_name,
        rows=tuple(hubspot.encode(payload) for payload in payloads),
        idempotency_key="idem-1",
    )
    try:
        results = await hubspot.send(batch)
    finally:
        await hubspot.close()
    assert len({result.key for result in results}) == len(results)
    assert {result.key for result in results} <= set(batch.keys)
    for result in results:
        assert "person-" not in str(result.message)
        assert TOKEN not in str(result)
    return {result.key: result for result in results}


async def failure(url: str, *payloads: Payload, object_name: str = "contacts") -> DestinationError:
    with pytest.raises(DestinationError) as caught:
        await deliver(url, *payloads, object_name=object_name)
    assert TOKEN not in str(caught.value)
    assert "person-" not in str(caught.value)
    return caught.value


def outcomes(results: Delivered) -> dict[str, tuple[Outcome, str | None]]:
    return {key: (result.outcome, result.code) for key, result in results.items()}


ROWS_OF_EMULATOR = tuple(
    make_payload(number, fields={"email": f"person-{number}@x.example", name: "Ann"})
    for number, name in ((1, "firstname"), (2, "lastname"), (3, "no_such_property"))
)
OK = (Outcome.SUCCEEDED, None)
ROWS = tuple(make_payload(number) for number in (1, 2, 3))
NEW = tuple(make_payload(number, Operation.CREATE) for number in (1, 2, 3))


# Failures of a whole request


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BatchRejectedError),
        (401, FatalError),
        (403, FatalError),
        (404, FatalError),
        (409, BatchRejectedError),
        (423, RetryableError),
        (429, RetryableError),
        (477, RetryableError),
        (500, AmbiguousError),
        (503, AmbiguousError),
        (521, AmbiguousError),
        (302, FatalError),
    ],
)
async def test_a_refusal_before_anything_was_applied_speaks_for_the_batch(
    crm: Crm, status: int, kind: type[DestinationError]
) -> None:
    body = {"status": "error", "message": f"person-1@x.example {TOKEN}", "correlationId": "c-1"}
    crm.scripted["create"] = [crm.reply(status, json=body)]
    error = await failure(crm.server.url, *NEW)
    assert (type(error), error.code, error.request_id) == (kind, f"http_{status}", "c-1")


async def test_a_commit_whose_answer_is_lost_is_ambiguous(crm: Crm) -> None:
    crm.scripted["create"] = [lambda _: crm.reply(fault="reset")]
    assert isinstance(await failure(crm.server.url, *NEW), AmbiguousError)
    assert len(crm.records) == 3


@pytest.mark.parametrize("fault", ["reset", "truncate"])
async def test_a_lost_answer_of_a_mere_lookup_is_harmless(crm: Crm, fault: str) -> None:
    crm.scripted["read"] = [crm.reply(json={"results": []}, fault=fault)]
    error = await failure(crm.server.url, *ROWS)
    assert isinstance(error, RetryableError)
    assert crm.asked == ["read"]


async def test_a_lookup_without_results_creates_nothing(crm: Crm) -> None:
    crm.scripted["read"] = [crm.reply(200)]
    error = await failure(crm.server.url, *ROWS)
    assert (type(error), error.code) == (RetryableError, "bad_answer")
    assert crm.asked == ["read"]


@pytest.mark.parametrize(
    ("headers", "policy", "expected"),
    [
        ({}, None, None),
        ({}, "SECONDLY", 1.0),
        ({}, "TEN_SECONDLY_ROLLING", 10.0),
        ({"X-HubSpot-RateLimit-Interval-Milliseconds": "5000"}, "TEN_SECONDLY_ROLLING", 5.0),
        ({"X-HubSpot-RateLimit-Interval-Milliseconds": "soon"}, "SECONDLY", 1.0),
        ({"Retry-After": "3"}, "TEN_SECONDLY_ROLLING", 3.0),
        ({"Retry-After": "soon"}, "TEN_SECONDLY_ROLLING", 10.0),
        ({"Retry-After": "1.5"}, None, 2.0),
        ({"Retry-After": "-3"}, None, 0.0),
        ({"Retry-After": "nan"}, None, None),
    ],
)
async def test_a_throttled_batch_carries_the_wait(
    crm: Crm, headers: Mapping[str, str], policy: str | None, expected: float | None
) -> None:
    crm.scripted["create"] = [crm.reply(429, json={"policyName": policy}, headers=headers)]
    error = await failure(crm.server.url, *NEW)
    assert isinstance(error, RetryableError)
    assert error.retry_after == expected


async def test_a_spent_day_ends_the_run(crm: Crm) -> None:
    crm.scripted["read"] = [crm.reply(429, json={"policyName": "DAILY"}, headers={"Retry-After": "1"})]
    error = await failure(crm.server.url, *ROWS)
    assert (type(error), error.code) == (FatalError, "quota")


async def test_a_missing_scope_is_named(crm: Crm) -> None:
    context = {"requiredGranularScopes": ["crm.objects.contacts.write", "<script>"]}
    body = {"category": "MISSING_SCOPES", "errors": [{"message": "x", "context": context}]}
    crm.scripted["create"] = [crm.reply(403, json=body)]
    error = await failure(crm.server.url, *NEW)
    assert isinstance(error, FatalError)
    assert "crm.objects.contacts.write" in str(error)
    assert "script" not in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status": "COMPLETE"}', b'{"results": 5}'])
async def test_a_success_without_results_is_no_answer(crm: Crm, body: bytes) -> None:
    crm.scripted["create"] = [crm.reply(201, body=body)]
    error = await failure(crm.server.url, *NEW)
    assert (type(error), error.code) == (AmbiguousError, "bad_answer")


async def test_a_single_row_that_was_refused_whole_gets_the_reason(crm: Crm) -> None:
    message = (
        'Property values were not valid: [{"isValid":false,"message":"PERSON-1@x.example of person-1@X.example is bad",'
        '"error":"INVALID_EMAIL","name":"email"}]'
    )
    body = {"status": "error", "message": message, "category": "VALIDATION_ERROR", "correlationId": "c-7"}
    crm.scripted["create"] = [crm.reply(400, json=body)]
    assert (await deliver(crm.server.url, NEW[0]))["key-1"] == RowResult(
        key="key-1",
        outcome=Outcome.REJECTED,
        code="VALIDATION_ERROR",
        field="email",
        pointer="/email",
        message="*** of *** is bad",
        request_id="c-7",
    )


@pytest.mark.parametrize("body", [None, {}, {"category": 5, "message": ["x"], "errors": "no"}, {"message": None}, [1]])
async def test_a_single_row_that_was_refused_without_a_reason_is_rejected(crm: Crm, body: object) -> None:
    crm.scripted["create"] = [crm.reply(400, json=body)]
    result = (await deliver(crm.server.url, NEW[0]))["key-1"]
    assert result.outcome is Outcome.REJECTED
    assert result.message


# What an answer says of single rows


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize("traced", [True, False])
async def test_a_partial_failure_names_its_row_at_each_index(crm: Crm, bad: int, traced: bool) -> None:
    for number in (1, 2, 3):
        crm.add(email=f"person-{number}@x.example")

    def refuse(own: "Reply") -> "Reply":
        told: Any = own.json
        items = [item for item in told["results"] if item[TRACE] != str(bad)]
        spoilt = next(item for item in told["results"] if item[TRACE] == str(bad))
        context = {TRACE: [str(bad)]} if traced else {"ids": [spoilt["id"]]}
        detail = {"message": f"{1001 + bad} was not one of the options", "context": {"propertyName": ["score"]}}
        error = {"category": "VALIDATION_ERROR", "message": "Property", "context": context, "errors": [detail]}
        kept = items if traced else [{name: item[name] for name in item if name != TRACE} for item in items]
        return crm.reply(207, json={"status": "COMPLETE", "results": kept, "errors": [error], "numErrors": 1})

    crm.scripted["update"] = [refuse]
    results = await deliver(crm.server.url, *ROWS)
    expected = {f"key-{number + 1}": OK for number in range(3)}
    assert outcomes(results) == {**expected, f"key-{bad + 1}": (Outcome.REJECTED, "VALIDATION_ERROR")}
    refused = results[f"key-{bad + 1}"]
    assert (refused.field, refused.pointer) == ("score", "/score")
    assert refused.message == "*** was not one of the options"


async def test_the_order_of_an_answer_means_nothing(crm: Crm) -> None:
    results = await deliver(crm.server.url, *NEW)
    by_email = {record["email"]: record_id for record_id, record in crm.records.items()}
    assert {key: result.record_id for key, result in results.items()} == {
        f"key-{number}": by_email[f"person-{number}@x.example"] for number in (1, 2, 3)
    }


async def test_without_a_trace_the_identifier_finds_the_row(crm: Crm) -> None:
    def untrace(own: "Reply") -> "Reply":
        told: Any = own.json
        items = [{"id": item["id"], "properties": {"email": item["properties"]["email"]}} for item in told["results"]]
        return crm.reply(201, json={"results": items})

    crm.scripted["create"] = [untrace]
    upper = make_payload(1, Operation.CREATE, identity={"email": "Person-1@X.example"})
    results = await deliver(crm.server.url, upper, NEW[1])
    assert outcomes(results) == {"key-1": OK, "key-2": OK}


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_row_that_the_answer_does_not_mention_has_no_result(crm: Crm, missing: int) -> None:
    def forget(own: "Reply") -> "Reply":
        told: Any = own.json
        return crm.reply(201, json={"results": [item for item in told["results"] if item[TRACE] != str(missing)]})

    crm.scripted["create"] = [forget]
    results = await deliver(crm.server.url, *NEW)
    assert set(results) == {"key-1", "key-2", "key-3"} - {f"key-{missing + 1}"}


async def test_an_empty_list_of_results_confirms_nothing(crm: Crm) -> None:
    crm.scripted["create"] = [crm.reply(201, json={"status": "COMPLETE", "results": []})]
    assert await deliver(crm.server.url, *NEW) == {}


@pytest.mark.parametrize("extra", [{"id": "9", TRACE: "77"}, {"id": "9", "properties": {"email": "other@x.example"}}])
async def test_rows_that_were_not_sent_are_a_breach_of_contract(crm: Crm, extra: Mapping[str, object]) -> None:
    def add(own: "Reply") -> "Reply":
        told: Any = own.json
        return crm.reply(201, json={"results": [*told["results"], extra]})

    crm.scripted["create"] = [add]
    error = await failure(crm.server.url, *NEW)
    assert (type(error), error.code) == (AmbiguousError, "contract")


async def test_an_answer_that_says_yes_and_no_of_a_row_says_nothing(crm: Crm) -> None:
    def contradict(own: "Reply") -> "Reply":
        told: Any = own.json
        error = {"category": "VALIDATION_ERROR", "message": "no", "context": {TRACE: ["1"]}}
        return crm.reply(207, json={**told, "errors": [error]})

    crm.scripted["create"] = [contradict]
    assert set(await deliver(crm.server.url, *NEW)) == {"key-1", "key-3"}


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("RATE_LIMITS", (Outcome.FAILED, "RATE_LIMITS")),
        ("INTERNAL_ERROR", (Outcome.UNKNOWN, "INTERNAL_ERROR")),
        ("VALIDATION_ERROR", (Outcome.REJECTED, "VALIDATION_ERROR")),
        ("person-1@x.example", (Outcome.REJECTED, "rejected")),
        (None, (Outcome.REJECTED, "rejected")),
    ],
)
async def test_the_category_decides_what_became_of_a_row(
    crm: Crm, category: str | None, expected: tuple[Outcome, str]
) -> None:
    error = {"category": category, "message": "person-1@x.example", "context": {TRACE: ["0"]}}
    crm.scripted["create"] = [crm.reply(207, json={"results": [], "errors": [error]})]
    assert outcomes(await deliver(crm.server.url, *NEW)) == {"key-1": expected}


async def test_one_error_can_mean_several_rows_and_strange_ones_mean_none(crm: Crm) -> None:
    errors: list[object] = [
        {"category": "VALIDATION_ERROR", "message": "no", "context": {TRACE: ["0", "2", "99"]}},
        "nonsense",
        {"category": "VALIDATION_ERROR", "message": "no"},
        {"category": "VALIDATION_ERROR", "context": {"ids": "person-2@x.example"}},
    ]
    crm.scripted["create"] = [crm.reply(207, json={"errors": errors})]
    results = await deliver(crm.server.url, *NEW)
    assert set(results) == {"key-1", "key-2", "key-3"}
    assert results["key-2"].message == "HubSpot gave no reason"


async def test_a_property_that_the_row_has_not_is_not_named_as_its_field(crm: Crm) -> None:
    error = {"category": "VALIDATION_ERROR", "message": 'Property "other" does not exist', "context": {TRACE: ["0"]}}
    crm.scripted["create"] = [crm.reply(207, json={"results": [], "errors": [error]})]
    assert (await deliver(crm.server.url, NEW[0]))["key-1"].field is None


async def test_a_property_in_plain_words_is_found(crm: Crm) -> None:
    error = {"category": "VALIDATION_ERROR", "message": 'Property "score" does not exist', "context": {TRACE: ["0"]}}
    crm.scripted["create"] = [crm.reply(207, json={"results": [], "errors": [error]})]
    assert (await deliver(crm.server.url, NEW[0]))["key-1"].field == "score"


async def test_what_hubspot_made_of_the_values_comes_back(crm: Crm) -> None:
    def lower(own: "Reply") -> "Reply":
        told: Any = own.json
        told["results"][0]["properties"] = {"score": "1001.0", "createdate": "2026-01-01"}
        return own

    crm.scripted["create"] = [lower]
    assert (await deliver(crm.server.url, NEW[0]))["key-1"].theirs == {"score": "1001.0"}


# Upsert of contacts: look, then update and create


async def test_an_upsert_updates_what_is_there_and_creates_the_rest(crm: Crm) -> None:
    known = crm.add(email="Person-2@X.example", score="5", lifecycle="lead")
    rows = [make_payload(number, create_only={"source": "dbt"}) for number in (1, 2, 3)]
    results = await deliver(crm.server.url, *rows)
    assert outcomes(results) == {"key-1": OK, "key-2": OK, "key-3": OK}
    assert crm.asked == ["read", "update", "create"]
    assert results["key-2"].record_id == known
    assert crm.records[known] == {"email": "person-2@x.example", "score": "1002", "lifecycle": "lead"}
    assert {record.get("source") for key, record in crm.records.items() if key != known} == {"dbt"}
    again = await deliver(crm.server.url, *rows)
    assert outcomes(again) == {"key-1": OK, "key-2": OK, "key-3": OK}
    assert len(crm.records) == 3


async def test_the_requests_have_the_shape_of_the_api_description(crm: Crm) -> None:
    known = crm.add(email="person-1@x.example")
    await deliver(crm.server.url, *ROWS[:2])
    read, update, create = crm.server.requests
    assert [request.target for request in (read, update, create)] == [
        f"/crm/v3/objects/contacts/batch/{action}" for action in ("read", "update", "create")
    ]
    assert read.headers["authorization"] == f"Bearer {TOKEN}"
    assert read.headers["content-type"] == "application/json"
    assert read.json == {
        "idProperty": "email",
        "inputs": [{"id": "person-1@x.example"}, {"id": "person-2@x.example"}],
        "properties": ["email", "hs_additional_emails"],
        "propertiesWithHistory": [],
    }
    assert update.json == {
        "inputs": [{"id": known, "properties": {"email": "person-1@x.example", "score": "1001"}, TRACE: "0"}]
    }
    assert create.json == {
        "inputs": [{"properties": {"email": "person-2@x.example", "score": "1002"}, "associations": [], TRACE: "1"}]
    }


async def test_a_date_version_has_other_paths(crm: Crm) -> None:
    await deliver(crm.server.url, NEW[0], api_version="2026-09")
    assert crm.server.requests[0].target == "/crm/objects/2026-09/contacts/batch/create"


async def test_a_known_record_is_addressed_by_its_id(crm: Crm) -> None:
    known = crm.add(email="old@x.example")
    results = await deliver(crm.server.url, make_payload(1, record_id=known))
    assert outcomes(results) == {"key-1": OK}
    assert crm.asked == ["update"]
    assert crm.records[known]["email"] == "person-1@x.example"


@pytest.mark.parametrize("whole", [False, True])
async def test_a_known_record_that_is_gone_is_matched_anew(crm: Crm, whole: bool) -> None:
    there = crm.add(email="person-1@x.example")
    if whole:
        body = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects"}
        crm.scripted["update"] = [crm.reply(404, json=body)]
    results = await deliver(crm.server.url, make_payload(1, record_id="999"))
    assert outcomes(results) == {"key-1": OK}
    assert results["key-1"].record_id == there
    assert crm.asked == ["update", "read", "update"]


async def test_a_known_record_that_is_gone_for_good_is_made_again(crm: Crm) -> None:
    kept = crm.add(email="person-2@x.example")
    results = await deliver(crm.server.url, make_payload(1, record_id="999"), make_payload(2, record_id=kept))
    assert outcomes(results) == {"key-1": OK, "key-2": OK}
    assert crm.asked == ["update", "read", "create"]
    assert len(crm.records) == 2


async def test_a_known_record_whose_email_another_one_has_now_is_matched_anew(crm: Crm) -> None:
    there = crm.add(email="person-1@x.example")
    conflict = {"category": "CONFLICT", "message": "Contact already exists.", "context": {TRACE: ["0"]}}
    crm.scripted["update"] = [crm.reply(207, json={"results": [], "errors": [conflict]})]
    assert (await deliver(crm.server.url, make_payload(1, record_id="5")))["key-1"].record_id == there


@pytest.mark.parametrize("confirmed", [None, {"email": "old@x.example"}])
async def test_a_conflict_that_stays_rejects_the_row(crm: Crm, confirmed: JsonObject | None) -> None:
    crm.add(email="person-1@x.example")
    conflict = {"category": "CONFLICT", "message": "another property is taken", "context": {TRACE: ["0"]}}
    refused = crm.reply(207, json={"results": [], "errors": [conflict]})
    crm.scripted["update"] = [refused, refused]
    row = make_payload(1, record_id="5", confirmed_identity=confirmed)
    assert outcomes(await deliver(crm.server.url, row)) == {"key-1": (Outcome.REJECTED, "CONFLICT")}
    assert crm.asked == (["update"] if confirmed else ["update", "read", "update"])


async def test_missing_records_among_many_make_the_whole_batch_be_looked_at_in_parts(crm: Crm) -> None:
    body = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects"}
    crm.scripted["update"] = [crm.reply(404, json=body)]
    rows = [make_payload(number, record_id=str(number)) for number in (1, 2)]
    error = await failure(crm.server.url, *rows)
    assert (type(error), error.code) == (BatchRejectedError, "not_found")


async def test_a_renamed_contact_is_found_under_its_old_name(crm: Crm) -> None:
    known = crm.add(email="old@x.example")
    row = make_payload(1, confirmed_identity={"email": "old@x.example"})
    results = await deliver(crm.server.url, row)
    assert results["key-1"].record_id == known
    assert crm.records == {known: {"email": "person-1@x.example", "score": "1001"}}


async def test_a_renamed_contact_may_have_its_new_name_already(crm: Crm) -> None:
    known = crm.add(email="person-1@x.example")
    row = make_payload(1, confirmed_identity={"email": "old@x.example"})
    assert (await deliver(crm.server.url, row, ROWS[1]))["key-1"].record_id == known
    assert crm.asked == ["read", "read", "update", "create"]
    assert len(crm.records) == 2


async def test_a_second_email_of_a_contact_finds_it(crm: Crm) -> None:
    known = crm.add(email="main@x.example", hs_additional_emails="other@x.example;person-1@x.example")
    found = {"id": known, "properties": crm.records[known]}
    crm.scripted["read"] = [crm.reply(json={"results": [found]})]
    assert (await deliver(crm.server.url, ROWS[0]))["key-1"].record_id == known


async def test_two_emails_of_one_contact_do_not_travel_together(crm: Crm) -> None:
    known = crm.add(email="person-1@x.example", hs_additional_emails="person-2@x.example")
    found = {"id": known, "properties": crm.records[known]}
    crm.scripted["read"] = [crm.reply(json={"results": [found]})]
    results = await deliver(crm.server.url, *ROWS[:2])
    assert outcomes(results) == {"key-1": OK, "key-2": (Outcome.REJECTED, "duplicate_identifier")}
    assert len(crm.inputs("update")) == 1


async def test_a_record_that_appeared_after_the_look_is_found_by_the_next_attempt(crm: Crm) -> None:
    crm.add(email="person-1@x.example")
    crm.scripted["read"] = [crm.reply(json={"results": []})]
    assert outcomes(await deliver(crm.server.url, *ROWS[:2])) == {
        "key-1": (Outcome.FAILED, "conflict"),
        "key-2": OK,
    }
    assert outcomes(await deliver(crm.server.url, ROWS[0])) == {"key-1": OK}


async def test_a_record_that_vanished_after_the_look_is_tried_again(crm: Crm) -> None:
    found = {"id": "999", "properties": {"email": "person-1@x.example"}}
    crm.scripted["read"] = [crm.reply(json={"results": [found]})]
    assert outcomes(await deliver(crm.server.url, ROWS[0])) == {"key-1": (Outcome.FAILED, "not_found")}


@pytest.mark.parametrize(
    ("reply_to_create", "expected"),
    [
        ({"status": 400}, (Outcome.FAILED, "batch_rejected")),
        ({"status": 429}, (Outcome.FAILED, "http_429")),
        ({"status": 401}, (Outcome.FAILED, "http_401")),
        ({"status": 500}, (Outcome.UNKNOWN, "http_500")),
        ({"fault": "reset"}, (Outcome.UNKNOWN, "connection_lost")),
        ({"status": 201, "body": b""}, (Outcome.UNKNOWN, "bad_answer")),
    ],
)
async def test_what_was_applied_stays_known_when_a_later_part_fails(
    crm: Crm, reply_to_create: dict[str, Any], expected: tuple[Outcome, str]
) -> None:
    crm.add(email="person-1@x.example")
    crm.scripted["create"] = [crm.reply(**reply_to_create)]
    results = await deliver(crm.server.url, *ROWS)
    assert outcomes(results) == {"key-1": OK, "key-2": expected, "key-3": expected}


async def test_a_refused_part_of_one_row_gets_its_reason_at_once(crm: Crm) -> None:
    crm.add(email="person-1@x.example")
    crm.refuses_all_for = "person-2"
    crm.scripted["read"] = [crm.reply(json={"results": [{"id": "101", "properties": {"email": "person-1@x.example"}}]})]
    results = await deliver(crm.server.url, *ROWS[:2])
    assert outcomes(results) == {"key-1": OK, "key-2": (Outcome.REJECTED, "VALIDATION_ERROR")}


async def test_a_lookup_that_fails_after_an_update_leaves_its_rows_for_later(crm: Crm) -> None:
    known = crm.add(email="person-1@x.example")
    crm.scripted["read"] = [crm.reply(503)]
    results = await deliver(crm.server.url, make_payload(1, record_id=known), ROWS[1])
    assert outcomes(results) == {"key-1": OK, "key-2": (Outcome.FAILED, "http_503")}


# Rows that cannot travel


async def test_a_second_row_with_the_same_identifier_is_not_sent(crm: Crm) -> None:
    twin = make_payload(2, fields={"email": "PERSON-1@x.example"}, identity={"email": "PERSON-1@x.example"})
    results = await deliver(crm.server.url, ROWS[0], twin)
    assert outcomes(results) == {"key-1": OK, "key-2": (Outcome.REJECTED, "duplicate_identifier")}
    assert "email" in str(results["key-2"].message)
    assert results["key-2"].pointer == "/email"
    assert len(crm.inputs("create")) == 1


@pytest.mark.parametrize("operation", [Operation.UPSERT, Operation.UPDATE, Operation.DELETE, Operation.CLEAR])
@pytest.mark.parametrize("email", [None, "", "  "])
async def test_a_row_without_a_value_to_match_by_is_not_sent(crm: Crm, operation: Operation, email: str | None) -> None:
    row = make_payload(1, operation, identity={"email": email})
    assert outcomes(await deliver(crm.server.url, row)) == {"key-1": (Outcome.REJECTED, "empty_identifier")}
    assert crm.asked == []


async def test_a_gone_record_without_a_value_to_match_by_is_rejected(crm: Crm) -> None:
    row = make_payload(1, identity={"email": None}, record_id="999")
    assert outcomes(await deliver(crm.server.url, row)) == {"key-1": (Outcome.REJECTED, "empty_identifier")}
    assert crm.asked == ["update"]


# Other objects, other operations


async def test_companies_are_upserted_by_a_unique_property(server: "Loopback", reply: "type[Reply]") -> None:
    crm = Crm(server, reply, unique="ext_id")
    crm.add(ext_id="ext-1", name="old")
    results = await deliver(server.url, make_company(1), make_company(2), object_name="companies")
    assert outcomes(results) == {"key-1": OK, "key-2": OK}
    assert server.requests[0].target == "/crm/v3/objects/companies/batch/upsert"
    assert crm.inputs("upsert")[0] == {
        "id": "ext-1",
        "idProperty": "ext_id",
        "properties": {"ext_id": "ext-1", "name": "Company 1"},
        TRACE: "0",
    }
    assert sorted(record["name"] for record in crm.records.values()) == ["Company 1", "Company 2"]


async def test_fields_of_new_records_make_an_upsert_look_first(server: "Loopback", reply: "type[Reply]") -> None:
    crm = Crm(server, reply, unique="ext_id")
    crm.add(ext_id="ext-1", name="old")
    rows = [make_company(number, create_only={"source": "dbt"}) for number in (1, 2)]
    await deliver(server.url, *rows, object_name="2-12345")
    assert crm.asked == ["read", "update", "create"]
    assert sorted(record.get("source", "") for record in crm.records.values()) == ["", "dbt"]


async def test_a_renamed_company_is_not_made_twice(server: "Loopback", reply: "type[Reply]") -> None:
    crm = Crm(server, reply, unique="ext_id")
    known = crm.add(ext_id="ext-old", name="old")
    row = make_company(1, record_id=known, confirmed_identity={"ext_id": "ext-old"})
    other = crm.add(ext_id="ext-older", name="old")
    adopted = make_company(2, confirmed_identity={"ext_id": "ext-older"})
    results = await deliver(server.url, row, adopted, object_name="companies")
    assert {key: result.record_id for key, result in results.items()} == {"key-1": known, "key-2": other}
    assert {record["ext_id"] for record in crm.records.values()} == {"ext-1", "ext-2"}


async def test_a_create_of_a_contact_that_exists_is_rejected(crm: Crm) -> None:
    crm.add(email="person-1@x.example")
    results = await deliver(crm.server.url, *NEW[:2])
    assert outcomes(results) == {"key-1": (Outcome.REJECTED, "CONFLICT"), "key-2": OK}


async def test_a_single_create_that_is_refused_whole_as_a_conflict_is_rejected(crm: Crm) -> None:
    crm.scripted["create"] = [crm.reply(409, json={"message": "Contact already exists. Existing ID: 5"})]
    assert outcomes(await deliver(crm.server.url, NEW[0])) == {"key-1": (Outcome.REJECTED, "CONFLICT")}


async def test_a_deal_needs_no_identifier_to_be_created(crm: Crm) -> None:
    crm.unique = "none"
    fields: JsonObject = {"dealname": "Big"}
    rows = [make_payload(number, Operation.CREATE, fields=fields, identity={}) for number in (1, 2)]
    assert outcomes(await deliver(crm.server.url, *rows, object_name="deals")) == {"key-1": OK, "key-2": OK}
    assert len(crm.records) == 2


async def test_an_update_goes_by_id_or_by_identifier_and_makes_nothing(crm: Crm) -> None:
    known, found = crm.add(email="old@x.example"), crm.add(email="person-2@x.example")
    rows = [make_payload(number, Operation.UPDATE) for number in (2, 3)]
    results = await deliver(crm.server.url, make_payload(1, Operation.UPDATE, record_id=known), *rows)
    assert outcomes(results) == {"key-1": OK, "key-2": OK, "key-3": (Outcome.REJECTED, "not_found")}
    assert crm.asked == ["update"]
    assert results["key-2"].record_id == found
    assert [part.get("idProperty") for part in crm.inputs("update")] == [None, "email", "email"]


async def test_a_clear_empties_each_property_and_keeps_the_identifier(crm: Crm) -> None:
    known = crm.add(email="person-1@x.example", score="5")
    row = make_payload(1, Operation.CLEAR, record_id=known)
    results = await deliver(crm.server.url, row, make_payload(2, Operation.CLEAR))
    assert outcomes(results) == {"key-1": OK, "key-2": OK}
    assert crm.records[known] == {"email": "person-1@x.example", "score": ""}


@pytest.mark.parametrize("operation", [Operation.ARCHIVE, Operation.DELETE])
async def test_a_removed_row_is_archived_and_one_that_is_gone_is_done(crm: Crm, operation: Operation) -> None:
    known = crm.add(email="old@x.example")
    crm.add(email="person-2@x.example")
    rows = [make_payload(number, operation) for number in (2, 3)]
    results = await deliver(crm.server.url, make_payload(1, operation, record_id=known), *rows)
    assert outcomes(results) == {"key-1": OK, "key-2": OK, "key-3": OK}
    assert crm.asked == ["read", "archive"]
    assert crm.records == {}


async def test_nothing_is_archived_while_a_lookup_fails(crm: Crm) -> None:
    crm.scripted["read"] = [crm.reply(503)]
    rows = [make_payload(1, Operation.DELETE, record_id="5"), make_payload(2, Operation.DELETE)]
    error = await failure(crm.server.url, *rows)
    assert isinstance(error, RetryableError)
    assert crm.asked == ["read"]


async def test_nothing_is_archived_where_nothing_is_left(crm: Crm) -> None:
    assert outcomes(await deliver(crm.server.url, make_payload(1, Operation.DELETE))) == {"key-1": OK}
    assert crm.asked == ["read"]


async def test_an_archive_that_answers_with_something_else_confirms_nothing(crm: Crm) -> None:
    crm.scripted["archive"] = [crm.reply(200)]
    error = await failure(crm.server.url, make_payload(1, Operation.DELETE, record_id="5"))
    assert (type(error), error.code) == (AmbiguousError, "bad_answer")


# Against the emulator that ships


async def test_the_emulator_takes_a_life_of_records() -> None:
    with RunningSandbox(SandboxOptions(rate_limit=0)) as sandbox:
        first = await deliver(sandbox.url, *ROWS_OF_EMULATOR)
        again = await deliver(sandbox.url, *ROWS_OF_EMULATOR)
        gone = [make_payload(number, Operation.DELETE) for number in (1, 2, 9)]
        removed = await deliver(sandbox.url, *gone)
    assert outcomes(first) == {"key-1": OK, "key-2": OK, "key-3": (Outcome.REJECTED, "VALIDATION_ERROR")}
    assert first["key-3"].field == "no_such_property"
    assert {key: again[key].record_id for key in again} == {key: first[key].record_id for key in first}
    assert outcomes(removed) == {"key-1": OK, "key-2": OK, "key-9": OK}


# What it says of itself


@pytest.mark.parametrize(
    ("object_name", "create"),
    [("contacts", "N"), ("companies", "N"), ("deals", "N"), ("2-12345", "N"), ("p_cars", "N"), ("p123_cars", "N")],
)
def test_an_object_tells_what_it_takes(object_name: str, create: str) -> None:
    spec = make_hubspot("https://x.example", batch_size=50).describe(object_name)
    classes = {op.value: found.delivery.value for op, found in spec.operations.items()}
    assert classes == {
        **dict.fromkeys(["create", "update", "upsert", "clear", "archive", "delete"], "U"),
        "create": create,
    }
    assert {(found.rows, found.atomic) for found in spec.operations.values()} == {(50, True)}
    several = {op.value: found.requests for op, found in spec.operations.items() if found.requests > 1}
    assert several == ({"upsert": 3} if object_name == "contacts" else {})
    assert (spec.exact_numbers, spec.tells_creates, spec.answers, spec.fields) == (True, True, "trace_id", None)


@pytest.mark.parametrize(
    ("object_name", "remedy"),
    [("contatcs", "did you mean 'contacts'?"), ("../admin", "a custom object"), (None, "contacts, companies, deals")],
)
def test_an_object_that_cannot_be_is_an_error_with_a_way_out(object_name: str | None, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_hubspot("https://x.example").describe(object_name)
    assert remedy in str(caught.value)


PROPERTIES: list[Json] = [
    {"name": "email", "label": "Email", "type": "string", "fieldType": "text", "options": []},
    {"name": "ext_id", "label": "Id", "type": "string", "hasUniqueValue": True},
    {"name": "score", "type": "number", "modificationMetadata": {"readOnlyValue": False}},
    {"name": "sum", "type": "number", "calculated": True},
    {"name": "created", "type": "datetime", "modificationMetadata": {"readOnlyValue": True}},
    {"name": "born", "type": "date"},
    {"name": "vip", "type": "bool", "fieldType": "booleancheckbox"},
    {"name": "stage", "type": "enumeration", "fieldType": "select", "options": [{"label": "A", "value": "a"}]},
    {"name": "tags", "type": "enumeration", "fieldType": "checkbox", "options": [{"label": "A", "value": "a"}]},
    {"name": "place", "type": "object_coordinates"},
    {"label": "nameless"},
    "nonsense",
]


async def test_discovery_reads_the_accounts_own_properties(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": PROPERTIES})]
    hubspot = make_hubspot(server.url, identifiers={"contacts": ["score"]})
    spec = await hubspot.discover("contacts")
    await hubspot.close()
    assert (server.requests[0].method, server.requests[0].target) == ("GET", "/crm/v3/properties/contacts")
    assert spec.identifiers == ("email", "ext_id", "score")
    assert spec.fields == {
        "email": FieldSpec(name="email", type="string", label="Email", identifier=True),
        "ext_id": FieldSpec(name="ext_id", type="string", label="Id", identifier=True),
        "score": FieldSpec(name="score", type="number", identifier=True),
        "sum": FieldSpec(name="sum", type="number", createable=False, updateable=False),
        "created": FieldSpec(name="created", type="datetime", createable=False, updateable=False),
        "born": FieldSpec(name="born", type="date"),
        "vip": FieldSpec(name="vip", type="boolean"),
        "stage": FieldSpec(name="stage", type="enumeration", options=("a",)),
        "tags": FieldSpec(name="tags"),
        "place": FieldSpec(name="place"),
    }


async def test_a_domain_identifies_no_company(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"results": [{"name": "domain", "type": "string"}]})]
    hubspot = make_hubspot(server.url)
    assert (await hubspot.discover("companies")).identifiers == ()
    await hubspot.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("ask", ["check", "discover"])
async def test_a_refused_question_is_fatal(server: "Loopback", reply: "type[Reply]", status: int, ask: str) -> None:
    server.replies = [reply(status, json={"message": f"no {TOKEN}"})]
    hubspot = make_hubspot(server.url)
    with pytest.raises(FatalError, match=str(status)) as caught:
        await (hubspot.check() if ask == "check" else hubspot.discover("contacts"))
    await hubspot.close()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"results": 5, "portalId": null}'])
@pytest.mark.parametrize("ask", ["check", "discover"])
async def test_a_question_without_an_answer_is_fatal(
    server: "Loopback", reply: "type[Reply]", body: bytes, ask: str
) -> None:
    server.replies = [reply(200, body=body)]
    hubspot = make_hubspot(server.url)
    with pytest.raises(FatalError) as caught:
        await (hubspot.check() if ask == "check" else hubspot.discover("contacts"))
    await hubspot.close()
    assert caught.value.code == "bad_answer"


async def test_a_check_names_the_account(server: "Loopback", reply: "type[Reply]") -> None:
    server.replies = [reply(json={"portalId": 4242, "uiDomain": "app-eu1.hubspot.com"})]
    hubspot = make_hubspot(f"{server.url}/")
    assert await hubspot.check() == Account("4242", "app-eu1.hubspot.com")
    await hubspot.close()
    assert server.requests[0].target == "/account-info/v3/details"
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        ("  O'Brien;x ", "  O'Brien;x "),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (2**63 + 1, "9223372036854775809"),
        (0.1, "0.1"),
        (5.0, "5"),
        (1e22, "10000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (-0.0, "0"),
        (Decimal("12345678901234567890.1200"), "12345678901234567890.12"),
        (Decimal("1E+3"), "1000"),
        (Decimal(100), "100"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        (["a", "b", 3, True], "a;b;3;true"),
        ([], ""),
        ({"a": [1, None]}, '{"a":[1,null]}'),
    ],
)
def test_every_value_is_spelled_as_text(value: Json, expected: str) -> None:
    assert text_of(value) == expected


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_spelled_without_exponent_and_without_loss(value: float) -> None:
    text = text_of(value)
    assert float(text) == value
    assert set(text) <= set("0123456789.-")


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_a_decimal_is_spelled_without_loss(value: Decimal) -> None:
    assert Decimal(text_of(value)) == value


def test_encoding_is_deterministic_and_measures_the_row() -> None:
    hubspot = make_hubspot("https://x.example")
    small, large = hubspot.encode(ROWS[0]), hubspot.encode(make_payload(1, fields={"email": "x" * 500}))
    assert small == hubspot.encode(ROWS[0])
    assert large.size > 500 + small.size / 2


def changed(**settings: object) -> Mapping[str, object]:
    return {"token": "t", **settings}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        changed(token="a b"),
        changed(token="a\r\nb"),
        changed(base_url="ftp://x"),
        changed(base_url="https://u:p@x.example"),
        changed(api_version="v9"),
        changed(api_version="2026-04"),
        changed(batch_size=101),
        changed(identifiers={"contacts": "email"}),
        changed(colour="red"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Mapping[str, object]) -> None:
    assert not jsonschema.Draft202012Validator(HubSpot.connection_schema).is_valid(settings)


def test_the_token_is_secret_and_all_that_is_needed() -> None:
    schema: Any = HubSpot.connection_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["token"]["x-secret"] is True
    assert schema["required"] == ["token"]
    assert HubSpot.limits.max_requests_per_second == 7.0


def test_nothing_is_opened_before_it_is_used() -> None:
    opened: list[bool] = []
    make: Callable[[bool], object] = opened.append
    connection = Connection(name="crm", output="prod", type="hubspot", settings={"token": Secret(TOKEN)})
    hubspot = HubSpot(connection, make_tools(make))  # type: ignore[arg-type]
    hubspot.encode(ROWS[0])
    assert hubspot.objects() == ("contacts", "companies", "deals")
    assert opened == []
