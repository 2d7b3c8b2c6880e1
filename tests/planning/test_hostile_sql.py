"""Names and values that try to be SQL, on both engines."""

import itertools
import json
from contextlib import suppress

import pytest
import sqlglot

from dbt_activate.contracts import Dialect
from dbt_activate.errors import ActivateError, ConfigError
from dbt_activate.planning.diff import Diff, Memory, Scope
from dbt_activate.planning.expressions import model_query
from dbt_activate.planning.fingerprint import fingerprint_sql
from dbt_activate.values.sync import Column, Lookup, Sql
from dbt_activate.warehouses.duckdb import DuckDbDialect
from dbt_activate.warehouses.postgres import PostgresDialect
from tests.planning.models import Bench, make_sync

NAMES = [
    'a"b', "a'b", "a;b", "a--b", "a/*b", "a b", "a.b", "select", "user", "order", "UPPER", "Mixed", "größe", "列", "😀",
    "a\\b", "a%b", "a?b", "{a}", "f0", "key", "kind", "model", "activate_key", "m", "record_id", "$1", ":x", "@x",
    "a\tb",
]  # fmt: skip
TEXTS = [
    "", "'", '"', "\\", "\\'", "''", "?", "%", "%s", "%%", "{}", "{{ x }}", "--", "/* */", ";", "$1", ":x", "\n", "😀",
    "é", "e\u0301", "a,b", '["a"]', "null", "NULL", "'; DROP TABLE m; --",
]  # fmt: skip


def test_columns_may_have_any_name(bench: Bench) -> None:
    text = bench.dialect.types["text"]
    columns = dict.fromkeys(NAMES, text)
    bench.model(columns, [[f"value of {name}" for name in NAMES], [None] * len(NAMES)])
    fields = {f"field {number}": name for number, name in enumerate(NAMES)}

    sound, keyless = sorted(bench.changes(bench.sync(fields, key=NAMES)), key=lambda change: change.fault or "")

    assert json.loads(sound.key) == list(sound.values) == [f"value of {name}" for name in NAMES]
    assert (keyless.fault, keyless.copies) == ("null_key", 1)


@pytest.mark.parametrize("name", ['a"b', "a'b;--", "SELECT", "größe 😀", "a.b%?{}"])
def test_a_model_may_have_any_name(bench: Bench, name: str) -> None:
    bench.model({"id": "INTEGER"}, [(1,)], name=name)

    assert [change.key for change in bench.changes(bench.sync({"a": "id"}))] == ["1"]


def test_a_value_may_hold_any_text_as_key_and_as_field(bench: Bench) -> None:
    text = bench.dialect.types["text"]
    bench.model({"id": text, "x": text}, [(value, value) for value in TEXTS])
    sync = bench.sync({"x": "x"})

    changes = bench.changes(sync)
    quiet = bench.plan(sync, bench.confirm(sync)).census

    assert sorted((change.key, change.values) for change in changes) == sorted((value, (value,)) for value in TEXTS)
    assert (quiet.unchanged, quiet.planned) == (len(TEXTS), 0)


def test_rows_are_chosen_by_any_key(bench: Bench) -> None:
    text = bench.dialect.types["text"]
    bench.model({"id": text, "x": text}, [(value, "x") for value in [*TEXTS, "another"]])
    sync = bench.sync({"x": "x"})

    every = bench.changes(sync, scope=Scope(keys=tuple(TEXTS)))
    one = bench.changes(sync, scope=Scope(keys=("\\'",)))

    assert sorted(change.key for change in every) == sorted(TEXTS)
    assert [change.key for change in one] == ["\\'"]


