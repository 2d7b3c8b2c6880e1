"""What the ledger remembers of past runs and rows: queries that only read.

They answer with nothing where there is no ledger yet. The newest comes first; but the life of a row, and the inside
of a run, are told from their beginning.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dbt_activate.contracts import Session
from dbt_activate.errors import LedgerError
from dbt_activate.ledger.past import Confirmed, Life, PastBatch, PastRow, PastRun, Reject, RunDetail, Tally
from dbt_activate.ledger.store import Ledger
from dbt_activate.ledger.tables import LEDGER, LEDGER_PREFIX, TABLES
from dbt_activate.values.json import JsonObject

JSON_COLUMNS = frozenset({"counts", "changed_fields", "before", "after", "payload", "theirs", "identity", "keys"})


def past_runs(
    ledger: Ledger, session: Session, syncs: Sequence[str] | None = None, limit: int | None = None
) -> tuple[PastRun, ...]:
    """The runs of *syncs*, or of every sync there ever was where that is None; at most *limit*."""
    if ledger.version(session) is None:
        return ()
    condition, values = _among({"sync": syncs})
    query = _Query("runs", _columns(PastRun), condition, values, "started_at DESC, run_id, sync", limit)
    return _runs(ledger, session, query)


def run_detail(ledger: Ledger, session: Session, run_id: str) -> tuple[RunDetail, ...]:
    """The run called *run_id*, sync by sync, in the order in which they went; empty where there is none."""
    if ledger.version(session) is None:
        return ()
    query = _Query("runs", _columns(PastRun), "run_id = ?", (run_id,), "started_at, sync")
    return tuple(_detail(ledger, session, run) for run in _runs(ledger, session, query))


def rejects(
    ledger: Ledger,
    session: Session,
    syncs: Sequence[str] | None = None,
    *,
    codes: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    limit: int | None = None,
) -> tuple[Reject, ...]:
    """The rows of *syncs* that did not get through, with these *codes* and *outcomes*; None stands for any."""
    if ledger.version(session) is None:
        return ()
    condition, values = _among({"sync": syncs, "code": codes, "outcome": outcomes})
    query = _Query("rejects", _columns(Reject), condition, values, "last_seen_at DESC, sync, key", limit)
    return tuple(Reject(**line) for line in query.lines(ledger, session))


def sent_fields(ledger: Ledger, session: Session, sync: str, run_id: str) -> Mapping[str, JsonObject]:
    """Key to the fields that the run sent, or would have sent, of rows that did not get through.

    Without those that could not be shaped; empty under ``store: fingerprints``.
    """
    condition = "sync = ? AND run_id = ? AND after IS NOT NULL AND outcome NOT IN ('succeeded', 'unchanged')"
    query = _Query("row_log", ("key", "after"), condition, (sync, run_id), "key")
    return {line["key"]: line["after"] for line in query.lines(ledger, session)}


def life_of(ledger: Ledger, session: Session, sync: str, key: str) -> Life:
    """All that the ledger knows of the row of *sync* whose key is *key*."""
    if ledger.version(session) is None:
        return Life()
    of_row = "sync = ? AND key = ?"
    refused = _Query("rejects", _columns(Reject), of_row, (sync, key), "key").lines(ledger, session)
    log = _Query("row_log", _columns(PastRow), of_row, (sync, key), "logged_at, run_id").lines(ledger, session)
    return Life(
        confirmed=_confirmed(ledger, session, sync, key),
        reject=Reject(**refused[0]) if refused else None,
        log=tuple(PastRow(**line) for line in log),
    )


@dataclass(frozen=True, slots=True)
class _Query:
    """Some columns of one of the ledger's tables, as values of Python."""

    table: str
    columns: Sequence[str]
    condition: str
    values: Sequence[object]
    order: str
    limit: int | None = None

    def lines(self, ledger: Ledger, session: Session) -> list[dict[str, Any]]:
        types = TABLES.get(self.table, LEDGER)
        bound = f" LIMIT {self.limit:d}" if self.limit is not None else ""
        statement = (
            f"SELECT {', '.join(self.columns)} FROM {ledger.table(self.table)}"
            f" WHERE {self.condition} ORDER BY {self.order}{bound}"
        )
        found = [dict(zip(self.columns, row, strict=True)) for row in session.rows(statement, self.values)]
        return [{c: self._value(c, types[c], line) for c in line} for line in found]

    def _value(self, column: str, kind: str, line: Mapping[str, Any]) -> Any:
        try:
            return _value(column, kind, line[column])
        except ValueError as error:
            raise LedgerError(self._unreadable(column, line)) from error

    def _unreadable(self, column: str, line: Mapping[str, Any]) -> str:
        # The life of a row is asked for by its key, which is not always read.
        known = {**line, "key": self.values[-1]} if self.condition.endswith("key = ?") else line
        names = ("sync", "run_id", "number", "key")
        place = ", ".join(f"{name} {known[name]!r}" for name in names if known.get(name) is not None)
        remedy = "delete that row"
        if self.table.startswith(LEDGER_PREFIX):
            remedy += f", or start anew: dbt-activate reset {self.table.removeprefix(LEDGER_PREFIX)}"
        return f"ledger table '{self.table}', {place}: its column '{column}' is not JSON; {remedy}"


