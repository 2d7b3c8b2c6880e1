"""A DuckDB file as a warehouse: shared with others, read without a trace, and written in bulk."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dbt_activate.errors import WarehouseError
from dbt_activate.warehouses.duckdb import DuckDbSession, DuckDbWarehouse

HOSTILE = ["", "\x00", "a\x00b", "😀", "'", '"', "\\", "\n\r\t", "{}%?", "\u2028", "é", "e\u0301", "NULL", "' -- ;"]


def make_warehouse(directory: Path, lock_timeout: float = 0.3, **output: object) -> DuckDbWarehouse:
    return DuckDbWarehouse({"path": "w.duckdb"} | output, directory, schema="main", lock_timeout=lock_timeout)


def fill(directory: Path) -> Path:
    with duckdb.connect(directory / "w.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id, 'x' || range AS name FROM range(1000)")
    return directory / "w.duckdb"


@contextmanager
def held_by_another(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the file open until its standard input is closed."""
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_file_that_stays_locked_is_told_with_its_holder(tmp_path: Path) -> None:
    path = fill(tmp_path)

    with (
        held_by_another(path) as other,
        pytest.raises(WarehouseError, match=r"w\.duckdb: IO Error: Could not set lock") as refused,
        make_warehouse(tmp_path).session(),
    ):
        pass

    assert f"PID {other.pid}" in str(refused.value)


def test_a_file_that_is_let_go_of_in_time_is_used(tmp_path: Path) -> None:
    path = fill(tmp_path)
    waits: list[float] = []
    with held_by_another(path) as other:

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.kill()
                other.wait()

        warehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema="main", lock_timeout=60.0, sleep=sleep)
        with warehouse.session() as session:
            assert list(session.rows("SELECT COUNT(*) FROM t")) == [(1000,)]

    assert len(waits) == 3
    assert all(0 < wait < 1 for wait in waits)


def test_a_broken_file_is_not_waited_for_though_its_path_speaks_of_locks(tmp_path: Path) -> None:
    directory = tmp_path / "blocks"
    directory.mkdir()
    (directory / "w.duckdb").write_bytes(b"no database at all" * 500)
    waits: list[float] = []
    warehouse = DuckDbWarehouse({"path": "w.duckdb"}, directory, schema="main", lock_timeout=60.0, sleep=waits.append)

    with pytest.raises(WarehouseError, match="not a valid DuckDB database"), warehouse.session():
        pass

    assert waits == []


def test_reading_leaves_the_file_as_it_is_byte_for_byte(tmp_path: Path) -> None:
    path = fill(tmp_path)
    before = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)

    with make_warehouse(tmp_path).session(read_only=True) as session:
        assert len(list(session.rows("SELECT * FROM t"))) == 1000
        with pytest.raises(WarehouseError, match="read-only"):
            session.execute("DELETE FROM t")

    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.duckdb"]


def test_a_missing_file_is_not_made_by_reading_it(tmp_path: Path) -> None:
    with (
        pytest.raises(WarehouseError, match=r"no such DuckDB file; run `dbt run` first"),
        make_warehouse(tmp_path).session(read_only=True),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [{"path": ":memory:"}, {"path": ""}, {"path": None}])
def test_a_database_in_memory_is_refused(tmp_path: Path, output: Mapping[str, object]) -> None:
    with pytest.raises(WarehouseError, match="give the output a `path`"):
        DuckDbWarehouse(output, tmp_path, schema="main")


