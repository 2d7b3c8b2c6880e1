"""What may be seen of a row: fields made of columns that are tagged as personal data are masked, unless asked for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.sync import Column, FieldMap, Sql, Sync


class Mark(StrEnum):
    """What stands in the place of a value."""

    MASKED = "***"
    ABSENT = ""


Shown: TypeAlias = "Json | Mark"

WORD = re.compile(r"\w+")
# The plan's query calls the model `model`; with one of these an expression takes whole rows of it.
WHOLE_ROW = re.compile(r"\bmodel\b(?!\s*\.\s*[\w\"])|\bcolumns\s*\(|(?:^|[(.,])\s*\*|\bu&\"", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Masks:
    """Which fields and key columns of one sync are masked.

    Attributes:
        names: The fields of the field map, dotted where nested.
        hidden: Those of *names* that hold personal data.
        hidden_keys: For each column of the primary key, whether it is masked.
        wary: Whether a field that is not in the field map any more is masked, since nobody knows what is in it.
    """

    names: frozenset[str]
    hidden: frozenset[str]
    hidden_keys: tuple[bool, ...]
    wary: bool

    @classmethod
    def of(cls, sync: Sync, *, unmask: bool = False) -> "Masks":
        """The masks of *sync*; none where *unmask*."""
        pii = frozenset() if unmask else frozenset(column.lower() for column in sync.model.pii)
        return cls(
            names=frozenset(field.name for field in sync.fields),
            hidden=frozenset(field.name for field in sync.fields if _holds(field, sync, pii)),
            hidden_keys=tuple(column.lower() in pii for column in sync.primary_key),
            wary=bool(pii),
        )

    @classmethod
    def of_a_stranger(cls, *, unmask: bool = False) -> "Masks":
        """The masks of a sync that is not in the project any more: nothing of it is known, so all is masked."""
        return cls(frozenset(), frozenset(), (not unmask,), wary=not unmask)

    def hide(self, name: str) -> bool:
        """Whether the field *name* is masked; it may also be a part of a field, or hold several."""
        akin = [known for known in self.names if _is_within(known, name) or _is_within(name, known)]
        return any(known in self.hidden for known in akin) if akin else self.wary

    def seen(self, name: str, value: Json) -> Shown:
        """What may be seen of the field *name*."""
        return Mark.MASKED if self.hide(name) else value

    def leaves(self, fields: JsonObject, prefix: str = "") -> Iterator[tuple[str, Json]]:
        """The fields of a payload, those of nested objects by dotted name. Not masked yet."""
        for part, value in fields.items():
            name = prefix + part
            below = sorted(known for known in self.names if known.startswith(name + "."))
            if not below:
                yield name, value
            elif isinstance(value, dict):
                yield from self.leaves(value, name + ".")
            else:
                # A nested object that is emptied: each field in it is.
                yield from ((known, value) for known in below)

    def key(self, key: str) -> str:
        """A row's key: in a composite one, only the columns that hold personal data are masked."""
        if not any(self.hidden_keys):
            return key
        parts = _parts(key)
        if len(self.hidden_keys) == 1 or parts is None or len(parts) != len(self.hidden_keys):
            return Mark.MASKED.value
        masked = [Mark.MASKED if hidden else part for part, hidden in zip(parts, self.hidden_keys, strict=True)]
        return json.dumps(masked, ensure_ascii=False, separators=(",", ":"))


def _holds(field: FieldMap, sync: Sync, pii: frozenset[str]) -> bool:
    """Whether personal data goes into *field*. An expression counts as soon as it might: it is read as words."""
    match field.source:
        case Column(name):
            return name.lower() in pii
        case Sql(text) if pii:
            table = WORD.findall(sync.model.relation.lower())[-1:]
            wide = {*pii, sync.model.name.lower(), *table}
            return bool(WHOLE_ROW.search(text)) or any(_mentions(text, word) for word in wide)
        case _:
            return False


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _is_within(name: str, other: str) -> bool:
    return name == other or name.startswith(other + ".")


def _parts(key: str) -> list[object] | None:
    try:
        parts = json.loads(key)
    except ValueError:
        return None
    return parts if isinstance(parts, list) else None
