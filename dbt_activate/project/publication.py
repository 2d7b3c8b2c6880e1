"""The JSON Schema of ``destinations.yml`` for editors: put together from the types that are installed."""

import json
from collections.abc import Mapping
from typing import Any

from dbt_activate.errors import ConfigError
from dbt_activate.project.destinations import SANDBOX, DestinationKind
from dbt_activate.project.schemas import schema

TEMPLATE: Mapping[str, Any] = {"type": "string", "pattern": r"\{\{"}
"""What may stand in the place of any value: a text with ``{{ env_var('NAME') }}`` in it."""

_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPPINGS = frozenset({"properties", "patternProperties"})
_SINGLE = frozenset({"additionalProperties", "items", "contains"})


def destinations_schema(kinds: Mapping[str, DestinationKind]) -> dict[str, Any]:
    """The schema of ``destinations.yml`` for *kinds*: what an output takes depends on its type."""
    whole = schema("destinations")
    definitions = whole["$defs"]
    common, sandbox = definitions["output"]["properties"], definitions.pop("sandbox")
    cases = []
    for name in kinds:
        rules = _rules(name, kinds)
        definitions[f"type_{name}"] = _output(rules, {**common, "type": {"const": name}})
        cases.append(_case({"type": name}, f"type_{name}"))
        # The sandbox lets everybody in, so that nothing of the real system is required.
        relaxed = {key: value for key, value in rules.items() if key in _OF_SANDBOX}
        acts = {**_templated_each(sandbox["properties"]), "emulate": {"const": name}, "type": {"const": SANDBOX}}
        definitions[f"sandbox_{name}"] = _output(relaxed, {**common, **acts})
        cases.append(_case({"type": SANDBOX, "emulate": name}, f"sandbox_{name}"))
    emulate = {**sandbox["properties"]["emulate"], "enum": list(kinds)}
    definitions["sandbox"] = {"required": ["emulate"], "properties": {"emulate": emulate}}
    definitions["output"] |= {
        "properties": {"type": {**common["type"], "enum": [*kinds, SANDBOX]}},
        "allOf": [_case({"type": SANDBOX}, "sandbox"), *cases],
    }
    return whole


_OF_SANDBOX = frozenset({"$defs", "additionalProperties", "properties", "type"})


def _rules(name: str, kinds: Mapping[str, DestinationKind]) -> dict[str, Any]:
    try:
        rules = kinds[name].connection_schema
    except ConfigError:
        # Its library is not installed: nothing can be said of its settings.
        return {"additionalProperties": True}
    copied: dict[str, Any] = _moved(json.loads(json.dumps(rules)), f"#/$defs/type_{name}/")
    return copied


def _moved(rules: Any, base: str) -> Any:
    """Copy *rules* with its references pointing to where it will stand."""
    if isinstance(rules, list):
        return [_moved(each, base) for each in rules]
    if not isinstance(rules, dict):
        return rules
    moved = {key: _moved(value, base) for key, value in rules.items()}
    if isinstance(moved.get("$ref"), str) and moved["$ref"].startswith("#/"):
        moved["$ref"] = base + moved["$ref"].removeprefix("#/")
    return moved


def _output(rules: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    own = _inside(dict(rules))
    return {"additionalProperties": False, **own, "properties": {**own.get("properties", {}), **common}}


def _templated(rules: Any) -> Any:
    """*rules*, or a template in the place of the value, at each level."""
    return {"anyOf": [_inside(rules), TEMPLATE]} if isinstance(rules, dict) else rules


def _templated_each(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _templated(rule) for name, rule in rules.items()}


def _inside(rules: dict[str, Any]) -> dict[str, Any]:
    """*rules* with templates allowed below, though not for the value itself. A condition (``if``) stays as it is."""
    made: dict[str, Any] = {}
    for key, value in rules.items():
        if key in _MAPPINGS:
            made[key] = _templated_each(value)
        elif key in _SINGLE:
            made[key] = _templated(value)
        elif key in _LISTS:
            # A template suits every branch, so that exactly one cannot be asked for.
            made["anyOf" if key == "oneOf" else key] = [_inside(each) for each in value]
        elif key in {"then", "else"}:
            made[key] = _inside(value)
        elif key == "$defs":
            made[key] = {name: _inside(each) for name, each in value.items()}
        else:
            made[key] = value
    return made


def _case(values: Mapping[str, str], name: str) -> dict[str, Any]:
    properties = {key: {"const": value} for key, value in values.items()}
    return {
        "if": {"properties": properties, "required": list(values)},
        "then": {"$ref": f"#/$defs/{name}"},
    }
