"""Who may send for a sync: one holder at a time, known by an epoch that only grows.

Taken by compare-and-set on the warehouse's clock; kept against this process's monotonic clock, read before the
statement, so that the local deadline is never later than the warehouse's.
"""

import os
import secrets
import socket
from dataclasses import dataclass

from dbt_activate.contracts import Clock, Session
from dbt_activate.errors import FencedError, LockedError
from dbt_activate.ledger.store import Ledger

TTL_SECONDS = 300.0
MARGIN_SECONDS = 5.0
"""No request starts that could outlive the lease, less this."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """A lease that is held. *deadline* is on the monotonic clock."""

    ledger: Ledger
    clock: Clock
    sync: str
    holder: str
    epoch: int
    deadline: float

    def renew(self, session: Session) -> None:
        """Assert holder and epoch, and push the end out; part of every transaction that writes for a sync.

        Raises:
            FencedError: Another run holds it now.
        """
        asked = self.clock.monotonic()
        if not session.execute(
            f"UPDATE {self.ledger.table('leases')} SET expires_at = {_expiry(self.ledger)}"
            " WHERE sync = ? AND holder = ? AND epoch = ?",
            [TTL_SECONDS, self.sync, self.holder, self.epoch],
        ):
            raise FencedError(f"sync '{self.sync}': another run took the lease (epoch {self.epoch} is over)")
        self.deadline = asked + TTL_SECONDS

    def covers(self, seconds: float) -> bool:
        """Whether something that takes *seconds* ends while the lease is surely held."""
        return self.clock.monotonic() + seconds + MARGIN_SECONDS < self.deadline

    def release(self, session: Session) -> None:
        """Give it back, if it is still ours."""
        session.execute(
            f"UPDATE {self.ledger.table('leases')} SET holder = NULL WHERE sync = ? AND holder = ? AND epoch = ?",
            [self.sync, self.holder, self.epoch],
        )

    def bind(self, session: Session, binding: str) -> str | None:
        """Tie the ledger to *binding* where it is tied to nothing yet; return what it is tied to if that differs."""
        table = self.ledger.table("leases")
        (found,) = next(iter(list(session.rows(f"SELECT binding FROM {table} WHERE sync = ?", [self.sync]))))
        if found is None:
            session.execute(f"UPDATE {table} SET binding = ? WHERE sync = ?", [binding, self.sync])
        return None if found in (None, binding) else str(found)


def acquire(ledger: Ledger, session: Session, clock: Clock, *, sync: str, run_id: str) -> Lease:
    """Take the lease of *sync*.

    Raises:
        LockedError: Another run holds it.
    """
    table = ledger.table("leases")
    holder = secrets.token_hex(16)
    asked = clock.monotonic()
    if not _is_known(session, table, sync):
        with session.transaction():
            # First runs of the same moment wait for each other at this row: a sync must not have two leases.
            session.execute(f"UPDATE {ledger.table('meta')} SET value = value WHERE name = 'version'")
            if not _is_known(session, table, sync):
                session.execute(f"INSERT INTO {table} (sync, epoch) VALUES (?, 0)", [sync])
    with session.transaction():
        session.execute(
            f"UPDATE {table} SET holder = ?, epoch = epoch + 1, run_id = ?, host = ?, pid = ?,"
            f" expires_at = {_expiry(ledger)}"
            f" WHERE sync = ? AND (holder IS NULL OR expires_at < {ledger.warehouse.dialect.now})",
            [holder, run_id, socket.gethostname(), os.getpid(), TTL_SECONDS, sync],
        )
    # What is read back decides: an update that waited, or whose answer was lost, is told apart only here.
    found = next(
        iter(list(session.rows(f"SELECT holder, epoch, run_id, host, pid FROM {table} WHERE sync = ?", [sync])))
    )
    if found[0] != holder:
        raise LockedError(
            f"sync '{sync}': run {found[2]} holds the lease (host {found[3]}, process {found[4]}, epoch {found[1]});"
            " wait until it ends, or until its lease runs out"
        )
    return Lease(
        ledger=ledger, clock=clock, sync=sync, holder=holder, epoch=int(str(found[1])), deadline=asked + TTL_SECONDS
    )


def _is_known(session: Session, table: str, sync: str) -> bool:
    return bool(list(session.rows(f"SELECT 1 FROM {table} WHERE sync = ?", [sync])))


def _expiry(ledger: Ledger) -> str:
    return f"{ledger.warehouse.dialect.now} + ? * INTERVAL '1' SECOND"
