"""Checks values against a JSON Schema, and words what is wrong for the person who wrote them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from dbt_activate.errors import Problem
from dbt_activate.project.faults import choice, shown
from dbt_activate.values.json import Schema
from dbt_activate.values.sync import Location

_Error: TypeAlias = Any
"""A ``jsonschema.ValidationError``, whose attributes are typed as possibly unset, which they never are here."""

_OTHERS_WIN = "is not in this version: the warehouse always wins"
_LATER_KEYS: Mapping[str, str] = {
    "conflict": "conflicts per field are not in this version: the warehouse always wins",
    "consent": "consent columns are not in this version",
    "updated_at": "conflicts by time are not in this version: the warehouse always wins",
}
_LATER_VALUES: Mapping[tuple[str, object], str] = {
    ("write", "if_empty"): "`write: if_empty` is not in this version",
    **{
        ("conflicts", name): f"`{name}` {_OTHERS_WIN}"
        for name in ("destination_wins", "newest_wins", "fill_empty", "fail")
    },
}
# What is planned, and what is said of it until then: it is refused, never ignored.

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


_SHOWN_OF_NAME = 30


class Shape:
    """One JSON Schema, ready to check many values."""

    def __init__(self, schema: Schema) -> None:
        from jsonschema import Draft202012Validator

        self._validator = Draft202012Validator(schema)

    def problems(self, value: object, at: Location) -> tuple[Problem, ...]:
        """What is wrong with *value*, which stands at *at*: every fault, in the order of their places."""
        errors = sorted(self._validator.iter_errors(value), key=lambda error: [str(part) for part in error.path])
        found = [problem for error in _told(errors) for problem in _worded(error, at)]
        return tuple(dict.fromkeys(found))


def _told(errors: list[_Error]) -> Iterator[_Error]:
    """Leave out what only follows from another fault at the same place."""
    unknown = {tuple(error.absolute_path) for error in errors if error.validator == "additionalProperties"}
    for error in errors:
        if error.validator != "oneOf" or tuple(error.absolute_path) not in unknown:
            yield error


def _worded(error: _Error, at: Location) -> Iterator[Problem]:
    place = at.at(*map(str, error.absolute_path))
    words = _WORDS.get(str(error.validator), _as_it_is)
    yield from words(error, place, at)


def _unknown_keys(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    known = list(error.schema.get("properties", {}))
    for key in sorted(map(str, error.instance.keys() - set(known))):
        if key in _LATER_KEYS:
            yield Problem(str(place.at(key)), _LATER_KEYS[key])
        else:
            yield Problem(str(place.at(key)), "unknown key", choice(key, known, what="the keys are"))


def _missing_key(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    key = error.message.split("'")[1]
    description = error.schema.get("properties", {}).get(key, {}).get("description", "").rstrip(".")
    meaning = f": {description[0].lower()}{description[1:]}" if description else ""
    yield Problem(str(place), f"`{key}` is missing{meaning}")


def _wrong_type(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    most = error.schema.get("maximum")
    remedy = "" if most is None else f"the most is {most}"
    yield Problem(str(place), f"needs {_kinds(error.validator_value)}, not {_instance(error)}", remedy)


def _kinds(types: Any) -> str:
    names = [_TYPES.get(str(one), str(one)) for one in (types if isinstance(types, list) else [types])]
    return " or ".join(dict.fromkeys(names))


def _not_listed(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    known = [str(one) for one in error.validator_value]
    later = _LATER_VALUES.get((place.path[-1] if place.path else "", shown(error.instance).strip("'")))
    if later:
        yield Problem(str(place), later)
    else:
        remedy = choice(str(error.instance), known, what="write one of")
        yield Problem(str(place), f"{_instance(error)} is not known here", remedy)


def _pattern(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    remedy = error.schema.get("patternErrorMessage", f"it must match {error.validator_value}")
    yield Problem(str(place), f"{_instance(error)} does not fit", remedy)


def _alternatives(error: _Error, place: Location, at: Location) -> Iterator[Problem]:
    branches: dict[int, list[_Error]] = {}
    for inner in error.context or ():
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    fitting = [errors for errors in branches.values() if not any(_of_wrong_type(inner) for inner in errors)]
    if fitting:
        for inner in _told(min(fitting, key=len)):
            yield from _worded(inner, at)
        return
    if "errorMessage" in error.schema:
        yield Problem(str(place), f"{_instance(error)} does not fit", error.schema["errorMessage"])
        return
    kinds = [
        kind for errors in branches.values() for inner in errors if _of_wrong_type(inner) for kind in _wanted(inner)
    ]
    yield Problem(str(place), f"needs {' or '.join(dict.fromkeys(kinds))}, not {_instance(error)}")


def _of_wrong_type(error: _Error) -> bool:
    return error.validator == "type" and not error.path


def _wanted(error: _Error) -> list[str]:
    return _kinds(error.validator_value).split(" or ") if error.validator_value != "boolean" else ["true or false"]


def _one_of(error: _Error, place: Location, at: Location) -> Iterator[Problem]:
    names = [branch["required"][0] for branch in error.validator_value if list(branch) == ["required"]]
    if len(names) != len(error.validator_value) or not isinstance(error.instance, dict):
        yield from _alternatives(error, place, at)
        return
    given = [name for name in names if name in error.instance]
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    fault = f"has {' and '.join(given)} at once" if given else "does not say what goes in"
    yield Problem(str(place), fault, f"give one of {listed}")


def _at_least(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    yield Problem(str(place), f"{_instance(error)} is too small", f"the least is {error.validator_value}")


def _above(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    yield Problem(str(place), f"{_instance(error)} is too small", f"it must be more than {error.validator_value}")


def _at_most(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    yield Problem(str(place), f"{_instance(error)} is too large", f"the most is {error.validator_value}")


def _too_long(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    # A name among the keys of a mapping is no part of the place, and too long to be shown whole.
    named = "propertyNames" in error.absolute_schema_path
    what = f"the name {shown(str(error.instance)[:_SHOWN_OF_NAME] + '…')}" if named else _called(error)
    yield Problem(str(place), f"{what} has {len(error.instance)} characters", f"the most is {error.validator_value}")


def _called(error: _Error) -> str:
    return "this secret" if _is_secret(error) else "this text"


def _empty(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    count = error.validator_value
    yield Problem(str(place), "is empty" if not error.instance else f"needs at least {count}")


def _doubled(_error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    yield Problem(str(place), "names something twice")


def _as_it_is(error: _Error, place: Location, _at: Location) -> Iterator[Problem]:
    # The library's own message quotes the value, which may be a secret.
    yield Problem(str(place), f"{_instance(error)} breaks the rule {error.validator}: {shown(error.validator_value)}")


def _instance(error: _Error) -> str:
    return "this secret" if _is_secret(error) else shown(error.instance)


def _is_secret(error: _Error) -> bool:
    return isinstance(error.schema, dict) and error.schema.get("x-secret") is True


_WORDS: Mapping[str, Callable[[_Error, Location, Location], Iterator[Problem]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_key,
    "type": _wrong_type,
    "enum": _not_listed,
    "pattern": _pattern,
    "anyOf": _alternatives,
    "oneOf": _one_of,
    "minimum": _at_least,
    "exclusiveMinimum": _above,
    "maximum": _at_most,
    "maxLength": _too_long,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
    "uniqueItems": _doubled,
}
