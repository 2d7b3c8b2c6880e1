"""A field map, compiled: one function from the row's warehouse values to the field's JSON value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from typing import Final, TypeAlias, assert_never

from dbt_activate.mapping.coercion import EXACT_INTEGERS, Unsayable, to_json
from dbt_activate.mapping.transforms import TRANSFORMS, Transform
from dbt_activate.mapping.violation import Violation, pointer
from dbt_activate.values.json import Json
from dbt_activate.values.sync import Column, Constant, FieldMap, Lookup, NullPolicy, Source, Sql, Variable


class Nothing(Enum):
    """The type of :data:`ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Nothing.ABSENT
"""What a field is read as that is left out of the payload: not NULL, not there."""

Row: TypeAlias = Sequence[object]
Reader: TypeAlias = Callable[[Row], "Json | Nothing"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field map and its reader.

    Attributes:
        read: Takes the row's warehouse values in the order of the sync's fields. Raises
            :class:`~dbt_activate.mapping.coercion.Unsayable` where there is nothing that can be sent.
    """

    map: FieldMap
    read: Reader

    def violation(self, fault: Unsayable) -> Violation:
        """*fault*, with the place of this field."""
        return Violation(pointer(self.map.path), fault.code, self.map.name, fault.message)


def compile_field(
    field: FieldMap, *, index: int, identifies: bool, variables: Mapping[str, Json], exact_numbers: bool
) -> Field:
    """Compile *field*, which is the one at *index* of its sync.

    Args:
        field: The field map.
        index: Its place among the sync's fields.
        identifies: Whether it is an identifier: never NULL, never blank.
        variables: What the variables stand for in this run.
        exact_numbers: Whether the destination takes any number unharmed.
    """
    pick = _pick(field.source, index, variables)
    steps = tuple(TRANSFORMS[name] for name in field.transform)
    source = _transformed(pick, steps)
    null = _null(field, identifies=identifies)
    read = _reader(source, null, exact_numbers=exact_numbers)
    return Field(field, _unless_blank(read) if identifies else read)


def _pick(source: Source, index: int, variables: Mapping[str, Json]) -> Callable[[Row], object]:
    match source:
        case Column() | Sql() | Lookup():
            return itemgetter(index)
        case Constant(value):
            return lambda _: value
        case Variable(name):
            fact = variables[name]
            return lambda _: fact
        case _:
            assert_never(source)


def _transformed(pick: Callable[[Row], object], steps: Sequence[Transform]) -> Callable[[Row], object]:
    if not steps:
        return pick

    def run(row: Row) -> object:
        value = pick(row)
        for step in steps:
            if value is None:
                return None
            value = step(value)
        return value

    return run


def _null(field: FieldMap, *, identifies: bool) -> "Unsayable | Nothing | None":
    """What a NULL of *field* becomes: a fault, nothing at all, or null."""
    if identifies:
        return Unsayable("required", "the identifier is NULL; without it no record can be matched")
    if field.null is NullPolicy.SKIP:
        return ABSENT
    if isinstance(field.source, Lookup):
        return Unsayable("lookup_missing", _missing(field.source))
    return None


def _missing(lookup: Lookup) -> str:
    return (
        f"the sync {lookup.sync} has no record id for this row's {', '.join(lookup.columns)}; "
        f"sync {lookup.sync} first, or leave the field out with `null: skip`"
    )


def _reader(source: Callable[[Row], object], null: "Unsayable | Nothing | None", *, exact_numbers: bool) -> Reader:
    def read(row: Row) -> "Json | Nothing":
        found = source(row)
        if type(found) is str and found.isascii():  # most columns, and nothing to be done
            return found
        value = to_json(found)
        if value is None:
            return _of_null(null)
        if type(value) in suspects and _is_inexact(value):
            raise Unsayable("precision", _INEXACT)
        return value

    suspects = frozenset[type]() if exact_numbers else _MAY_BE_INEXACT
    return read


def _unless_blank(read: Reader) -> Reader:
    def read_identifier(row: Row) -> "Json | Nothing":
        value = read(row)
        if isinstance(value, str) and not value.strip():
            raise Unsayable("required", "the identifier is blank; without it no record can be matched")
        return value

    return read_identifier


def _of_null(null: "Unsayable | Nothing | None") -> Nothing | None:
    if isinstance(null, Unsayable):
        raise Unsayable(null.code, null.message)
    return null


_INEXACT = "the destination keeps numbers as doubles, and this one has more digits; add `transform: [string]`"
_MAY_BE_INEXACT = frozenset({int, Decimal, list, dict})


def _is_inexact(value: Json) -> bool:
    """Whether a reader that takes numbers as doubles would see another number. Decimals left by coercion are such."""
    if type(value) is int:
        return not -EXACT_INTEGERS < value < EXACT_INTEGERS
    if isinstance(value, list):
        return any(map(_is_inexact, value))
    if isinstance(value, dict):
        return any(map(_is_inexact, value.values()))
    return isinstance(value, Decimal)
