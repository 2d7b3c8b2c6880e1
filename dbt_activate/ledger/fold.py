"""From the row log to the ledger: one run's outcomes, folded in with a few statements.

Acks are appended while a run goes on; only here is the ledger rewritten, for the touched keys. New rows are inserted
beside the old ones and told apart by their run, then the old ones go: both in one transaction, so that a crash leaves
either state, and a second fold of the same run changes nothing.
"""

from collections.abc import Sequence

from dbt_activate.contracts import Session
from dbt_activate.ledger.store import Ledger
from dbt_activate.ledger.tables import LEDGER, TABLES

CONFIRMING = "('succeeded', 'unchanged')"
REJECTING = "('invalid', 'rejected', 'conflict', 'failed', 'unknown')"


def fold(ledger: Ledger, session: Session, *, sync: str, run_id: str) -> None:
    """Fold the row log of one run into ledger and rejects. Call it inside a transaction that asserts the lease."""
    (basis,) = next(
        iter(
            list(
                session.rows(f"SELECT basis FROM {ledger.table('runs')} WHERE sync = ? AND run_id = ?", [sync, run_id])
            )
        )
    )
    _fold_confirmed(ledger, session, sync, run_id, basis)
    _fold_rejects(ledger, session, sync, run_id, basis)
    distrust(
        ledger,
        session,
        sync,
        f"SELECT key FROM {ledger.table('row_log')} WHERE sync = ? AND run_id = ? AND outcome IN ('failed', 'unknown')",
        [sync, run_id],
    )
    session.execute(f"UPDATE {ledger.table('runs')} SET folded = TRUE WHERE sync = ? AND run_id = ?", [sync, run_id])


def _fold_confirmed(ledger: Ledger, session: Session, sync: str, run_id: str, basis: object) -> None:
    table, log = ledger.of(sync), ledger.table("row_log")
    removed = "n.change = 'removed'"
    chosen = {
        "key": "n.key",
        "fingerprint": "n.fingerprint",
        "basis": "CAST(? AS {text})",
        "payload_hash": "n.payload_hash",
        "payload": "n.after",
        "field_hashes": "n.field_hashes",
        "theirs": f"CASE WHEN {removed} THEN NULL ELSE COALESCE(n.theirs, o.theirs) END",
        "identity": "COALESCE(n.identity, o.identity)",
        "record_id": (
            f"CASE WHEN {removed} AND n.operation <> 'clear' THEN NULL ELSE COALESCE(n.record_id, o.record_id) END"
        ),
        "incarnation": "n.incarnation",
        "revision": "n.revision + CASE WHEN n.outcome = 'unchanged' THEN 0 ELSE 1 END",
        # An unchanged row was not confirmed again: its fingerprint moved, nothing else.
        "confirmed_at": (
            "CASE WHEN n.outcome = 'unchanged' THEN COALESCE(o.confirmed_at, n.logged_at) ELSE n.logged_at END"
        ),
        "reconfirm_after": "NULL",
        "removed_at": f"CASE WHEN {removed} THEN n.logged_at END",
        "run_id": "n.run_id",
    }
    types = ledger.warehouse.dialect.types
    listed = ", ".join(chosen[column].format(**types) for column in LEDGER)
    session.execute(
        f"INSERT INTO {table} ({', '.join(LEDGER)}) SELECT {listed} FROM {log} AS n"
        f" LEFT JOIN {table} AS o ON o.key = n.key AND o.run_id <> n.run_id"
        f" WHERE n.sync = ? AND n.run_id = ? AND n.outcome IN {CONFIRMING}"
        f" AND NOT EXISTS (SELECT 1 FROM {table} AS twice WHERE twice.key = n.key AND twice.run_id = n.run_id)",
        [basis, sync, run_id],
    )
    session.execute(
        f"DELETE FROM {table} WHERE run_id <> ? AND key IN"
        f" (SELECT key FROM {log} WHERE sync = ? AND run_id = ? AND outcome IN {CONFIRMING})",
        [run_id, sync, run_id],
    )


def _fold_rejects(ledger: Ledger, session: Session, sync: str, run_id: str, basis: object) -> None:
    table, log = ledger.table("rejects"), ledger.table("row_log")
    chosen = {
        **{column: f"n.{column}" for column in TABLES["rejects"]},
        "basis": f"CAST(? AS {ledger.warehouse.dialect.types['text']})",
        "first_seen_at": "COALESCE(o.first_seen_at, n.logged_at)",
        "last_seen_at": "n.logged_at",
    }
    listed = ", ".join(chosen[column] for column in TABLES["rejects"])
    session.execute(
        f"INSERT INTO {table} ({', '.join(TABLES['rejects'])}) SELECT {listed} FROM {log} AS n"
        f" LEFT JOIN {table} AS o ON o.sync = n.sync AND o.key = n.key AND o.run_id <> n.run_id"
        f" WHERE n.sync = ? AND n.run_id = ? AND n.outcome IN {REJECTING} AND NOT EXISTS"
        f" (SELECT 1 FROM {table} AS twice"
        " WHERE twice.sync = n.sync AND twice.key = n.key AND twice.run_id = n.run_id)",
        [basis, sync, run_id],
    )
    session.execute(
        f"DELETE FROM {table} WHERE sync = ? AND run_id <> ? AND key IN"
        f" (SELECT key FROM {log} WHERE sync = ? AND run_id = ? AND outcome <> 'aborted')",
        [sync, run_id, sync, run_id],
    )


def distrust(ledger: Ledger, session: Session, sync: str, keys: str, parameters: Sequence[object]) -> None:
    """Let rows be sent again even if they go back to what was confirmed: something else may have reached them since.

    *keys* is SQL: what stands between the brackets of ``IN ()``.
    """
    session.execute(
        f"UPDATE {ledger.of(sync)} SET fingerprint = NULL, payload_hash = NULL WHERE key IN ({keys})", parameters
    )


def forget(ledger: Ledger, session: Session, *, sync: str, keys: tuple[str, ...]) -> None:
    """Drop the rejects of rows that are neither in the model nor at the destination any more."""
    for key in keys:
        session.execute(f"DELETE FROM {ledger.table('rejects')} WHERE sync = ? AND key = ?", [sync, key])
