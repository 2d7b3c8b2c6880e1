"""What an engine says of a value that it cannot take: shown without the value, on one line."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dbt_activate.contracts import Warehouse
from dbt_activate.errors import WarehouseError
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.messages import one_line, without_values
from dbt_activate.warehouses.postgres import PostgresWarehouse

HOSTILE = ["ann@secret.example", "it's secret", 'say "secret"', "secret\nLINE 1: secret", "can't secret", "'secret", ""]
CASTS = ["CAST(m AS INTEGER)", "CAST(m AS DATE)", "CAST(m AS TIMESTAMP)", "CAST(m AS JSON)", "CAST(m AS UUID)"]
DUCKDB = [*CASTS, "error(m)", "strptime(m, '%Y')", "CAST(m AS INTEGER[])", "regexp_matches('a', m || '(')"]
POSTGRES = [*CASTS, "to_date(m || 'x', 'YYYY')", "encode(CAST('a' AS BYTEA), m)", "'a' ~ (m || '(')"]


def refusals(warehouse: Warehouse, expressions: Sequence[str], values: Sequence[object]) -> list[str]:
    """What is said of each value under each expression, where it is refused; values come from a table, as rows do."""
    said = []
    with warehouse.session() as session:
        session.execute("CREATE TEMPORARY TABLE t (m TEXT)")
        for value in values:
            session.execute("DELETE FROM t")
            session.execute("INSERT INTO t VALUES (?)", [value])
            for expression in expressions:
                with pytest.raises(WarehouseError) as refused:
                    list(session.rows(f"SELECT {expression} FROM t"))
                said.append(str(refused.value))
    return said


def test_a_message_of_duckdb_holds_no_value_of_a_row(tmp_path: Path) -> None:
    warehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema="main")

    said = refusals(warehouse, DUCKDB, HOSTILE[:-1])

    assert len(said) == len(DUCKDB) * (len(HOSTILE) - 1)
    assert [message for message in said if "secret" in message or "\n" in message] == []
    assert said[0] == "Conversion Error: Could not convert string *** to INT32 when casting from source column m"


def test_a_number_of_a_row_is_not_in_a_message_of_duckdb_either(tmp_path: Path) -> None:
    warehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema="main")
    number = "CAST(m AS BIGINT)"

    said = refusals(warehouse, [f"CAST({number} AS TINYINT)", f"{number} * 9223372036854775807"], ["48151623"])

    assert all("48151623" not in message for message in said)
    assert "out of range for the destination type INT8" in said[0]


def test_a_message_of_postgres_holds_no_value_of_a_row(postgres: PostgresWarehouse) -> None:
    said = refusals(postgres, POSTGRES, HOSTILE[:-1])

    assert len(said) == len(POSTGRES) * (len(HOSTILE) - 1)
    assert [message for message in said if "secret" in message or "\n" in message] == []
    assert said[0] == "invalid input syntax for type integer: ***"


def test_the_text_of_an_exception_that_sql_raises_itself_is_not_shown(postgres: PostgresWarehouse) -> None:
    statement = "DO $$ BEGIN RAISE EXCEPTION 'bad address ann@secret.example'; END $$"

    with postgres.session() as session, pytest.raises(WarehouseError, match="raised an exception") as refused:
        session.execute(statement)

    assert "secret" not in str(refused.value)


def test_what_is_missing_is_named_on_one_line(tmp_path: Path, postgres: PostgresWarehouse) -> None:
    for warehouse in (DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema="main"), postgres):
        for statement in ("SELECT 1 FROM nowhere_at_all", "SELECT no_such_column FROM (SELECT 1 AS n) AS t"):
            with warehouse.session() as session, pytest.raises(WarehouseError) as refused:
                list(session.rows(statement))
            assert "nowhere_at_all" in str(refused.value) or "no_such_column" in str(refused.value)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("ungültige Eingabesyntax für Typ integer: »ann«", "ungültige Eingabesyntax für Typ integer: ***"),
        ("Could not convert 'cut off", "Could not convert ***"),
        ("Date out of range: 300-300-300", "Date out of range: ***"),
        ("with value -1.5e+300 to INT32 and f1", "with value *** to INT32 and f1"),
    ],
)
def test_values_are_masked_in_any_language(message: str, shown: str) -> None:
    assert without_values(message) == shown


def test_empty_lines_do_not_count() -> None:
    assert one_line("no table x!\n\n  Did you mean y?\n") == "no table x!; Did you mean y?"
