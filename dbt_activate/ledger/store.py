"""The ledger as a whole: whether it exists, making and migrating it, and what it knows, as queries."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbt_activate.contracts import Session, Warehouse
from dbt_activate.errors import LedgerError, WarehouseError
from dbt_activate.ledger.tables import LEDGER, LEDGER_PREFIX, MIGRATIONS, TABLES, VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What every destination last confirmed, in one schema of the warehouse.

    Attributes:
        schema: The schema's plain name.
        stores_values: Whether confirmed payloads are kept, or keyed hashes of their fields only.
    """

    warehouse: Warehouse
    schema: str
    stores_values: bool = True

    def table(self, name: str) -> str:
        """The quoted, qualified name of one of the ledger's tables."""
        quote = self.warehouse.dialect.quote
        return f"{quote(self.schema)}.{quote(name)}"

    def of(self, sync: str) -> str:
        """The quoted, qualified name of the table that holds what *sync* confirmed."""
        return self.table(LEDGER_PREFIX + sync)

    def version(self, session: Session) -> int | None:
        """The layout's version; None where there is no ledger.

        Raises:
            LedgerError: A newer release made it, or one of its tables is missing.
        """
        present = self._present(session)
        if "meta" not in present:
            if any(name in TABLES or name.startswith(LEDGER_PREFIX) for name in present):
                raise self._incomplete(["meta"])
            return None
        found = self.fact(session, "version")
        version = int(found) if found is not None else 0
        if version > VERSION:
            raise LedgerError(
                f"ledger in schema '{self.schema}': made by a newer dbt-activate (layout {version}, this one knows"
                f" {VERSION}); upgrade dbt-activate"
            )
        # An older layout may lack what its migration makes.
        if version == VERSION and (missing := [name for name in TABLES if name not in present]):
            raise self._incomplete(missing)
        return version

    def has(self, session: Session, sync: str) -> bool:
        """Whether *sync* has a ledger of its own."""
        return LEDGER_PREFIX + sync in self._present(session)

    def prepare(self, session: Session, sync: str, *, renamed_from: str | None = None, anew: bool = False) -> None:
        """Make what is missing: schema, tables, the table of *sync*; migrate an older layout.

        *anew* takes a lost table of *sync* for one that never was.

        Raises:
            LedgerError: A newer release made it, or the table of *sync* is gone though it has runs.
        """
        version = self.version(session)
        if version is None:
            self._found(session)
        elif version < VERSION:
            self._migrate(session, version)
        if renamed_from is not None and self.has(session, renamed_from) and not self.has(session, sync):
            self._rename(session, renamed_from, sync)
        if not self.has(session, sync):
            if not anew:
                self._refuse_loss(session, sync)
            self._make_table(session, sync)

    def _refuse_loss(self, session: Session, sync: str) -> None:
        """See to it that a table that is not there is one that never was: without it every row would be sent again.

        Raises:
            LedgerError: It was there.
        """
        confirmed = (
            f"SELECT 1 FROM {self.table('row_log')} WHERE sync = ? AND outcome IN ('succeeded', 'unchanged') LIMIT 1"
        )
        if list(session.rows(confirmed, [sync])):
            raise LedgerError(
                f"ledger in schema '{self.schema}': the table '{LEDGER_PREFIX}{sync}' is gone, and with it what was"
                f" confirmed; restore it, or start anew: dbt-activate reset {sync}"
            )

    def _make_table(self, session: Session, sync: str) -> None:
        try:
            with session.transaction():
                self._create(session, {LEDGER_PREFIX + sync: LEDGER})
        except WarehouseError:
            # Two first runs at the same time: the other one has made it.
            if not self.has(session, sync):
                raise

    def fact(self, session: Session, name: str) -> str | None:
        """One value of the table ``meta``."""
        found = list(session.rows(f"SELECT value FROM {self.table('meta')} WHERE name = ?", [name]))
        return None if not found else str(found[0][0])

    def drop(self, session: Session, sync: str) -> None:
        """Forget everything about *sync* but its past runs and the epoch of its lease."""
        with session.transaction():
            session.execute(f"DROP TABLE IF EXISTS {self.of(sync)}")
            self._create(session, {LEDGER_PREFIX + sync: LEDGER})
            session.execute(f"DELETE FROM {self.table('rejects')} WHERE sync = ?", [sync])
            session.execute(f"UPDATE {self.table('leases')} SET binding = NULL WHERE sync = ?", [sync])
            # What a crashed run left open is forgotten, too: else the next run would remember it again.
            session.execute(f"UPDATE {self.table('runs')} SET folded = TRUE WHERE sync = ?", [sync])
            batches = self.table("batches")
            session.execute(
                f"UPDATE {batches} AS s SET state = 'resolved' WHERE sync = ? AND state = 'started' AND NOT EXISTS"
                f" (SELECT 1 FROM {batches} AS d WHERE d.sync = s.sync AND d.run_id = s.run_id"
                " AND d.number = s.number AND d.state <> 'started')",
                [sync],
            )

    def confirmed_query(self, session: Session, sync: str) -> str:
        """SQL: what *sync* confirmed, as planning wants it; no rows where there is no ledger yet.

        ``incarnation`` is that of the next record: one more than before for a row that was removed.
        """
        if not self.has(session, sync):
            if self.version(session) is not None:
                self._refuse_loss(session, sync)
            return _nothing(CONFIRMED, self.warehouse.dialect.types)
        now = self.warehouse.dialect.now
        return (
            "SELECT key, fingerprint, basis, payload_hash, payload, identity, record_id,"
            " incarnation + CASE WHEN removed_at IS NULL THEN 0 ELSE 1 END AS incarnation,"
            " revision, removed_at IS NULL AS present,"
            f" reconfirm_after IS NOT NULL AND reconfirm_after <= {now} AS recheck FROM {self.of(sync)}"
        )

    def rejects_query(self, session: Session, sync: str) -> str:
        """SQL: the rejects of *sync*, as planning wants them. *sync* is a checked name and stands in the text."""
        if self.version(session) is None:
            return _nothing(REJECTS, self.warehouse.dialect.types)
        now = self.warehouse.dialect.now
        return (
            "SELECT key, outcome, COALESCE(code, '') AS code, fingerprint, basis, attempts,"
            f" next_attempt_at IS NULL OR next_attempt_at <= {now} AS due"
            f" FROM {self.table('rejects')} WHERE sync = '{sync}'"
        )

    def lookup_query(self, session: Session, sync: str) -> str:
        """SQL: ``key, record_id`` of the records that *sync* was given."""
        if not self.has(session, sync):
            return _nothing({"key": "text", "record_id": "text"}, self.warehouse.dialect.types)
        return f"SELECT key, record_id FROM {self.of(sync)} WHERE removed_at IS NULL"

    def is_empty(self, session: Session, sync: str) -> bool:
        """Whether *sync* has never had a row confirmed."""
        return not self.has(session, sync) or not list(session.rows(f"SELECT 1 FROM {self.of(sync)} LIMIT 1"))

    def _present(self, session: Session) -> frozenset[str]:
        """The names of the tables that are in the schema."""
        statement = (
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_catalog = current_database() AND table_schema = ?"
        )
        return frozenset(str(name) for (name,) in session.rows(statement, [self.schema]))

    def _incomplete(self, missing: Sequence[str]) -> LedgerError:
        names = ", ".join(f"'{name}'" for name in missing)
        tables = f"table {names} is" if len(missing) == 1 else f"tables {names} are"
        schema = self.warehouse.dialect.quote(self.schema)
        return LedgerError(
            f"ledger in schema '{self.schema}': {tables} missing; restore what is missing from a backup, or forget all"
            f" that was confirmed and start anew: DROP SCHEMA {schema} CASCADE"
        )

    def _found(self, session: Session) -> None:
        """Make schema and tables, in one transaction; another first run may do so at the same time."""
        meta = self.table("meta")
        fact = f"INSERT INTO {meta} (name, value) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM {meta} WHERE name = ?)"
        try:
            with session.transaction():
                session.execute(f"CREATE SCHEMA IF NOT EXISTS {self.warehouse.dialect.quote(self.schema)}")
                self._create(session, TABLES)
                for name, value in {"version": str(VERSION), "hash_key": secrets.token_hex(32)}.items():
                    session.execute(fact, [name, value, name])
        except WarehouseError:
            if self.version(session) is None:
                raise

    def _create(self, session: Session, tables: Mapping[str, Mapping[str, str]]) -> None:
        types = self.warehouse.dialect.types
        for name, columns in tables.items():
            listed = ", ".join(f"{column} {types[kind]}" for column, kind in columns.items())
            session.execute(f"CREATE TABLE IF NOT EXISTS {self.table(name)} ({listed})")

    def _migrate(self, session: Session, version: int) -> None:
        schema = self.warehouse.dialect.quote(self.schema)
        for migration in MIGRATIONS:
            if migration.version > version:
                with session.transaction():
                    for statement in migration.statements:
                        session.execute(statement.replace("{schema}", schema))
                    session.execute(
                        f"UPDATE {self.table('meta')} SET value = ? WHERE name = 'version'", [str(migration.version)]
                    )

    def _rename(self, session: Session, old: str, new: str) -> None:
        quoted = self.warehouse.dialect.quote(LEDGER_PREFIX + new)
        with session.transaction():
            session.execute(f"ALTER TABLE {self.of(old)} RENAME TO {quoted}")
            # The lease goes along: epoch and binding are the ledger's, and a run that still holds it is fenced.
            session.execute(f"DELETE FROM {self.table('leases')} WHERE sync = ?", [new])
            for table in ("leases", "rejects", "row_log", "runs", "batches"):
                session.execute(f"UPDATE {self.table(table)} SET sync = ? WHERE sync = ?", [new, old])


CONFIRMED = {
    "key": "text",
    "fingerprint": "bigint",
    "basis": "text",
    "payload_hash": "text",
    "payload": "text",
    "identity": "text",
    "record_id": "text",
    "incarnation": "integer",
    "revision": "integer",
    "present": "boolean",
    "recheck": "boolean",
}
REJECTS = {
    "key": "text",
    "outcome": "text",
    "code": "text",
    "fingerprint": "bigint",
    "basis": "text",
    "attempts": "integer",
    "due": "boolean",
}


def _nothing(columns: Mapping[str, str], types: Mapping[str, str]) -> str:
    listed = ", ".join(f"CAST(NULL AS {types[kind]}) AS {name}" for name, kind in columns.items())
    return f"SELECT {listed} WHERE 1 = 0"


def values(row: Mapping[str, object], columns: Iterable[str]) -> Sequence[object]:
    """The values of *row* in the order of *columns*; None where it has none."""
    return [row.get(column) for column in columns]
