"""What the JSON Schema of a connection says of its settings, for people: which there are, and what is needed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dbt_activate.values.secret import Secret


def settings_of(rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings that a connection's schema has, the required ones first."""
    made = [
        {
            "name": name,
            "type": _type(rule),
            "required": _required(name, rules),
            "secret": _is_secret(rule),
            "description": str(rule.get("description", "")),
        }
        for name, rule in rules.get("properties", {}).items()
    ]
    return sorted(made, key=lambda setting: setting["required"] == "no")


def _required(name: str, rules: Mapping[str, Any]) -> str:
    """``yes``, ``no``, or without what it is."""
    if name in rules.get("required", ()):
        return "yes"
    ways = _ways(rules)
    if not any(name in way for way in ways):
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
        return rule.get("x-secret") is True or any(map(_is_secret, rule.values()))
    return isinstance(rule, list) and any(map(_is_secret, rule))


def needs_of(rules: Mapping[str, Any]) -> str:
    """The settings that must be given, in words."""
    ways = " or ".join(filter(None, (" and ".join(way) for way in _ways(rules))))
    return ", ".join([*rules.get("required", ()), *([ways] if ways else [])])


def _ways(rules: Mapping[str, Any]) -> list[list[str]]:
    """Groups of settings of which one must be given."""
    return [list(way.get("required", ())) for way in rules.get("anyOf", rules.get("oneOf", ()))]


def placeholders_of(rules: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The settings that must be given, each with a value that suits its rule and leads nowhere."""
    for name in (*rules.get("required", ()), *next(reversed(_ways(rules)), ())):
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
