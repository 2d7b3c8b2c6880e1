"""The sync's JSON Schema, compiled. jsonschema says which rule is broken; :mod:`.wording` says it to a person."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.mapping.formats import FORMATS
from dbt_activate.mapping.violation import Violation, pointer
from dbt_activate.mapping.wording import Place, code_of, findings
from dbt_activate.values.json import JsonObject
from dbt_activate.values.sync import Sync

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from jsonschema.exceptions import ValidationError


class SchemaRules:
    """A compiled JSON Schema, draft 2020-12. ``$ref`` never leads to the network.

    ``format`` is asserted for the names in :data:`~dbt_activate.mapping.formats.FORMATS`.
    """

    def __init__(self, sync: Sync) -> None:
        """Compile the schema of *sync*, which has one.

        Raises:
            ConfigError: It is no JSON Schema.
        """
        self._place = str(sync.at.at("schema"))
        schema = dict(sync.schema or {})
        self._validator = _compile(schema, self._place)
        # A name that the user wrote may be shown; one that comes out of a JSON column may be anybody's.
        mapped = {part for field in sync.fields for part in field.path}
        self._names = frozenset(mapped | set(_names(schema)))

    def violations(self, fields: JsonObject) -> Iterator[Violation]:
        """Every rule that *fields* breaks, in the schema's order.

        Raises:
            ConfigError: A ``$ref`` of the schema leads nowhere.
        """
        from referencing.exceptions import Unresolvable

        try:
            for error in self._validator.iter_errors(fields):
                yield from self._told(error)
        except Unresolvable as error:
            fault = f"the JSON Schema's $ref {error.ref!r} leads nowhere"
            raise ConfigError(Problem(self._place, fault, "keep all of the schema in one file")) from error

    def _told(self, error: "ValidationError") -> Iterator[Violation]:
        for place, words in findings(error):
            shown = self._shown(place)
            name = ".".join(part for part in shown if isinstance(part, str))
            yield Violation(pointer(shown), code_of(error), name or None, words)

    def _shown(self, path: Place) -> Place:
        hidden = (at for at, part in enumerate(path) if isinstance(part, str) and part not in self._names)
        return path[: next(hidden, None)]


def _names(schema: object) -> Iterator[str]:
    """Every name of a field that *schema* speaks of, at any depth."""
    if isinstance(schema, Mapping):
        for keyword, rule in schema.items():
            if keyword in {"properties", "required", "dependentRequired"} and isinstance(rule, Mapping | list):
                yield from map(str, rule)
            if keyword == "dependentRequired" and isinstance(rule, Mapping):
                yield from (name for names in rule.values() for name in names)
            yield from _names(rule)
    elif isinstance(schema, list):
        for part in schema:
            yield from _names(part)


def _compile(schema: dict[str, object], place: str) -> Any:  # the stubs of jsonschema know no Decimal
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import extend
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        fault = f"no JSON Schema (draft 2020-12): at {error.json_path}, {error.message}"
        raise ConfigError(Problem(place, fault, "correct the schema")) from error
    validator: Any = extend(Draft202012Validator, {"multipleOf": _multiple_of, "properties": _properties})  # type: ignore[no-untyped-call]
    # The registry of one's own has no way to the network, unlike the default one.
    return validator(schema, registry=Registry(), format_checker=_format_checker())


def _format_checker() -> "FormatChecker":
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, has_format in FORMATS.items():
        checker.checks(name)(_of_text(has_format))
    return checker


def _of_text(has_format: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or has_format(value)


def _multiple_of(_validator: Any, step: float, value: object, _schema: object) -> "Iterator[ValidationError]":
    # jsonschema divides doubles, so that 1.1 is no multiple of 0.01, and cannot divide a Decimal by a float.
    from jsonschema.exceptions import ValidationError

    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if is_number and (Fraction(str(value)) / Fraction(str(step))).denominator != 1:
        yield ValidationError("")


def _properties(
    validator: Any, properties: Mapping[str, Any], instance: object, _schema: object
) -> "Iterator[ValidationError]":
    # jsonschema forgets which property it was where a property's schema is just `false`.
    if isinstance(instance, dict):
        for name in filter(instance.__contains__, properties):
            schema = {"not": {}} if properties[name] is False else properties[name]
            yield from validator.descend(instance[name], schema, path=name, schema_path=name)
