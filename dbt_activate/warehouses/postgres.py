"""PostgreSQL, through psycopg 3."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString

from dbt_activate.contracts import Session
from dbt_activate.errors import WarehouseError
from dbt_activate.warehouses.messages import one_line, without_values

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

FETCH_ROWS = 10_000

HASHED = frozenset(
    {"smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "text", "character varying"}
    | {"character", "bytea", "uuid", "date", "time", "timestamp", "time without time zone", "time with time zone"}
    | {"timestamp without time zone", "timestamp with time zone"}
)
"""Types whose hash function tells their values apart; of any other, the text form is hashed.

Some have no hash function; that of jsonb takes ``[[1], 2]`` for ``[[1, 2]]``, that of an array ``{{1,2}}`` for
``{{1},{2}}``, that of citext ``A`` for ``a``, that of an interval a day for 24 hours.
"""

SETTINGS = {
    "host": "host",
    "port": "port",
    "user": "user",
    "pass": "password",
    "password": "password",
    "dbname": "dbname",
    "database": "dbname",
    "sslmode": "sslmode",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslrootcert": "sslrootcert",
    "connect_timeout": "connect_timeout",
    "keepalives_idle": "keepalives_idle",
}
"""dbt-postgres' names of the connection's settings, and libpq's."""


class PostgresDialect:
    """PostgreSQL's fragments."""

    name = "postgres"
    types: Mapping[str, str] = {
        "text": "TEXT",
        "bigint": "BIGINT",
        "integer": "INTEGER",
        "double": "DOUBLE PRECISION",
        "timestamp": "TIMESTAMP",
        "boolean": "BOOLEAN",
    }
    now = "timezone('utc', clock_timestamp())"
    probe = (
        "CAST(hash_record_extended("
        "ROW(1, CAST('a' AS TEXT), CAST(NULL AS TEXT), 1.5, DATE '2020-01-01', TRUE, ARRAY[1, 2]), 0) AS TEXT)"
    )

    def quote(self, identifier: str) -> str:
        """Quote with double quotes."""
        return '"' + identifier.replace('"', '""') + '"'

    def text(self, expression: str) -> str:
        """Cast to TEXT."""
        return f"CAST({expression} AS TEXT)"

    def json_string(self, expression: str) -> str:
        """Let the JSON writer escape."""
        return f"CAST(to_json({expression}) AS TEXT)"

    def fingerprint(self, columns: Sequence[tuple[str, str]]) -> str:
        """``hash_record_extended`` of all columns (PostgreSQL 14 and later)."""
        hashable = (e if _base_type(kind) in HASHED else f"CAST({e} AS TEXT)" for e, kind in columns)
        return f"hash_record_extended(ROW({', '.join(hashable)}), 0)"

    def readable(self, expression: str, kind: str) -> str:  # noqa: ARG002 - the loaders see to it
        """As it is: what Python has no date for is told when it is loaded."""
        return expression