def _columns(kind: type[PastRun | Reject | PastRow | Confirmed]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _among(wanted: Mapping[str, Sequence[str] | None]) -> tuple[str, list[str]]:
    """SQL: each column is one of its values, and those values in order."""
    chosen = {column: values for column, values in wanted.items() if values is not None}
    # No value of a column: nothing is wanted; an empty list is no SQL.
    if any(not values for values in chosen.values()):
        return "1 = 0", []
    parts = [f"{column} IN ({', '.join('?' * len(values))})" for column, values in chosen.items()]
    return " AND ".join(parts) or "1 = 1", [value for values in chosen.values() for value in values]


def _value(column: str, kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "timestamp":
        return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
    return json.loads(value, parse_float=Decimal) if column in JSON_COLUMNS else value


def _runs(ledger: Ledger, session: Session, query: _Query) -> tuple[PastRun, ...]:
    """The runs of *query*, with the status and the counts of those that did not come to their end."""
    runs = [PastRun(**{**line, "counts": line["counts"] or {}}) for line in query.lines(ledger, session)]
    if all(run.ended_at is not None for run in runs):
        return tuple(runs)
    held = _held(ledger, session)
    return tuple(run if run.ended_at is not None else _open_run(ledger, session, run, held) for run in runs)


def _open_run(ledger: Ledger, session: Session, run: PastRun, held: frozenset[tuple[str, str]]) -> PastRun:
    counts: dict[str, dict[str, int]] = {}
    for tally in _tallies(ledger, session, run):
        by_outcome = counts.setdefault(tally.change, {})
        by_outcome[tally.outcome] = by_outcome.get(tally.outcome, 0) + tally.rows
    ended = run.status == "running" and (run.sync, run.run_id) not in held
    return replace(run, counts=counts, status="interrupted" if ended else run.status)


def _held(ledger: Ledger, session: Session) -> frozenset[tuple[str, str]]:
    """Sync and run of the leases that are held now."""
    alive = f"holder IS NOT NULL AND expires_at > {ledger.warehouse.dialect.now}"
    lines = _Query("leases", ("sync", "run_id"), alive, (), "sync").lines(ledger, session)
    return frozenset((line["sync"], line["run_id"]) for line in lines)


def _detail(ledger: Ledger, session: Session, run: PastRun) -> RunDetail:
    return RunDetail(run=run, batches=_batches(ledger, session, run), tallies=_tallies(ledger, session, run))


def _tallies(ledger: Ledger, session: Session, run: PastRun) -> tuple[Tally, ...]:
    statement = (
        f"SELECT change, outcome, code, COUNT(*) FROM {ledger.table('row_log')} WHERE sync = ? AND run_id = ?"
        " GROUP BY change, outcome, code ORDER BY change, outcome, code"
    )
    rows = session.rows(statement, [run.sync, run.run_id])
    return tuple(
        Tally(change=str(change), outcome=str(outcome), code=None if code is None else str(code), rows=int(str(number)))
        for change, outcome, code, number in rows
    )


def _batches(ledger: Ledger, session: Session, run: PastRun) -> tuple[PastBatch, ...]:
    columns = ("number", "state", "operation", "delivery", "keys", "idempotency_key", "first_sent_at", "logged_at")
    of_run = "sync = ? AND run_id = ?"
    query = _Query("batches", columns, of_run, (run.sync, run.run_id), "number, logged_at")
    by_number: dict[int, dict[str, dict[str, Any]]] = {}
    for line in query.lines(ledger, session):
        by_number.setdefault(line["number"], {})[line["state"]] = line
    outcomes = _outcomes(ledger, session, run)
    return tuple(_batch(number, states, outcomes.get(number, {})) for number, states in by_number.items())


def _batch(number: int, states: Mapping[str, Mapping[str, Any]], outcomes: Mapping[str, int]) -> PastBatch:
    end = states.get("done") or states.get("resolved")
    first: Mapping[str, Any] = states.get("started") or end or {}
    keys = first.get("keys")
    return PastBatch(
        number=number,
        operation=first.get("operation"),
        delivery=first.get("delivery"),
        state=end["state"] if end else "started",
        rows=sum(outcomes.values()) if keys is None else len(keys),
        outcomes=outcomes,
        idempotency_key=first.get("idempotency_key"),
        first_sent_at=first.get("first_sent_at"),
        settled_at=end["logged_at"] if end else None,
    )


def _outcomes(ledger: Ledger, session: Session, run: PastRun) -> Mapping[int, Mapping[str, int]]:
    """Number of the batch to outcome to number of rows."""
    statement = (
        f"SELECT batch, outcome, COUNT(*) FROM {ledger.table('row_log')}"
        " WHERE sync = ? AND run_id = ? AND batch IS NOT NULL GROUP BY batch, outcome ORDER BY batch, outcome"
    )
    found: dict[int, dict[str, int]] = {}
    for number, outcome, rows in session.rows(statement, [run.sync, run.run_id]):
        found.setdefault(int(str(number)), {})[str(outcome)] = int(str(rows))
    return found


def _confirmed(ledger: Ledger, session: Session, sync: str, key: str) -> Confirmed | None:
    if not ledger.has(session, sync):
        return None
    query = _Query(LEDGER_PREFIX + sync, _columns(Confirmed), "key = ?", (key,), "key")
    return next((Confirmed(**line) for line in query.lines(ledger, session)), None)
