"""The sandbox's CRM, judged by the published description of the real one.

Every kind of request and answer is put before openapi-core, with the published files made strict: a key that they do
not name is a fault too, in a request as in an answer. Where documentation and description disagree the sandbox follows
the documentation; those places are listed here, each with its reason, and nothing else is let pass.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox

FOLDER = Path(
    os.environ.get("DBT_ACTIVATE_API_DESCRIPTIONS") or Path(__file__).parents[2].resolve().parent / "shared" / "specs"
)
HOST = "https://api.hubapi.com"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "hubspot").is_dir(),
    reason="the published API descriptions are not on this machine; DBT_ACTIVATE_API_DESCRIPTIONS names their folder",
)


@dataclass(frozen=True)
class Disagreement:
    """A place where the vendor's documentation and description contradict each other."""

    where: str
    complaint: str
    reason: str


DISAGREEMENTS = (
    Disagreement(
        r"^$",
        r"\('status' was unexpected\)",
        'every documented error has status: "error"; the description does not know the key',
    ),
    Disagreement(
        r"^$",
        r"\(('(errorType|policyName|status)'(, )?){3} were unexpected\)",
        "the documented 429 names its policy; the description does not know the keys",
    ),
    Disagreement(
        r"^errors/\d+$",
        r"'links' is a required property",
        "the documented 207 has no links in its errors; the description requires them",
    ),
    Disagreement(
        r"^errors/\d+$",
        r"'errors' is a required property",
        "the documented 207 has no errors in its errors; the description requires them",
    ),
    Disagreement(
        r"^(results/\d+/)?properties/\w+$",
        r"^(None is not of type 'string'|None for not nullable)$",
        "a property that was asked for and has no value is read as null; the description knows strings only",
    ),
)


@dataclass(frozen=True)
class Exchange:
    """One request, the status it must get, and whether the description takes the request."""

    name: str
    method: str
    path: str
    status: int
    body: object = None
    query: tuple[tuple[str, str], ...] = ()
    valid: bool = True
    fault: Mapping[str, object] | None = None


