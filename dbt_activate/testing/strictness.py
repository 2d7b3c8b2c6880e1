"""Whether the JSON Schema of a connection's settings lets something through that nobody described."""

from collections.abc import Iterable

from dbt_activate.values.json import Schema


def lax_places(schema: Schema, place: str = "") -> Iterable[str]:
    """Where *schema* takes what nobody described, in words; *place* is where it stands in a larger one."""
    properties = _mapping(schema.get("properties"))
    if properties and schema.get("additionalProperties") is not False:
        yield f"{place}: additionalProperties is not false"
    if not place and schema.get("type") != "object":
        yield "the settings are no object"
    for name in _strings(schema.get("required")):
        if name not in properties:
            yield f"{place}: {name} is required and not described"
    for name, part in properties.items():
        if not set(_mapping(part)) & {"type", "enum", "const", "anyOf", "oneOf", "$ref"}:
            yield f"{place}.{name}: says nothing of its type"
        if _mapping(part).get("type") == "object":
            yield from lax_places(_mapping(part), f"{place}.{name}")


def secret_names(schema: Schema) -> set[str]:
    """The settings that are declared as secrets."""
    properties = _mapping(schema.get("properties"))
    return {name for name, part in properties.items() if _mapping(part).get("x-secret")}


def _mapping(value: object) -> Schema:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return value if isinstance(value, list) else []
