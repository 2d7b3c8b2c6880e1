"""The published JSON Schemas of what the commands write."""

import json
from importlib.resources import files
from typing import Any, cast

NAMES = ("plan",)


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of *name*: one of :data:`NAMES`. A new copy at each call.

    Raises:
        KeyError: There is no schema of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    text = files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, Any]", json.loads(text))
