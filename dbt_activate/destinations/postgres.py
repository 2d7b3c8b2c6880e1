"""A table in PostgreSQL."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from dbt_activate.contracts import Tools
from dbt_activate.destinations.columns import Column, Table, UnspellableError, as_text, json_text
from dbt_activate.destinations.statements import Fragments, Stage, TableName, quote
from dbt_activate.destinations.tables import TABLE_SETTINGS, Blame, Fault, TableDestination
from dbt_activate.destinations.writing import Link
from dbt_activate.errors import FatalError, RetryableError
from dbt_activate.values.destination import Account, Connection, FieldSpec
from dbt_activate.values.json import Json, Schema
from dbt_activate.values.secret import Secret

if TYPE_CHECKING:
    import psycopg

_FAULTS: Mapping[str, tuple[Blame, str, str]] = {
    "23502": (Blame.ROW, "required", "the column takes no NULL"),
    "23503": (Blame.ROW, "foreign_key", "a foreign key has no match"),
    "23505": (Blame.ROW, "duplicate", "another record has these values in unique columns"),
    "23514": (Blame.ROW, "check", "the table's CHECK does not hold"),
    "23": (Blame.ROW, "constraint", "a constraint of the table does not hold"),
    "22001": (Blame.ROW, "too_long", "the text is longer than its column"),
    "22003": (Blame.ROW, "out_of_range", "the number is too large for its column"),
    "22": (Blame.ROW, "type", "the value is not of the column's type"),
    "21": (Blame.ROW, "cardinality", "two rows are meant for one record"),
    "44": (Blame.ROW, "check", "the view's CHECK OPTION does not hold"),
    "P0": (Blame.ROW, "trigger", "a trigger of the table refused the row"),
    "40": (Blame.BUSY, "conflict", "somebody else wrote to the table at the same time"),
    "53": (Blame.BUSY, "resources", "the server has no room left: disk, memory or connections"),
    "55": (Blame.BUSY, "locked", "somebody else has locked the table"),
    "42701": (Blame.BUSY, "conflict", "somebody else added the column at the same time"),
    "42P07": (Blame.BUSY, "conflict", "somebody else made the table at the same time"),
    "57014": (Blame.BUSY, "timeout", "the statement took longer than `timeout_seconds`"),
    "57": (Blame.LOST, "shutdown", "the server ended the connection"),
    "08": (Blame.LOST, "connect", "the connection broke"),
    "42501": (Blame.HOPELESS, "permission", "grant the user what it lacks"),
    "25006": (Blame.HOPELESS, "read_only", "connect to the primary"),
}
"""SQLSTATE, or its class, to what it means and our own words for it."""

_BUSY = ("too many", "starting up", "shutting down", "recovery mode", "connection slots")
"""Why a server that can be reached may take a connection later."""

_CATEGORIES: Mapping[str, str] = {"S": "string", "B": "boolean", "A": "array", "E": "enumeration", "N": "number"}

_TYPES: Sequence[tuple[str, str]] = (
    ("(smallint|integer|bigint)$", "integer"),
    ("timestamp", "datetime"),
    ("date$", "date"),
    ("uuid$", "string"),
)
"""Pattern for the start of a type, to a field's type; the first that fits, before the type's category."""

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory::text, a.attnotnull,
       a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
       CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
       ARRAY(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY enumsortorder)
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_KEYS = """
SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2
  AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
"""

_SESSION = "SELECT set_config('timezone', 'UTC', true), set_config('statement_timeout', $1, true)"


_STAGED = re.compile(r"^COPY \S+ line \d+, column c(\d+)")


class _CellRefusedError(Exception):
    """A value that did not go into the stage. Its cause is the driver's error."""

    def __init__(self, field: str | None) -> None:
        super().__init__()
        self.field = field


class _Link:
    def __init__(self, connection: "psycopg.Connection[Any]", timeout_seconds: float) -> None:
        self.connection = connection
        self._timeout = str(int(timeout_seconds * 1000))

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql, values or None)
        if sql == "BEGIN":
            self.connection.execute(_SESSION, (self._timeout,))
        return cursor.fetchall() if cursor.description else []

    def load(self, stage: Stage, rows: Sequence[Sequence[object]]) -> None:
        import psycopg

        command = f"COPY {quote(stage.name)} FROM STDIN"
        try:
            with self.connection.cursor() as cursor, cursor.copy(command) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.DataError as error:
            named = _STAGED.search(error.diag.context or "")
            raise _CellRefusedError(stage.columns[int(named[1])] if named else None) from error


