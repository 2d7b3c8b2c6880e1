"""What ``plan`` shows: it looks at every payload of a dry run, keeps the first ones, and renders the whole."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbt_activate.cli.comparison import changed_names, changes_between
from dbt_activate.cli.masks import Masks
from dbt_activate.cli.planned import PlannedRow, PlannedSync
from dbt_activate.values.event import SyncResult
from dbt_activate.values.payload import Payload
from dbt_activate.values.sync import ChangeKind, Operation, Sync

FORMAT = "dbt-activate/plan-view/v1"

SHAPELESS = frozenset({Operation.DELETE, Operation.ARCHIVE})
"""Operations that send no fields."""


@dataclass(slots=True)
class _Seen:
    """What was looked at of one sync."""

    sync: Sync
    masks: Masks
    changes: Counter[ChangeKind] = field(default_factory=Counter)
    operations: Counter[Operation] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    rows: list[PlannedRow] = field(default_factory=list)

    def take(self, payload: Payload, *, show: int) -> None:
        self.changes[payload.change] += 1
        self.operations[payload.operation] += 1
        if payload.change is ChangeKind.CHANGED and payload.before is not None:
            self.fields.update(changed_names(payload.before, payload.fields))
        if len(self.rows) < show:
            self.rows.append(planned_row(payload, self.masks))


@dataclass(slots=True)
class PlanView:
    """Shows a plan.

    Attributes:
        show: So many rows of each sync are shown.
        unmask: Whether personal data among them is.
    """

    show: int
    unmask: bool
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def look(self, sync: Sync, payload: Payload) -> None:
        """Take a payload that *sync* would send."""
        if sync.name not in self._seen:
            self._seen[sync.name] = _Seen(sync, Masks.of(sync, unmask=self.unmask))
        self._seen[sync.name].take(payload, show=self.show)

    def render(self, results: Sequence[SyncResult], output: str, color: bool) -> str:
        """The plan of *results*, as *output*: ``table | json | markdown``. Only a table has colours."""
        syncs = [self._planned(result) for result in results]
        return RENDERERS[output](syncs, color)

    def _planned(self, result: SyncResult) -> PlannedSync:
        seen = self._seen.get(result.sync)
        if seen is None:
            return PlannedSync(result=result, mode=result.mode, changes={}, operations={}, fields={})
        return PlannedSync(
            result=result,
            mode=result.mode or seen.sync.mode.value,
            changes=seen.changes,
            operations=seen.operations,
            fields=dict(seen.fields.most_common()),
            rows=tuple(seen.rows),
        )


def planned_row(payload: Payload, masks: Masks) -> PlannedRow:
    """What may be seen of *payload*: its changed fields, or all of them where nothing is known of before."""
    fields = {**payload.create_only, **payload.fields} if payload.change is ChangeKind.ADDED else payload.fields
    sends = payload.operation not in SHAPELESS
    return PlannedRow(
        key=masks.key(payload.key),
        change=payload.change,
        operation=payload.operation,
        fields=changes_between(payload.before, fields, masks) if sends else (),
    )


def plan_view_document(syncs: Sequence[PlannedSync]) -> dict[str, Any]:
    """The plan as JSON."""
    return {"schema": FORMAT, "syncs": [sync.document() for sync in syncs]}


def _json(syncs: Sequence[PlannedSync], _color: bool) -> str:
    from dbt_activate.cli.spelling import json_text

    return json_text(plan_view_document(syncs))


def _markdown(syncs: Sequence[PlannedSync], _color: bool) -> str:
    from dbt_activate.cli.plancomment import plan_comment

    return plan_comment(syncs)


def _table(syncs: Sequence[PlannedSync], color: bool) -> str:
    from dbt_activate.cli.planpage import plan_page

    return plan_page(syncs, color=color)


RENDERERS: Mapping[str, Callable[[Sequence[PlannedSync], bool], str]] = {
    "json": _json,
    "markdown": _markdown,
    "table": _table,
}
