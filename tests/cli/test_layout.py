"""What a row holds must not drive the terminal, the pull request or the spreadsheet in which it is shown."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.cli.layout import Mark, csv_text, fenced, inline_code, json_text, moment, spelled, visible

TEXT = st.text(st.characters(codec="utf-8"))


@given(TEXT)
def test_no_control_character_is_left(text: str) -> None:
    assert not [c for c in visible(text) if not c.isprintable() and c not in "\u200c\u200d"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\u001b[2J"),
        ("\x9b31m", "\\u009b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("Zoë 👩\u200d🚀", "Zoë 👩\u200d🚀"),
    ],
)
def test_what_a_terminal_might_obey_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_value_is_spelled_as_json_and_a_mark_as_it_is() -> None:
    assert [spelled(v) for v in (None, True, Decimal("0.10"), "***", Mark.MASKED)] == [
        "null",
        "true",
        "0.10",
        '"***"',
        "***",
    ]
    assert spelled("x" * 99, 10) == '"xxxxxxxx…'


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, st.lists))
def test_a_json_document_is_safe_and_means_the_same(value: object) -> None:
    text = json_text({"value": value})

    assert json.loads(text) == {"value": value}
    assert not [c for c in text if not c.isprintable() and c not in "\n\u200c\u200d"]


def test_json_has_times_in_utc_and_exact_decimals() -> None:
    document = {"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "sum": Decimal("12345678901234567890.10")}

    assert json_text(document, indent=0) == '{"at": "2026-01-02T03:04:05Z", "sum": 12345678901234567890.10}'
    assert moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02 03:04:05"
    assert moment(None) == ""


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", " =1", "\uff1d1"])
def test_no_cell_is_a_formula(text: str) -> None:
    [row] = csv.reader(io.StringIO(csv_text(["x"], [[text]]).split("\n", 1)[1], newline=""))

    assert row == [f"'{text}"]


@given(TEXT)
def test_any_text_stays_in_its_cell_and_is_no_formula(text: str) -> None:
    [[cell, last]] = csv.reader(io.StringIO(csv_text(["x"], [[text, "last"]]).split("\n", 1)[1], newline=""))

    assert cell.removeprefix("'") == visible(text).removeprefix("'")
    assert last == "last"
    assert not re.match(r"\s*[=@+\-]", cell) or re.fullmatch(r"[+-][0-9]+(\.[0-9]+)?", cell)


@pytest.mark.parametrize("text", ["-5", "+41", "-0.5", "a=b", "7"])
def test_a_number_and_plain_text_stay_as_they_are(text: str) -> None:
    assert csv_text(["x"], [[text]]) == f"x\n{text}"


def test_code_in_a_table_keeps_its_cell_and_calls_nobody() -> None:
    assert inline_code("crm / contacts") == "`crm / contacts`"
    assert inline_code("a|b`@ann\\") == "<code>a&#124;b&#96;&#64;ann&#92;</code>"


@given(TEXT)
def test_code_never_breaks_out_of_a_table_cell(text: str) -> None:
    code = inline_code(text)

    assert "|" not in code
    assert "\n" not in code
    assert "`" not in code.strip("`")


@given(st.lists(TEXT.map(visible)))
def test_a_fence_is_longer_than_every_run_of_backticks_in_it(lines: list[str]) -> None:
    opening, *body, closing = fenced(lines, "diff").split("\n")

    assert opening == f"{closing}diff"
    assert set(closing) == {"`"}
    assert closing not in "\n".join(body)
