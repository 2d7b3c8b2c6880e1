"""What HubSpot takes, as data: objects, limits, paths, property types. What HubSpot changes often stands here only."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dbt_activate.values.destination import DeliveryClass, FieldSpec, Limits, ObjectSpec, OperationSpec
from dbt_activate.values.json import Json, JsonObject, Schema
from dbt_activate.values.sync import Operation

BASE_URL = "https://api.hubapi.com"
API_VERSION = "v3"
"""Date versions such as ``2026-09`` are supported for 18 months each (HubSpot versioning guide)."""

LOOKS_FIRST = 3
"""Requests of a batch that is matched before it is written: read, update the records found, create the others."""

ROWS = 100
"""Inputs of one batch request (HubSpot guide on using object APIs)."""

LIMITS = Limits(max_requests_per_second=7.0, max_concurrency=4)
"""70 % of what the smallest account may do: 100 requests in ten seconds for each private app (usage guidelines).

Larger accounts may do 190, or 250 with the add-on, and say so with ``max_requests_per_second``.
"""

WAITS: Mapping[str, float] = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0}
"""Seconds until a rate limit's window is over, by the ``policyName`` of a 429 (error handling guide)."""

SPENT = "DAILY"
"""The ``policyName`` of a 429 that no wait within a run ends."""

INTERVAL_HEADER = "x-hubspot-ratelimit-interval-milliseconds"


@dataclass(frozen=True, slots=True)
class CrmObject:
    """A kind of record.

    Attributes:
        identifiers: Properties that are unique on HubSpot's side without being marked so: the e-mail of a contact.
            Companies and deals have none, and a domain is not deduplicated by the API.
    """

    identifiers: tuple[str, ...] = ()


CONTACTS = "contacts"

OBJECTS: Mapping[str, CrmObject] = {
    CONTACTS: CrmObject(("email",)),
    "companies": CrmObject(),
    "deals": CrmObject(),
}

_CUSTOM = re.compile(r"2-[0-9]+|p[0-9]*_[A-Za-z0-9_-]+")

_TYPES: Mapping[str, str] = {
    "string": "string",
    "phone_number": "string",
    "number": "number",
    "bool": "boolean",
    "enumeration": "enumeration",
    "date": "date",
    "datetime": "datetime",
}

CONNECTION_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "token": {
            "type": "string",
            "minLength": 1,
            "pattern": r"^[\x21-\x7e]+$",
            "patternErrorMessage": "it has printable ASCII characters only, and no blanks",
            "x-secret": True,
            "description": "The access token of a private app.",
        },
        "base_url": {
            "type": "string",
            "pattern": r"^https?://[^/?#@{}\s]+(/[^?#{}\s]*)?$",
            "patternErrorMessage": f"it needs an http(s) URL without a password and a query, such as {BASE_URL}",
            "description": f"Where the API is; {BASE_URL} by default.",
        },
        "api_version": {
            "type": "string",
            "pattern": "^(v3|20[0-9]{2}-(03|09))$",
            "patternErrorMessage": "write v3, or a date version such as 2026-09",
            "description": f"The version of the object API; {API_VERSION} by default.",
        },
        "identifiers": {
            "type": "object",
            "description": "Object to properties that are unique in this account without being marked so.",
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        },
        "batch_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": ROWS,
            "description": f"Most rows of one request; {ROWS} by default.",
        },
    },
    "required": ["token"],
    "additionalProperties": False,
}


def crm_object(name: str) -> CrmObject | None:
    """What is known of the object *name*; None where it can be no object. Custom ones go by ``2-123`` or ``p_name``."""
    return OBJECTS.get(name) or (CrmObject() if _CUSTOM.fullmatch(name) else None)


def object_path(version: str, name: str) -> str:
    """The path of an object's records, under the base URL."""
    return f"/crm/v3/objects/{name}" if version == "v3" else f"/crm/objects/{version}/{name}"


def object_spec(name: str, *, rows: int = ROWS, fields: Mapping[str, FieldSpec] | None = None) -> ObjectSpec:
    """What *name* takes; *fields* as far as they were discovered."""
    # A second create makes a second company, and is refused for a contact that the first one made: after a lost answer
    # nobody can tell whose it is.
    classes = {**dict.fromkeys(Operation, DeliveryClass.UPSERT), Operation.CREATE: DeliveryClass.APPEND}
    operations = {op: OperationSpec(delivery=delivery, rows=rows) for op, delivery in classes.items()}
    if name == CONTACTS:
        operations[Operation.UPSERT] = replace(operations[Operation.UPSERT], requests=LOOKS_FIRST)
    return ObjectSpec(
        name=name,
        operations=operations,
        fields=fields,
        exact_numbers=True,
        tells_creates=True,
        answers="trace_id",
    )


def field_specs(properties: Iterable[Json], identifiers: Iterable[str]) -> Mapping[str, FieldSpec]:
    """Read HubSpot's list of properties; *identifiers* are unique though their definition may not say so."""
    known = frozenset(identifiers)
    specs = (_field(found, known) for found in properties if isinstance(found, dict))
    return {spec.name: spec for spec in specs if spec.name}


def _field(definition: JsonObject, identifiers: frozenset[str]) -> FieldSpec:
    name = str(definition.get("name") or "")
    modification = definition.get("modificationMetadata")
    read_only = isinstance(modification, dict) and modification.get("readOnlyValue") is True
    writable = not read_only and definition.get("calculated") is not True
    # A checkbox takes several of its options, joined by semicolons, so no single option can be asked for.
    several = definition.get("fieldType") == "checkbox"
    return FieldSpec(
        name=name,
        type="any" if several else _TYPES.get(str(definition.get("type")), "any"),
        label=str(definition.get("label") or ""),
        createable=writable,
        updateable=writable,
        identifier=name in identifiers or definition.get("hasUniqueValue") is True,
        options=() if several else _options(definition.get("options")),
    )


def _options(options: Json) -> tuple[str, ...]:
    listed = options if isinstance(options, list) else []
    return tuple(str(option["value"]) for option in listed if isinstance(option, dict) and "value" in option)
