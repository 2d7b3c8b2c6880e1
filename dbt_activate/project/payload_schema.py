"""Loads the JSON Schema of a payload that a block names."""

import json
from pathlib import Path
from typing import Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.values.json import Schema
from dbt_activate.values.sync import Location

_LARGEST_BYTES = 1_000_000


def load_payload_schema(name: str, directory: Path, at: Location) -> Schema:
    """Read the file *name*, relative to the project's *directory*.

    Raises:
        ConfigError: It is outside of the project, not there, or no JSON Schema that stands alone.
    """
    root = directory.resolve()
    path = (root / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(root):
        raise _refused(at, f"'{name}' leads out of the project", "write a path below the project")
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise _refused(at, f"the file '{name}' is larger than 1 MB")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise _refused(at, f"the file '{name}' cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _refused(at, f"the file '{name}' is not JSON: {error}") from error
    return _checked(value, name, at)


def _checked(value: Any, name: str, at: Location) -> Schema:
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(value, dict):
        raise _refused(at, f"the file '{name}' is no JSON Schema: it needs an object")
    try:
        Draft202012Validator.check_schema(value)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise _refused(at, f"the file '{name}' is no JSON Schema: {where}: {error.message}") from error
    for reference in _references(value):
        if not _resolves(reference, value):
            fault = f"'{reference}' in '{name}' leads nowhere in that file"
            raise _refused(at, fault, "a $ref must lead to a place in the same file, such as #/$defs/x")
    return value


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {one for item in value for one in _references(item)}
    if not isinstance(value, dict):
        return set()
    here = {str(value[key]) for key in ("$ref", "$dynamicRef") if isinstance(value.get(key), str)}
    return here | {one for item in value.values() for one in _references(item)}


def _resolves(reference: str, schema: Any) -> bool:
    if not reference.startswith("#"):
        return False
    place = schema
    for part in filter(None, reference[1:].split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, dict) or key not in place:
            return False
        place = place[key]
    return True


def _refused(at: Location, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(str(at), fault, remedy))