def test_settings_extensions_and_attached_files_of_the_profile_are_in_force(tmp_path: Path) -> None:
    fill(tmp_path)
    with duckdb.connect(tmp_path / "o'ther.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
    warehouse = make_warehouse(
        tmp_path,
        settings={"threads": 1, "preserve_insertion_order": False, "default_null_order": "nulls_first"},
        extensions=["json", {"name": "json", "repo": "core"}],
        attach=[{"path": "o'ther.duckdb", "alias": "An Other", "read_only": True}],
    )

    for read_only in (True, False):
        with warehouse.session(read_only=read_only) as session:
            [found] = session.rows(
                "SELECT current_setting('threads'), current_setting('preserve_insertion_order'),"
                " current_setting('TimeZone'), (SELECT answer FROM \"An Other\".t)"
            )
            assert found == (1, False, "UTC", 42)


def test_an_attached_file_is_looked_for_in_the_project_and_not_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    fill(project)
    duckdb.connect(project / "other.duckdb").close()
    monkeypatch.chdir(elsewhere)

    with make_warehouse(project, attach=[{"path": "other.duckdb"}]).session() as session:
        assert ("other",) in list(session.rows("SELECT database_name FROM duckdb_databases()"))

    assert os.listdir(elsewhere) == []  # noqa: PTH208 - the names are what counts


@pytest.mark.parametrize(
    "output",
    [{"settings": {"no_such_setting": 1}}, {"extensions": ["no_such_extension"]}, {"attach": [{"path": "no/such.db"}]}],
)
def test_what_the_profile_asks_for_in_vain_is_told(tmp_path: Path, output: Mapping[str, object]) -> None:
    fill(tmp_path)

    warehouse = DuckDbWarehouse({"path": "w.duckdb", **output}, tmp_path, schema="main")

    with pytest.raises(WarehouseError, match=r"no_such|no/such"), warehouse.session():
        pass


def test_a_wrong_statement_does_not_quote_the_rows_that_were_bound(tmp_path: Path) -> None:
    fill(tmp_path)

    with make_warehouse(tmp_path).session() as session, pytest.raises(WarehouseError) as refused:
        session.execute("SELECT 'ann@example.com', nonsense FROM t WHERE name = ?", ["bob@example.com"])

    assert "nonsense" in str(refused.value)
    assert "@example.com" not in str(refused.value)


def test_hostile_text_is_appended_as_it_is(tmp_path: Path) -> None:
    with make_warehouse(tmp_path).session() as session:
        session.execute("CREATE TABLE t (n BIGINT, x VARCHAR, since TIMESTAMP, ok BOOLEAN)")
        columns = {"n": "bigint", "x": "text", "since": "timestamp", "ok": "boolean"}
        at = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - the ledger's timestamps are UTC without a zone
        session.append("t", columns, ((number, text, at, True) for number, text in enumerate(HOSTILE)))
        session.append("t", columns, [(2**63 - 1, None, None, None), (-(2**63), "x" * 100_000, at, False)])

        found = list(session.rows("SELECT n, x, since, ok FROM t"))

    assert found[: len(HOSTILE)] == [(number, text, at, True) for number, text in enumerate(HOSTILE)]
    assert found[len(HOSTILE) :] == [(2**63 - 1, None, None, None), (-(2**63), "x" * 100_000, at, False)]


def test_more_rows_than_one_parameter_holds_are_appended_in_order(tmp_path: Path) -> None:
    with make_warehouse(tmp_path).session() as session:
        session.execute("CREATE TABLE t (n BIGINT)")
        session.append("t", {"n": "bigint"}, ((number,) for number in range(25_000)))

        assert list(session.rows("SELECT COUNT(*), MIN(n), MAX(n), SUM(n) FROM t")) == [(25_000, 0, 24_999, 312487500)]
        assert len(list(session.rows("SELECT n FROM t"))) == 25_000


def _insert_and(session: DuckDbSession, statement: str) -> None:
    with session.transaction():
        session.execute("INSERT INTO t VALUES (1)")
        session.execute(statement)


def test_a_transaction_that_raises_leaves_nothing_behind(tmp_path: Path) -> None:
    with make_warehouse(tmp_path).session() as session:
        session.execute("CREATE TABLE t (n BIGINT)")
        for statement in ("INSERT INTO nowhere VALUES (1)", "INSERT INTO t VALUES ('no number')"):
            with pytest.raises(WarehouseError):
                _insert_and(session, statement)

        assert session.execute("INSERT INTO t VALUES (3), (4)") == 2
        assert session.execute("UPDATE t SET n = 5 WHERE n = ?", [99]) == 0
        assert list(session.rows("SELECT n FROM t ORDER BY n")) == [(3,), (4,)]


def test_columns_are_described_by_the_engines_names_without_running_the_query(tmp_path: Path) -> None:
    query = "SELECT 1 AS a, CAST(1.5 AS DECIMAL(10,2)) AS \"B c\", [TIMESTAMPTZ '2020-01-01'] AS d, error('ran') AS e"
    with make_warehouse(tmp_path).session() as session:
        found = session.describe(query)

        with pytest.raises(WarehouseError, match="nowhere"):
            session.describe("SELECT * FROM nowhere")

    assert list(found.items())[:3] == [
        ("a", "INTEGER"),
        ("B c", "DECIMAL(10,2)"),
        ("d", "TIMESTAMP WITH TIME ZONE[]"),
    ]


def test_the_identity_is_the_catalog_and_not_the_place(tmp_path: Path) -> None:
    assert make_warehouse(tmp_path).identity == make_warehouse(tmp_path / "elsewhere").identity == "duckdb:w"
