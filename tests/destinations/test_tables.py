"""Table destinations, on real databases: PostgreSQL, DuckDB, SQLite."""

import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from dbt_activate.destinations.duckdb import DuckDb
from dbt_activate.destinations.postgres import Postgres
from dbt_activate.destinations.sqlite import Sqlite
from dbt_activate.destinations.statements import quote
from dbt_activate.destinations.tables import TableDestination
from dbt_activate.errors import AmbiguousError, BatchRejectedError, ConfigError, FatalError, RetryableError
from dbt_activate.testing.fakes import FakeClock, make_tools
from dbt_activate.values.destination import Connection, DeliveryClass, Limits
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import ChangeKind, Operation

POSTGRES = "postgresql://root@127.0.0.1:5432/test"


@dataclass
class Database:
    """A database of one engine, with a destination that writes to it."""

    kind: type[TableDestination]
    settings: dict[str, object]
    run: Callable[[str], Sequence[tuple[Any, ...]]]
    schema: str = "main"
    made: list[TableDestination] = field(default_factory=list)

    def destination(
        self, clock: FakeClock | None = None, *, timeout_seconds: float = 5, **settings: object
    ) -> TableDestination:
        connection = Connection(
            name="db",
            output="dev",
            type=self.kind.__name__.lower(),
            settings={**self.settings, **settings},
            limits=Limits(timeout_seconds=timeout_seconds),
        )
        self.made.append(self.kind(connection, make_tools(clock=clock)))
        return self.made[-1]

    def close(self) -> None:
        for destination in self.made:
            if isinstance(destination, Postgres):
                destination.close()

    def table(self, name: str) -> str:
        return f"{quote(self.schema)}.{quote(name)}"

    def rows(self, name: str, columns: str = "*") -> list[tuple[Any, ...]]:
        return sorted(self.run(f"SELECT {columns} FROM {self.table(name)}"), key=repr)


