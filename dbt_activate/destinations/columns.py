"""What a database says of a table, and how a value is written into one of its columns."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from dbt_activate.destinations.statements import TableName
from dbt_activate.values.destination import FieldSpec
from dbt_activate.values.json import Json


class UnspellableError(ValueError):
    """A value that a column cannot hold unharmed. Its text never holds the value.

    Attributes:
        code: The code of the row's result.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table. *type* is the engine's own name for it."""

    name: str
    type: str
    spec: FieldSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that exists. *keys* holds the columns of each unique index."""

    name: TableName
    columns: Mapping[str, Column]
    keys: frozenset[frozenset[str]]


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_text(value: Json) -> str:
    """*value* as JSON text, compact, with every digit of a number that it has."""
    try:
        return _ENCODER.encode(value)
    except TypeError:
        return _exact_json_text(value)


def _exact_json_text(value: Json) -> str:
    # Python's encoder knows no Decimal, and would have to be told a double instead.
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json_text(str(name))}:{json_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return _ENCODER.encode(value)


def as_text(value: Json, column: Column) -> str | None:
    """*value* as the text that databases read into a column of any type."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float | Decimal) and column.spec.type == "integer" and value % 1 == 0:
        return str(int(value))
    return str(value) if type(value) is int else json_text(value)


def digits_after_point(value: Decimal) -> int:
    """How many decimal places *value* needs."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


_KINDS: Mapping[frozenset[str], str] = {
    frozenset(): "text",
    frozenset({"double", "bigint"}): "double",
    frozenset({"numeric", "bigint"}): "numeric",
    frozenset({"numeric", "double"}): "numeric",
    frozenset({"numeric", "double", "bigint"}): "numeric",
}
"""The kind of a column that holds values of several kinds; text where nothing is said."""


def kind_of(values: Iterable[Json]) -> str:
    """The kind of column that takes all *values*: ``text bigint double numeric boolean json``."""
    kinds = frozenset(_kind(value) for value in values if value is not None)
    return next(iter(kinds)) if len(kinds) == 1 else _KINDS.get(kinds, "text")


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint" if -(2**63) <= value < 2**63 else "numeric"
    if isinstance(value, list | dict):
        return "json"
    return {float: "double", Decimal: "numeric"}.get(type(value), "text")
