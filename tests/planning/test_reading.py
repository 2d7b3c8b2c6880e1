"""What only shows when rows are read: expressions that fail on one of them, days without a date, a broken memory."""

import logging
import math
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from dbt_activate.errors import ConfigError, LedgerError
from dbt_activate.mapping.coercion import Unsayable, to_json
from dbt_activate.planning.diff import Memory, Scope
from dbt_activate.planning.planner import plan
from dbt_activate.values.sync import FieldMap, Sql, WritePolicy
from tests.planning.models import Bench


def fill(bench: Bench, mail: str = "ann@secret.example") -> None:
    types = bench.dialect.types
    bench.model({"id": types["integer"], "mail": types["text"]}, [(1, "5"), (2, mail)])


def test_an_expression_that_fails_on_a_row_is_told_with_its_block_and_without_the_value(bench: Bench) -> None:
    fill(bench)
    sync = bench.sync({"number": Sql("CAST(mail AS INTEGER)")})

    with pytest.raises(ConfigError, match=r"models/m\.yml.*cannot be read with this block's SQL") as refused:
        bench.changes(sync)

    assert "`sql:`" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_expression_that_fails_only_when_rows_are_read_is_told_alike(bench: Bench) -> None:
    fill(bench)
    number = FieldMap(path=("number",), source=Sql("CAST(mail AS INTEGER)"), write=WritePolicy.ON_CREATE)
    sync = bench.sync({"mail": "mail"})
    found = bench.plan(replace(sync, fields=(*sync.fields, number)))

    with pytest.raises(ConfigError, match="cannot be read with this block's SQL") as refused:
        list(found.read())

    assert "secret" not in str(refused.value)


def test_a_condition_that_fails_on_a_row_is_told_alike(bench: Bench) -> None:
    fill(bench)

    with pytest.raises(ConfigError, match="cannot be read with this block's SQL") as refused:
        bench.changes(bench.sync({"mail": "mail"}, where="CAST(mail AS INTEGER) > 1"))

    assert "secret" not in str(refused.value)


BC = {"duckdb": "0044-03-15 (BC)", "postgres": "0044-03-15 BC"}
ZONED = {"TIMESTAMP WITH TIME ZONE"}


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_a_day_that_python_has_no_date_for_is_an_infinite_number(bench: Bench, kind: str) -> None:
    texts = ["infinity", "-infinity", "12345-01-01", BC[bench.dialect.name], "9999-12-31", "0001-01-01", None]
    columns = {"id": bench.dialect.types["integer"], "day": kind}
    bench.model(columns, list(enumerate(texts)))

    found = [change.values[0] for change in bench.changes(bench.sync({"day": "day"}))]

    ends: list[object] = [date(9999, 12, 31), date(1, 1, 1)]
    if kind != "DATE":
        zone = UTC if kind in ZONED else None
        ends = [datetime(9999, 12, 31, tzinfo=zone), datetime(1, 1, 1, tzinfo=zone)]
    assert found == [math.inf] * 4 + ends + [None]


@pytest.mark.parametrize("kind", ["TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
def test_timestamps_of_every_precision_are_read_so_on_duckdb(duck: Bench, kind: str) -> None:
    duck.model({"id": "INTEGER", "day": kind}, [(1, "infinity"), (2, "2026-01-02 03:04:05"), (3, None)])

    found = [change.values[0] for change in duck.changes(duck.sync({"day": "day"}))]

    assert found == [math.inf, datetime(2026, 1, 2, 3, 4, 5), None]  # noqa: DTZ001 - the type has no zone


def test_an_infinite_day_makes_its_row_invalid(bench: Bench) -> None:
    bench.model({"id": bench.dialect.types["integer"], "day": "DATE"}, [(1, "infinity")])

    [change] = bench.changes(bench.sync({"day": "day"}))

    with pytest.raises(Unsayable, match="a date outside the years 1 to 9999"):
        to_json(change.values[0])


def remember(bench: Bench, payload: str) -> Memory:
    fill(bench)
    row = ("2", 1, "b", "h", payload, "{}", "r", 0, 0, True, False)
    return bench.remember([row])


@pytest.mark.parametrize("payload", ["garbage", "5", "[]", ""])
def test_a_memory_that_is_no_json_object_is_told_with_its_row_and_the_way_out(
    bench: Bench, payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    memory = remember(bench, payload)
    sync = bench.sync({"mail": "mail"})

    def read() -> None:
        with bench.session.transaction():
            found = plan(sync, bench.session, bench.dialect, memory, Scope(), None)
            for _ in found.read():
                pass

    with caplog.at_level(logging.WARNING), pytest.raises(LedgerError, match=r"'s'.*'2'.*dbt-activate reset s"):
        read()

    assert caplog.records == []


def test_rows_that_nobody_reads_to_their_end_leave_the_transaction_alone(bench: Bench) -> None:
    with bench.session.transaction():
        rows = bench.session.rows("SELECT 1 UNION ALL SELECT 2")
        next(rows)
    del rows

    assert list(bench.session.rows("SELECT 3")) == [(3,)]
