"""PostgreSQL as a warehouse: read without writing, whatever its values, and without a secret in any message."""

import math
import socket
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from dbt_activate.errors import WarehouseError
from dbt_activate.warehouses.postgres import PostgresSession, PostgresWarehouse

HOSTILE = [
    "",
    "😀",
    "'",
    '"',
    "\\",
    "\\N",
    "\\.",
    "\n\r\t",
    "a\tb\nc",
    "{}%?%s",
    "\u2028",
    "é",
    "e\u0301",
    "NULL",
    "' -- ;",
]


def test_a_read_only_session_refuses_every_write(postgres: PostgresWarehouse) -> None:
    with postgres.session() as session:
        session.execute(f"CREATE TABLE {postgres.schema}.t (n BIGINT)")

    for statement in (
        f"INSERT INTO {postgres.schema}.t VALUES (1)",
        f"CREATE TABLE {postgres.schema}.u (n BIGINT)",
        f"DROP TABLE {postgres.schema}.t",
        "CREATE SCHEMA IF NOT EXISTS never_made",
    ):
        with (
            postgres.session(read_only=True) as session,
            pytest.raises(WarehouseError, match="read-only transaction"),
        ):
            session.execute(statement)


def test_a_read_only_transaction_sees_one_state_throughout(postgres: PostgresWarehouse) -> None:
    table = f"{postgres.schema}.t"
    with postgres.session() as writer, postgres.session(read_only=True) as reader:
        writer.execute(f"CREATE TABLE {table} (n BIGINT)")
        with reader.transaction():
            before = list(reader.rows(f"SELECT COUNT(*) FROM {table}"))
            writer.execute(f"INSERT INTO {table} VALUES (1)")
            within = list(reader.rows(f"SELECT COUNT(*) FROM {table}"))
        after = list(reader.rows(f"SELECT COUNT(*) FROM {table}"))

    assert (before, within, after) == ([(0,)], [(0,)], [(1,)])


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("DATE 'infinity'", math.inf),
        ("DATE '-infinity'", math.inf),
        ("DATE '0044-03-15 BC'", math.inf),
        ("DATE '12345-01-01'", math.inf),
        ("TIMESTAMP 'infinity'", math.inf),
        ("TIMESTAMP '10000-01-01 00:00:00'", math.inf),
        ("TIMESTAMPTZ '-infinity'", math.inf),
        ("TIMESTAMPTZ '12345-01-01 00:00:00+00'", math.inf),
        ("TIME '24:00'", "24:00:00"),
        ("TIMETZ '24:00+00'", "24:00:00+00"),
        ("ARRAY[DATE '2020-01-01']", [date(2020, 1, 1)]),
    ],
)
def test_a_value_that_python_has_no_type_for_does_not_stop_the_reading(
    postgres: PostgresWarehouse, value: str, read: object
) -> None:
    with postgres.session(read_only=True) as session:
        rows = list(session.rows(f"SELECT 1, {value} UNION ALL SELECT 2, {value} UNION ALL SELECT 3, NULL"))

    assert rows == [(1, read), (2, read), (3, None)]


@pytest.mark.parametrize(
    "value",
    ["ARRAY[DATE 'infinity', DATE '2020-01-01']", "daterange('2020-01-01', 'infinity')", "ROW(DATE 'infinity')"],
)
def test_such_a_value_inside_another_does_not_stop_the_reading_either(postgres: PostgresWarehouse, value: str) -> None:
    with postgres.session(read_only=True) as session:
        rows = list(session.rows(f"SELECT 1, {value} UNION ALL SELECT 2, NULL ORDER BY 1"))

    assert [row[0] for row in rows] == [1, 2]
    assert rows[0][1] is not None


def test_json_numbers_and_times_with_a_zone_are_read_exactly(postgres: PostgresWarehouse) -> None:
    with postgres.session(read_only=True) as session:
        [(number, at)] = session.rows(
            "SELECT CAST('{\"a\": 0.12345678901234567890123}' AS JSONB), TIMESTAMPTZ '2026-07-01 12:00:00+02'"
        )

    assert number == {"a": Decimal("0.12345678901234567890123")}
    assert at == datetime(2026, 7, 1, 10, tzinfo=UTC)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("key", ["pass", "password"])
def test_a_server_that_is_not_there_is_told_without_the_password(key: str) -> None:
    output = {"host": "127.0.0.1", "port": _closed_port(), "user": "ann", "dbname": "shop", key: "s3cret-passw0rd"}

    with pytest.raises(WarehouseError, match=r"cannot connect to postgres:127\.0\.0\.1:") as refused:
        PostgresWarehouse(output, schema="x").session().__enter__()

    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(refused.value.__cause__)


