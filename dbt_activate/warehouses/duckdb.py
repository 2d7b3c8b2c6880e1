"""DuckDB: a file beside the project, which one process at a time may have open."""

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dbt_activate.contracts import Session
from dbt_activate.errors import WarehouseError
from dbt_activate.warehouses.messages import MASK, one_line, without_values

if TYPE_CHECKING:
    import duckdb

FETCH_ROWS = 10_000
APPEND_ROWS = 10_000
IN_MEMORY = ":memory:"

LOCKED = "Could not set lock on file"
"""How DuckDB begins to say that another process has the file; the path in its message may hold any word."""

HASHED = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
    | {"UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "JSON", "BLOB", "UUID", "DATE", "TIME", "TIMESTAMP"}
    | {"TIME WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
)
"""Types whose values ``hash()`` tells apart. It takes ``[]`` for NULL, ``[0, 0]`` for ``[0]``, a day for 24 hours."""

DATED = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})

SAFE = ("Invalid Input Error: Cannot execute statement", "Invalid Input Error: More than one row")
"""Beginnings of messages about invalid input that quote no value; any other may be nothing but one."""


class DuckDbDialect:
    """DuckDB's fragments."""

    name = "duckdb"
    types: Mapping[str, str] = {
        "text": "VARCHAR",
        "bigint": "BIGINT",
        "integer": "INTEGER",
        "double": "DOUBLE",
        "timestamp": "TIMESTAMP",
        "boolean": "BOOLEAN",
    }
    now = "make_timestamp(epoch_us(now()))"
    # hash() changed between DuckDB 1.2 and 1.3: one constant of every kind shows whether it did so again.
    probe = "CAST(hash(1, 'a', NULL, 1.5, DATE '2020-01-01', TRUE, [1, 2]) >> 1 AS VARCHAR)"

    def quote(self, identifier: str) -> str:
        """Quote with double quotes."""
        return '"' + identifier.replace('"', '""') + '"'

    def text(self, expression: str) -> str:
        """Cast to VARCHAR."""
        return f"CAST({expression} AS VARCHAR)"

    def json_string(self, expression: str) -> str:
        """Let the JSON writer escape."""
        return f"CAST(to_json({expression}) AS VARCHAR)"

    def fingerprint(self, columns: Sequence[tuple[str, str]]) -> str:
        """``hash()`` of all columns, without its lowest bit: it is unsigned, and a ledger column is not."""
        hashed = (part for expression, kind in columns for part in _hashable(expression, kind))
        return f"CAST(hash({', '.join(hashed)}) >> 1 AS BIGINT)"

    def readable(self, expression: str, kind: str) -> str:
        """A day that Python has no date for is read as an infinite number.

        The driver would hand over infinity as the last day there is, and a day out of range as text.
        """
        if kind not in DATED:
            return expression
        # Infinite days have neither era nor year; BC is era 0, whose years count up, too.
        known = f"COALESCE(era({expression}) = 1 AND year({expression}) <= 9999, {expression} IS NULL)"
        either = f"UNION(day {kind}, number DOUBLE)"
        infinite = f"CAST(CAST('inf' AS DOUBLE) AS {either})"
        return f"CASE WHEN {known} THEN CAST({expression} AS {either}) ELSE {infinite} END"


