"""What a type of destination is like: its settings, its objects, and what they take, without a connection."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_activate.contracts import Destination
from dbt_activate.errors import ActivateError, ConfigError, Problem
from dbt_activate.project.destinations import SANDBOX
from dbt_activate.project.schemas import schema
from dbt_activate.registry import DestinationKinds, SystemClock, connect
from dbt_activate.values.destination import Connection, DeliveryClass, ObjectSpec
from dbt_activate.values.secret import Secret

MEANING: Mapping[DeliveryClass, str] = {
    DeliveryClass.UPSERT: "sent again: one record however often it is sent",
    DeliveryClass.IDEMPOTENCY_KEY: "sent again: a request that was applied is known by its key",
    DeliveryClass.READ_BACK: "looked for, and sent again where it is not there",
    DeliveryClass.APPEND: "never sent again: the row stays unknown",
    DeliveryClass.TRANSACTION: "sent again: applied once, by a marker in the same transaction",
}
"""What a class means for rows whose answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a connection. *required* is ``yes``, ``no``, or says with what it is."""

    name: str
    type: str
    required: str
    secret: bool
    description: str


def settings_of(rules: Mapping[str, Any]) -> tuple[Setting, ...]:
    """The settings that a connection's schema has, the required ones first."""
    needed = set(rules.get("required", ()))
    ways = [set(way.get("required", ())) for way in rules.get("anyOf", rules.get("oneOf", ()))]
    made = (
        Setting(
            name=name,
            type=_type(rule),
            required="yes" if name in needed else _one_of(name, ways),
            secret=_is_secret(rule),
            description=str(rule.get("description", "")),
        )
        for name, rule in rules.get("properties", {}).items()
    )
    return tuple(sorted(made, key=lambda setting: setting.required == "no"))


def _one_of(name: str, ways: Sequence[set[str]]) -> str:
    own = [way for way in ways if name in way]
    if not own:
        return "no"
    others = " or ".join(" and ".join(sorted(way)) for way in ways if name not in way)
    return f"unless {others}" if others else "yes"


def _type(rule: Mapping[str, Any]) -> str:
    if "enum" in rule:
        return " | ".join(map(str, rule["enum"]))
    if "const" in rule:
        return str(rule["const"])
    kinds = rule.get("type", [_type(way) for word in ("anyOf", "oneOf") for way in rule.get(word, ())])
    return kinds if isinstance(kinds, str) else " or ".join(map(str, kinds)) or "any"


def _is_secret(rule: Any) -> bool:
    """Whether a secret is asked for anywhere in *rule*."""
    if isinstance(rule, Mapping):
        return rule.get("x-secret") is True or any(_is_secret(part) for part in rule.values())
    return isinstance(rule, list) and any(_is_secret(part) for part in rule)


def common_settings() -> tuple[Setting, ...]:
    """The settings that every connection takes."""
    return settings_of(schema("destinations")["$defs"]["connection"])


def sandbox_settings() -> tuple[Setting, ...]:
    """The settings of ``type: sandbox``, beyond those of the type that it acts as."""
    return settings_of(schema("destinations")["$defs"]["sandbox"])


def needs(rules: Mapping[str, Any]) -> str:
    """The settings that must be given, in words."""
    ways = [" and ".join(way.get("required", ())) for way in rules.get("anyOf", rules.get("oneOf", ()))]
    return ", ".join([*rules.get("required", ()), *([" or ".join(filter(None, ways))] if any(ways) else [])])


def about(kind: type[Destination]) -> str:
    """The first line of what the type's author says of it."""
    return (kind.__doc__ or "").strip().partition("\n")[0]


def stand_in(name: str, kinds: DestinationKinds) -> Destination:
    """A destination of type *name* that leads nowhere: good for questions that need no connection.

    Raises:
        ConfigError: It cannot be made without real settings.
    """
    settings = dict(_placeholders(kinds.load(name).connection_schema))
    connection = Connection(name=name, output="none", type=name, settings=settings)
    try:
        return connect(connection, kinds, SystemClock(), random.Random(0)).destination  # noqa: S311 - never drawn from
    except ActivateError:
        raise
    except Exception as error:
        remedy = "ask with a connection: --online NAME OBJECT"
        raise ConfigError(Problem(f"destination type '{name}'", "says nothing without its settings", remedy)) from error


def _placeholders(rules: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    ways = rules.get("anyOf", rules.get("oneOf", ()))
    needed = [*rules.get("required", ()), *(ways[-1].get("required", ()) if ways else ())]
    for name in needed:
        rule = rules.get("properties", {}).get(name, {})
        value = _placeholder(rule)
        yield name, Secret(str(value)) if rule.get("x-secret") else value


def _placeholder(rule: Mapping[str, Any]) -> object:
    if "enum" in rule:
        return rule["enum"][0]
    plain = {"integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}
    if rule.get("type") in plain:
        return plain[rule["type"]]
    pattern = re.compile(str(rule.get("pattern", "")))
    return next((text for text in _TEXTS if pattern.search(text)), _TEXTS[0])


_TEXTS = ("placeholder", "https://example.com/", "https://example.com", "1", "v1")


def described(spec: ObjectSpec) -> dict[str, Any]:
    """*spec* as data for JSON."""
    return {
        "name": spec.name,
        "operations": {
            operation.value: {
                "class": each.delivery.value,
                "meaning": MEANING[each.delivery],
                "rows": each.rows,
                "bytes": each.bytes,
                "atomic": each.atomic,
            }
            for operation, each in spec.operations.items()
        },
        "answers": spec.answers,
        "exact_numbers": spec.exact_numbers,
        "tells_creates": spec.tells_creates,
        "fields": None if spec.fields is None else [_field(name, spec) for name in spec.fields],
    }


def _field(name: str, spec: ObjectSpec) -> dict[str, Any]:
    field = (spec.fields or {})[name]
    return {
        "name": field.name,
        "type": field.type,
        "label": field.label,
        "required": field.required,
        "identifier": field.identifier,
        "createable": field.createable,
        "updateable": field.updateable,
        "max_length": field.max_length,
        "options": list(field.options),
    }


def named(name: str, kinds: DestinationKinds) -> str:
    """*name*, where such a type is installed.

    Raises:
        ConfigError: It is not; the types that are there are told.
    """
    from dbt_activate.project.faults import choice

    if name in {*kinds, SANDBOX}:
        return name
    raise ConfigError(Problem("destinations", f"there is no type '{name}'", choice(name, [*kinds, SANDBOX])))
