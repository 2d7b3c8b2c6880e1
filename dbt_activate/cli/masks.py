"""What may be seen of a row: fields made of columns that are tagged as personal data are masked, unless asked for."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbt_activate.cli.layout import Mark, Shown, spelled
from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.sync import Column, FieldMap, Sql, Sync

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

    def shown(self, fields: JsonObject | None) -> dict[str, Shown]:
        """What may be seen of a payload, those of nested objects by dotted name."""
        return {name: self.seen(name, value) for name, value in self.leaves(fields or {})}

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


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, masked where it must be. ``Mark.ABSENT``: it was not known, or is not sent."""

    field: str
    old: Shown
    new: Shown

    def document(self) -> dict[str, Shown]:
        """As JSON, without what is absent."""
        sides = {"old": self.old, "new": self.new}
        return {"field": self.field, **{side: value for side, value in sides.items() if value is not Mark.ABSENT}}

    def __str__(self) -> str:
        if self.old is Mark.ABSENT:
            return f"{self.field}: {spelled(self.new)}"
        new = "(not sent any more)" if self.new is Mark.ABSENT else spelled(self.new)
        return f"{self.field}: {spelled(self.old)} → {new}"


def changes_between(before: JsonObject | None, now: JsonObject, masks: Masks) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of *now*; every field of *now* where nothing is known of *before*."""
    new = dict(masks.leaves(now))
    old = dict(masks.leaves(before or {}))
    return tuple(
        FieldChange(name, _side(old, name, masks), _side(new, name, masks))
        for name in {**new, **old}
        # Compared before they are masked: a masked field that changed is shown as one that did.
        if name not in old or name not in new or not _same(old[name], new[name])
    )


def changed_names(before: JsonObject, now: JsonObject) -> Iterator[str]:
    """The top-level fields of *now* that are new or differ; quick enough for every row of a plan."""
    return (name for name, value in now.items() if name not in before or not _same(before[name], value))


def _same(old: Json, new: Json) -> bool:
    """Whether the destination would see no difference: 0.7 is 0.70, whether a float or a decimal; true is not 1."""
    if type(old) is type(new) and not isinstance(old, list | dict):
        return old == new
    return canonical_text(old) == canonical_text(new)


def _side(values: dict[str, Json], name: str, masks: Masks) -> Shown:
    return masks.seen(name, values[name]) if name in values else Mark.ABSENT
