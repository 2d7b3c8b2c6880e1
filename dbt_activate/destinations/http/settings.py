"""What ``type: http`` can be told: the JSON Schema of it, and the same, read."""

from collections.abc import Mapping

import msgspec

from dbt_activate.values.json import Schema
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import REMOVALS, Operation

_URL: Schema = {
    "type": "string",
    # The host is never filled from a row, and no password stands in a URL.
    "pattern": r"^https?://[^/?#@{}\s]+([/?#]\S*)?$",
    "patternErrorMessage": "it needs an http(s) URL without a password, such as https://api.example.com/v1/customers",
    "description": "The address. {object} takes the sync's object, {field} an identifier's value where body is row.",
}
_STATUS: Schema = {
    "type": "string",
    "pattern": r"^[1-5]([0-9]{2}|xx)(,[1-5]([0-9]{2}|xx))*$",
    "patternErrorMessage": "write statuses such as 2xx or 200,207",
}
_HEADER_NAME: Schema = {
    "pattern": r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    "patternErrorMessage": "the name of a header has letters, digits and hyphens",
}
_HEADER_VALUE: Schema = {
    "pattern": r"^[\t\x20-\x7e]*$",
    "patternErrorMessage": "a header has printable ASCII characters only",
}
_OVERRIDE: Schema = {
    "type": "object",
    "properties": {"method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]}, "url": _URL},
    "additionalProperties": False,
}
_RESULTS: Schema = {
    "type": "object",
    "description": "How the answer speaks of single rows; without it, the status counts for all of them.",
    "properties": {
        "by": {"enum": ["all", "index", "key"]},
        "path": {
            "type": "string",
            "description": "Where the list is in the answer, dotted; empty for the answer itself.",
        },
        "key": {"type": "string", "minLength": 1},
        "succeeded": {
            "type": "object",
            "properties": {
                "field": {"type": "string", "minLength": 1},
                "values": {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
            },
            "required": ["field"],
            "additionalProperties": False,
        },
        "message": {"type": "string", "minLength": 1},
        "record_id": {"type": "string", "minLength": 1},
    },
    "additionalProperties": False,
    # An item alone is no positive answer: what says "succeeded" must be named.
    "if": {"properties": {"by": {"enum": ["index", "key"]}}, "required": ["by"]},
    "then": {"required": ["succeeded"]},
}

CONNECTION_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "url": _URL,
        "headers": {
            "type": "object",
            "description": "Headers of every request, such as Authorization.",
            "propertyNames": _HEADER_NAME,
            "additionalProperties": {"type": "string", **_HEADER_VALUE, "x-secret": True},
        },
        "body": {
            "enum": ["array", "object", "row", "ndjson", "form"],
            "description": "A JSON array of rows (default), an object that holds it, one row, JSON lines, or a form.",
        },
        "records_key": {
            "type": "string",
            "minLength": 1,
            "description": "The key of the rows where body is object; `records` by default.",
        },
        "envelope": {
            "type": "boolean",
            "description": "Put each row's fields into an object that names operation and key, too.",
        },
        "operations": {
            "type": "object",
            "description": "Operation to the method and the URL that it takes, where they are others.",
            "propertyNames": {"enum": [operation.value for operation in Operation]},
            "additionalProperties": _OVERRIDE,
        },
        "results": _RESULTS,
        "success_statuses": {
            "oneOf": [_STATUS, {"type": "array", "minItems": 1, "items": _STATUS}],
            "description": "The statuses that say that a request was taken; 2xx by default.",
        },
        "delivery": {
            "enum": ["upsert", "idempotency_key", "append"],
            "description": "What a repeated request does: one record, dropped by its key, or one more record.",
        },
        "idempotency_header": {
            "type": "string",
            **_HEADER_NAME,
            "description": "The header of the idempotency key; `Idempotency-Key` by default.",
        },
        "idempotency_ttl": {
            "type": "string",
            "pattern": "^[1-9][0-9]{0,8}[smhd]$",
            "patternErrorMessage": "write a number and one of s, m, h and d, such as 24h",
            "description": "How long the destination remembers a key; 24h by default.",
        },
        "sign": {
            "type": "object",
            "description": "The header that takes the HMAC of the body, and its secret.",
            "properties": {
                "header": {"type": "string", **_HEADER_NAME},
                "secret": {"type": "string", "minLength": 1, "x-secret": True},
            },
            "required": ["header", "secret"],
            "additionalProperties": False,
        },
        "batch_size": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000,
            "description": "Most rows of one request; 100 by default.",
        },
    },
    "required": ["url"],
    "additionalProperties": False,
}

METHODS: Mapping[Operation, str] = {
    Operation.UPSERT: "POST",
    Operation.CREATE: "POST",
    Operation.UPDATE: "PATCH",
    Operation.CLEAR: "PATCH",
    Operation.DELETE: "DELETE",
}
"""The method of each operation where the settings name none. What is not here is offered only where they do."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Override(msgspec.Struct, frozen=True):
    """What is different for one operation."""

    method: str | None = None
    url: str | None = None


class Succeeded(msgspec.Struct, frozen=True):
    """The field of an item that says how its row ended. Without *values*, its presence says that it succeeded."""

    field: str
    values: tuple[str | int | float | bool, ...] = ()


class Results(msgspec.Struct, frozen=True):
    """How the answer speaks of single rows; names may be dotted."""

    by: str = "all"
    path: str = "results"
    key: str = "id"
    succeeded: Succeeded | None = None
    message: str | None = None
    record_id: str | None = None


class Sign(msgspec.Struct, frozen=True):
    """The header that takes the HMAC of the body."""

    header: str
    secret: Secret | str


class Settings(msgspec.Struct, frozen=True):
    """The settings of one output, with the defaults filled in."""

    url: str
    headers: dict[str, Secret | str] = msgspec.field(default_factory=dict)
    body: str = "array"
    records_key: str = "records"
    envelope: bool = False
    operations: dict[str, Override] = msgspec.field(default_factory=dict)
    results: Results = Results()
    success_statuses: str | tuple[str, ...] = ("2xx",)
    delivery: str | None = None
    idempotency_header: str = "Idempotency-Key"
    idempotency_ttl: str = "24h"
    sign: Sign | None = None
    batch_size: int = 100

    @property
    def single(self) -> bool:
        """Whether a request takes one row only."""
        return self.body in {"row", "form"}

    @property
    def idempotency_seconds(self) -> float:
        """How long the destination remembers an idempotency key."""
        return float(self.idempotency_ttl[:-1]) * _UNITS[self.idempotency_ttl[-1]]

    def method(self, operation: Operation) -> str | None:
        """The method of *operation*; None where it is not offered."""
        given = self.operations.get(operation.value)
        if given is None:
            return METHODS.get(operation)
        return given.method or METHODS.get(operation, "POST")

    def address(self, operation: Operation) -> str:
        """The URL template of *operation*."""
        given = self.operations.get(operation.value)
        return (given and given.url) or self.url

    def succeeds(self, status: int) -> bool:
        """Whether *status* is one of the ``success_statuses``."""
        given = self.success_statuses
        listed = ",".join([given] if isinstance(given, str) else given).split(",")
        return str(status) in listed or f"{status // 100}xx" in listed


def read_settings(settings: Mapping[str, object]) -> Settings:
    """Read settings that passed :data:`CONNECTION_SCHEMA`."""
    return msgspec.convert(dict(settings), Settings)


def names_rows_only(operation: Operation) -> bool:
    """Whether *operation* sends the rows' identifiers and nothing else."""
    return operation in REMOVALS and operation is not Operation.CLEAR