def test_no_two_composite_keys_run_together(bench: Bench) -> None:
    text = bench.dialect.types["text"]
    pairs = list(
        itertools.product(["", "a", "a-b", "b-c", "c", ",", '"', '","', "\\", "null", "NULL", "é", "😀"], repeat=2)
    )
    nulls = [("a", None), (None, "a"), (None, None)]
    bench.model({"x": text, "y": text}, [*pairs, *nulls])

    changes = bench.changes(bench.sync({"x": "x", "y": "y"}, key=("x", "y")))

    sound = [change for change in changes if change.fault is None]
    assert sorted(tuple(json.loads(change.key)) for change in sound) == sorted(pairs)
    assert all(json.loads(change.key) == list(change.values) for change in sound)
    assert [(change.fault, change.copies) for change in changes if change.fault] == [("null_key", len(nulls))]


def test_nul_in_a_duckdb_text_is_a_character_like_any_other(duck: Bench) -> None:
    values = ["a\x00b", "a\x00", "a", "\x00"]
    duck.model({"id": "VARCHAR", "n": "VARCHAR"}, [(value, "x") for value in values])

    assert sorted(change.key for change in duck.changes(duck.sync({"n": "n"}))) == sorted(values)
    assert len({change.key for change in duck.changes(duck.sync({"n": "n"}, key=("id", "n")))}) == 4


LITERALS = {
    "'100%'": "100%",
    "'50% off? {really} %s'": "50% off? {really} %s",
    "'it''s'": "it's",
    "CASE WHEN x LIKE '%a%' THEN '?' ELSE '%' END": "?",
    "x || '?' || '%s' || '%%'": "abc?%s%%",
    "'; DROP TABLE m; --'": "; DROP TABLE m; --",
    "'/* no comment */'": "/* no comment */",
    "CAST(n % 3 AS VARCHAR)": "1",
    "'\\n'": "\\n",
    '"x"': "abc",
    "coalesce(nothing, 'none')": "none",
    "upper(m)": "UPPER",
}


def test_an_expression_of_the_user_means_what_it_says(bench: Bench) -> None:
    text = bench.dialect.types["text"]
    columns = {"id": "INTEGER", "x": text, "n": "INTEGER", "nothing": text, "m": text}
    bench.model(columns, [(1, "abc", 7, None, "upper")])

    [change] = bench.changes(bench.sync({sql: Sql(sql) for sql in LITERALS}))

    assert dict(zip(LITERALS, change.values, strict=True)) == LITERALS


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("n > 1", ["2"]),
        ("NOT n > 1", ["1"]),
        ("n IS NULL OR n > 1", ["2", "3"]),
        ("NULL", []),
        ("x LIKE '%?%' AND x <> '%s'", ["1"]),
        ("x IN ('a?%b', '%s') OR 1 = 2", ["1", "2"]),
        ("n > 1 OR TRUE", ["1", "2", "3"]),
    ],
)
def test_a_row_matches_where_only_if_the_condition_is_true(bench: Bench, condition: str, kept: list[str]) -> None:
    text = bench.dialect.types["text"]
    bench.model({"id": "INTEGER", "n": "INTEGER", "x": text}, [(1, 1, "a?%b"), (2, 2, "%s"), (3, None, None)])

    found = bench.plan(bench.sync({"n": "n"}, where=condition))

    assert [change.key for change in found.read()] == kept
    assert found.census.rows == len(kept)


@pytest.mark.parametrize(
    "sql",
    ["'a'; DROP TABLE {m}", "1) FROM {m}; DROP TABLE {m}; SELECT (1", "(DELETE FROM {m})", "DROP TABLE {m}", "1 -- )"],
)
def test_no_second_statement_is_ever_run(bench: Bench, sql: str) -> None:
    bench.model({"id": "INTEGER"}, [(1,), (2,)])
    text = sql.format(m=bench.relation)

    for sync in (bench.sync({"a": Sql(text)}), bench.sync({"id": "id"}, where=text)):
        # Most of these are refused before; what is not may plan, but not run.
        with suppress(ActivateError):
            bench.changes(sync)

    assert list(bench.session.rows(f"SELECT COUNT(*) FROM {bench.relation}")) == [(2,)]


