"""From the ``fields`` of a block, whose shape is checked, to field maps."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dbt_activate.project.faults import Faults
from dbt_activate.values.sync import (
    Column,
    Constant,
    FieldMap,
    Location,
    Lookup,
    NullPolicy,
    Source,
    Sql,
    Variable,
    WritePolicy,
)

_SOURCES: Mapping[str, Callable[[Any], Source]] = {
    "column": Column,
    "sql": Sql,
    "value": Constant,
    "variable": Variable,
    "lookup": lambda raw: Lookup(raw["sync"], names(raw["key"])),
}


def names(value: str | list[str] | None) -> tuple[str, ...]:
    """One name or a list of them, as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def field_place(at: Location, path: tuple[str, ...]) -> Location:
    """Where the field *path* stands, in a sync whose place is *at*."""
    inner = (part for name in path[1:] for part in ("fields", name))
    return at.at("fields", path[0], *inner)


def read_fields(raw: Mapping[str, Any], at: Location, faults: Faults) -> tuple[FieldMap, ...]:
    """The field maps of *raw*, the `fields` of the sync at *at*, in its order, nested ones flattened."""
    fields = tuple(_fields(raw, (), at.at("fields"), faults))
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            faults.add(field_place(at, field.path), f"two fields are called '{field.name}'", "keep one of them")
        seen.add(field.name)
    return fields


def _fields(raw: Mapping[str, Any], path: tuple[str, ...], at: Location, faults: Faults) -> Iterator[FieldMap]:
    for name, value in raw.items():
        here = at.at(name)
        if isinstance(value, str):
            yield FieldMap(path=(*path, name), source=Column(value))
        elif "fields" in value:
            for key in value.keys() - {"fields"}:
                faults.add(here.at(key), "has no place beside `fields`", "put it at the fields below")
            yield from _fields(value["fields"], (*path, name), here.at("fields"), faults)
        else:
            yield _field(value, (*path, name))


def _field(value: Mapping[str, Any], path: tuple[str, ...]) -> FieldMap:
    source = next(make(value[key]) for key, make in _SOURCES.items() if key in value)
    return FieldMap(
        path=path,
        source=source,
        transform=names(value.get("transform")),
        null=NullPolicy(value.get("null", "send")),
        write=WritePolicy(value.get("write", "always")),
    )


def columns_of(source: Source) -> tuple[str, ...]:
    """The columns that *source* names outright; those within SQL are not seen here."""
    match source:
        case Column(name):
            return (name,)
        case Lookup(_, columns):
            return columns
        case _:
            return ()