class DuckDbSession:
    """One open DuckDB connection."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        """Stream rows, ten thousand at a time."""
        with _translated():
            cursor = self._connection.execute(statement, list(parameters))
        while True:
            with _translated():
                chunk = cursor.fetchmany(FETCH_ROWS)
            if not chunk:
                return
            yield from chunk

    def describe(self, query: str) -> Mapping[str, str]:
        """Ask DuckDB's binder."""
        return {str(row[0]): str(row[1]) for row in self.rows(f"DESCRIBE {query}")}

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; DuckDB answers a change with one row that holds its count."""
        with _translated():
            answer = self._connection.execute(statement, list(parameters)).fetchone()
        return int(answer[0]) if answer and isinstance(answer[0], int) else -1

    def append(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
        """Insert through one JSON parameter for ten thousand rows: 100 times faster than ``executemany``."""
        names = ", ".join(columns)
        structure = msgspec.json.encode(
            [{name: DuckDbDialect.types[kind] for name, kind in columns.items()}],
        ).decode()
        statement = (
            f"INSERT INTO {table} ({names}) SELECT {names} FROM"
            f" (SELECT unnest(from_json(?::JSON, '{structure}'), recursive := true))"
        )
        remaining = iter(rows)
        while chunk := list(islice(remaining, APPEND_ROWS)):
            objects = [dict(zip(columns, row, strict=True)) for row in chunk]
            self.execute(statement, [msgspec.json.encode(objects).decode()])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin, and commit or roll back."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")


class DuckDbWarehouse:
    """A DuckDB file. It is open only inside :meth:`session`, so that dbt and others can use it in between.

    Attributes:
        lock_timeout: Seconds to wait for a file that another process has open.
    """

    dialect = DuckDbDialect()

    def __init__(
        self,
        output: Mapping[str, object],
        directory: Path,
        *,
        schema: str,
        lock_timeout: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        path = str(output.get("path") or IN_MEMORY)
        if path == IN_MEMORY:
            raise WarehouseError(
                "profiles.yml: a DuckDB database in memory is gone when dbt ends; give the output a `path`"
            )
        self.path = path if path.startswith("md:") else str(directory / path)
        self.schema = schema
        self.lock_timeout = lock_timeout
        self._output = output
        self._directory = directory
        self._sleep = sleep

    @property
    def identity(self) -> str:
        """The catalog's name: a file may lie elsewhere on another machine."""
        return f"duckdb:{Path(self.path).stem}"

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[DuckDbSession]:
        """Open the file, waiting for whoever holds it."""
        connection = self._connect(read_only=read_only)
        try:
            self._prepare(connection)
            yield DuckDbSession(connection)
        finally:
            connection.close()

    def refusals(self, session: Session, schema: str) -> tuple[str, ...]:  # noqa: ARG002 - the file tells
        """Ask the file system: whoever may write the file may write every schema in it."""
        if self.path.startswith("md:"):
            return ()
        # DuckDB writes beside its file, too: the log of what is not yet in it.
        places = [place for place in (Path(self.path), Path(self.path).parent) if not os.access(place, os.W_OK)]
        return tuple(f"{place} may not be written to; allow it" for place in places)

    def _connect(self, *, read_only: bool) -> "duckdb.DuckDBPyConnection":
        import duckdb

        if read_only and not self.path.startswith("md:") and not Path(self.path).exists():
            raise WarehouseError(f"{self.path}: there is no such DuckDB file; run `dbt run` first")
        deadline = time.monotonic() + self.lock_timeout
        while True:
            try:
                return duckdb.connect(self.path, read_only=read_only)
            except duckdb.IOException as error:
                if LOCKED not in str(error) or time.monotonic() > deadline:
                    raise WarehouseError(f"cannot open {self.path}: {one_line(str(error))}") from error
                self._sleep(random.uniform(0.02, 0.2))  # noqa: S311 - jitter
            except duckdb.Error as error:
                raise WarehouseError(f"cannot open {self.path}: {one_line(str(error))}") from error

    def _prepare(self, connection: "duckdb.DuckDBPyConnection") -> None:
        import duckdb

        try:
            self._set_up(connection)
        except duckdb.Error as error:
            # Whatever is quoted here, the profile says it: no row was read yet.
            raise WarehouseError(one_line(_above_statement(str(error)))) from error

    def _set_up(self, connection: "duckdb.DuckDBPyConnection") -> None:
        # Text forms of timestamps with a zone, and so keys and hashes, must not depend on this machine's zone.
        connection.execute("SET TimeZone = 'UTC'")
        for extension in _listed(self._output.get("extensions")):
            name = _mapped(extension).get("name", extension)
            connection.execute(f"LOAD {self.dialect.quote(str(name))}")
        for name, value in _mapped(self._output.get("settings")).items():
            connection.execute(f"SET {self.dialect.quote(name)} = {_literal(value)}")
        for entry in _listed(self._output.get("attach")):
            self._attach(connection, _mapped(entry))

    def _attach(self, connection: "duckdb.DuckDBPyConnection", entry: Mapping[str, object]) -> None:
        options = [f"TYPE {entry['type']}"] if entry.get("type") else []
        options += ["READ_ONLY"] if entry.get("read_only") else []
        alias = f" AS {self.dialect.quote(str(entry['alias']))}" if entry.get("alias") else ""
        tail = f" ({', '.join(options)})" if options else ""
        connection.execute(f"ATTACH IF NOT EXISTS {_literal(self._place(entry))}{alias}{tail}")

    def _place(self, entry: Mapping[str, object]) -> str:
        """The path of an attached file, from the project's directory as dbt has it; anything else as it is."""
        path = str(entry["path"])
        is_file = ":" not in path and entry.get("type") in (None, "duckdb", "sqlite")
        return str(self._directory / path) if is_file else path


@contextmanager
def _translated() -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.DataError, duckdb.IntegrityError) as error:
        raise WarehouseError(one_line(without_values(_above_statement(str(error))))) from error
    except duckdb.InvalidInputException as error:
        raise WarehouseError(one_line(_invalid_input(str(error)))) from error
    except duckdb.Error as error:
        raise WarehouseError(one_line(_above_statement(str(error)))) from error


def _hashable(expression: str, kind: str) -> tuple[str, ...]:
    if re.sub(r"\([\d,]+\)$", "", kind) in HASHED:
        return (expression,)
    # Either text has its blind spot: the first shows no quotes in a list, the second no more digits than a double.
    return (f"CAST({expression} AS VARCHAR)", f"CAST(to_json({expression}) AS VARCHAR)")


def _above_statement(message: str) -> str:
    """DuckDB repeats the statement, and so a row's values, below a line that starts with ``LINE``."""
    return message.rsplit("\nLINE ", maxsplit=1)[0].strip()


def _invalid_input(message: str) -> str:
    return without_values(message) if message.startswith(SAFE) else f"Invalid Input Error: {MASK}"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mapped(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _literal(value: object) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"
