"""The CRM's HTTP interface: paths, credentials, limits, shapes of answers."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from dbt_activate.sandbox.crm import Crm
from dbt_activate.sandbox.exchange import Answer, Call, Nature, Place, new_id
from dbt_activate.sandbox.hubspot_answers import (
    account,
    after_write,
    as_read,
    batch_answer,
    completed,
    in_order,
    object_schema,
    shown_properties,
)
from dbt_activate.sandbox.hubspot_errors import NOT_AUTHENTICATED, RefusedError, invalid, missing_objects, not_found
from dbt_activate.sandbox.hubspot_messages import (
    MOST_INPUTS,
    ArchiveBatch,
    CreateBatch,
    CreateInput,
    Erasure,
    NewProperty,
    NewSchema,
    OneRecord,
    ReadBatch,
    UpdateBatch,
    UpdateInput,
    read_body,
)
from dbt_activate.sandbox.journal import Change
from dbt_activate.sandbox.rate_limit import RateLimit
from dbt_activate.sandbox.records import CrmObject, Record
from dbt_activate.sandbox.writes import Writer

DEFAULT_PAGE = 10
_HIGHEST_ID = 2**63
_PARTIAL_UPSERT = "partial upsert by email: accepted here, but HubSpot documents that it is not supported"
_FAILURES = {
    401: ("INVALID_AUTHENTICATION", NOT_AUTHENTICATED),
    423: ("LOCKED", "This record is locked, try again in two seconds."),
    429: ("RATE_LIMITS", "You have reached your ten_secondly_rolling limit."),
    477: ("MIGRATION_IN_PROGRESS", "This account is being moved to another location."),
    502: ("BAD_GATEWAY", "Bad gateway"),
    503: ("SERVICE_UNAVAILABLE", "Service unavailable"),
    504: ("TIMEOUT", "The request timed out."),
}

Input = TypeVar("Input")


class HubSpotApi:
    """Answers the CRM's requests over one account.

    An upsert of contacts by e-mail writes the properties that it is given and leaves the others: the CRM documents that
    it does not support that, so such a request carries a note in the log.
    """

    def __init__(self, crm: Crm, limit: RateLimit, changed: Callable[[Change], None]) -> None:
        self.crm = crm
        self._limit = limit
        self._changed = changed

    def place(self, call: Call) -> Place:
        """Say what *call* is counted under; dated and older paths count as one."""
        found = _find(call.method, call.path)
        if found is None:
            return Place(f"{call.method} elsewhere", "discovery")
        route, names = found
        return Place(f"{call.method} {route.kind.format(**names)}", route.nature)

    def admit(self, call: Call) -> Answer | None:
        """Refuse a request without a bearer token (401), or above the limit (429)."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return self.failure(401)
        return None if self._limit.take() else self.failure(429)

    def handle(self, call: Call) -> Answer:
        """Apply and answer *call*."""
        found = _find(call.method, call.path)
        if found is None:
            return not_found(f"No such path: {call.method} {call.path}").answer()
        route, names = found
        try:
            return route.serve(self, call, names)
        except RefusedError as error:
            return error.answer()

    def failure(self, status: int) -> Answer:
        """An error that has nothing to do with what was asked."""
        category, message = _FAILURES.get(status, ("INTERNAL_ERROR", "internal error"))
        body = {"status": "error", "message": message, "correlationId": new_id(), "category": category}
        if status == 429:  # noqa: PLR2004 - the one status with a policy
            body |= {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
        return Answer(status, body)

    def headers(self) -> dict[str, str]:
        """What is left of the limit."""
        return dict(self._limit.headers())

    def writer(self, call: Call, crm_object: CrmObject) -> Writer:
        """Writes what *call* brings to *crm_object*."""
        return Writer(self.crm, crm_object, self._changed, call.refusal)


Serve = Callable[[HubSpotApi, Call, Mapping[str, str]], Answer]


def _account(api: HubSpotApi, _call: Call, _names: Mapping[str, str]) -> Answer:
    return Answer(200, account(api.crm))


def _batch_create(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    inputs = _counted(call, read_body(call, CreateBatch).inputs)
    return batch_answer(api.crm.now(), crm_object, api.writer(call, crm_object).create(inputs), status=201)


def _batch_update(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    inputs = _counted(call, read_body(call, UpdateBatch).inputs)
    return batch_answer(api.crm.now(), crm_object, api.writer(call, crm_object).update(inputs))


def _batch_upsert(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    inputs = _counted(call, read_body(call, UpdateBatch).inputs)
    outcome = api.writer(call, crm_object).upsert(inputs)
    if crm_object.name == "contacts" and any(each.id_property == "email" for each in inputs):
        call.note = _PARTIAL_UPSERT
    return batch_answer(api.crm.now(), crm_object, outcome, says_new=True)


def _batch_archive(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    inputs = _counted(call, read_body(call, ArchiveBatch).inputs)
    api.writer(call, crm_object).archive([each.id for each in inputs])
    return Answer(204)


def _batch_read(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    body = read_body(call, ReadBatch)
    _check_id_property(api, crm_object, body.id_property)
    ids = dict.fromkeys(each.id for each in _counted(call, body.inputs))
    found = {each: _lookup(crm_object, call, each, body.id_property) for each in ids}
    records = {record.id: record for record in found.values() if record}
    shown = shown_properties(crm_object, body.properties)
    missing = [each for each, record in found.items() if record is None]
    faults = [missing_objects(crm_object.definition.singular, missing).body()] if missing else []
    return completed(api.crm.now(), [as_read(each, shown) for each in in_order(records.values())], faults)


def _list(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    limit = _number("limit", call.parameter("limit", str(DEFAULT_PAGE)), 1, MOST_INPUTS)
    records = crm_object.archived if _wants_archived(call) else crm_object.records
    ids = sorted(records, key=int)
    start = bisect_right(ids, _number("after", call.parameter("after", "0"), 0, _HIGHEST_ID), key=int)
    page = ids[start : start + limit]
    shown = shown_properties(crm_object, _wanted(call))
    body: dict[str, object] = {"results": [as_read(records[each], shown) for each in page]}
    if start + limit < len(ids):
        body["paging"] = {"next": {"after": page[-1], "link": f"{call.path}?limit={limit}&after={page[-1]}"}}
    call.rows = len(page)
    return Answer(200, body)


def _create(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    body = read_body(call, OneRecord)
    call.rows = 1
    outcome = api.writer(call, crm_object).create([CreateInput(properties=body.properties)])
    return Answer(201, after_write(crm_object, outcome.written[0]))


def _read(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    call.rows = 1
    return Answer(200, as_read(_one(api, crm_object, call, names["id"]), shown_properties(crm_object, _wanted(call))))


def _update(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    body = read_body(call, OneRecord)
    call.rows = 1
    record = _one(api, crm_object, call, names["id"])
    outcome = api.writer(call, crm_object).update([UpdateInput(id=record.id, properties=body.properties)])
    return Answer(200, after_write(crm_object, outcome.written[0]))


def _archive(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    call.rows = 1
    api.writer(call, crm_object).archive([names["id"]])
    return Answer(204)


def _erase(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    body = read_body(call, Erasure)
    call.rows = 1
    _check_id_property(api, crm_object, body.id_property)
    record = crm_object.find(body.object_id, body.id_property)
    if record is not None:
        api.writer(call, crm_object).erase(record)
    return Answer(204)


def _properties(api: HubSpotApi, _call: Call, names: Mapping[str, str]) -> Answer:
    return Answer(200, {"results": list(api.crm.object(names["type"]).properties.values())})


def _property(api: HubSpotApi, _call: Call, names: Mapping[str, str]) -> Answer:
    known = api.crm.object(names["type"]).properties.get(names["name"])
    if known is None:
        raise not_found(f"Property {names['name']} does not exist")
    return Answer(200, known)


def _define_property(api: HubSpotApi, call: Call, names: Mapping[str, str]) -> Answer:
    crm_object = api.crm.object(names["type"])
    return Answer(201, api.crm.define_property(crm_object, read_body(call, NewProperty)))


def _schemas(api: HubSpotApi, _call: Call, _names: Mapping[str, str]) -> Answer:
    return Answer(
        200, {"results": [object_schema(api.crm, each) for each in api.crm.objects() if each.definition.is_custom]}
    )


def _one_schema(api: HubSpotApi, _call: Call, names: Mapping[str, str]) -> Answer:
    return Answer(200, object_schema(api.crm, api.crm.object(names["type"])))


def _define_schema(api: HubSpotApi, call: Call, _names: Mapping[str, str]) -> Answer:
    return Answer(201, object_schema(api.crm, api.crm.define_object(read_body(call, NewSchema))))


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: *kind* is its path as it is counted, with the names of the pattern filled in."""

    method: str
    pattern: re.Pattern[str]
    kind: str
    nature: Nature
    serve: Serve


_DATE = r"\d{4}-\d{2}"
_FAMILIES = {
    "/crm/v3/objects": rf"/crm/(?:v3/objects|objects/(?:v3|{_DATE}))",
    "/crm/v3/properties": rf"/crm/(?:v3/properties|properties/(?:v3|{_DATE}))",
    "/crm/v3/schemas": rf"/(?:crm/v3|crm-object-schemas/(?:v3|{_DATE})|crm/object-schemas/{_DATE})/schemas",
    "/account-info/v3": rf"/account-info/(?:v3|{_DATE})",
}


def _route(method: str, family: str, rest: str, nature: Nature, serve: Serve) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", rest)
    # A single record is counted under {id}, so that counts stay few.
    kind = (family + rest).replace("{id}", "{{id}}")
    return Route(method, re.compile(_FAMILIES[family] + pattern), kind, nature, serve)


ROUTES: Sequence[Route] = (
    _route("GET", "/account-info/v3", "/details", "discovery", _account),
    _route("POST", "/crm/v3/objects", "/{type}/batch/create", "write", _batch_create),
    _route("POST", "/crm/v3/objects", "/{type}/batch/update", "write", _batch_update),
    _route("POST", "/crm/v3/objects", "/{type}/batch/upsert", "write", _batch_upsert),
    _route("POST", "/crm/v3/objects", "/{type}/batch/archive", "write", _batch_archive),
    _route("POST", "/crm/v3/objects", "/{type}/batch/read", "read", _batch_read),
    _route("POST", "/crm/v3/objects", "/{type}/gdpr-delete", "write", _erase),
    _route("GET", "/crm/v3/objects", "/{type}", "read", _list),
    _route("POST", "/crm/v3/objects", "/{type}", "write", _create),
    _route("GET", "/crm/v3/objects", "/{type}/{id}", "read", _read),
    _route("PATCH", "/crm/v3/objects", "/{type}/{id}", "write", _update),
    _route("DELETE", "/crm/v3/objects", "/{type}/{id}", "write", _archive),
    _route("GET", "/crm/v3/properties", "/{type}", "discovery", _properties),
    _route("POST", "/crm/v3/properties", "/{type}", "discovery", _define_property),
    _route("GET", "/crm/v3/properties", "/{type}/{name}", "discovery", _property),
    _route("GET", "/crm/v3/schemas", "", "discovery", _schemas),
    _route("POST", "/crm/v3/schemas", "", "discovery", _define_schema),
    _route("GET", "/crm/v3/schemas", "/{type}", "discovery", _one_schema),
)


def _find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    for route in ROUTES:
        found = route.pattern.fullmatch(path) if route.method == method else None
        if found:
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    return None


def _counted(call: Call, inputs: list[Input]) -> list[Input]:
    call.rows = len(inputs)
    if len(inputs) > MOST_INPUTS:
        raise invalid(f"The maximum number of inputs in a batch request is {MOST_INPUTS}, received {len(inputs)}.")
    return inputs


def _check_id_property(api: HubSpotApi, crm_object: CrmObject, name: str | None) -> None:
    if name is not None and name != "hs_object_id" and not crm_object.is_unique(name):
        message = f"Unable to read by non-unique {crm_object.definition.type_id} property {name}"
        raise invalid(f"{message} in portal ID {api.crm.portal_id}")


def _lookup(crm_object: CrmObject, call: Call, value: str, id_property: str | None) -> Record | None:
    if _wants_archived(call):
        return crm_object.archived.get(value)
    return crm_object.find(value, None if id_property == "hs_object_id" else id_property)


def _one(api: HubSpotApi, crm_object: CrmObject, call: Call, value: str) -> Record:
    id_property = call.parameter("idProperty") or None
    _check_id_property(api, crm_object, id_property)
    record = _lookup(crm_object, call, value, id_property)
    if record is None:
        raise not_found()
    return record


def _wants_archived(call: Call) -> bool:
    return call.parameter("archived") == "true"


def _wanted(call: Call) -> list[str]:
    return [name for value in call.query.get("properties", ()) for name in value.split(",") if name]


def _number(name: str, text: str, least: int, most: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    if not least <= number <= most:
        raise invalid(f"{name} must be a number from {least} to {most}, not {text}")
    return number