class Postgres(TableDestination):
    """Writes to the tables of one PostgreSQL database. Connections are kept from batch to batch."""

    fragments: ClassVar[Fragments] = Fragments(
        types={
            "text": "text",
            "bigint": "bigint",
            "double": "double precision",
            "numeric": "numeric",
            "boolean": "boolean",
            "json": "jsonb",
        },
        schema="public",
        creates=False,
        shared=True,
        stage_ending=" ON COMMIT DROP",
    )
    connection_schema: ClassVar[Schema] = {
        "type": "object",
        "additionalProperties": False,
        "anyOf": [{"required": ["url"]}, {"required": ["host", "dbname"]}],
        "properties": {
            "url": {"type": "string", "minLength": 1, "x-secret": True, "description": "postgresql://user@host/db"},
            "host": {"type": "string", "minLength": 1, "description": "Name or address of the server."},
            "port": {"type": ["integer", "string"], "description": "5432 by default."},
            "user": {"type": "string", "minLength": 1, "description": "Who connects."},
            "password": {"type": "string", "minLength": 1, "x-secret": True, "description": "The user's password."},
            "dbname": {"type": "string", "minLength": 1, "description": "The database."},
            "schema": {"type": "string", "minLength": 1, "description": "The schema of tables; `public` by default."},
            "sslmode": {
                "enum": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
                "description": "How the connection is secured; `prefer` by default.",
            },
            **TABLE_SETTINGS,
        },
    }

    def __init__(self, connection: Connection, tools: Tools) -> None:
        super().__init__(connection, tools)
        self._idle: list[psycopg.Connection[Any]] = []
        self._counting = threading.Lock()

    def _foreign(self) -> tuple[type[Exception], ...]:
        import psycopg

        return (psycopg.Error, _CellRefusedError)

    @contextmanager
    def _link(self) -> Iterator[Link]:
        with self._counting:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield _Link(connection, self.connection.limits.timeout_seconds)
        finally:
            self._put_back(connection)

    def _put_back(self, connection: "psycopg.Connection[Any]") -> None:
        from psycopg.pq import TransactionStatus

        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.close()
            return
        with self._counting:
            self._idle.append(connection)

    def _connect(self) -> "psycopg.Connection[Any]":
        try:
            import psycopg
        except ImportError as error:
            raise FatalError("psycopg is not installed; run: pip install 'dbt-activate[postgres]'") from error
        try:
            return psycopg.connect(
                **self._conninfo(),
                autocommit=True,
                prepare_threshold=None,
                cursor_factory=psycopg.RawCursor,
                client_encoding="utf8",
                application_name="dbt-activate",
                connect_timeout=max(2, int(min(10, self.connection.limits.timeout_seconds))),
            )
        except psycopg.ProgrammingError:
            # Without its cause, whose text quotes the URL.
            raise FatalError(f"{self._place()}: `url` is no connection URL; write postgresql://…", code="url") from None
        except psycopg.OperationalError as error:
            raise self._unconnected(str(error)) from error

    def _conninfo(self) -> dict[str, Any]:
        settings = self.connection.settings
        given = {
            name: settings[name]
            for name in ("host", "port", "user", "password", "dbname", "sslmode")
            if name in settings
        }
        given["conninfo"] = settings.get("url", "")
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()}

    def _unconnected(self, text: str) -> FatalError | RetryableError:
        message = f"{self._place()}: {text.strip()}"
        refused = "FATAL:" in text or "invalid" in text or "no password" in text
        if refused and not any(word in text for word in _BUSY):
            return FatalError(f"{message}; correct the connection in destinations.yml", code="refused")
        return RetryableError(message, code="connect")

    def _account(self, link: Link) -> Account:
        info = cast("_Link", link).connection.info
        return Account(f"{info.host}:{info.port}/{info.dbname}", label=f"{info.user}@{info.dbname}")

    def _read(self, link: Link, name: TableName) -> Table | None:
        found = link.query(_KEYS, name.schema, name.table)
        keys = frozenset(frozenset(columns) for (columns,) in found)
        matching = frozenset[str]().union(*keys)
        listed = link.query(_COLUMNS, name.schema, name.table)
        columns = {row[0]: _column(row, matching) for row in listed}
        return Table(name=name, columns=columns, keys=keys) if columns else None

    def _spell(self, value: Json, column: Column) -> object:
        """Lists go into array columns as PostgreSQL writes arrays. No text holds a NUL character."""
        text = _array(value) if isinstance(value, list) and column.spec.type == "array" else as_text(value, column)
        if text is not None and "\0" in text:
            raise UnspellableError("nul", "holds a NUL character, which PostgreSQL does not store")
        return text

    def _blame(self, error: Exception) -> Fault:
        if isinstance(error, _CellRefusedError):
            return replace(self._blame(cast("Exception", error.__cause__)), field=error.field)
        state = getattr(error, "sqlstate", None)
        if state is None:
            return self._blame_driver(error)
        diagnosis = cast("psycopg.Error", error).diag
        sorted_ = _FAULTS.get(state) or _FAULTS.get(state[:2])
        if sorted_ is None:
            return Fault(Blame.HOPELESS, state, f"SQLSTATE {state}: {diagnosis.message_primary}")
        blame, code, message = sorted_
        if blame is Blame.HOPELESS:
            message = f"{diagnosis.message_primary}; {message}"
        constraint = f" ({diagnosis.constraint_name})" if diagnosis.constraint_name else ""
        return Fault(blame, code, f"{message}{constraint}; SQLSTATE {state}", diagnosis.column_name)

    def _blame_driver(self, error: Exception) -> Fault:
        import psycopg

        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Fault(Blame.LOST, "connect", "the connection broke")
        return Fault(Blame.HOPELESS, "driver", type(error).__name__)

    def close(self) -> None:  # type: ignore[override]  # runs in a thread
        """Close the idle connections."""
        with self._counting:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _array(items: Sequence[Json]) -> str:
    return "{" + ",".join(_element(item) for item in items) + "}"


def _element(item: Json) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list):
        return _array(item)
    text = item if isinstance(item, str) else json_text(item)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _column(row: Sequence[Any], matching: frozenset[str]) -> Column:
    name, declared, category, not_null, default, generated, length, labels = row
    kind = next((kind for pattern, kind in _TYPES if re.match(pattern, declared)), _CATEGORIES.get(category, "any"))
    spec = FieldSpec(
        name=name,
        type=kind,
        required=not_null and not default,
        createable=not generated,
        updateable=not generated,
        identifier=name in matching,
        max_length=length,
        options=tuple(labels),
    )
    return Column(name=name, type=declared, spec=spec)
