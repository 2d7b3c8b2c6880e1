"""Reads HubSpot's 200, 201 and 207: which row each result and each error means. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from dbt_activate.destinations.classification import Answer, redact
from dbt_activate.destinations.hubspot.spelling import Spelled
from dbt_activate.errors import AmbiguousError
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.payload import Payload

TRACE = "objectWriteTraceId"
"""Our own name for an input, which HubSpot repeats in its answer."""

_ID_CONTEXTS = ("ids", "id", "objectId")
_CODE = re.compile(r"(?!None)[A-Za-z0-9_.-]{1,60}")
_PROPERTY = re.compile(r"[Pp]ropert(?:y|ies)[^A-Za-z0-9_]{1,3}([A-Za-z0-9_]+)")
_EMBEDDED = re.compile(r"\[\{.*\}\]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row on its way through the requests of one batch.

    Attributes:
        trace: Names the row in these requests.
        record_id: HubSpot's id, where it is known by now.
    """

    trace: str
    payload: Payload
    spelled: Spelled
    record_id: str | None = None

    @property
    def secrets(self) -> Sequence[Json]:
        """The row's values, which no message may show."""
        payload, spelled = self.payload, self.spelled
        return [
            *(payload.fields, payload.create_only, payload.identity, payload.confirmed_identity, payload.key),
            *spelled.properties.values(),
            *spelled.on_create.values(),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What HubSpot says against one row.

    Attributes:
        category: Its class, such as ``VALIDATION_ERROR``.
        message: Without values of the row.
        property: The property at fault, if it is one of the row's.
    """

    category: str
    message: str
    property: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer, sorted by row: trace to result, trace to fault. A row that is in neither was not mentioned."""

    done: Mapping[str, JsonObject] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)


def read_answer(answer: Answer, rows: Sequence[Row], place: str) -> Reading:
    """Sort an answer's results and errors by the rows that were sent.

    The order of the answer means nothing. A row that is said both to be done and at fault is in neither.

    Raises:
        AmbiguousError: There is no list of results in it, or it speaks of rows that were not sent.
    """
    body = answer.json if isinstance(answer.json, dict) else {}
    items, errors = body.get("results"), body.get("errors")
    if not isinstance(items, list) and not isinstance(errors, list):
        text = f"{place}: answered {answer.status} without results"
        raise AmbiguousError(text, code="bad_answer", request_id=answer.request_id)
    index = _Index(rows)
    listed = items if isinstance(items, list) else []
    done = {row.trace: item for item in listed if isinstance(item, dict) and (row := index.of_result(item))}
    if len(listed) > len(rows) or any(index.is_foreign(item) for item in listed):
        text = f"{place}: the answer speaks of rows that were not sent"
        raise AmbiguousError(text, code="contract", request_id=answer.request_id)
    faults = {row.trace: fault for row, fault in _faults(errors, index)}
    for trace in done.keys() & faults.keys():
        del done[trace], faults[trace]
    return Reading(done, faults)


def read_refusal(answer: Answer, row: Row) -> Fault:
    """What a refusal of a whole request says, where *row* was all that was in it."""
    body = answer.json if isinstance(answer.json, dict) else {}
    fallback = f"HubSpot refused the row with status {answer.status}"
    return _fault({"category": f"http_{answer.status}", "message": fallback, **body}, row)


def read_ids(answer: Answer, identifier: str) -> Mapping[str, str] | None:
    """The found records of a ``batch/read``: value in lower case to record id; None without an answer."""
    items = answer.json.get("results") if isinstance(answer.json, dict) else None
    if not isinstance(items, list):
        return None
    return {
        value.strip().lower(): str(item["id"])
        for item in items
        if isinstance(item, dict) and item.get("id")
        for value in _values(item, identifier)
    }


def additional(identifier: str) -> str | None:
    """The property that holds more values of *identifier*, joined by semicolons: a contact has several e-mails."""
    return "hs_additional_emails" if identifier == "email" else None


class _Index:
    """Finds the row that an entry of an answer means: by trace id, by record id, by the identifier's value."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._traces = {row.trace: row for row in rows}
        self._ids = {row.record_id: row for row in rows if row.record_id}
        self._values = {row.spelled.current.lower(): row for row in rows if row.spelled.current}
        self._values |= {row.spelled.value.lower(): row for row in rows if row.spelled.value}

    def of_result(self, item: JsonObject) -> Row | None:
        if trace := item.get(TRACE):
            return self._traces.get(str(trace))
        return self._ids.get(str(item.get("id"))) or self._of_property(item)

    def is_foreign(self, item: Json) -> bool:
        trace = item.get(TRACE) if isinstance(item, dict) else None
        return trace is not None and str(trace) not in self._traces

    def of_error(self, error: JsonObject) -> Sequence[Row]:
        context = error.get("context")
        told = context if isinstance(context, dict) else {}
        if traces := _texts(told.get(TRACE)):
            return [self._traces[trace] for trace in traces if trace in self._traces]
        names = [name for key in _ID_CONTEXTS for name in _texts(told.get(key))]
        found = [row for name in names if (row := self._ids.get(name) or self._values.get(name.lower()))]
        # An error that names nobody can only mean the one row there is.
        return found or (self.rows if len(self.rows) == 1 and not names else [])

    def _of_property(self, item: JsonObject) -> Row | None:
        for name in {row.spelled.identifier for row in self.rows if row.spelled.identifier}:
            for value in _values(item, name):
                if row := self._values.get(value.strip().lower()):
                    return row
        return None


def _faults(errors: Json, index: _Index) -> Iterator[tuple[Row, Fault]]:
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict):
            yield from ((row, _fault(error, row)) for row in index.of_error(error))


def _fault(error: JsonObject, row: Row) -> Fault:
    details = _objects(error.get("errors"))
    embedded = _embedded(error.get("message"))
    first: JsonObject = next(iter([*embedded, *details]), {})
    message = str(first.get("message") or error.get("message") or "")
    category = str(error.get("category") or error.get("code") or first.get("code"))
    return Fault(
        category=category if _CODE.fullmatch(category) else "rejected",
        message=redact(message, row.secrets) or "HubSpot gave no reason",
        property=next((name for name in _properties([*embedded, *details, error]) if _has(row, name)), None),
    )


def _embedded(message: Json) -> Sequence[JsonObject]:
    """The JSON list inside ``Property values were not valid: [{...}]``."""
    found = _EMBEDDED.search(message) if isinstance(message, str) else None
    try:
        return _objects(msgspec.json.decode(found[0])) if found else []
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return []


def _properties(parts: Sequence[JsonObject]) -> Iterator[str]:
    for part in parts:
        context = part.get("context")
        yield from _texts(part.get("name"))
        yield from _texts(context.get("propertyName")) if isinstance(context, dict) else ()
        yield from _PROPERTY.findall(str(part.get("message") or ""))


def _has(row: Row, name: str) -> bool:
    spelled = row.spelled
    return name in spelled.properties or name in spelled.on_create or name == spelled.identifier


def _values(item: JsonObject, identifier: str) -> Sequence[str]:
    properties = item.get("properties")
    told = properties if isinstance(properties, dict) else {}
    more = told.get(additional(identifier) or "")
    return [*_texts(told.get(identifier)), *(more.split(";") if isinstance(more, str) and more else ())]


def _objects(value: Json) -> Sequence[JsonObject]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _texts(value: Json) -> Sequence[str]:
    parts = value if isinstance(value, list) else [value]
    return [str(part) for part in parts if isinstance(part, str | int) and not isinstance(part, bool)]
