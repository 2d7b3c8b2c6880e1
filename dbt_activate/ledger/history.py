"""What the ledger remembers of past runs and rows: queries that only read.

They answer with nothing where there is no ledger yet. The newest comes first, but for the life of a row, which is told
from its beginning.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dbt_activate.contracts import Session
from dbt_activate.ledger.store import Ledger
from dbt_activate.ledger.tables import LEDGER, TABLES
from dbt_activate.values.json import Json, JsonObject

RUNNING, INTERRUPTED = "running", "interrupted"

JSON_COLUMNS = frozenset({"counts", "changed_fields", "before", "after", "payload", "theirs", "identity", "keys"})


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
    """A row that did not get through.

    Attributes:
        payload: What was, or would have been, sent; None where it was not asked for, is not stored, or where the row
            could not be shaped.
    """

    sync: str
    key: str
    outcome: str
    operation: str | None
    code: str | None
    field: str | None
    pointer: str | None
    message: str | None
    attempts: int
    next_attempt_at: datetime | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    request_id: str | None
    run_id: str
    payload: JsonObject | None = None


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


def past_runs(
    ledger: Ledger, session: Session, syncs: Sequence[str] | None = None, limit: int | None = None
) -> tuple[PastRun, ...]:
    """The runs of *syncs*, or of every sync there ever was where that is None; at most *limit*."""
    if ledger.version(session) is None:
        return ()
    reader = _Reader(ledger, session)
    condition, values = _among("sync", syncs)
    found = reader.rows(_columns(PastRun), "runs", condition, values, "started_at DESC, run_id, sync", limit)
    return _completed(reader, found)


def run_detail(ledger: Ledger, session: Session, run_id: str) -> tuple[RunDetail, ...]:
    """The run called *run_id*, sync by sync, in the order in which they went; empty where there is none."""
    if ledger.version(session) is None:
        return ()
    reader = _Reader(ledger, session)
    runs = _completed(reader, reader.rows(_columns(PastRun), "runs", "run_id = ?", [run_id], "started_at, sync"))
    return tuple(RunDetail(run=run, batches=_batches(reader, run), tallies=_tallies(reader, run)) for run in runs)


def rejects(
    ledger: Ledger,
    session: Session,
    syncs: Sequence[str] | None = None,
    *,
    codes: Sequence[str] = (),
    outcomes: Sequence[str] = (),
    limit: int | None = None,
    payloads: bool = False,
) -> tuple[Reject, ...]:
    """The rows of *syncs* that did not get through, at most *limit*; with their payloads where those are asked for."""
    if ledger.version(session) is None:
        return ()
    reader = _Reader(ledger, session)
    wanted = (("sync", syncs), ("code", codes or None), ("outcome", outcomes or None))
    parts = [_among(column, chosen) for column, chosen in wanted]
    condition = " AND ".join(part for part, _ in parts)
    values = [value for _, bound in parts for value in bound]
    found = reader.rows(
        _columns(Reject, "payload"), "rejects", condition, values, "last_seen_at DESC, sync, key", limit
    )
    lines = tuple(Reject(**line) for line in found)
    return _with_payloads(reader, lines) if payloads else lines


def life_of(ledger: Ledger, session: Session, sync: str, key: str) -> Life:
    """All that the ledger knows of the row of *sync* whose key is *key*."""
    if ledger.version(session) is None:
        return Life()
    reader = _Reader(ledger, session)
    confirmed: list[dict[str, Any]] = []
    if ledger.has(session, sync):
        confirmed = reader.read(_columns(Confirmed), LEDGER, ledger.of(sync), "key = ?", [key], "key")
    refused = reader.rows(_columns(Reject, "payload"), "rejects", "sync = ? AND key = ?", [sync, key], "key")
    log = reader.rows(_columns(PastRow), "row_log", "sync = ? AND key = ?", [sync, key], "logged_at, run_id")
    return Life(
        confirmed=Confirmed(**confirmed[0]) if confirmed else None,
        reject=Reject(**refused[0]) if refused else None,
        log=tuple(PastRow(**line) for line in log),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads columns of the ledger's tables as values of Python."""

    ledger: Ledger
    session: Session

    def rows(
        self,
        columns: Sequence[str],
        table: str,
        condition: str,
        values: Sequence[object],
        order: str,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        types = TABLES[table]
        return self.read(columns, types, self.ledger.table(table), condition, values, order, limit)

    def read(
        self,
        columns: Sequence[str],
        types: Mapping[str, str],
        table: str,
        condition: str,
        values: Sequence[object],
        order: str,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        bound = f" LIMIT {limit:d}" if limit is not None else ""
        statement = f"SELECT {', '.join(columns)} FROM {table} WHERE {condition} ORDER BY {order}{bound}"
        return [
            {name: _value(name, types[name], value) for name, value in zip(columns, row, strict=True)}
            for row in self.session.rows(statement, values)
        ]