def test_a_refused_login_is_told_without_the_password(postgres: PostgresWarehouse) -> None:
    output = {
        "host": "127.0.0.1",
        "port": 5432,
        "user": "nobody_we_know",
        "dbname": "test",
        "password": "s3cret-passw0rd",
    }

    with pytest.raises(WarehouseError, match="nobody_we_know") as refused:
        PostgresWarehouse(output, schema="x").session().__enter__()

    assert "s3cret" not in str(refused.value)


def test_a_failed_statement_does_not_quote_the_row(postgres: PostgresWarehouse) -> None:
    table = f"{postgres.schema}.t"
    with postgres.session() as session:
        session.execute(f"CREATE TABLE {table} (email TEXT PRIMARY KEY)")
        session.execute(f"INSERT INTO {table} VALUES (?)", ["ann@example.com"])
        with pytest.raises(WarehouseError, match="duplicate key value violates unique constraint") as refused:
            session.execute(f"INSERT INTO {table} VALUES (?)", ["ann@example.com"])

    assert "ann@example.com" not in str(refused.value)


def test_hostile_text_is_appended_as_it_is(postgres: PostgresWarehouse) -> None:
    table = f"{postgres.schema}.t"
    at = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - the ledger's timestamps are UTC without a zone
    rows = [(number, text, at, True) for number, text in enumerate(HOSTILE)]
    rows += [(2**63 - 1, "x" * 100_000, at, False)]
    with postgres.session() as session:
        session.execute(f"CREATE TABLE {table} (n BIGINT, x TEXT, at TIMESTAMP, ok BOOLEAN)")
        session.append(table, {"n": "bigint", "x": "text", "at": "timestamp", "ok": "boolean"}, rows)
        session.append(table, {"n": "bigint", "x": "text"}, [(7, None)])

        assert list(session.rows(f"SELECT n, x, at, ok FROM {table}")) == [*rows, (7, None, None, None)]


def test_bound_values_pass_whatever_they_and_the_statement_hold(postgres: PostgresWarehouse) -> None:
    with postgres.session() as session:
        [found] = session.rows("SELECT '100%' || CAST(? AS TEXT), 7 % CAST(? AS INT)", ["%s ? {}", 4])
        [alone] = session.rows("SELECT '100% ? %s'")

    assert found == ("100%%s ? {}", 3)
    assert alone == ("100% ? %s",)


def _insert_and(session: PostgresSession, table: str, statement: str) -> None:
    with session.transaction():
        session.execute(f"INSERT INTO {table} VALUES (1)")
        session.execute(statement)


def test_a_transaction_that_raises_leaves_nothing_behind(postgres: PostgresWarehouse) -> None:
    table = f"{postgres.schema}.t"
    with postgres.session() as session:
        session.execute(f"CREATE TABLE {table} (n BIGINT)")
        for statement in ("INSERT INTO nowhere VALUES (1)", f"INSERT INTO {table} VALUES ('no number')"):
            with pytest.raises(WarehouseError):
                _insert_and(session, table, statement)

        assert session.execute(f"INSERT INTO {table} VALUES (3), (4)") == 2
        assert session.execute(f"UPDATE {table} SET n = 5 WHERE n = ?", [99]) == 0
        assert list(session.rows(f"SELECT n FROM {table} ORDER BY n")) == [(3,), (4,)]


def test_columns_are_described_by_the_engines_names_without_running_the_query(postgres: PostgresWarehouse) -> None:
    query = (
        'SELECT 1 AS a, CAST(1.5 AS NUMERIC(10,2)) AS "B c", ARRAY[now()] AS d, CAST(\'x\' AS VARCHAR(5)) AS "e%",'
        " 1 / (SELECT COUNT(*) FROM pg_class WHERE oid = 0) AS f"
    )
    with postgres.session() as session:
        assert session.describe(query) == {
            "a": "integer",
            "B c": "numeric(10,2)",
            "d": "timestamp with time zone[]",
            "e%": "character varying(5)",
            "f": "bigint",
        }
        with pytest.raises(WarehouseError, match="nowhere"):
            session.describe("SELECT * FROM nowhere")


def test_the_role_of_the_profile_is_taken(postgres: PostgresWarehouse) -> None:
    with (
        pytest.raises(WarehouseError, match="no_such_role"),
        PostgresWarehouse(
            {"host": "127.0.0.1", "user": "root", "dbname": "test", "role": 'no_such_role"; SELECT 1; --'}, schema="x"
        ).session(),
    ):
        pass


def test_the_identity_names_the_database_and_nobody(postgres: PostgresWarehouse) -> None:
    assert postgres.identity == "postgres:127.0.0.1:5432/test"
