"""The rules a payload must keep before it may travel: the object's own, then the sync's JSON Schema.

The object's rules are plain functions, since every row passes them; jsonschema is loaded only where a block has a
``schema:``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias

from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.mapping.formats import is_date, is_datetime
from dbt_activate.mapping.schema import SchemaRules
from dbt_activate.mapping.violation import Violation, pointer
from dbt_activate.values.destination import FieldSpec, ObjectSpec
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.sync import Operation, Sync

Fault: TypeAlias = "tuple[str, str] | None"
"""Code and message, or None for a sound value."""

Rule: TypeAlias = Callable[[Json], Fault]

_SHOWN_OPTIONS = 10


class Checker:
    """The rules of one sync, compiled."""

    def __init__(self, sync: Sync, spec: ObjectSpec) -> None:
        """Compile the rules.

        Raises:
            ConfigError: The sync's ``schema`` is no JSON Schema.
        """
        declared = spec.fields or {}
        mapped = {field.path: declared[field.name] for field in sync.fields if field.name in declared}
        self._rules = tuple((path, rule) for path, field in mapped.items() for rule in _rules(field))
        self._required = tuple(name for name, field in declared.items() if field.required)
        self._schema = None if sync.schema is None else SchemaRules(sync)

    def violations(
        self, fields: JsonObject, operation: Operation, unread: Collection[str] = ()
    ) -> tuple[Violation, ...]:
        """Every rule that *fields* breaks, in the order of the rules.

        Args:
            fields: All that a new record would get.
            operation: An ``update`` may leave required fields out.
            unread: Pointers of fields that could not be read; nothing more is said about them.
        """
        found = list(self._broken(fields, operation))
        if self._schema is not None:
            found += self._schema.violations(fields)
        return _distinct(found, unread) if found else ()

    def _broken(self, fields: JsonObject, operation: Operation) -> Iterator[Violation]:
        for name in self._required:
            if fields.get(name) is None and (name in fields or operation is not Operation.UPDATE):
                yield Violation(pointer([name]), "required", name, "required by the destination")
        for path, rule in self._rules:
            value = fields.get(path[0]) if len(path) == 1 else _at(fields, path)
            if value is not None and (fault := rule(value)) is not None:
                yield Violation(pointer(path), fault[0], ".".join(path), fault[1])


def _at(fields: JsonObject, path: tuple[str, ...]) -> Json:
    value: Json = fields
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _distinct(found: Iterable[Violation], unread: Collection[str]) -> tuple[Violation, ...]:
    """The first violation of each place and code. A field that could not be read is missing for that reason only."""
    first: dict[tuple[str, str], Violation] = {}
    for violation in found:
        if not _touches(violation.pointer, unread):
            first.setdefault((violation.pointer, violation.code), violation)
    return tuple(first.values())


def _touches(place: str, others: Iterable[str]) -> bool:
    """Whether *place* is one of *others*, is in one, or holds one."""
    return any(f"{place}/".startswith(f"{other}/") or f"{other}/".startswith(f"{place}/") for other in others)


def _rules(field: FieldSpec) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    if field.type in _TYPES:
        rules.append(_of_type(*_TYPES[field.type]))
    if field.max_length is not None:
        rules.append(_no_longer_than(field.max_length))
    if field.options:
        rules.append(_one_of(field.options))
    return tuple(rules)


def _of_type(fits: Callable[[Json], bool], words: str) -> Rule:
    fault = ("type", words)
    return lambda value: None if fits(value) else fault


def _no_longer_than(length: int) -> Rule:
    fault = ("max_length", f"must have at most {length} characters")
    return lambda value: fault if isinstance(value, str) and len(value) > length else None


def _one_of(options: tuple[str, ...]) -> Rule:
    allowed = frozenset(options)
    more = f" and {len(options) - _SHOWN_OPTIONS} more" if len(options) > _SHOWN_OPTIONS else ""
    fault = ("options", f"must be one of the destination's options: {', '.join(options[:_SHOWN_OPTIONS])}{more}")
    return lambda value: None if (value if isinstance(value, str) else canonical_text(value)) in allowed else fault


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_integer(value: Json) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


# Whole numbers pass as dates, too: some APIs count seconds or milliseconds, which `epoch_s` and `epoch_ms` make.
_TYPES: Mapping[str, tuple[Callable[[Json], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "must be text; add `transform: [string]`"),
    "number": (_is_number, "must be a number; add `transform: [number]`"),
    "integer": (_is_integer, "must be a whole number; add `transform: [integer]`"),
    "boolean": (lambda value: isinstance(value, bool), "must be true or false; add `transform: [boolean]`"),
    "date": (
        lambda value: is_date(value) if isinstance(value, str) else _is_integer(value),
        "must be a date; add `transform: [iso_date]`",
    ),
    "datetime": (
        lambda value: is_datetime(value) if isinstance(value, str) else _is_integer(value),
        "must be a date with a time; add `transform: [iso_datetime]`",
    ),
    "enumeration": (lambda value: not isinstance(value, list | dict), "must be a single value"),
    "object": (lambda value: isinstance(value, dict), "must be an object; add `transform: [json]` if it is JSON text"),
    "array": (
        lambda value: isinstance(value, list),
        "must be a list; add `transform: [split]` or `[json]` if it is text",
    ),
}
