"""What one run of one sync does to the ledger: intents before, acks after, the fold at the end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from dbt_activate.contracts import Clock, Session
from dbt_activate.errors import LedgerError
from dbt_activate.ledger.fold import fold, forget
from dbt_activate.ledger.lease import Lease
from dbt_activate.ledger.store import Ledger, values
from dbt_activate.ledger.tables import TABLES
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.json import JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload, Settled

FLUSH_ROWS = 2_000
"""So many settled rows are written in one transaction, at the most."""

FIRST_BACKOFF = timedelta(minutes=5)
LONGEST_BACKOFF = timedelta(hours=24)

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(slots=True, kw_only=True)
class RunJournal:
    """The journal of one run; see :class:`~dbt_activate.contracts.Journal`.

    Attributes:
        hash_fields: Makes keyed hashes of a payload's fields, for ``store: fingerprints``.
    """

    ledger: Ledger
    lease: Lease
    clock: Clock
    run_id: str
    hash_fields: Callable[[JsonObject], Mapping[str, str]] | None = None
    _pending: list[dict[str, object]] = field(default_factory=list)
    _batches: list[dict[str, object]] = field(default_factory=list)

    def begin(self, session: Session, facts: Mapping[str, object]) -> None:
        """Open the run: its line in ``runs``. *facts* are columns of that table."""
        line = {"run_id": self.run_id, "sync": self.lease.sync, "epoch": self.lease.epoch, "status": "running"}
        line |= {"folded": False, "started_at": self._now(), **facts}
        with session.transaction():
            self.lease.renew(session)
            self._append(session, "runs", [line])

    def intend(self, batches: Sequence[Batch], delivery: DeliveryClass) -> None:
        """Write the intents, and every ack that waits, in one transaction that asserts the lease."""
        self._batches += [self._batch_line(batch, "started", delivery) for batch in batches]
        self._write()

    def settle(self, batch: Batch, results: Sequence[RowResult]) -> None:
        """Keep the acks of *batch* until the next write."""
        payloads = {row.payload.key: row.payload for row in batch.rows}
        self.record(settled(payloads[result.key], result, batch=batch.number) for result in results)
        self._batches.append(self._batch_line(batch, "done", None))

    def record(self, rows: Iterable[Settled]) -> None:
        """Keep the outcomes of rows until the next write; write when there are many."""
        for row in rows:
            self._pending.append(self._log_line(row))
            if len(self._pending) >= FLUSH_ROWS:
                self._write()

    def covers(self, seconds: float) -> bool:
        """Ask the lease."""
        return self.lease.covers(seconds)

    def finish(
        self,
        *,
        planned: int,
        forgotten: tuple[str, ...],
        end: Mapping[str, object],
        judge: Callable[[Mapping[str, Mapping[str, int]]], str],
    ) -> tuple[Mapping[str, Mapping[str, int]], Mapping[str, int]]:
        """Write what waits, check that every planned row has exactly one outcome, fold, close the run.

        *end* holds columns of ``runs``; *judge* makes the run's status of its counts.

        Returns:
            Change to outcome to number of rows, and code to number of rows, both read back from the row log.

        Raises:
            LedgerError: A planned row has no outcome, or more than one.
        """
        with self.ledger.warehouse.session() as session, session.transaction():
            self._write_into(session)
            counts, codes = self._counts(session), self._codes(session)
            self._check(session, planned, counts)
            fold(self.ledger, session, sync=self.lease.sync, run_id=self.run_id)
            forget(self.ledger, session, sync=self.lease.sync, keys=forgotten)
            self._close(session, {**end, "status": judge(counts), "counts": _text(counts), "planned": planned})
            self.lease.release(session)
        return counts, codes

    def _check(self, session: Session, planned: int, counts: Mapping[str, Mapping[str, int]]) -> None:
        statement = f"SELECT COUNT(DISTINCT key) FROM {self.ledger.table('row_log')} WHERE sync = ? AND run_id = ?"
        (distinct,) = next(iter(list(session.rows(statement, [self.lease.sync, self.run_id]))))
        logged = sum(sum(by_outcome.values()) for by_outcome in counts.values())
        if not planned == logged == int(str(distinct)):
            raise LedgerError(
                f"sync '{self.lease.sync}', run {self.run_id}: {planned} rows were planned, {logged} outcomes of"
                f" {distinct} rows are in the row log; this is a fault of dbt-activate: please report it"
            )

    def _counts(self, session: Session) -> Mapping[str, Mapping[str, int]]:
        statement = (
            f"SELECT change, outcome, COUNT(*) FROM {self.ledger.table('row_log')}"
            " WHERE sync = ? AND run_id = ? GROUP BY change, outcome ORDER BY change, outcome"
        )
        counts: dict[str, dict[str, int]] = {}
        for change, outcome, number in session.rows(statement, [self.lease.sync, self.run_id]):
            counts.setdefault(str(change), {})[str(outcome)] = int(str(number))
        return counts

    def _codes(self, session: Session) -> Mapping[str, int]:
        statement = (
            f"SELECT code, COUNT(*) FROM {self.ledger.table('row_log')}"
            " WHERE sync = ? AND run_id = ? AND code IS NOT NULL GROUP BY code ORDER BY code"
        )
        return {str(code): int(str(n)) for code, n in session.rows(statement, [self.lease.sync, self.run_id])}

    def _close(self, session: Session, end: Mapping[str, object]) -> None:
        line = {**end, "ended_at": self._now()}
        columns = ", ".join(f"{column} = ?" for column in line)
        session.execute(
            f"UPDATE {self.ledger.table('runs')} SET {columns} WHERE sync = ? AND run_id = ?",
            [*line.values(), self.lease.sync, self.run_id],
        )

    def _write(self) -> None:
        with self.ledger.warehouse.session() as session, session.transaction():
            self._write_into(session)

    def _write_into(self, session: Session) -> None:
        self.lease.renew(session)
        self._append(session, "row_log", self._pending)
        self._append(session, "batches", self._batches)
        self._pending, self._batches = [], []

    def _append(self, session: Session, table: str, lines: Sequence[Mapping[str, object]]) -> None:
        if lines:
            columns = TABLES[table]
            session.append(self.ledger.table(table), columns, (values(line, columns) for line in lines))

    def _batch_line(self, batch: Batch, state: str, delivery: DeliveryClass | None) -> dict[str, object]:
        now = self._now()
        return {
            "sync": self.lease.sync,
            "run_id": self.run_id,
            "epoch": self.lease.epoch,
            "number": batch.number,
            "attempt": 1,
            "state": state,
            "operation": batch.operation.value,
            "delivery": delivery.value if delivery else None,
            "keys": _text(batch.keys) if state == "started" else None,
            "idempotency_key": batch.idempotency_key,
            "first_sent_at": now if state == "started" else None,
            "logged_at": now,
        }

    def _log_line(self, row: Settled) -> dict[str, object]:
        payload, result = row.payload, row.result
        line: dict[str, object] = {
            "sync": self.lease.sync,
            "run_id": self.run_id,
            "key": result.key,
            "change": row.change.value,
            "outcome": result.outcome.value,
            "code": _storable(result.code),
            "field": _storable(result.field),
            "pointer": _storable(result.pointer),
            "message": _storable(result.message),
            "record_id": _storable(result.record_id),
            "request_id": _storable(result.request_id),
            "fingerprint": row.fingerprint,
            "incarnation": row.incarnation,
            "revision": row.payload.revision if row.payload else 0,
            "attempts": row.attempts,
            "next_attempt_at": self._next_attempt(row),
            "batch": row.batch,
            "logged_at": self._now(),
        }
        return line if payload is None else line | self._payload_columns(payload, result)

    def _payload_columns(self, payload: Payload, result: RowResult) -> dict[str, object]:
        keeps = self.ledger.stores_values
        hashed = self.hash_fields(payload.fields) if self.hash_fields and payload.fields else None
        return {
            "operation": payload.operation.value,
            "changed_fields": _text(changed_fields(payload)),
            "before": _text(payload.before) if keeps else None,
            "after": _text(payload.fields) if keeps and payload.fields else None,
            "field_hashes": None if keeps else _text(hashed),
            "theirs": _text(result.theirs) if keeps else None,
            "identity": _text(payload.identity),
            "record_id": _storable(result.record_id) or payload.record_id,
            "payload_hash": payload.payload_hash,
        }

    def _next_attempt(self, row: Settled) -> datetime | None:
        # A first failure is tried again by the next run, whenever that is: most outages are over by then.
        if row.result.outcome is not Outcome.FAILED or row.attempts <= 1:
            return None
        wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(row.attempts - 2, 10))
        return self._now() + wait

    def _now(self) -> datetime:
        return self.clock.now().astimezone(UTC).replace(tzinfo=None)


def settled(payload: Payload, result: RowResult, *, batch: int | None = None) -> Settled:
    """The line of a row that was shaped."""
    ok = result.outcome in (Outcome.SUCCEEDED, Outcome.UNCHANGED)
    return Settled(
        change=payload.change,
        result=result,
        payload=payload,
        fingerprint=payload.fingerprint,
        incarnation=payload.incarnation,
        batch=batch,
        attempts=0 if ok else payload.attempts + 1,
    )


def changed_fields(payload: Payload) -> tuple[str, ...] | None:
    """The fields that differ from what was confirmed; None where that is not known."""
    if payload.before is None:
        return None
    before, now = payload.before, payload.fields
    return tuple(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))


def _storable(text: str | None) -> str | None:
    """What a destination said, without characters that not every engine can store: an ack must never fail."""
    return None if text is None else text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _text(value: object) -> str | None:
    return None if value is None else _encoder.encode(value).decode()
