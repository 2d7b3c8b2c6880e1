"""The JSON data model, as Python sees it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Decimal | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]
Schema: TypeAlias = Mapping[str, object]
"""A JSON Schema, draft 2020-12."""
