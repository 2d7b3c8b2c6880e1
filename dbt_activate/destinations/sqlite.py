"""A table in an SQLite file."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any, ClassVar

from dbt_activate.destinations.columns import Column, Table, UnspellableError, json_text
from dbt_activate.destinations.statements import Fragments, Stage, TableName, quote
from dbt_activate.destinations.tables import TABLE_SETTINGS, Blame, Fault, FileDatabase
from dbt_activate.destinations.writing import Link
from dbt_activate.values.destination import Account, FieldSpec
from dbt_activate.values.json import Json, Schema

_FAULTS: Mapping[str, tuple[Blame, str, str]] = {
    "SQLITE_CONSTRAINT_NOTNULL": (Blame.ROW, "required", "the column takes no NULL"),
    "SQLITE_CONSTRAINT_UNIQUE": (Blame.ROW, "duplicate", "another record has these values in unique columns"),
    "SQLITE_CONSTRAINT_PRIMARYKEY": (Blame.ROW, "duplicate", "another record has this primary key"),
    "SQLITE_CONSTRAINT_ROWID": (Blame.ROW, "duplicate", "another record has this primary key"),
    "SQLITE_CONSTRAINT_FOREIGNKEY": (Blame.ROW, "foreign_key", "a foreign key has no match"),
    "SQLITE_CONSTRAINT_CHECK": (Blame.ROW, "check", "the table's CHECK does not hold"),
    "SQLITE_CONSTRAINT_DATATYPE": (Blame.ROW, "type", "the value is not of the column's type"),
    "SQLITE_CONSTRAINT": (Blame.ROW, "constraint", "a constraint of the table does not hold"),
    "SQLITE_MISMATCH": (Blame.ROW, "type", "the value is not of the column's type"),
    "SQLITE_TOOBIG": (Blame.ROW, "too_long", "the value is larger than SQLite takes"),
    "SQLITE_BUSY": (Blame.BUSY, "locked", "somebody else is writing to the file"),
    "SQLITE_LOCKED": (Blame.BUSY, "locked", "somebody else is writing to the table"),
    "SQLITE_FULL": (Blame.BUSY, "disk_full", "the disk is full; make room"),
    "SQLITE_IOERR": (Blame.LOST, "io", "the file could not be read or written"),
    "SQLITE_READONLY": (Blame.HOPELESS, "read_only", "the file is read-only; allow writing"),
    "SQLITE_CANTOPEN": (Blame.HOPELESS, "path", "the file cannot be opened; does its directory exist?"),
    "SQLITE_NOTADB": (Blame.HOPELESS, "path", "the file is no SQLite database"),
    "SQLITE_CORRUPT": (Blame.HOPELESS, "corrupt", "the file is damaged; restore it"),
}

_TYPES: Sequence[tuple[str, str]] = (
    ("BOOL", "boolean"),
    ("INT", "integer"),
    ("CHAR", "string"),
    ("CLOB", "string"),
    ("TEXT", "string"),
    ("JSON", "any"),
    ("DATETIME", "datetime"),
    ("TIMESTAMP", "datetime"),
    ("DATE", "date"),
    ("REAL", "number"),
    ("FLOA", "number"),
    ("DOUB", "number"),
    ("NUM", "number"),
    ("DEC", "number"),
)
"""Part of a declared type, to a field's type; the first that fits."""


class _Link:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def load(self, stage: Stage, rows: Sequence[Sequence[object]]) -> None:
        marks = ", ".join("?" * len(rows[0]))
        self._connection.executemany(f"INSERT INTO {quote(stage.name)} VALUES ({marks})", rows)


class Sqlite(FileDatabase):
    """Writes to the tables of one SQLite file."""

    fragments: ClassVar[Fragments] = Fragments(
        types={
            "text": "TEXT",
            "bigint": "INTEGER",
            "double": "REAL",
            "numeric": "NUMERIC",
            "boolean": "BOOLEAN",
            "json": "TEXT",
        },
        begin="BEGIN IMMEDIATE",
        parameter="?",
    )
    connection_schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "minLength": 1, "description": "The database file."},
            **TABLE_SETTINGS,
        },
    }

    def _foreign(self) -> tuple[type[Exception], ...]:
        return (sqlite3.Error,)

    @contextmanager
    def _link(self) -> Iterator[Link]:
        self._refuse_no_file()
        timeout = self.connection.limits.timeout_seconds
        with closing(sqlite3.connect(self._path, timeout=timeout, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            yield _Link(connection)

    def _account(self, link: Link) -> Account:
        link.query("SELECT count(*) FROM sqlite_master")
        return Account(str(self._path), label=self._path.name)

    def _read(self, link: Link, name: TableName) -> Table | None:
        listed = link.query(f"PRAGMA {quote(name.schema)}.table_xinfo({quote(name.table)})")
        if not listed:
            return None
        keys = {frozenset(str(row[1]) for row in listed if row[5])} - {frozenset()}
        for index in link.query(f"PRAGMA {quote(name.schema)}.index_list({quote(name.table)})"):
            if index[2] and not index[4]:
                parts = link.query(f"PRAGMA {quote(name.schema)}.index_info({quote(index[1])})")
                keys.add(frozenset(part[2] for part in parts))
        matching = frozenset().union(*keys)
        columns = [_column(row, matching) for row in listed]
        return Table(name=name, columns={column.name: column for column in columns}, keys=frozenset(keys))

    def _spell(self, value: Json, column: Column) -> object:
        """SQLite keeps 64-bit integers, doubles and text; any other number goes in as text or not at all."""
        if isinstance(value, list | dict):
            return json_text(value)
        if isinstance(value, int | Decimal) and column.spec.type == "string":
            return json_text(value) if not isinstance(value, bool) else int(value)
        if isinstance(value, Decimal):
            value = _number(value)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise UnspellableError("out_of_range", "SQLite would round the integer; make the column TEXT")
        return value

    def _blame(self, error: Exception) -> Fault:
        name = getattr(error, "sqlite_errorname", "")
        while name and name not in _FAULTS:
            name = name.rpartition("_")[0]
        if not name:
            return Fault(Blame.HOPELESS, "sql", str(error))
        blame, code, message = _FAULTS[name]
        _, found, place = str(error).partition("constraint failed: ")
        field = place.rpartition(".")[2] if found and code == "required" else None
        return Fault(blame, code, message, field)


def _number(value: Decimal) -> int | float:
    if value % 1 == 0:
        return int(value)
    if Decimal(repr(float(value))) != value:
        raise UnspellableError("inexact", "SQLite would round the number; make the column TEXT")
    return float(value)


def _column(row: Sequence[Any], matching: frozenset[str]) -> Column:
    _, name, declared, not_null, default, _, hidden = row
    kind = next((kind for part, kind in _TYPES if part in str(declared).upper()), "any")
    spec = FieldSpec(
        name=name,
        type=kind,
        required=bool(not_null) and default is None,
        createable=not hidden,
        updateable=not hidden,
        identifier=name in matching,
    )
    return Column(name=name, type=declared, spec=spec)
