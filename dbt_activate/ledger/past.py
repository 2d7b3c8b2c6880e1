"""Past runs and rows, as the ledger remembers them. Times are UTC; decimals are exact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dbt_activate.values.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run of one sync.

    Attributes:
        status: ``finished``, ``blocked``, ``running``, ``crashed`` (a later run has settled what it left open) or
            ``interrupted`` (it ended in the middle, and no later run has looked after it yet).
        counts: Change to outcome to number of rows.
        planned: Rows that had to end in an outcome; None where the run did not end by itself.
    """

    run_id: str
    sync: str
    model: str | None
    destination: str | None
    object: str | None
    epoch: int | None
    plan_hash: str | None
    config_hash: str | None
    version: str | None
    invocation_id: str | None
    dbt_invocation_id: str | None
    status: str
    message: str | None
    counts: Mapping[str, Mapping[str, int]]
    planned: int | None
    requests: int | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None where its end is not known."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Outcome to number of rows, over all changes."""
        totals: dict[str, int] = {}
        for by_outcome in self.counts.values():
            for outcome, rows in by_outcome.items():
                totals[outcome] = totals.get(outcome, 0) + rows
        return totals


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBatch:
    """One batch of a run.

    Attributes:
        state: ``started`` (its end is not known), ``done`` or ``resolved`` (settled by a later run).
        rows: How many rows travelled in it.
        outcomes: Outcome to number of rows.
        first_sent_at: When the intent to send it was written.
        settled_at: When its answer was read; None where it was not.
    """

    number: int
    operation: str | None
    delivery: str | None
    state: str
    rows: int
    outcomes: Mapping[str, int]
    idempotency_key: str | None
    first_sent_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """So many rows of one change that ended alike."""

    change: str
    outcome: str
    code: str | None
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """One run of one sync, with its batches in their order and its rows counted by how they ended."""

    run: PastRun
    batches: tuple[PastBatch, ...]
    tallies: tuple[Tally, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that did not get through, as *fingerprint* has it. *next_attempt_at* is None where it waits for no time."""

    sync: str
    key: str
    outcome: str
    operation: str | None
    code: str | None
    field: str | None
    pointer: str | None
    message: str | None
    fingerprint: int | None
    attempts: int
    next_attempt_at: datetime | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    request_id: str | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What the destination last confirmed of a row.

    Attributes:
        payload: None under ``store: fingerprints``, and for a removed row.
        theirs: The record as the destination reported it back.
        removed_at: When the record went; None while it is there.
    """

    payload: JsonObject | None
    payload_hash: str | None
    theirs: JsonObject | None
    identity: JsonObject | None
    record_id: str | None
    incarnation: int
    confirmed_at: datetime | None
    removed_at: datetime | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRow:
    """One line of the row log: what one run did with a row.

    Attributes:
        changed_fields: None where nothing is known of before.
        before: The fields as confirmed before; None where they are not stored or there were none.
        after: The fields that were sent, or would have been; None where they are not stored or there are none.
    """

    run_id: str
    change: str
    operation: str | None
    outcome: str
    code: str | None
    field: str | None
    pointer: str | None
    message: str | None
    changed_fields: Sequence[str] | None
    before: JsonObject | None
    after: JsonObject | None
    record_id: str | None
    request_id: str | None
    batch: int | None
    attempts: int | None
    logged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """All that is known of one key; falsy where nothing is. *log* from the first line to the last."""

    confirmed: Confirmed | None = None
    reject: Reject | None = None
    log: tuple[PastRow, ...] = ()

    def __bool__(self) -> bool:
        return self.confirmed is not None or self.reject is not None or bool(self.log)
