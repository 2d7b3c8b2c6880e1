"""Two states of a row, field by field."""

from collections.abc import Iterator
from dataclasses import dataclass

from dbt_activate.cli.masks import Mark, Masks, Shown
from dbt_activate.cli.spelling import spelled
from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.values.json import Json, JsonObject

LONGEST = 72
"""So many characters of a value are shown to a person; JSON has all of it."""


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
        old, new = spelled(self.old, LONGEST), spelled(self.new, LONGEST)
        if self.old is Mark.ABSENT:
            return f"{self.field}: {new}"
        return f"{self.field}: {old} → {'(not sent any more)' if self.new is Mark.ABSENT else new}"


def changes_between(before: JsonObject | None, now: JsonObject, masks: Masks) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of *now*; every field of *now* where nothing is known of *before*."""
    new = dict(masks.leaves(now))
    if before is None:
        return tuple(FieldChange(name, Mark.ABSENT, masks.seen(name, value)) for name, value in new.items())
    old = dict(masks.leaves(before))
    return tuple(
        FieldChange(name, _side(old, name, masks), _side(new, name, masks))
        for name in {**new, **old}
        # Compared before they are masked: a masked field that changed is shown as one that did.
        if name not in old or name not in new or not _same(old[name], new[name])
    )


def changed_names(before: JsonObject, now: JsonObject) -> Iterator[str]:
    """The top-level fields of *now* that are new or differ; quick enough for every row of a plan."""
    for name, value in now.items():
        if name not in before or not _same(before[name], value):
            yield name


def _same(old: Json, new: Json) -> bool:
    """Whether the destination would see no difference: 0.7 is 0.70, whether a float or a decimal; true is not 1."""
    if type(old) is type(new) and not isinstance(old, list | dict):
        return old == new
    return canonical_text(old) == canonical_text(new)


def _side(values: dict[str, Json], name: str, masks: Masks) -> Shown:
    return masks.seen(name, values[name]) if name in values else Mark.ABSENT
