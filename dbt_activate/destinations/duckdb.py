"""A table in a DuckDB file.

One process at a time can hold the file, so it is opened for each batch and let go of at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from dbt_activate.destinations.columns import Column, Table, UnspellableError, as_text, digits_after_point
from dbt_activate.destinations.statements import Fragments, Stage, TableName, quote
from dbt_activate.destinations.tables import TABLE_SETTINGS, Blame, Fault, FileDatabase
from dbt_activate.destinations.writing import Link
from dbt_activate.errors import FatalError, RetryableError
from dbt_activate.values.destination import Account, FieldSpec
from dbt_activate.values.json import Json, Schema

if TYPE_CHECKING:
    import duckdb

_FAULTS: Mapping[str, tuple[Blame, str, str]] = {
    "ConversionException": (Blame.ROW, "type", "the value is not of the column's type"),
    "OutOfRangeException": (Blame.ROW, "out_of_range", "the number is too large for its column"),
    "TypeMismatchException": (Blame.ROW, "type", "the value is not of the column's type"),
    "InvalidInputException": (Blame.ROW, "invalid", "DuckDB cannot read the value"),
    "TransactionException": (Blame.BUSY, "conflict", "somebody else wrote to the table at the same time"),
    "OutOfMemoryException": (Blame.BUSY, "memory", "DuckDB has too little memory"),
    "InterruptException": (Blame.BUSY, "interrupted", "the statement was interrupted"),
    "IOException": (Blame.LOST, "io", "the file could not be read or written"),
    "FatalException": (Blame.LOST, "crash", "DuckDB gave up on the file"),
    "ConnectionException": (Blame.LOST, "io", "the file was closed"),
}

_CONSTRAINTS: Sequence[tuple[str, str, str]] = (
    ("NOT NULL", "required", "the column takes no NULL"),
    ("foreign key", "foreign_key", "a foreign key has no match"),
    ("CHECK", "check", "the table's CHECK does not hold"),
    ("uplicate", "duplicate", "another record has these values in unique columns"),
    ("", "constraint", "a constraint of the table does not hold"),
)
"""Part of the message of a broken constraint, to code and our own words; the first that fits."""

_TYPES: Sequence[tuple[str, str]] = (
    (r".*\[\d*\]$", "array"),
    ("(STRUCT|MAP)", "object"),
    ("(TIMESTAMP|DATETIME)", "datetime"),
    ("DATE$", "date"),
    ("ENUM", "enumeration"),
    ("U?(TINY|SMALL|BIG|HUGE)?INT", "integer"),
    ("(DECIMAL|DOUBLE|FLOAT)", "number"),
    ("BOOLEAN", "boolean"),
    ("(VARCHAR|UUID)", "string"),
)
"""Pattern for the start of a type, to a field's type; the first that fits."""

_LABELS = re.compile(r"'((?:[^']|'')*)'")


class _Link:
    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(values)).fetchall()

    def load(self, stage: Stage, rows: Sequence[Sequence[object]]) -> None:
        # One list for each column: a statement for each row costs some milliseconds a row.
        columns = [list(column) for column in zip(*rows, strict=True)]
        cells = ", ".join(f"unnest(${at}::VARCHAR[])" for at in range(2, len(columns) + 1))
        self._connection.execute(f"INSERT INTO {quote(stage.name)} SELECT unnest($1::BIGINT[]), {cells}", columns)


class DuckDb(FileDatabase):
    """Writes to the tables of one DuckDB file."""

    fragments: ClassVar[Fragments] = Fragments(
        types={
            "text": "VARCHAR",
            "bigint": "BIGINT",
            "double": "DOUBLE",
            "numeric": "DECIMAL(38, 18)",
            "boolean": "BOOLEAN",
            "json": "JSON",
        }
    )
    connection_schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "minLength": 1, "description": "The database file."},
            "schema": {"type": "string", "minLength": 1, "description": "The schema of tables; `main` by default."},
            **TABLE_SETTINGS,
        },
    }

    def _foreign(self) -> tuple[type[Exception], ...]:
        import duckdb

        return (duckdb.Error,)

    @contextmanager
    def _link(self) -> Iterator[Link]:
        with closing(self._open()) as connection:
            yield _Link(connection)

    def _open(self) -> "duckdb.DuckDBPyConnection":
        try:
            import duckdb
        except ImportError as error:
            raise FatalError("duckdb is not installed; run: pip install 'dbt-activate[duckdb]'") from error
        self._refuse_no_file()
        try:
            return duckdb.connect(str(self._path))
        except duckdb.Error as error:
            if "lock" in str(error):
                raise RetryableError(f"{self._place()}: the file is in use: {error}", code="locked") from error
            raise FatalError(f"{self._place()}: {error}", code="path") from error

    def _account(self, link: Link) -> Account:
        link.query("SELECT 1")
        return Account(str(self._path), label=self._path.name)

    def _read(self, link: Link, name: TableName) -> Table | None:
        listed = link.query(
            "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() WHERE database_name = "
            "current_database() AND schema_name = $1 AND table_name = $2 ORDER BY column_index",
            name.schema,
            name.table,
        )
        keys = self._keys(link, name)
        matching = frozenset().union(*keys)
        columns = {row[0]: _column(row, matching) for row in listed}
        return Table(name=name, columns=columns, keys=keys) if columns else None

    def _keys(self, link: Link, name: TableName) -> frozenset[frozenset[str]]:
        where = "WHERE database_name = current_database() AND schema_name = $1 AND table_name = $2"
        declared = link.query(
            f"SELECT constraint_column_names FROM duckdb_constraints() {where} "
            "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')",
            name.schema,
            name.table,
        )
        indexed = link.query(
            f"SELECT expressions::VARCHAR[] FROM duckdb_indexes() {where} AND is_unique", name.schema, name.table
        )
        keys = [frozenset(columns) for (columns,) in declared]
        return frozenset(keys + [frozenset(map(_unquoted, columns)) for (columns,) in indexed])

    def _spell(self, value: Json, column: Column) -> object:
        """DuckDB rounds without a word where a DECIMAL has too few places."""
        if isinstance(value, Decimal):
            scale = re.fullmatch(r"DECIMAL\(\d+, ?(\d+)\)", column.type)
            if scale and digits_after_point(value) > int(scale[1]):
                raise UnspellableError("inexact", f"the number has more decimal places than {column.type} keeps")
        return as_text(value, column)

    def _blame(self, error: Exception) -> Fault:
        name, text = type(error).__name__, str(error)
        if name == "ConstraintException":
            code, message = next((code, ours) for part, code, ours in _CONSTRAINTS if part in text)
            place = text.partition("NOT NULL constraint failed: ")[2]
            return Fault(Blame.ROW, code, message, _unquoted(place.rpartition(".")[2]) or None)
        if name in _FAULTS:
            return Fault(*_FAULTS[name])
        return Fault(Blame.HOPELESS, "sql", text.partition("\n")[0])


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _column(row: Sequence[Any], matching: frozenset[str]) -> Column:
    name, declared, nullable, default = row
    kind = next((kind for pattern, kind in _TYPES if re.match(pattern, declared)), "any")
    labels = tuple(label.replace("''", "'") for label in _LABELS.findall(declared)) if kind == "enumeration" else ()
    spec = FieldSpec(
        name=name, type=kind, required=not nullable and default is None, identifier=name in matching, options=labels
    )
    return Column(name=name, type=declared, spec=spec)
