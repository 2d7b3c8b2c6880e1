"""Personal data: which columns are tagged as such, and to which syncs they may flow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_activate.project.faults import Faults, choice, shown
from dbt_activate.project.field_maps import field_place
from dbt_activate.project.manifest import Node, meta_of
from dbt_activate.values.sync import Column, FieldMap, Location, Sql

_KINDS = ("email", "phone", "name", "address", "id", "special")
_KEYS = ("pii", "purpose")


@dataclass(frozen=True, slots=True)
class Tag:
    """What ``activate_field`` says of a column: its kind of personal data, and the purposes it may serve."""

    pii: str | None
    purposes: frozenset[str]


def read_tags(node: Node, at: Location, faults: Faults) -> dict[str, Tag]:
    """The tagged columns of *node*, whose place is *at*."""
    if "activate_field" in meta_of(node):
        faults.add(
            at.at("activate_field"), "it stands at the model, and tags nothing there", "move it to the columns it means"
        )
        return {}
    tags: dict[str, Tag] = {}
    for name, column in (node.columns or {}).items():
        if "activate_field" in meta_of(column):
            tag = _tag(meta_of(column)["activate_field"], at.at("columns", name, "activate_field"), faults)
            if tag is not None:
                tags[name] = tag
    return tags


def _tag(raw: Any, at: Location, faults: Faults) -> Tag | None:
    if not isinstance(raw, dict):
        faults.add(at, f"needs a mapping, not {shown(raw)}", "such as {pii: email, purpose: [marketing]}")
        return None
    for key in raw.keys() - set(_KEYS):
        faults.add(at.at(str(key)), "unknown key", choice(str(key), _KEYS, what="the keys are"))
    pii, purpose = raw.get("pii"), raw.get("purpose", [])
    if pii is not None and pii not in _KINDS:
        faults.add(at.at("pii"), f"{shown(pii)} is no kind of personal data", choice(str(pii), _KINDS))
    purposes = [purpose] if isinstance(purpose, str) else purpose
    if not isinstance(purposes, list) or not all(isinstance(one, str) and one for one in purposes):
        faults.add(at.at("purpose"), f"needs a purpose or a list of them, not {shown(purpose)}")
        return None
    return Tag(pii if isinstance(pii, str) else None, frozenset(purposes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a sync takes from its model, and for what purpose; *engine* is the warehouse's name in sqlglot."""

    fields: tuple[FieldMap, ...]
    where: str | None
    purpose: str | None
    engine: str
    at: Location


def check_purposes(flow: Flow, tags: Mapping[str, Tag], faults: Faults) -> None:
    """Note each tagged column that flows where its purposes do not let it. Any use of it within SQL counts."""
    if not tags:
        return
    by_name = {name.casefold(): (name, tag) for name, tag in tags.items()}
    for column, place in _uses(flow, faults):
        if column.casefold() in by_name:
            name, tag = by_name[column.casefold()]
            _check(name, tag, flow.purpose, place, faults)


def _uses(flow: Flow, faults: Faults) -> Iterator[tuple[str, Location]]:
    for field in flow.fields:
        place = field_place(flow.at, field.path)
        match field.source:
            case Column(name):
                yield name, place
            case Sql(text):
                yield from _in_sql(text, place.at("sql"), flow.engine, faults)
            case _:
                continue
    if flow.where:
        yield from _in_sql(flow.where, flow.at.at("where"), flow.engine, faults)


def _in_sql(text: str, place: Location, engine: str, faults: Faults) -> Iterator[tuple[str, Location]]:
    from dbt_activate.project.expressions import read_expression

    expression = faults.attempt(read_expression, text, engine, place)
    for name in expression.names if expression else ():
        yield name, place


def _check(name: str, tag: Tag, purpose: str | None, place: Location, faults: Faults) -> None:
    if purpose in tag.purposes:
        return
    what = f"the column '{name}' is personal data"
    if not tag.purposes:
        faults.add(place, f"{what} and names no purpose", "add `purpose` to its activate_field")
        return
    allowed = ", ".join(sorted(tag.purposes))
    given = f"this sync's is '{purpose}'" if purpose else "this sync names none"
    faults.add(
        place, f"{what} for the purpose {allowed} only, and {given}", "give the sync such a `purpose`, or leave it out"
    )
