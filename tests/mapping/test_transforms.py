"""Every transform: what it makes, what it refuses, and that it never tells the value."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.mapping.coercion import Unsayable, to_json
from dbt_activate.mapping.transforms import TRANSFORMS

CANARY = "canary-7261"

MAKES: Mapping[str, list[tuple[object, object]]] = {
    "trim": [(" \u00a0a b\t", "a b"), ("  ", "")],
    "lower": [("ÀB", "àb")],
    "upper": [("straße", "STRASSE")],
    "digits": [("+44 (0)20-7946", "440207946"), ("٣٤", "34"), ("none", "")],
    "e164": [
        ("+44 20 7946 0958", "+442079460958"),
        ("0044 20-7946.0958", "+442079460958"),
        (" +1 (202) 555/0143 ", "+12025550143"),
        ("+49\u201189\u00a01234567", "+49891234567"),
    ],
    "sha256": [("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")],
    "md5": [("", "d41d8cd98f00b204e9800998ecf8427e")],
    "iso_date": [
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 23, tzinfo=timezone(timedelta(hours=-2))), "2026-01-03"),
        ("2026-01-02", "2026-01-02"),
        (" 2026-01-02T23:00:00-02:00", "2026-01-03"),
    ],
    "iso_datetime": [
        (date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (datetime.fromisoformat("2026-01-02T03:00"), "2026-01-02T03:00:00Z"),
        ("2026-01-02 03:04:05.5+02", "2026-01-02T01:04:05.500000Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
    ],
    "epoch_s": [(date(1970, 1, 2), 86400), (datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC), -1)],
    "epoch_ms": [("1970-01-01T00:00:01.234567Z", 1234), (datetime.fromisoformat("1970-01-01T00:00:01"), 1000)],
    "string": [
        ("a", "a"),
        (True, "true"),
        (1.0, "1"),
        (Decimal("1.10"), "1.1"),
        (2**70, str(2**70)),
        (date(2026, 1, 2), "2026-01-02"),
        ({"b": [1, None], "a": "é"}, '{"a":"é","b":[1,null]}'),
    ],
    "integer": [(7, 7), (7.0, 7), (1e300, int(1e300)), (Decimal("7.00"), 7), (" -7 ", -7), ("1e3", 1000), (True, 1)],
    "number": [(7, 7), (1.5, 1.5), ("1.50", 1.5), (".5", 0.5), ("-1E2", -100), (False, 0)],
    "boolean": [(True, True), (0, False), (1.0, True), (Decimal(1), True), (" Yes ", True), ("OFF", False)],
    "json": [
        ('{"a": [1.50, null]}', {"a": [Decimal("1.50"), None]}),
        ("12345678901234567890.5", Decimal("12345678901234567890.5")),
        ("null", None),
        ({"a": 1}, {"a": 1}),
        ([1], [1]),
    ],
    "split": [("a, b,,c ,", ["a", "b", "c"]), ("", [])],
    "join": [(["a", 1, None, date(2026, 1, 2)], "a,1,2026-01-02"), ((), "")],
}

REFUSES: Mapping[str, list[object]] = {
    "trim": [7, [CANARY], b"x"],
    "lower": [7],
    "upper": [True],
    "digits": [7],
    "e164": [
        CANARY,
        "020 7946 0958",
        "+1234567",
        "+1234567890123456",
        "+44 (0)20 7946 0958",
        "+0123456789",
        "++441234567",
        "+44123456789 ext. 5",
        442079460958,
    ],
    "sha256": [7, "\ud800"],
    "md5": [b"x", "\ud800"],
    "iso_date": [7, True, CANARY, "12000-01-01", "2026-02-30"],
    "iso_datetime": [7, CANARY, "03:04:05", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))],
    "epoch_s": [7, CANARY],
    "epoch_ms": [1.5, CANARY],
    "string": [float("nan"), object(), "\ud800"],
    "integer": [1.5, "1.5", CANARY, "1_000", "0x10", "", "1e999999", float("nan"), None, [1]],
    "number": ["NaN", "Infinity", CANARY, "1,5", "", "1e999999", "1e9999999999", b"1", Decimal("NaN")],
    "boolean": [2, -1, 0.5, CANARY, "", [], float("nan"), Decimal("sNaN")],
    "json": [CANARY, "", "NaN", '{"a": 1, "a": 2}', "[" * 100_000, "1e99999999999999999999", "9" * 5000, b"{}"],
    "split": [["a"], 7],
    "join": ["a,b", [["a"]], [{"a": 1}], [float("nan")], 7],
}


def test_every_transform_is_tried_both_ways() -> None:
    assert set(TRANSFORMS) == set(MAKES) == set(REFUSES)


@pytest.mark.parametrize(
    ("name", "given_", "made"),
    [pytest.param(name, *case, id=f"{name}-{n}") for name, cases in MAKES.items() for n, case in enumerate(cases)],
)
def test_a_transform_makes(name: str, given_: object, made: object) -> None:
    result = TRANSFORMS[name](given_)
    assert (type(result), result) == (type(made), made)


@pytest.mark.parametrize(
    ("name", "bad"),
    [pytest.param(name, bad, id=f"{name}-{n}") for name, cases in REFUSES.items() for n, bad in enumerate(cases)],
)
def test_a_transform_refuses_and_tells_its_name_but_not_the_value(name: str, bad: object) -> None:
    with pytest.raises(Unsayable) as caught:
        TRANSFORMS[name](bad)
    assert caught.value.code == "transform"
    assert caught.value.message.startswith(f"{name}: ")
    assert CANARY not in caught.value.message


values = st.one_of(
    st.text(st.characters()),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.binary(),
    st.lists(st.text() | st.none() | st.floats()),
    st.dictionaries(st.text(), st.integers()),
    st.from_regex(r"\+?[0-9 ()-]{6,18}", fullmatch=True),
)


@pytest.mark.parametrize("name", list(TRANSFORMS))
@settings(max_examples=200, deadline=None)
@given(value=values)
def test_no_transform_raises_anything_else_and_what_it_makes_stays(name: str, value: object) -> None:
    try:
        once = to_json(TRANSFORMS[name](value))
    except Unsayable:
        return
    if name in {
        "trim",
        "lower",
        "digits",
        "e164",
        "iso_date",
        "iso_datetime",
        "string",
        "integer",
        "number",
        "boolean",
    }:
        assert TRANSFORMS[name](once) == once


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"])).filter(lambda s: s.strip())))
def test_split_undoes_join_but_for_blanks_around(parts: list[str]) -> None:
    assert TRANSFORMS["split"](TRANSFORMS["join"](parts)) == [part.strip() for part in parts]
