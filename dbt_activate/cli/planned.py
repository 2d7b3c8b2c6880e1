"""What a plan shows of one sync: data that the terminal, the comment and the JSON document are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbt_activate.cli.comparison import FieldChange
from dbt_activate.cli.planfile import plan_counts, plan_entry
from dbt_activate.reporters.phrases import counted
from dbt_activate.values.event import SyncResult
from dbt_activate.values.sync import ChangeKind, Operation


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row that would be sent. *key* and *fields* are masked already."""

    key: str
    change: ChangeKind
    operation: Operation
    fields: tuple[FieldChange, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "key": self.key,
            "change": self.change,
            "operation": self.operation,
            "fields": [field.document() for field in self.fields],
        }


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
    changes: Mapping[ChangeKind, int]
    operations: Mapping[Operation, int]
    fields: Mapping[str, int]
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
        """About how many requests that takes; None where the batches are not known. Long rows may need more."""
        most = self.result.batch_rows
        if any(operation.value not in most for operation in self.operations):
            return None
        return sum(-(-rows // most[operation.value]) for operation, rows in self.operations.items())

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


def total(syncs: Iterable[PlannedSync]) -> str:
    """``12 rows to send in about 2 requests``, over the syncs that would go."""
    going = [sync for sync in syncs if sync.to_send and not sync.result.left_behind]
    rows = f"{counted(sum(sync.to_send for sync in going), 'row')} to send"
    requests = [sync.requests for sync in going if sync.requests is not None]
    if not going or len(requests) < len(going):
        return rows
    return f"{rows} in about {counted(sum(requests), 'request')}"


LEFT: Mapping[str, str] = {
    "invalid": "invalid",
    "faulty": "with a null or repeated key",
    "alike": "with the payload that is confirmed",
    "unchanged": "unchanged",
    "ignored": "changes that this sync does not send",
    "held": "held as rejects",
    "waiting": "waiting for a later attempt",
    "withheld": "removals withheld",
}
"""Count to words, for what is not sent."""

SIGNS: Mapping[ChangeKind, str] = {ChangeKind.ADDED: "+", ChangeKind.CHANGED: "~", ChangeKind.REMOVED: "-"}
"""A row's mark in the margin."""

DELIVERY: Mapping[str, str] = {
    "U": "a repeated request does no harm",
    "K": "the destination drops a repeated request",
    "R": "looked for before it is repeated",
    "N": "never repeated: a lost answer leaves rows unknown",
    "T": "applied once, in a transaction",
}
"""Delivery class to what it means for a lost answer."""
