"""Bounds on a whole plan. A guard refuses; it never trims."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbt_activate.values.change import Census
from dbt_activate.values.sync import ChangeKind, Guards, Share

SMALL = 10
"""So few removals or changes are no accident, whatever their share."""


@dataclass(frozen=True, slots=True)
class Tripped:
    """A guard that refuses the plan, and why, in words."""

    guard: str
    reason: str

    def __str__(self) -> str:
        return f"{self.guard}: {self.reason}"


def tripped(census: Census, guards: Guards) -> tuple[Tripped, ...]:
    """The guards that refuse a plan with this *census*."""
    found = ((name, check(census, guards)) for name, check in GUARDS.items())
    return tuple(Tripped(name, reason) for name, reason in found if reason)


def _too_few_rows(census: Census, guards: Guards) -> str | None:
    if census.rows >= guards.min_rows or not census.confirmed:
        return None
    return f"the model has {census.rows} rows, {census.confirmed} are confirmed; at least {guards.min_rows} expected"


def _too_many_removed(census: Census, guards: Guards) -> str | None:
    return _exceeds(census.changes.get(ChangeKind.REMOVED, 0), census.confirmed, guards.max_removed, "removed")


def _too_many_changed(census: Census, guards: Guards) -> str | None:
    return _exceeds(census.changes.get(ChangeKind.CHANGED, 0), census.confirmed, guards.max_changed, "changed")


def _exceeds(rows: int, total: int, bound: Share | None, verb: str) -> str | None:
    if bound is None:
        return None
    floor = 0 if bound.rows is not None else SMALL
    if rows <= max(bound.of(total), floor):
        return None
    return f"{rows} of {total} confirmed rows would be {verb}; the bound is {bound}"


GUARDS: Mapping[str, Callable[[Census, Guards], str | None]] = {
    "min_rows": _too_few_rows,
    "max_removed": _too_many_removed,
    "max_changed": _too_many_changed,
}
