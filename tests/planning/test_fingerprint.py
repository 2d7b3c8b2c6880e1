"""The fingerprint: another value is another fingerprint, whatever its type."""

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.planning.fingerprint import fingerprint_basis, fingerprint_sql
from dbt_activate.values.sync import Constant, FieldMap, NullPolicy, Variable, WritePolicy
from dbt_activate.warehouses.duckdb import DuckDbDialect, DuckDbSession
from dbt_activate.warehouses.postgres import PostgresWarehouse
from tests.planning.conftest import ADDRESS
from tests.planning.models import Bench, make_sync

DUCKDB = DuckDbDialect()
texts = st.text(st.characters(codec="utf-8"), max_size=5)
whole = st.integers(-(2**31), 2**31 - 1)
VALUES = {
    "BOOLEAN": st.booleans(),
    "TINYINT": st.integers(-128, 127),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "HUGEINT": st.integers(-(2**100), 2**100),
    "DOUBLE": st.floats(allow_nan=False).map(lambda number: number + 0.0),
    "DECIMAL(18,4)": st.decimals(-1000000, 1000000, places=4),
    "VARCHAR": texts,
    "BLOB": st.binary(max_size=5),
    "UUID": st.uuids(),
    "DATE": st.dates(),
    "TIMESTAMP": st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)),  # noqa: DTZ001 - a type without zone
    "TIME": st.times(),
    "INTEGER[]": st.lists(st.one_of(st.none(), st.integers(0, 2)), max_size=4),
    "VARCHAR[]": st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "a, b", "NULL", "'", "]"])), max_size=3),
    "DECIMAL(38,20)[]": st.lists(st.decimals(0, 1, places=20), max_size=2),
    "INTEGER[][]": st.lists(st.lists(st.integers(0, 2), max_size=3), max_size=3),
    "STRUCT(a INTEGER, b VARCHAR[])": st.fixed_dictionaries(
        {"a": st.one_of(st.none(), st.integers(0, 2)), "b": st.one_of(st.none(), st.lists(st.just("x"), max_size=2))}
    ),
}


@pytest.fixture(scope="module")
def memory() -> Iterator[DuckDbSession]:
    """DuckDB, for expressions alone."""
    with duckdb.connect() as connection:
        yield DuckDbSession(connection)


def hash_of(session: DuckDbSession, values: tuple[object, object], types: tuple[str, str]) -> object:
    columns = [("a", types[0]), ("b", types[1])]
    rows = f"SELECT CAST(? AS {types[0]}) AS a, CAST(? AS {types[1]}) AS b"
    [(found,)] = session.rows(f"SELECT {DUCKDB.fingerprint(columns)} FROM ({rows})", values)
    return found


@st.composite
def two_rows(draw: st.DrawFn) -> tuple[tuple[str, str], tuple[object, object], tuple[object, object]]:
    """Two types, and two rows of them that are often nearly alike."""
    types = (draw(st.sampled_from(sorted(VALUES))), draw(st.sampled_from(sorted(VALUES))))
    one = tuple(draw(st.one_of(st.none(), VALUES[kind])) for kind in types)
    at = draw(st.integers(0, 1))
    other = list(one)
    other[at] = draw(st.one_of(st.none(), VALUES[types[at]]))
    return types, (one[0], one[1]), (other[0], other[1])


@settings(max_examples=400, deadline=None)
@given(rows=two_rows())
def test_any_other_value_of_any_type_is_found(
    memory: DuckDbSession, rows: tuple[tuple[str, str], tuple[object, object], tuple[object, object]]
) -> None:
    types, one, other = rows

    assert (hash_of(memory, one, types) == hash_of(memory, other, types)) == (one == other)


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_null_is_no_value_of_the_type(memory: DuckDbSession, kind: str) -> None:
    empty = {"VARCHAR": "", "BLOB": b"", "BOOLEAN": False, "UUID": uuid.UUID(int=0), "DATE": dt.date(1970, 1, 1)}
    nothing: object = [] if kind.endswith("]") else empty.get(kind, 0)
    if kind.startswith(("TIME", "STRUCT")):
        nothing = {"TIMESTAMP": "1970-01-01", "TIME": "00:00"}.get(kind, {"a": None, "b": None})

    assert hash_of(memory, (nothing, 1), (kind, "BIGINT")) != hash_of(memory, (None, 1), (kind, "BIGINT"))


