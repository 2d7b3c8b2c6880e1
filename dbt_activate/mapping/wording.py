"""Words for broken rules of a JSON Schema.

jsonschema's own messages quote the value at fault. These are made of the rule alone, which the user wrote.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dbt_activate.mapping.canonical import canonical_text

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Place: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Place, str]

_SHOWN_VALUES = 10
_CAPITAL = re.compile(r"(?=[A-Z])")


def code_of(error: "ValidationError") -> str:
    """The rule's short stable word: its keyword, in the spelling of our other codes."""
    keyword = str(error.validator) if isinstance(error.validator, str) else "not_allowed"
    return _CAPITAL.sub("_", keyword).lower()


def findings(error: "ValidationError") -> Iterator[Finding]:
    """What *error* says: where in the payload, and what is wrong there."""
    path, keyword, rule = tuple(error.absolute_path), str(error.validator), error.validator_value
    tell = _TELLERS.get(keyword)
    if tell is not None:
        yield from (((*path, name), words) for name, words in tell(rule, error.instance, error.schema))
        return
    words = _WORDS[keyword](rule) if keyword in _WORDS else "not allowed by the schema"
    yield path, f"a name in it {words}" if "propertyNames" in error.absolute_schema_path else words


def _missing(names: Any, instance: Any, _schema: Any) -> Iterator[tuple[str, str]]:
    # jsonschema gives an error for each name, and the name in its message only: the caller drops the doubles.
    return ((name, "required by the schema") for name in names if name not in instance)


def _missing_beside(needs: Any, instance: Any, _schema: Any) -> Iterator[tuple[str, str]]:
    for name, others in needs.items():
        if name in instance:
            for other in sorted(set(others) - set(instance)):
                yield other, f"required by the schema where {name} is there"


def _unexpected(_rule: Any, instance: Any, schema: Any) -> Iterator[tuple[str, str]]:
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name not in declared and not any(re.search(pattern, name) for pattern in patterns):
            yield name, "a field that the schema does not allow"


_TELLERS: Mapping[str, Callable[[Any, Any, Any], Iterator[tuple[str, str]]]] = {
    "required": _missing,
    "dependentRequired": _missing_beside,
    "additionalProperties": _unexpected,
}
"""Keyword to what finds the names at fault, given the keyword's value, the instance and the schema around it."""


def _type(value: str | list[str]) -> str:
    return "must be " + " or ".join(_TYPES.get(name, name) for name in ([value] if isinstance(value, str) else value))


def _values(values: list[Any]) -> str:
    more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
    return f"must be one of {', '.join(canonical_text(value) for value in values[:_SHOWN_VALUES])}{more}"


_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}

_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _values,
    "const": lambda value: f"must be {canonical_text(value)}",
    "minLength": lambda value: f"must have at least {value} characters",
    "maxLength": lambda value: f"must have at most {value} characters",
    "pattern": lambda value: f"must match the pattern {value}",
    "format": lambda value: f"must have the format {value}",
    "minimum": lambda value: f"must be at least {value}",
    "maximum": lambda value: f"must be at most {value}",
    "exclusiveMinimum": lambda value: f"must be more than {value}",
    "exclusiveMaximum": lambda value: f"must be less than {value}",
    "multipleOf": lambda value: f"must be a multiple of {value}",
    "minItems": lambda value: f"must have at least {value} items",
    "maxItems": lambda value: f"must have at most {value} items",
    "uniqueItems": lambda _: "must not hold an item twice",
    "contains": lambda _: "must hold an item that the schema asks for",
    "minContains": lambda value: f"must hold at least {value} of the items that the schema asks for",
    "maxContains": lambda value: f"must hold at most {value} of the items that the schema asks for",
    "minProperties": lambda value: f"must have at least {value} fields",
    "maxProperties": lambda value: f"must have at most {value} fields",
    "anyOf": lambda _: "has none of the forms that the schema allows",
    "oneOf": lambda _: "must have exactly one of the forms that the schema allows",
    "not": lambda _: "has a form that the schema forbids",
    "unevaluatedProperties": lambda _: "holds a field that the schema does not allow",
    "unevaluatedItems": lambda _: "holds an item that the schema does not allow",
}
"""Keyword to what is asked, made of the keyword's value in the schema."""