CONTACTS = "/crm/v3/objects/contacts"
ORDERS = "/crm/v3/objects/orders"
TEXT = {"label": "L", "type": "string", "fieldType": "text", "groupName": "g"}
ORDER_SCHEMA = {
    "name": "orders",
    "labels": {"singular": "Order", "plural": "Orders"},
    "requiredProperties": ["order_key"],
    "searchableProperties": ["order_key"],
    "secondaryDisplayProperties": [],
    "primaryDisplayProperty": "order_key",
    "associatedObjects": ["CONTACT"],
    "properties": [
        {"name": "order_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True},
        {
            "name": "state",
            "label": "State",
            "type": "enumeration",
            "fieldType": "select",
            "options": [{"label": "Open", "value": "open", "hidden": False, "displayOrder": 0}],
        },
    ],
}


def inputs(*rows: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"inputs": list(rows), **more}


def named(email: str, **more: object) -> dict[str, object]:
    return {"properties": {"email": email}, **more}


READ_ALL: dict[str, object] = {"properties": ["email", "city"], "propertiesWithHistory": []}

# In order: each builds on the state that those before it left.
EXCHANGES = (
    Exchange("define an object", "POST", "/crm-object-schemas/v3/schemas", 201, ORDER_SCHEMA),
    Exchange("define it twice", "POST", "/crm-object-schemas/v3/schemas", 409, ORDER_SCHEMA),
    Exchange("list objects", "GET", "/crm-object-schemas/v3/schemas", 200),
    Exchange("describe an object", "GET", "/crm-object-schemas/v3/schemas/orders", 200),
    Exchange("list properties", "GET", "/crm/v3/properties/contacts", 200),
    Exchange("list properties, dated", "GET", "/crm/properties/2026-09/deals", 200),
    Exchange("list own properties", "GET", "/crm/v3/properties/orders", 200),
    Exchange("describe a property", "GET", "/crm/v3/properties/contacts/email", 200),
    Exchange("describe no property", "GET", "/crm/v3/properties/contacts/nope", 404),
    Exchange("define a property", "POST", "/crm/v3/properties/contacts", 201, {"name": "score", **TEXT}),
    Exchange("define a known property", "POST", "/crm/v3/properties/contacts", 409, {"name": "score", **TEXT}),
    Exchange("define half", "POST", "/crm/v3/properties/contacts", 400, {"name": "x"}, valid=False),
    Exchange("create", "POST", f"{CONTACTS}/batch/create", 201, inputs(named("a@example.com"), named("b@example.com"))),
    Exchange(
        "create, traced",
        "POST",
        f"{CONTACTS}/batch/create",
        201,
        inputs(named("c@example.com", objectWriteTraceId="t1")),
    ),
    Exchange("create a known one", "POST", f"{CONTACTS}/batch/create", 409, inputs(named("A@example.com"))),
    Exchange(
        "create, in part",
        "POST",
        "/crm/objects/2026-09/contacts/batch/create",
        207,
        inputs(
            named("a@example.com", objectWriteTraceId="t1"),
            named("broken", objectWriteTraceId="t2"),
            named("d@example.com", objectWriteTraceId="t3"),
        ),
    ),
    Exchange("create with a bad value", "POST", f"{CONTACTS}/batch/create", 400, inputs(named("broken"))),
    Exchange(
        "create with a number",
        "POST",
        f"{CONTACTS}/batch/create",
        400,
        inputs({"properties": {"age": 5}}),
        valid=False,
    ),
    Exchange(
        "update",
        "POST",
        f"{CONTACTS}/batch/update",
        200,
        inputs({"id": "a@example.com", "idProperty": "email", "properties": {"city": ""}, "objectWriteTraceId": "t"}),
    ),
    Exchange(
        "update, in part",
        "POST",
        f"{CONTACTS}/batch/update",
        207,
        inputs(
            {"id": "9", "properties": {}, "objectWriteTraceId": "t"}, {"id": "1001", "properties": {"city": "Rome"}}
        ),
    ),
    Exchange(
        "update to an unknown property",
        "POST",
        f"{CONTACTS}/batch/update",
        400,
        inputs({"id": "1001", "properties": {"nope": "1"}}),
    ),
    Exchange("update no one", "POST", f"{CONTACTS}/batch/update", 400, inputs({"properties": {}}), valid=False),
    Exchange("update from no list", "POST", f"{CONTACTS}/batch/update", 400, {"inputs": {}}, valid=False),
    Exchange(
        "upsert",
        "POST",
        f"{CONTACTS}/batch/upsert",
        200,
        inputs(
            {"id": "a@example.com", "idProperty": "email", "properties": {"city": "Oslo"}, "objectWriteTraceId": "t"},
            {"id": "e@example.com", "idProperty": "email", "properties": {}},
        ),
    ),
    Exchange(
        "upsert an own object",
        "POST",
        f"{ORDERS}/batch/upsert",
        200,
        inputs({"id": "k1", "idProperty": "order_key", "properties": {"state": "open"}}),
    ),
    Exchange(
        "upsert with a bad choice",
        "POST",
        f"{ORDERS}/batch/upsert",
        400,
        inputs({"id": "k1", "idProperty": "order_key", "properties": {"state": "shut"}}),
    ),
    Exchange(
        "upsert, misspelt",
        "POST",
        f"{CONTACTS}/batch/upsert",
        400,
        inputs({"id": "a@example.com", "idproperty": "email", "properties": {}}),
        valid=False,
    ),
    Exchange("read", "POST", f"{CONTACTS}/batch/read", 200, inputs({"id": "1001"}, {"id": "1002"}, **READ_ALL)),
    Exchange(
        "read, in part",
        "POST",
        f"{CONTACTS}/batch/read",
        207,
        inputs({"id": "a@example.com"}, {"id": "nobody@example.com"}, idProperty="email", **READ_ALL),
    ),
    Exchange("read too many", "POST", f"{CONTACTS}/batch/read", 400, inputs(*[{"id": "1"}] * 101, **READ_ALL)),
    Exchange("list", "GET", CONTACTS, 200, query=(("limit", "2"), ("properties", "email"))),
    Exchange("list an own object", "GET", ORDERS, 200, query=(("limit", "100"),)),
    Exchange("list what is no object", "GET", "/crm/v3/objects/planets", 400),
    Exchange("read one", "GET", f"{CONTACTS}/a@example.com", 200, query=(("idProperty", "email"),)),
    Exchange("read one's blank", "GET", f"{CONTACTS}/1002", 200, query=(("properties", "city"),)),
    Exchange("read none", "GET", f"{CONTACTS}/9", 404),
    Exchange("create one", "POST", CONTACTS, 201, {**named("f@example.com"), "associations": []}),
    Exchange("create one company", "POST", "/crm/v3/objects/companies", 201, {"properties": {"name": "Acme"}}),
    Exchange("create one deal", "POST", "/crm/v3/objects/deals", 201, {"properties": {"amount": "12.50"}}),
    Exchange("create a known one alone", "POST", CONTACTS, 409, {**named("f@example.com"), "associations": []}),
    Exchange("update one", "PATCH", f"{CONTACTS}/1001", 200, {"properties": {"city": "Bern"}}),
    Exchange("update none", "PATCH", f"{CONTACTS}/9", 404, {"properties": {}}),
    Exchange("archive", "POST", f"{CONTACTS}/batch/archive", 204, inputs({"id": "1001"}, {"id": "9"})),
    Exchange("archive one", "DELETE", f"{CONTACTS}/1002", 204),
    Exchange("read one that is archived", "GET", f"{CONTACTS}/1002", 200, query=(("archived", "true"),)),
    Exchange("erase one", "POST", f"{CONTACTS}/gdpr-delete", 204, {"objectId": "1003"}),
    Exchange("too many requests", "GET", CONTACTS, 429, fault={"kind": "too_many_requests"}),
    Exchange("an error", "GET", CONTACTS, 500, fault={"kind": "error_before"}),
    Exchange("unauthorized", "GET", CONTACTS, 401, fault={"kind": "unauthorized"}),
)

NOT_DESCRIBED = {"/account-info/v3/details": "the published files hold the CRM only"}

_FILES = (
    (r"/crm/v3/objects/(contacts|companies|deals)(/.*)?", r"crm-\1"),
    (r"/crm/v3/objects/.*", "crm-objects"),
    (r"/crm/v3/properties/.*", "crm-properties"),
    (r"/crm-object-schemas/.*", "crm-schemas"),
)


@dataclass(frozen=True)
class Judged:
    """What was said of one exchange."""

    status: int
    request: tuple[str, ...]
    answer: tuple[tuple[str, str], ...]


def strict(node: object) -> object:
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {name: strict(each) for name, each in node.items()}
    if node.get("type") == "object" and isinstance(node.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


@cache
def description(name: str) -> OpenAPI:
    published = json.loads((FOLDER / "hubspot" / f"{name}.openapi.json").read_bytes())
    return OpenAPI.from_dict(strict(published))  # type: ignore[arg-type]


def described(path: str) -> tuple[OpenAPI, str]:
    """The description that has *path*, and the path as it stands there."""
    undated = re.sub(r"^/crm/(objects|properties)/\d{4}-\d{2}/", r"/crm/v3/\1/", path)
    for pattern, name in _FILES:
        found = re.fullmatch(pattern, undated)
        if found:
            return description(found.expand(name)), undated
    raise AssertionError(f"no description has {path}")


def complaints(error: BaseException | None) -> Iterator[tuple[str, str]]:
    """Each schema error behind *error* with where it is; the error itself where no schema is behind it."""
    schema_errors = getattr(error, "schema_errors", None)
    if schema_errors:
        for each in schema_errors:
            yield "/".join(map(str, each.absolute_path)), each.message
    elif error is not None and error.__cause__ is not None:
        yield from complaints(error.__cause__)
    elif error is not None:
        yield "?", f"{type(error).__name__}: {error}"


def all_complaints(errors: Iterable[BaseException]) -> tuple[tuple[str, str], ...]:
    return tuple(each for error in errors for each in complaints(error))


def judge_request(exchange: Exchange, content: bytes, headers: Mapping[str, str]) -> tuple[str, ...]:
    api, path = described(exchange.path)
    request = MockRequest(HOST, exchange.method, path, args=dict(exchange.query), headers=dict(headers), data=content)
    return tuple(f"{where}: {what}" for where, what in all_complaints(api.iter_request_errors(request)))


def judge_answer(exchange: Exchange, answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    api, path = described(exchange.path)
    request = MockRequest(HOST, exchange.method, path, args=dict(exchange.query))
    kind = answer.headers.get("content-type", "")
    return all_complaints(
        api.iter_response_errors(request, MockResponse(answer.content, answer.status_code, content_type=kind))
    )


def tolerated(complaint: tuple[str, str]) -> Disagreement | None:
    where, what = complaint
    return next((d for d in DISAGREEMENTS if re.search(d.where, where) and re.search(d.complaint, what)), None)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Judged]:
    judged: dict[str, Judged] = {}
    headers = {"Authorization": "Bearer x"}
    with (
        RunningSandbox(SandboxOptions(rate_limit=0)) as sandbox,
        httpx.Client(base_url=sandbox.url, headers=headers) as client,
    ):
        for exchange in EXCHANGES:
            client.delete("/_sandbox/faults")
            if exchange.fault:
                client.post("/_sandbox/faults", json=exchange.fault).raise_for_status()
            content = b"" if exchange.body is None else json.dumps(exchange.body).encode()
            answer = client.request(
                exchange.method,
                exchange.path,
                content=content,
                params=exchange.query,
                headers={"Content-Type": "application/json"},
            )
            request = judge_request(exchange, content, headers)
            judged[exchange.name] = Judged(answer.status_code, request, judge_answer(exchange, answer))
    return judged


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_request_and_answer_are_as_the_published_description_says(
    exchange: Exchange, verdicts: dict[str, Judged]
) -> None:
    verdict = verdicts[exchange.name]
    assert verdict.status == exchange.status
    assert exchange.valid == (verdict.request == ())
    assert [complaint for complaint in verdict.answer if tolerated(complaint) is None] == []


@pytest.mark.parametrize("disagreement", DISAGREEMENTS, ids=lambda disagreement: disagreement.reason)
def test_each_listed_disagreement_is_still_met(disagreement: Disagreement, verdicts: dict[str, Judged]) -> None:
    met = {tolerated(complaint) for verdict in verdicts.values() for complaint in verdict.answer}
    assert disagreement in met


def test_every_path_of_the_sandbox_is_judged_or_listed_as_not_described() -> None:
    from dbt_activate.sandbox.hubspot_api import ROUTES

    met = {
        (route.method, route.kind)
        for route in ROUTES
        for exchange in EXCHANGES
        if route.method == exchange.method and route.pattern.fullmatch(exchange.path)
    }
    missing = {(route.method, route.kind) for route in ROUTES} - met
    assert missing == {("GET", path) for path in NOT_DESCRIBED}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"status": "COMPLETE", "results": [], "startedAt": "2026-01-01T00:00:00Z"}),
        (200, {"status": "DONE", "results": [], "startedAt": "2026-01-01T00:00:00Z", "completedAt": "now"}),
        (
            200,
            {
                "status": "COMPLETE",
                "results": [{"id": 5, "properties": {}}],
                "startedAt": "2026-01-01T00:00:00Z",
                "completedAt": "2026-01-01T00:00:00Z",
            },
        ),
        (400, {"message": "no category"}),
        (400, {"message": "m", "category": "c", "correlationId": "x", "surprise": 1}),
    ],
)
def test_the_referee_can_say_no_to_an_answer(status: int, body: object) -> None:
    exchange = Exchange("bad", "POST", f"{CONTACTS}/batch/update", status)
    answer = httpx.Response(status, json=body)
    assert [each for each in judge_answer(exchange, answer) if tolerated(each) is None]


def test_the_referee_can_say_no_to_a_request_without_credentials() -> None:
    assert judge_request(Exchange("bare", "GET", CONTACTS, 401), b"", {})


def test_a_null_in_a_request_is_refused_by_referee_and_sandbox_alike() -> None:
    body: dict[str, Any] = inputs({"properties": {"city": None}})
    exchange = Exchange("null", "POST", f"{CONTACTS}/batch/create", 400)
    assert judge_request(exchange, json.dumps(body).encode(), {"Authorization": "Bearer x"})
