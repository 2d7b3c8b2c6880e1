"""What ``plan`` shows: it looks at every payload of a dry run, keeps the first ones, and renders the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dbt_activate.cli.layout import json_text
from dbt_activate.cli.masks import FieldChange, Masks, changed_names, changes_between
from dbt_activate.reporters.phrases import counted
from dbt_activate.reporters.planfile import plan_counts, plan_entry
from dbt_activate.values.event import SyncResult
from dbt_activate.values.payload import Payload
from dbt_activate.values.sync import ChangeKind, Operation, Sync

FORMAT = "dbt-activate/plan-view/v1"

SHAPELESS = frozenset({Operation.DELETE, Operation.ARCHIVE})
"""Operations that send no fields."""

LEFT: Mapping[str, str] = {
    "invalid": "invalid",
    "faulty": "with a null or repeated key",
    "alike": "with the payload that is confirmed",
    "unchanged": "unchanged",
    "ignored": "left alone by the mode",
    "held": "held as rejects",
    "waiting": "waiting for a later attempt",
    "unknown": "of unknown fate",
    "withheld": "removals withheld",
}
"""Count to words, for what is not sent."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row that would be sent. *key* and *fields* are masked already."""

    key: str
    change: ChangeKind
    operation: Operation
    fields: tuple[FieldChange, ...]

    @classmethod
    def of(cls, payload: Payload, masks: Masks) -> "PlannedRow":
        """What may be seen of *payload*: its changed fields, or all of them where nothing is known of before."""
        fields = {**payload.create_only, **payload.fields} if payload.change is ChangeKind.ADDED else payload.fields
        changes = () if payload.operation in SHAPELESS else changes_between(payload.before, fields, masks)
        return cls(masks.key(payload.key), payload.change, payload.operation, changes)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        fields = [field.document() for field in self.fields]
        return {"key": self.key, "change": self.change, "operation": self.operation, "fields": fields}


@dataclass(frozen=True, kw_only=True)
class PlannedSync:
    """One sync of a plan.

    Attributes:
        changes: Kind of change to number of rows that would be sent.
        operations: Operation to number of rows that would be sent.
        fields: Field to number of changed rows in which its value is another one; the most frequent first.
        rows: The first rows that would be sent, as many as were asked for.
    """

    result: SyncResult
    mode: str | None = None
    changes: Mapping[ChangeKind, int] = field(default_factory=dict)
    operations: Mapping[Operation, int] = field(default_factory=dict)
    fields: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[PlannedRow, ...] = ()

    @property
    def model(self) -> str:
        """The model's name, with its version where it has one: dbt's unique id without type and package."""
        return ".".join(self.result.model.split(".")[2:]) or self.result.model

    @property
    def place(self) -> str:
        """Where the rows go: ``crm / contacts``."""
        return " / ".join(filter(None, (self.result.destination, self.result.object)))

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The plan's counts; empty where there is no plan."""
        return plan_counts(self.result) or {}

    @property
    def to_send(self) -> int:
        """The rows that would be sent."""
        return sum(self.operations.values())

    @property
    def requests(self) -> int | None:
        """How many requests that takes at the most; None where the batches are not known. Long rows may need more."""
        most, each = self.result.batch_rows, self.result.batch_requests
        if any(operation.value not in most for operation in self.operations):
            return None
        batches = {operation.value: -(-rows // most[operation.value]) for operation, rows in self.operations.items()}
        return sum(number * each.get(name, 1) for name, number in batches.items())

    @property
    def left(self) -> Mapping[str, int]:
        """What is not sent, in words, and how many keys; without what is zero."""
        # Faulty keys end as invalid rows; each is told once.
        sound = {"invalid": max(0, self.counts.get("invalid", 0) - self.counts.get("faulty", 0))}
        counts = {**self.counts, **sound}
        return {words: number for name, words in LEFT.items() if (number := counts.get(name, 0))}

    @property
    def verdict(self) -> str:
        """What the plan comes to, in words."""
        if self.result.status == "success":
            return "ready" if self.to_send else "nothing to send"
        if self.result.status == "blocked":
            return "refused by a guard" if self.result.guards else "held by a gate"
        return self.result.status

    @property
    def override(self) -> str | None:
        """The command that lets this plan pass its guards; None where they are no hindrance."""
        if not self.result.guards or self.result.plan_hash is None:
            return None
        return f"dbt-activate sync --select {self.result.sync} --override-guards {self.result.plan_hash}"

    def document(self) -> dict[str, Any]:
        """As JSON: the entry of a saved plan, and what is only shown."""
        return {
            **plan_entry(self.result),
            "message": self.result.message,
            "mode": self.mode,
            "delivery": self.result.delivery,
            "to_send": {operation.value: rows for operation, rows in self.operations.items()},
            "estimated_requests": self.requests,
            "changed_fields": self.fields,
            "rows": [row.document() for row in self.rows],
        }


@dataclass(slots=True)
class _Seen:
    """What was looked at of one sync."""

    masks: Masks
    mode: str
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
            self.rows.append(PlannedRow.of(payload, self.masks))

    def planned(self, result: SyncResult) -> PlannedSync:
        return PlannedSync(
            result=result,
            mode=result.mode or self.mode,
            changes=self.changes,
            operations=self.operations,
            fields=dict(self.fields.most_common()),
            rows=tuple(self.rows),
        )


@dataclass(slots=True)
class PlanView:
    """Shows a plan.

    Attributes:
        show: So many rows of each sync are shown.
        unmask: Whether personal data among them is.
    """

    show: int = 0
    unmask: bool = False
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def look(self, sync: Sync, payload: Payload) -> None:
        """Take a payload that *sync* would send."""
        if sync.name not in self._seen:
            self._seen[sync.name] = _Seen(Masks.of(sync, unmask=self.unmask), sync.mode.value)
        self._seen[sync.name].take(payload, show=self.show)

    def render(self, results: Sequence[SyncResult], output: str, color: bool) -> str:
        """The plan of *results*, as *output*: ``table | json | markdown``. Only a table has colours."""
        syncs = [self._planned(result) for result in results]
        if output == "json":
            return json_text({"schema": FORMAT, "syncs": [sync.document() for sync in syncs]})
        if output == "markdown":
            from dbt_activate.cli.plancomment import plan_comment

            return plan_comment(syncs)
        from dbt_activate.cli.planpage import plan_page

        return plan_page(syncs, color=color)

    def _planned(self, result: SyncResult) -> PlannedSync:
        seen = self._seen.get(result.sync)
        return seen.planned(result) if seen else PlannedSync(result=result, mode=result.mode)


def total(syncs: Iterable[PlannedSync]) -> str:
    """``12 rows to send in up to 2 requests``, over the syncs that would go."""
    going = [sync for sync in syncs if sync.to_send and not sync.result.left_behind]
    rows = f"{counted(sum(sync.to_send for sync in going), 'row')} to send"
    requests = [sync.requests for sync in going if sync.requests is not None]
    if not going or len(requests) < len(going):
        return rows
    return f"{rows} in up to {counted(sum(requests), 'request')}"