class PostgresSession:
    """One open connection."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        """Stream rows from a server-side cursor, ten thousand at a time."""
        with _translated(), self._in_transaction(), self._connection.cursor(name="activate") as cursor:
            cursor.itersize = FETCH_ROWS
            cursor.execute(_bound(statement, parameters), list(parameters) or None)
            yield from cursor

    def describe(self, query: str) -> Mapping[str, str]:
        """Prepare the query with no rows, and name its types."""
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(_bound(f"SELECT * FROM ({query}) AS described LIMIT 0", ()))
            columns = [(c.name, c.type_code, c._fmod) for c in cursor.description or ()]  # noqa: SLF001 - not public
            kinds = [
                cursor.execute("SELECT format_type(%s, %s)", (oid, modifier)).fetchone() for _, oid, modifier in columns
            ]
        return {name: str(kind[0]) if kind else "text" for (name, _, _), kind in zip(columns, kinds, strict=True)}

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; the count is the command tag's."""
        with _translated():
            return self._connection.execute(_bound(statement, parameters), list(parameters) or None).rowcount

    def append(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
        """COPY."""
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with _translated(), self._connection.cursor() as cursor, cursor.copy(_bound(statement, ())) as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin, and commit or roll back."""
        with _translated(), self._connection.transaction():
            yield

    def _in_transaction(self) -> AbstractContextManager[object]:
        """The transaction that is open, or one of our own: a server-side cursor lives in one.

        A savepoint would be no better: of rows that nobody reads to their end, it outlives the transaction around it.
        """
        from psycopg.pq import TransactionStatus

        is_open = self._connection.info.transaction_status is not TransactionStatus.IDLE
        return nullcontext() if is_open else self._connection.transaction()


class PostgresWarehouse:
    """A PostgreSQL database, as a dbt-postgres profile names it."""

    dialect = PostgresDialect()

    def __init__(self, output: Mapping[str, object], *, schema: str) -> None:
        self._settings = {libpq: output[name] for name, libpq in SETTINGS.items() if output.get(name) is not None}
        self._role = output.get("role")
        self.schema = schema

    @property
    def identity(self) -> str:
        """Host, port and database."""
        get = self._settings.get
        return f"postgres:{get('host', '')}:{get('port', 5432)}/{get('dbname', '')}"

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[PostgresSession]:
        """Connect. A transaction of a read-only session sees one snapshot throughout."""
        import psycopg

        try:
            connection = psycopg.connect(
                **self._settings,  # type: ignore[arg-type]
                autocommit=True,
                application_name="dbt-activate",
                options="-c timezone=UTC",
            )
        except psycopg.Error as error:
            raise WarehouseError(f"cannot connect to {self.identity}: {one_line(str(error))}") from error
        with connection:
            _read_everything(connection)
            session = PostgresSession(connection)
            self._take_role(connection)
            if read_only:
                session.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield session

    def _take_role(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        import psycopg

        if not self._role:
            return
        try:
            connection.execute(_bound(f"SET ROLE {self.dialect.quote(str(self._role))}", ()))
        except psycopg.Error as error:
            # What is quoted here is the profile's.
            raise WarehouseError(f"cannot take the role of the profile: {one_line(str(error))}") from error

    def refusals(self, session: Session, schema: str) -> tuple[str, ...]:
        """Ask the catalog for the rights of the role."""
        if not list(session.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", [schema])):
            allowed = _holds(session, "has_database_privilege(current_database(), 'CREATE')")
            return () if allowed else ("no schema may be made in this database; grant CREATE on the database",)
        for privilege in ("USAGE", "CREATE"):
            if not _holds(session, f"has_schema_privilege(?, '{privilege}')", schema):
                return (f"{privilege} on the schema is not granted; grant USAGE and CREATE on it",)
        wanted = "grant SELECT, INSERT, UPDATE and DELETE on it"
        closed = session.rows(CLOSED_TABLES, [schema])
        return tuple(f"the table {name} may not be written; {wanted}" for (name,) in closed)


CLOSED_TABLES = (
    "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ? AND c.relkind = 'r' AND NOT (has_table_privilege(c.oid, 'SELECT')"
    " AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
    " AND has_table_privilege(c.oid, 'DELETE')) ORDER BY c.relname"
)
"""The tables of a schema that the role may not read and write."""


def _holds(session: Session, condition: str, *parameters: object) -> bool:
    [(answer,)] = session.rows(f"SELECT {condition}", parameters)
    return bool(answer)


def _read_everything(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    """Let a value that Python has no type for end its own row, not the reading of all rows."""
    from psycopg.errors import DataError
    from psycopg.types import datetime as times
    from psycopg.types.json import set_json_loads

    def forgiving(loader: type[Any], instead: Callable[[str], object]) -> type[Any]:
        class Forgiving(loader):  # type: ignore[misc]
            def load(self, data: "Buffer") -> object:
                try:
                    return super().load(data)
                except DataError:
                    return instead(bytes(data).decode())

        return Forgiving

    loaders: Mapping[str, tuple[type[Any], Callable[[str], object]]] = {
        "date": (times.DateLoader, _infinite),
        "time": (times.TimeLoader, str),
        "timetz": (times.TimetzLoader, str),
        "timestamp": (times.TimestampLoader, _infinite),
        "timestamptz": (times.TimestamptzLoader, _infinite),
    }
    for name, (loader, instead) in loaders.items():
        connection.adapters.register_loader(name, forgiving(loader, instead))
    # A double would round what NUMERIC-like JSON holds.
    set_json_loads(lambda data: json.loads(data, parse_float=Decimal), connection)


def _infinite(_text: str) -> float:
    """A day that Python has no date for; infinity is but one of them."""
    return math.inf


def _bound(statement: str, parameters: Sequence[object]) -> LiteralString:
    # psycopg wants a literal type; ours are built from quoted identifiers, and values are bound.
    return statement.replace("%", "%%").replace("?", "%s") if parameters else statement


@contextmanager
def _translated() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        # message_detail, too, quotes a row's values; it is never shown.
        text = error.diag.message_primary or str(error)
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            text = without_values(text)
        elif isinstance(error, psycopg.errors.RaiseException):
            text = "a function of the database's own raised an exception, whose text may hold a value of a row"
        raise WarehouseError(one_line(text)) from error


def _base_type(kind: str) -> str:
    """The type without its length or precision: ``numeric(10,2)`` is ``numeric``; ``numeric(10,2)[]`` stays."""
    return re.sub(r"\([\d,-]+\)(?!\[)", "", kind)