@pytest.fixture(params=["postgres", "duckdb", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from {"postgres": _postgres, "duckdb": _duckdb, "sqlite": _sqlite}[request.param](tmp_path)


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Database]:
    yield from _postgres(tmp_path)


def _postgres(_directory: Path) -> Iterator[Database]:
    schema = f"tables_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:

        def run(sql: str) -> Sequence[tuple[Any, ...]]:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

        run(f"CREATE SCHEMA {schema}")
        settings: dict[str, object] = {"url": Secret(POSTGRES), "schema": schema, "create_table": True}
        database = Database(Postgres, settings, run, schema)
        yield database
        database.close()
        run(f"DROP SCHEMA {schema} CASCADE")


def _duckdb(directory: Path) -> Iterator[Database]:
    path = directory / "there.duckdb"

    def run(sql: str) -> Sequence[tuple[Any, ...]]:
        with closing(duckdb.connect(str(path))) as connection:
            return connection.execute(sql).fetchall()

    yield Database(DuckDb, {"path": str(path)}, run)


def _sqlite(directory: Path) -> Iterator[Database]:
    path = directory / "there.sqlite"

    def run(sql: str) -> Sequence[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    yield Database(Sqlite, {"path": str(path)}, run)


def payload(key: str, operation: Operation = Operation.UPSERT, /, **fields: Json) -> Payload:
    return Payload(
        key=key,
        change=ChangeKind.ADDED,
        operation=operation,
        fields={"id": key, **fields},
        identity={"id": key},
        payload_hash="0" * 32,
    )


def renamed(key: str, old: str, new: str, /, **fields: Json) -> Payload:
    return Payload(
        key=key,
        change=ChangeKind.CHANGED,
        operation=Operation.UPSERT,
        fields={"id": new, **fields},
        identity={"id": new},
        confirmed_identity={"id": old},
        payload_hash="0" * 32,
    )


def send(
    destination: TableDestination, *payloads: Payload, table: str = "people", key: str | None = None
) -> dict[str, RowResult]:
    rows = tuple(destination.encode(item) for item in payloads)
    batch = Batch(
        number=1,
        operation=payloads[0].operation,
        object=table,
        rows=rows,
        idempotency_key=key or uuid.uuid4().hex,
    )
    results = destination.send(batch)
    assert len(results) == len(payloads)
    return {result.key: result for result in results}


def outcomes(results: Mapping[str, RowResult]) -> dict[str, Outcome]:
    return {key: result.outcome for key, result in results.items()}


def test_a_batch_with_a_bad_row_leaves_nothing_behind(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, name VARCHAR(90) NOT NULL)")
    with pytest.raises(BatchRejectedError, match="takes no NULL"):
        send(database.destination(), payload("a", name="A"), payload("b", name=None))
    assert database.rows("people") == []


def test_a_bad_row_alone_is_rejected_with_its_field(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, name VARCHAR(90) NOT NULL)")
    result = send(database.destination(), payload("b", name=None))["b"]
    assert (result.outcome, result.code, result.field, result.pointer) == (
        Outcome.REJECTED,
        "required",
        "name",
        "/name",
    )


def test_a_message_never_holds_a_value(database: Database) -> None:
    database.run(
        f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, age BIGINT CHECK (age > 0), "
        "mail VARCHAR(90) UNIQUE)"
    )
    destination = database.destination()
    send(destination, payload("a", age=1, mail="canary@example.com"))
    for bad in (payload("b", age=-77123, mail="x"), payload("b", age=2, mail="canary@example.com")):
        result = send(destination, bad)["b"]
        assert result.outcome is Outcome.REJECTED
        assert "canary" not in repr(result)
        assert "77123" not in repr(result)
        with pytest.raises(BatchRejectedError) as caught:
            send(destination, bad, payload("c", age=3, mail="c"))
        assert "canary" not in str(caught.value)
        assert caught.value.__suppress_context__


@pytest.mark.parametrize("database", ["postgres", "duckdb"], indirect=True)
def test_a_value_of_another_type_is_rejected_without_being_quoted(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, age BIGINT)")
    result = send(database.destination(), payload("a", age="canary"))["a"]
    assert (result.outcome, result.code) == (Outcome.REJECTED, "type")
    assert "canary" not in repr(result)


def test_postgres_names_the_column_of_a_value_of_another_type(postgres: Database) -> None:
    postgres.run(f'CREATE TABLE {postgres.table("people")} (id text PRIMARY KEY, "a/ge" bigint)')
    result = send(postgres.destination(), payload("a", **{"a/ge": "canary"}))["a"]
    assert (result.field, result.pointer) == ("a/ge", "/a~1ge")


def test_a_text_that_is_too_long_is_rejected_not_cut(postgres: Database) -> None:
    postgres.run(f"CREATE TABLE {postgres.table('people')} (id text PRIMARY KEY, name varchar(3))")
    assert send(postgres.destination(), payload("a", name="long"))["a"].code == "too_long"


def test_a_missing_table_is_fatal_and_says_the_way_out(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('others')} (id VARCHAR(90) PRIMARY KEY)")
    with pytest.raises(FatalError, match="no such table; create it, or set `create_table: true`"):
        send(database.destination(create_table=False), payload("a"))


def test_a_missing_column_is_fatal_and_names_the_nearest(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, email VARCHAR(90))")
    with pytest.raises(FatalError, match="no column 'emial'; did you mean 'email'"):
        send(database.destination(create_table=False), payload("a", emial="x"))


def test_an_upsert_makes_and_then_changes_one_record(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A", n=1), payload("b", name="B", n=2))
    send(destination, payload("b", name="B2", n=3), payload("c", name="C", n=4))
    assert database.rows("people") == [("a", "A", 1), ("b", "B2", 3), ("c", "C", 4)]


def test_an_upsert_without_a_unique_index_makes_one_record(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90), name VARCHAR(90))")
    destination = database.destination()
    for name in ("A", "A2"):
        send(destination, payload("a", name=name), payload("b", name="B"))
    assert database.rows("people") == [("a", "A2"), ("b", "B")]


def test_an_upsert_does_not_ask_an_existing_record_for_what_the_sync_does_not_write(database: Database) -> None:
    table = database.table("people")
    database.run(f"CREATE TABLE {table} (id VARCHAR(90) PRIMARY KEY, name VARCHAR(90), made_by VARCHAR(90) NOT NULL)")
    database.run(f"INSERT INTO {table} VALUES ('a', 'A', 'app')")
    assert outcomes(send(database.destination(), payload("a", name="A2"))) == {"a": Outcome.SUCCEEDED}
    assert database.rows("people") == [("a", "A2", "app")]


def test_two_rows_of_one_identity_are_sent_apart(database: Database) -> None:
    destination = database.destination()
    first, second = payload("a", name="1"), payload("a", name="2")
    with pytest.raises(BatchRejectedError, match="one identity"):
        send(destination, first, second)
    send(destination, first)
    send(destination, second)
    assert database.rows("people") == [("a", "2")]


def test_fields_for_new_records_only_are_kept_when_the_record_is_there(database: Database) -> None:
    destination = database.destination()
    for source, name in (("warehouse", "A"), ("other", "A2")):
        item = Payload(
            key="a",
            change=ChangeKind.ADDED,
            operation=Operation.UPSERT,
            fields={"id": "a", "name": name},
            create_only={"source": source},
            identity={"id": "a"},
            payload_hash="0" * 32,
        )
        send(destination, item)
    assert database.rows("people", "id, name, source") == [("a", "A2", "warehouse")]


def test_an_update_of_a_missing_record_is_rejected_and_the_others_are_written(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A"))
    results = send(destination, payload("x", Operation.UPDATE, name="X"), payload("a", Operation.UPDATE, name="A2"))
    assert outcomes(results) == {"a": Outcome.SUCCEEDED, "x": Outcome.REJECTED}
    assert results["x"].code == "not_found"
    assert database.rows("people") == [("a", "A2")]


def test_a_delete_of_a_missing_record_succeeds(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A"), payload("b", name="B"))
    results = send(destination, payload("a", Operation.DELETE), payload("x", Operation.DELETE))
    assert set(outcomes(results).values()) == {Outcome.SUCCEEDED}
    assert database.rows("people") == [("b", "B")]


def test_clear_empties_the_fields_and_keeps_the_identifier(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A"), payload("b", name="B"))
    send(destination, payload("a", Operation.CLEAR, name="whatever"))
    assert database.rows("people") == [("a", None), ("b", "B")]


def test_archive_is_offered_where_a_column_is_named_and_stamps_it(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, gone TIMESTAMP)")
    assert Operation.ARCHIVE not in database.destination().describe("people").operations
    destination = database.destination(archive_column="gone")
    assert Operation.ARCHIVE in destination.describe("people").operations
    send(destination, payload("a"))
    send(destination, payload("a", Operation.ARCHIVE))
    assert str(database.rows("people")[0][1]).startswith("2026-01-01")


def test_a_repeated_create_is_answered_as_the_first_time_and_not_written_again(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90), name VARCHAR(90))")
    create = payload("a", Operation.CREATE, name="A")
    for _ in range(2):
        assert outcomes(send(database.destination(), create, key="k1")) == {"a": Outcome.SUCCEEDED}
    send(database.destination(), replace(create, revision=1), key="k2")
    assert database.rows("people") == [("a", "A"), ("a", "A")]


def test_creates_that_come_again_in_other_batches_are_not_written_again(database: Database) -> None:
    first, second, third = (payload(key, Operation.CREATE, name=key.upper()) for key in "abc")
    send(database.destination(), first, second, key="k1")
    results = send(database.destination(), second, third, key="k2")
    assert outcomes(results) == {"b": Outcome.SUCCEEDED, "c": Outcome.SUCCEEDED}
    assert len(database.rows("people")) == 3


def test_a_repeated_create_still_knows_which_rows_were_refused(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, name VARCHAR(90))")
    database.run(f"INSERT INTO {database.table('people')} VALUES ('b', 'theirs')")
    batch = [payload(key, Operation.CREATE, name=key.upper()) for key in "abc"]
    for _ in range(2):
        results = send(database.destination(), *batch, key="k1")
        assert outcomes(results) == {"a": Outcome.SUCCEEDED, "b": Outcome.REJECTED, "c": Outcome.SUCCEEDED}
        assert results["b"].code == "duplicate"
    assert database.rows("people") == [("a", "A"), ("b", "theirs"), ("c", "C")]


def test_a_refused_create_leaves_no_marker(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id VARCHAR(90), name VARCHAR(90) NOT NULL)")
    create = [payload(key, Operation.CREATE, name=name) for key, name in (("a", "A"), ("b", None))]
    for _ in range(2):
        with pytest.raises(BatchRejectedError):
            send(database.destination(), *create, key="k1")
    assert database.rows("_dbt_activate_applied") == []


def test_old_markers_are_dropped(database: Database) -> None:
    clock = FakeClock()
    send(database.destination(clock), payload("a", Operation.CREATE), key="old")
    clock._seconds = 8 * 86400.0
    send(database.destination(clock), payload("b", Operation.CREATE), key="new")
    assert len(database.rows("_dbt_activate_applied", "idempotency_key")) == 1


def test_a_value_that_comes_back_to_an_earlier_one_is_written_again(database: Database) -> None:
    destination = database.destination()
    for name, key in (("A", "k1"), ("B", "k2"), ("A", "k1")):
        send(destination, payload("a", name=name), key=key)
    assert database.rows("people") == [("a", "A")]


def test_a_renamed_record_keeps_what_the_sync_does_not_write(database: Database) -> None:
    table = database.table("people")
    database.run(f"CREATE TABLE {table} (id VARCHAR(90) PRIMARY KEY, name VARCHAR(90), note VARCHAR(90))")
    database.run(f"INSERT INTO {table} VALUES ('old', 'A', 'theirs')")
    send(database.destination(), renamed("1", "old", "new", name="A2"))
    assert database.rows("people") == [("new", "A2", "theirs")]


def test_records_that_swap_their_identities_end_right(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="1"), payload("b", name="2"))
    send(destination, renamed("1", "a", "b", name="1"), renamed("2", "b", "a", name="2"))
    assert database.rows("people") == [("a", "2"), ("b", "1")]


def test_a_chain_of_renames_ends_right_whatever_fields_the_rows_have(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="1"), payload("b", name="2"), payload("c", name="3"))
    send(destination, renamed("1", "a", "b", name="1"), renamed("2", "b", "c"), renamed("3", "c", "d", name="3"))
    assert [row[0] for row in database.rows("people")] == ["b", "c", "d"]
    assert dict(database.rows("people"))["b"] == "1"
    assert dict(database.rows("people"))["d"] == "3"


def test_a_new_row_may_take_the_identity_that_another_gives_up(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="1"))
    send(destination, payload("a", name="new"), renamed("1", "a", "b", name="1"))
    assert database.rows("people") == [("a", "new"), ("b", "1")]


@pytest.mark.parametrize(
    "name", ['we"ird', "x; DROP TABLE people; --", "naïve ☃ 名", "per%cent %s", "select", "$1", "?1"]
)
def test_hostile_names_stay_names(database: Database, name: str) -> None:
    destination = database.destination()
    for value in ("1", "2"):
        send(destination, payload("a", **{name: value}), table=name)
    send(destination, payload("b", Operation.CREATE, **{name: value}), table=name)
    send(destination, renamed("a", "a", "c", **{name: "3"}), table=name)
    assert database.rows(name) == [("b", "2"), ("c", "3")]


def test_a_field_named_like_our_own_columns_is_a_field(database: Database) -> None:
    destination = database.destination()
    for _ in range(2):
        send(destination, payload("a", n="1", c0="2", _activate_row="3", _activate_record="4"))
    assert database.rows("people") == [("a", "1", "2", "3", "4")]


TEXTS = [
    "it's",
    'say "hi"',
    "a\r\nb\tc",
    "naïve 名 🎉",
    "\\N",
    "\\",
    "{}",
    "$1 ? %s",
    "'; DROP TABLE people; --",
    "",
    " x ",
]


@pytest.mark.parametrize("text", [*TEXTS, "x" * 100_000], ids=lambda text: repr(text)[:20])
def test_texts_arrive_as_they_are(database: Database, text: str) -> None:
    destination = database.destination()
    for _ in range(2):
        send(destination, payload("a", name=text))
    assert database.rows("people") == [("a", text)]


def test_a_text_that_cannot_be_stored_rejects_its_row_alone(database: Database) -> None:
    text = "nul\0nul"
    results = send(database.destination(), payload("a", name=text), payload("b", name="B"))
    assert results["b"].outcome is Outcome.SUCCEEDED
    stored = dict(database.rows("people"))
    if results["a"].outcome is Outcome.REJECTED:
        assert results["a"].field == "name"
        assert stored == {"b": "B"}
    else:
        assert stored == {"a": text, "b": "B"}


def test_an_empty_identifier_rejects_its_row_alone(database: Database) -> None:
    nameless = Payload(
        key="x",
        change=ChangeKind.ADDED,
        operation=Operation.UPSERT,
        fields={"id": None},
        identity={"id": None},
        payload_hash="0" * 32,
    )
    results = send(database.destination(), nameless, payload("a"))
    assert outcomes(results) == {"a": Outcome.SUCCEEDED, "x": Outcome.REJECTED}


def test_numbers_arrive_exactly(database: Database) -> None:
    database.run(
        f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, big BIGINT, "
        "cents DECIMAL(18, 2), whole BIGINT)"
    )
    row = payload("a", big=2**53 + 1, cents=Decimal("1234567890123.45"), whole=3.0)
    assert outcomes(send(database.destination(), row)) == {"a": Outcome.SUCCEEDED}
    ((_, big, cents, whole),) = database.rows("people")
    assert (big, Decimal(str(cents)), whole) == (2**53 + 1, Decimal("1234567890123.45"), 3)


def test_a_number_is_kept_exactly_or_its_row_rejected(database: Database) -> None:
    value = Decimal("0.123456789012345678901234567890123")
    result = send(database.destination(), payload("a", n=value))["a"]
    stored = [row[1] for row in database.rows("people")]
    assert (result.code, stored) in [("inexact", []), (None, [value])]


def test_a_made_table_has_the_types_of_its_first_rows(database: Database) -> None:
    rows = [
        payload("a", b=True, i=1, f=1.5, d=Decimal("1.25"), s="x", j={"k": [1, Decimal("1.10")]}, mixed=1),
        payload("b", b=None, i=2, f=2, d=3, s="y", j=[1], mixed="m"),
    ]
    send(database.destination(), *rows)
    spec = database.destination().discover("people")
    assert spec.fields is not None
    types = {name: field.type for name, field in spec.fields.items()}
    assert {name: types[name] for name in ("b", "i", "f", "d", "s", "mixed")} == {
        "b": "boolean",
        "i": "integer",
        "f": "number",
        "d": "number",
        "s": "string",
        "mixed": "string",
    }
    assert spec.identifiers == ("id",)
    assert spec.fields["id"].required


def test_a_field_that_comes_later_becomes_a_column(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A"))
    send(destination, payload("b", name="B", score=5))
    assert database.rows("people", "id, name, score") == [("a", "A", None), ("b", "B", 5)]


def test_rows_with_different_fields_leave_the_others_alone(database: Database) -> None:
    destination = database.destination()
    send(destination, payload("a", name="A", score=1), payload("b", name="B", score=2))
    send(destination, payload("a", name="A2"), payload("b", score=3), payload("c", name=None, score=None))
    assert database.rows("people") == [("a", "A2", 1), ("b", "B", 3), ("c", None, None)]


@pytest.mark.parametrize("database", ["postgres", "duckdb"], indirect=True)
def test_iso_texts_become_dates_and_lists_become_arrays(database: Database) -> None:
    database.run(
        f"CREATE TABLE {database.table('people')} (id VARCHAR(90) PRIMARY KEY, d DATE, t TIMESTAMPTZ, "
        "tags VARCHAR[], j JSON, u UUID)"
    )
    item = payload(
        "a",
        d="2026-02-03",
        t="2026-02-03T04:05:06Z",
        tags=['x,"y"', "z\\", None],
        j={"k": [1, None]},
        u="00000000-0000-0000-0000-000000000001",
    )
    send(database.destination(), item)
    cast = "id, CAST(d AS VARCHAR(90)), CAST(t AT TIME ZONE 'UTC' AS VARCHAR(90)), tags, CAST(j AS VARCHAR(90))"
    (row,) = database.rows("people", cast)
    assert row == ("a", "2026-02-03", "2026-02-03 04:05:06", ['x,"y"', "z\\", None], '{"k":[1,null]}')


def test_an_identity_of_several_columns_matches_on_all_of_them(database: Database) -> None:
    def both(shop: int, number: str, name: str) -> Payload:
        identity: JsonObject = {"shop": shop, "number": number}
        return Payload(
            key=f"{shop}-{number}",
            change=ChangeKind.ADDED,
            operation=Operation.UPSERT,
            fields={**identity, "name": name},
            identity=identity,
            payload_hash="0" * 32,
        )

    destination = database.destination()
    send(destination, both(1, "a", "x"), both(1, "b", "y"), both(2, "a", "z"))
    send(destination, both(1, "b", "changed"))
    assert database.rows("people") == [(1, "a", "x"), (1, "b", "changed"), (2, "a", "z")]


def test_discover_reads_what_a_column_takes(postgres: Database) -> None:
    postgres.run(f"CREATE TYPE {postgres.schema}.mood AS ENUM ('so', 'la''la')")
    postgres.run(
        f"CREATE TABLE {postgres.table('people')} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b text, "
        f"code varchar(7) NOT NULL, m {postgres.schema}.mood NOT NULL DEFAULT 'so', d date, t timestamp, l text[], "
        "j jsonb, g int GENERATED ALWAYS AS (a + 1) STORED, UNIQUE (a, b))"
    )
    spec = postgres.destination().discover("people")
    assert spec.fields is not None
    code, mood = spec.fields["code"], spec.fields["m"]
    assert (code.type, code.required, code.max_length) == ("string", True, 7)
    assert (mood.type, mood.required, mood.options) == ("enumeration", False, ("so", "la'la"))
    assert [spec.fields[name].type for name in "dtlj"] == ["date", "datetime", "array", "any"]
    assert not spec.fields["g"].createable
    assert not spec.fields["id"].createable
    assert spec.identifiers == ("id", "a", "b")


def test_a_table_that_may_get_columns_is_open_for_new_fields_and_another_is_not(database: Database) -> None:
    database.run(f"CREATE TABLE {database.table('people')} (id INTEGER PRIMARY KEY, name TEXT)")

    spec = database.destination().discover("people")

    assert (spec.open, set(spec.fields or ())) == (True, {"id", "name"})
    assert not database.destination(create_table=False).discover("people").open


def test_discover_of_a_missing_table_takes_any_field_or_says_so(database: Database) -> None:
    assert database.destination().discover("nothing").fields is None
    database.run(f"CREATE TABLE {database.table('others')} (id VARCHAR(90) PRIMARY KEY)")
    with pytest.raises(FatalError, match="no such table"):
        database.destination(create_table=False).discover("nothing")


@pytest.mark.parametrize("name", [None, "", ".", "a.", ".b", "nul\0"])
def test_a_name_of_no_table_is_a_configuration_error(database: Database, name: str | None) -> None:
    with pytest.raises(ConfigError, match="names no table"):
        database.destination().describe(name)


def test_an_object_may_name_its_schema(database: Database) -> None:
    send(database.destination(), payload("a", name="A"), table=f"{database.schema}.people")
    assert database.rows("people") == [("a", "A")]


def test_create_may_be_repeated_only_for_its_marker_and_the_rest_always(database: Database) -> None:
    operations = database.destination().describe("people").operations
    assert operations[Operation.CREATE].delivery is DeliveryClass.TRANSACTION
    assert operations[Operation.UPSERT].delivery is DeliveryClass.UPSERT


def test_batches_may_be_sent_at_the_same_time(database: Database) -> None:
    destination = database.destination()
    failures: list[BaseException] = []

    def work(part: int) -> None:
        try:
            send(destination, *(payload(f"{part}-{n}", name="x") for n in range(50)))
        except BaseException as error:  # noqa: BLE001 - reported below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert database.run(f"SELECT count(*) FROM {database.table('people')}")[0][0] == 200


def test_check_names_the_account_by_what_was_connected(postgres: Database) -> None:
    account = postgres.destination().check()
    assert account.id == "127.0.0.1:5432/test"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("postgresql://root:hunter2@127.0.0.1:1/test", RetryableError),
        ("postgresql://nobody_here:hunter2@127.0.0.1:5432/test", FatalError),
        ("postgresql://root:hunter2@127.0.0.1:5432/no_such_database", FatalError),
        ("postgres:/root:hunter2@", FatalError),
        ("postgresql://root:hunter2@127.0.0.1:port/test", FatalError),
    ],
)
def test_a_connection_that_fails_says_why_and_not_the_password(url: str, kind: type[Exception]) -> None:
    connection = Connection(name="db", output="dev", type="postgres", settings={"url": Secret(url)})
    destination = Postgres(connection, make_tools())
    with pytest.raises(kind) as caught:
        destination.check()
    assert "hunter2" not in str(caught.value)
    assert "destination db" in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)