def test_what_is_no_sql_is_told_with_its_place(bench: Bench) -> None:
    bench.model({"id": "INTEGER"}, [(1,)])

    with pytest.raises(ConfigError, match=r"models/m\.yml, m\.activate\.s\.fields\.a\.sql: not an expression"):
        bench.changes(bench.sync({"a": Sql("1 +* ((")}))
    with pytest.raises(ConfigError, match=r"m\.activate\.s\.where: not an expression"):
        bench.changes(bench.sync({"id": "id"}, where="a = = b"))


def test_a_column_that_is_not_there_is_told_with_the_model(bench: Bench) -> None:
    bench.model({"id": "INTEGER"}, [(1,)])

    with pytest.raises(ConfigError, match=r"the model 'm' cannot be read.*gone"):
        bench.changes(bench.sync({"a": "gone"}))


def test_expressions_over_lists_and_structs_work_on_duckdb(duck: Bench) -> None:
    duck.model_of("SELECT 1 AS id, ['a', 'b'] AS tags, {'city': 'Bonn'} AS address")
    fields = {
        "tags": Sql("array_to_string(list_transform(tags, t -> upper(t)), '?')"),
        "more": Sql("[t || '%' for t in tags]"),
        "city": Sql("address.city"),
        "first": Sql("tags[1]"),
    }

    [change] = duck.changes(duck.sync(fields))

    assert change.values == ("A?B", ["a%", "b%"], "Bonn", "a")


def test_a_lookup_brings_the_record_of_the_row_it_names(bench: Bench) -> None:
    types = bench.dialect.types
    known = [("7", "r7"), ('["a","b-c"]', "r-abc"), ('["a-b","c"]', "wrong")]
    parents = bench.make("p", {"key": types["text"], "record_id": types["text"]}, known)
    bench.lookups["parents"] = f"SELECT key, record_id FROM {parents}"
    columns = {"id": "INTEGER", "parent": "INTEGER", "a": types["text"], "b": types["text"]}
    bench.model(columns, [(1, 7, "a", "b-c"), (2, 8, None, "c"), (3, None, "x", "y")])
    fields = {"parent": Lookup("parents", ("parent",)), "pair": Lookup("parents", ("a", "b"))}

    changes = bench.changes(bench.sync(fields))

    assert [change.values for change in changes] == [("r7", "r-abc"), (None, None), (None, None)]


@pytest.mark.parametrize("dialect", [DuckDbDialect(), PostgresDialect()], ids=lambda dialect: dialect.name)
def test_all_sql_that_is_built_is_one_statement(dialect: Dialect) -> None:
    for name in NAMES[::4]:
        for statement in statements(dialect, name):
            assert len(sqlglot.parse(statement, dialect=dialect.name)) == 1


def statements(dialect: Dialect, name: str) -> list[str]:
    """Everything that is asked of the warehouse for a model, a column and a key called *name*."""
    quoted = dialect.quote(name)
    sync = make_sync(
        f'"s".{quoted}',
        {"a": Column(name), "b": Sql(f"{quoted} || '?%{{}}'"), "c": Lookup("parents", (name,))},
        key=(name, "id"),
        where=f"{quoted} <> 'x'",
    )
    model = model_query(sync, dialect, {"parents": "SELECT 'k' AS key, 'r' AS record_id"})
    diff = Diff(
        model=model,
        fingerprint=fingerprint_sql(sync, dict.fromkeys(("f0", "f1", "f2"), "INTEGER[]"), dialect),
        basis="b'asis",
        memory=Memory(confirmed="SELECT 1 AS key", rejects="SELECT 1 AS key", lookups={}),
        scope=Scope(keys=(name,), rejects_only=True, code=name),
        dialect=dialect,
        has_faults=True,
    )
    return [model.sql(dialect=dialect.name), diff.counts(), diff.rows(("added",), ("f0",), 3)]
