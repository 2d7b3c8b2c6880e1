"""Bounds on a whole plan."""

import pytest

from dbt_activate.planning.guards import SMALL, tripped
from dbt_activate.values.change import Census
from dbt_activate.values.sync import ChangeKind, Guards, Share

OPEN = Guards(max_removed=None, max_changed=None, max_rejected=None, min_rows=0)


def census(*, rows: int = 1000, confirmed: int = 1000, removed: int = 0, changed: int = 0, added: int = 0) -> Census:
    changes = {ChangeKind.REMOVED: removed, ChangeKind.CHANGED: changed, ChangeKind.ADDED: added}
    return Census(rows=rows, confirmed=confirmed, changes={kind: number for kind, number in changes.items() if number})


@pytest.mark.parametrize(
    ("found", "guards", "names"),
    [
        (census(), Guards(), []),
        (census(rows=0), Guards(), ["min_rows"]),
        (census(rows=0, confirmed=0), Guards(), []),
        (census(rows=99), Guards(min_rows=100), ["min_rows"]),
        (census(rows=100), Guards(min_rows=100), []),
        (census(rows=0), Guards(min_rows=0), []),
        (census(removed=10), Guards(), []),
        (census(removed=11), Guards(), ["max_removed"]),
        (census(confirmed=20, removed=SMALL), Guards(), []),
        (census(confirmed=20, removed=SMALL + 1), Guards(), ["max_removed"]),
        (census(removed=1000), OPEN, []),
        (census(removed=3), Guards(max_removed=Share(rows=2)), ["max_removed"]),
        (census(removed=2), Guards(max_removed=Share(rows=2)), []),
        (census(removed=1), Guards(max_removed=Share(rows=0)), ["max_removed"]),
        (census(changed=500), Guards(), []),
        (census(changed=501), Guards(), ["max_changed"]),
        (census(confirmed=10, changed=10), Guards(), []),
        (census(confirmed=0, added=10**6), Guards(), []),
        (census(rows=0, removed=1000, changed=900), Guards(), ["min_rows", "max_removed", "max_changed"]),
    ],
)
def test_a_guard_trips_just_beyond_its_bound(found: Census, guards: Guards, names: list[str]) -> None:
    assert [guard.guard for guard in tripped(found, guards)] == names


def test_a_guard_says_what_it_counted_and_against_what() -> None:
    [guard] = tripped(census(removed=73), Guards())

    assert str(guard) == "max_removed: 73 of 1000 confirmed rows would be removed; the bound is 1%"