def test_a_server_that_ends_the_connection_is_retried_on_a_new_one(postgres: Database) -> None:
    destination = postgres.destination()
    send(destination, payload("a", name="A"))
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbt-activate'")
    with pytest.raises(RetryableError):
        send(destination, payload("b", name="B"))
    send(destination, payload("b", name="B"))
    assert postgres.rows("people") == [("a", "A"), ("b", "B")]


def test_a_commit_that_gets_no_answer_is_ambiguous(postgres: Database) -> None:
    postgres.run(f"CREATE TABLE {postgres.table('people')} (id text PRIMARY KEY)")
    postgres.run(
        f"CREATE FUNCTION {postgres.schema}.quit() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    postgres.run(
        f"CREATE CONSTRAINT TRIGGER quit AFTER INSERT ON {postgres.table('people')} DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {postgres.schema}.quit()"
    )
    with pytest.raises(AmbiguousError):
        send(postgres.destination(), payload("a"))


def test_a_constraint_that_breaks_at_the_commit_rejects_the_row(postgres: Database) -> None:
    postgres.run(f"CREATE TABLE {postgres.table('parents')} (id text PRIMARY KEY)")
    postgres.run(
        f"CREATE TABLE {postgres.table('people')} (id text PRIMARY KEY, parent text REFERENCES "
        f"{postgres.table('parents')} DEFERRABLE INITIALLY DEFERRED)"
    )
    destination = postgres.destination()
    assert send(destination, payload("a", parent="x"))["a"].code == "foreign_key"
    assert outcomes(send(destination, payload("a", parent=None))) == {"a": Outcome.SUCCEEDED}


