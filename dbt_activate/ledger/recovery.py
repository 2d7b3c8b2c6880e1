"""What an earlier run may have left: acks that were never folded, and batches of which nobody knows the end."""

import json

from dbt_activate.contracts import Session
from dbt_activate.ledger.fold import distrust, fold
from dbt_activate.ledger.lease import Lease
from dbt_activate.ledger.store import Ledger, values
from dbt_activate.ledger.tables import TABLES
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.outcome import Outcome

IN_DOUBT = "the run that sent it ended without writing down the answer; it may have been applied, or not"


def recover(ledger: Ledger, session: Session, lease: Lease) -> int:
    """Settle what earlier runs of the sync left open. Returns how many rows are now ``unknown``.

    Their acks are durable and are folded. A batch that was started and never settled is decided by what a second send
    does: where it does no harm, its rows are simply planned again; else they become ``unknown``.
    """
    with session.transaction():
        lease.renew(session)
        started = _started(ledger, session, lease)
        doubtful = _mark_doubtful(ledger, session, lease, started)
        for run_id in _open_runs(ledger, session, lease):
            fold(ledger, session, sync=lease.sync, run_id=run_id)
            session.execute(
                f"UPDATE {ledger.table('runs')} SET status = 'crashed' WHERE sync = ? AND run_id = ?",
                [lease.sync, run_id],
            )
        for batch in started:
            keys = json.loads(str(batch[4]))
            distrust(ledger, session, lease.sync, ", ".join("?" * len(keys)), keys)
    return doubtful


def _open_runs(ledger: Ledger, session: Session, lease: Lease) -> list[str]:
    statement = (
        f"SELECT run_id FROM {ledger.table('runs')} WHERE sync = ? AND epoch < ? AND NOT folded ORDER BY started_at"
    )
    return [str(row[0]) for row in session.rows(statement, [lease.sync, lease.epoch])]


def _started(ledger: Ledger, session: Session, lease: Lease) -> list[tuple[object, ...]]:
    """The batches of earlier runs of which nobody knows the end."""
    batches = ledger.table("batches")
    statement = (
        f"SELECT run_id, number, operation, delivery, keys, idempotency_key FROM {batches} AS s"
        " WHERE sync = ? AND epoch < ? AND state = 'started' AND NOT EXISTS"
        f" (SELECT 1 FROM {batches} AS d WHERE d.sync = s.sync AND d.run_id = s.run_id AND d.number = s.number"
        " AND d.state <> 'started')"
    )
    return list(session.rows(statement, [lease.sync, lease.epoch]))


def _mark_doubtful(ledger: Ledger, session: Session, lease: Lease, started: list[tuple[object, ...]]) -> int:
    lines = [line for row in started for line in _doubtful(ledger, session, lease, row)]
    columns = TABLES["row_log"]
    session.append(ledger.table("row_log"), columns, (values(line, columns) for line in lines))
    resolved = [_resolved(lease, row) for row in started]
    columns = TABLES["batches"]
    session.append(ledger.table("batches"), columns, (values(line, columns) for line in resolved))
    return len(lines)


def _doubtful(ledger: Ledger, session: Session, lease: Lease, batch: tuple[object, ...]) -> list[dict[str, object]]:
    run_id, number, operation, delivery, keys_text, _ = batch
    keys = json.loads(str(keys_text))
    if _harmless(DeliveryClass(str(delivery)), len(keys)):
        return []
    statement = f"SELECT key FROM {ledger.table('row_log')} WHERE sync = ? AND run_id = ?"
    known = {row[0] for row in session.rows(statement, [lease.sync, run_id])}
    line = {
        "sync": lease.sync,
        "run_id": run_id,
        "change": "added" if operation == "create" else "changed",
        "operation": operation,
        "outcome": Outcome.UNKNOWN.value,
        "code": "crashed",
        "message": IN_DOUBT,
        "attempts": 1,
        "batch": number,
        "logged_at": lease.clock.now().replace(tzinfo=None),
    }
    return [{**line, "key": key} for key in keys if key not in known]


def _harmless(delivery: DeliveryClass, rows: int) -> bool:
    # A key over several rows names exactly those rows: planned again they may be grouped otherwise, and the
    # destination would not know them. A key over one row is made of that row alone.
    return delivery in (DeliveryClass.UPSERT, DeliveryClass.TRANSACTION) or (
        delivery is DeliveryClass.IDEMPOTENCY_KEY and rows == 1
    )


def _resolved(lease: Lease, batch: tuple[object, ...]) -> dict[str, object]:
    run_id, number, operation, delivery, _, idempotency_key = batch
    return {
        "sync": lease.sync,
        "run_id": run_id,
        "epoch": lease.epoch,
        "number": number,
        "attempt": 1,
        "state": "resolved",
        "operation": operation,
        "delivery": delivery,
        "idempotency_key": idempotency_key,
        "logged_at": lease.clock.now().replace(tzinfo=None),
    }