def test_a_value_does_not_move_to_its_neighbour_unseen(memory: DuckDbSession) -> None:
    pairs: list[tuple[object, object]] = [
        ("", None),
        (None, ""),
        (None, None),
        ("", ""),
        ("a", ""),
        ("", "a"),
        ("a", None),
    ]

    assert len({hash_of(memory, pair, ("VARCHAR", "VARCHAR")) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("one", "other"),
    [("INTERVAL '1 day'", "INTERVAL '24 hours'"), ("union_value(a := 1)", "union_value(b := 1)"), ("[0]", "[0, 0]"),
     ("MAP {'a': 1}", "MAP {'a': 2}"), ("'a'::ENUM('a', 'b')", "'b'::ENUM('a', 'b')"), ("'1'::BIT", "'01'::BIT")],
)  # fmt: skip
def test_values_that_duckdb_holds_for_equal_are_told_apart(memory: DuckDbSession, one: str, other: str) -> None:
    found = []
    for value in (one, other):
        [(kind,)] = memory.rows(f"SELECT typeof({value})")
        [(fingerprint,)] = memory.rows(f"SELECT {DUCKDB.fingerprint([('v', str(kind))])} FROM (SELECT {value} AS v)")
        found.append(fingerprint)

    assert found[0] != found[1]


POSTGRES_PAIRS = [
    ("integer", "NULL", "0"),
    ("text", "NULL", "''"),
    ("text", "'a'", "'A'"),
    ("text", "'é'", "E'e\\u0301'"),
    ("numeric(10,2)", "1.10", "1.11"),
    ("double precision", "1", "1.0000000000000002"),
    ("boolean", "FALSE", "NULL"),
    ("bytea", "'\\x00'", "'\\x0000'"),
    ("date", "'infinity'", "'-infinity'"),
    ("timestamptz(3)", "'2020-01-01 00:00:00.001Z'", "'2020-01-01Z'"),
    ("time", "'24:00'", "'00:00'"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "NULL"),
    ("interval", "'1 day'", "'24 hours'"),
    ("json", "'{\"a\":1}'", "'{\"a\":2}'"),
    ("jsonb", "'[[1],2]'", "'[[1,2]]'"),
    ("jsonb", '\'{"a":{"b":1},"c":2}\'', '\'{"a":{"b":1,"c":2}}\''),
    ("integer[]", "'{{1,2}}'", "'{{1},{2}}'"),
    ("integer[]", "'{}'", "NULL"),
    ("integer[]", "'{NULL}'", "'{}'"),
    ("numeric(5,1)[]", "'{1.5}'", "'{1.6}'"),
    ("text[]", "ARRAY['a,b']", "ARRAY['a','b']"),
    ("bit(3)", "B'101'", "B'100'"),
    ("bit varying", "B'1'", "B'01'"),
    ("money", "1", "2"),
    ("point", "'(1,2)'", "'(2,1)'"),
    ("xml", "'<a/>'", "'<b/>'"),
    ("tsvector", "'a'", "'b'"),
    ("inet", "'10.0.0.1'", "'10.0.0.2'"),
    ("int4range", "'[1,2)'", "'[1,3)'"),
    ("char(3)", "'a'", "'b'"),
    ("character varying(3)", "'a'", "'b'"),
    ("name", "'a'", "'b'"),
    ("jsonpath", "'$.a'", "'$.b'"),
]


def test_any_other_value_of_any_postgres_type_is_found() -> None:
    warehouse = PostgresWarehouse(ADDRESS, schema="public")
    with warehouse.session(read_only=True) as session:
        for kind, one, other in POSTGRES_PAIRS:
            query = f"SELECT CAST({one} AS {kind}) AS v UNION ALL SELECT CAST({other} AS {kind})"
            types = session.describe(query)
            found = list(
                session.rows(f"SELECT {warehouse.dialect.fingerprint([('v', types['v'])])} FROM ({query}) AS x")
            )
            assert found[0] != found[1], (kind, one, other)


def test_rows_of_many_types_are_quiet_until_one_value_changes(bench: Bench) -> None:
    values = (
        "SELECT 1 AS id, 'x' AS t, 1.50 AS n, CAST('2020-01-01' AS DATE) AS d, TRUE AS b, {list} AS l, {other} AS o"
    )
    other = "MAP {'a': 1}" if bench.is_duckdb else "CAST('{\"a\": 1}' AS JSONB)"
    array = "[1, 2]" if bench.is_duckdb else "ARRAY[1, 2]"
    bench.model_of(values.format(list=array, other=other))
    sync = bench.sync({name: name for name in ("t", "n", "d", "b", "l", "o")})
    memory = bench.confirm(sync)
    assert bench.plan(sync, memory).census.unchanged == 1

    for change in (
        "t = 'y'",
        "n = 1.51",
        "d = NULL",
        "b = FALSE",
        f"l = {array.replace('2', '3')}",
        "t = ''",
        "t = NULL",
    ):
        bench.session.execute(f"UPDATE {bench.relation} SET {change}")
        assert [found.kind for found in bench.changes(sync, memory)] == ["changed"]
        bench.model_of(values.format(list=array, other=other))
    assert bench.plan(sync, memory).census.unchanged == 1


def test_only_fields_that_decide_are_in_the_fingerprint() -> None:
    sync = make_sync("t", {"a": "a", "b": "b", "c": Constant(1), "r": Variable("run_id")})
    on_create = FieldMap(path=("b",), source=sync.fields[1].source, write=WritePolicy.ON_CREATE)
    types = {"f0": "INTEGER", "f1": "INTEGER"}

    both = fingerprint_sql(sync, types, DUCKDB)
    one = fingerprint_sql(replace(sync, fields=(sync.fields[0], on_create)), types, DUCKDB)
    none = fingerprint_sql(replace(sync, fields=(on_create, *sync.fields[2:])), types, DUCKDB)

    assert ("f1" in both, "f1" in one, none) == (True, False, "0")


def test_the_basis_names_everything_that_a_fingerprint_rests_on(memory: DuckDbSession) -> None:
    class OtherEngine(DuckDbDialect):
        probe = "'another value'"

    sync = make_sync("t", {"a": "a"})
    types = {"f0": "INTEGER"}
    as_text = FieldMap(path=("a",), source=sync.fields[0].source, transform=("lower",))
    skipping = FieldMap(path=("a",), source=sync.fields[0].source, null=NullPolicy.SKIP)
    bases = [
        fingerprint_basis(sync, types, DUCKDB, memory),
        fingerprint_basis(sync, {"f0": "BIGINT"}, DUCKDB, memory),
        fingerprint_basis(sync, types, OtherEngine(), memory),
        fingerprint_basis(make_sync("t", {"a": "b"}), types, DUCKDB, memory),
        fingerprint_basis(replace(sync, fields=(as_text,)), types, DUCKDB, memory),
        fingerprint_basis(replace(sync, fields=(skipping,)), types, DUCKDB, memory),
        fingerprint_basis(make_sync("t", {"a": "a"}, schema={"type": "object"}), types, DUCKDB, memory),
        fingerprint_basis(make_sync("t", {"a": Constant(Decimal("1.0"))}), types, DUCKDB, memory),
    ]

    assert len(set(bases)) == len(bases)
    assert fingerprint_basis(make_sync("elsewhere", {"a": "a"}, where="a > 1"), types, DUCKDB, memory) == bases[0]