def test_a_table_that_somebody_locks_is_retried(postgres: Database) -> None:
    postgres.run(f"CREATE TABLE {postgres.table('people')} (id text PRIMARY KEY)")
    destination = postgres.destination(timeout_seconds=0.2)
    with psycopg.connect(POSTGRES) as other:
        other.execute(f"LOCK TABLE {postgres.table('people')}".encode())
        with pytest.raises(RetryableError, match="timeout_seconds"):
            send(destination, payload("a"))


def test_a_database_without_permission_is_fatal(postgres: Database) -> None:
    role = f"role_{uuid.uuid4().hex[:8]}"
    postgres.run(f"CREATE TABLE {postgres.table('people')} (id text PRIMARY KEY)")
    postgres.run(f"CREATE ROLE {role} LOGIN")
    try:
        destination = postgres.destination(url=Secret(POSTGRES.replace("root@", f"{role}@")), create_table=False)
        with pytest.raises(FatalError, match="permission denied"):
            send(destination, payload("a"))
        postgres.close()
    finally:
        postgres.run(f"DROP ROLE {role}")


def test_a_duckdb_file_held_by_another_process_is_retried_and_the_holder_named(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        destination = DuckDb(
            Connection(name="db", output="dev", type="duckdb", settings={"path": str(path)}), make_tools()
        )
        with pytest.raises(RetryableError, match=f"PID {holder.pid}"):
            send(destination, payload("a"))
        holder.communicate()
    assert outcomes(send(destination, payload("a"))) == {"a": Outcome.SUCCEEDED}


def test_a_sqlite_file_that_somebody_writes_to_is_retried(tmp_path: Path) -> None:
    path = tmp_path / "held.sqlite"
    connection = Connection(
        name="db", output="dev", type="sqlite", settings={"path": str(path)}, limits=Limits(timeout_seconds=0.05)
    )
    destination = Sqlite(connection, make_tools())
    send(destination, payload("a"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryableError, match="somebody else is writing"):
            send(destination, payload("b"))
    assert outcomes(send(destination, payload("b"))) == {"b": Outcome.SUCCEEDED}


@pytest.mark.parametrize("kind", [DuckDb, Sqlite])
def test_a_path_that_leads_nowhere_is_fatal(tmp_path: Path, kind: type[TableDestination]) -> None:
    def check(path: Path, **settings: object) -> None:
        connection = Connection(name="db", output="dev", type="x", settings={"path": str(path), **settings})
        kind(connection, make_tools()).check()

    with pytest.raises(FatalError):
        check(tmp_path / "no" / "such" / "directory")
    with pytest.raises(FatalError, match="does not exist"):
        check(tmp_path / "typo", create_table=False)
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(FatalError):
        check(tmp_path / "text")


@pytest.mark.parametrize("kind", [DuckDb, Sqlite])
def test_a_relative_path_starts_from_the_projects_directory(tmp_path: Path, kind: type[TableDestination]) -> None:
    connection = Connection(name="db", output="dev", type="x", settings={"path": "x.db"}, directory=str(tmp_path))
    assert kind(connection, make_tools()).check().id == str(tmp_path / "x.db")
