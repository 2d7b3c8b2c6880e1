"""The SQL that a block may hold: what passes, and what it is seen to read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.errors import ConfigError
from dbt_activate.project.expressions import engine_of, read_expression
from dbt_activate.values.sync import Location

AT = Location("f.yml", ("sql",))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("email", {"email"}),
        ("first_name || ' ' || last_name", {"first_name", "last_name"}),
        ("case when is_active then upper(email) else 'none' end", {"is_active", "email"}),
        ('"Churn Score" * 100', {"Churn Score"}),
        ("coalesce(phone, '')::varchar(20)", {"phone"}),
        ("address.city", {"address"}),
        ("address.geo.zip", {"address"}),
        ("round(churn_score, 2)", {"churn_score"}),
        ("'a -- b; c'", set()),
        ("date_trunc('day', created_at)", {"created_at"}),
        ("created_at > now() - interval '30 days'", {"created_at"}),
        ("country in ('DE', 'FR')", {"country"}),
        ("score between 1 and 2 and not is_test", {"score", "is_test"}),
        ("email is not null", {"email"}),
        ("(email)", {"email"}),
        ("tags[1]", {"tags"}),
        ("payload ->> 'plan'", {"payload"}),
        ("extract(year from created_at)", {"created_at"}),
        ("greatest(a, b)", {"a", "b"}),
        ("trim(\n  email\n)", {"email"}),
    ],
)
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_one_expression_over_a_row_passes(text: str, columns: set[str], engine: str) -> None:
    assert {name for name, _ in read_expression(text, engine, AT).columns} == columns


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("list_transform(tags, tag -> upper(tag))", {"tags"}),
        ("[upper(tag) for tag in tags if tag <> first_name]", {"tags", "first_name"}),
        ("{'city': city, 'zip': zip}", {"city", "zip"}),
    ],
)
def test_the_names_of_items_are_no_columns(text: str, columns: set[str]) -> None:
    assert {name for name, _ in read_expression(text, "duckdb", AT).columns} == columns


@pytest.mark.parametrize(
    "text", ["is_active", "score > 1", "a and b", "not a", "a is null", "f(a)", "a::boolean", "true"]
)
def test_these_can_be_conditions(text: str) -> None:
    assert read_expression(text, "duckdb", AT).condition


@pytest.mark.parametrize("text", ["1", "'x'", "a + 1", "a || b", "null", "a::integer", "(1)", "interval '1 day'"])
def test_these_cannot_be_conditions(text: str) -> None:
    assert not read_expression(text, "duckdb", AT).condition


@pytest.mark.parametrize(
    ("adapter", "engine"),
    [
        ("duckdb", "duckdb"),
        ("postgres", "postgres"),
        ("sqlserver", "tsql"),
        ("snowflake", "snowflake"),
        ("nobodys", ""),
    ],
)
def test_adapters_are_engines_of_sqlglot(adapter: str, engine: str) -> None:
    assert engine_of(adapter) == engine


words = st.sampled_from(
    [
        "email",
        "a",
        "(",
        ")",
        "'",
        '"',
        ",",
        ";",
        "--",
        "/*",
        "*/",
        "||",
        "select",
        "from",
        "where",
        "1",
        "*",
        " ",
        "\n",
        "and",
    ]
)


@settings(max_examples=300)
@given(st.lists(words, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_one_expression_or_refused(text: str) -> None:
    try:
        expression = read_expression(text, "duckdb", AT)
    except ConfigError as refusal:
        count = len(refusal.problems)
    else:
        again = read_expression(expression.tree.sql("duckdb"), "duckdb", AT)
        count = len({name for name, _ in again.columns} ^ {name for name, _ in expression.columns}) + 1
    assert count == 1
