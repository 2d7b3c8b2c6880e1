"""What drivers give, as JSON: by hand, by hypothesis, and by really reading every type."""

import ipaddress
import json
import math
import uuid
from array import array
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum
from time import tzset
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.mapping.coercion import Unsayable, to_json
from dbt_activate.values.json import Json

QUICK = settings(max_examples=200, deadline=None)


class Mood(Enum):
    GOOD = "good"


class Level(IntEnum):
    HIGH = 3


class Odd:
    def __repr__(self) -> str:
        return "canary-7261"


class Shouting(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Zoneless(tzinfo):
    """A zone that declines to give an offset, which Python allows."""

    def utcoffset(self, _moment: datetime | None) -> None:
        return None

    def dst(self, _moment: datetime | None) -> None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return "?"


def numbered(*cases: tuple[object, object]) -> list[object]:
    return [pytest.param(*case, id=f"{type(case[0]).__name__}-{n}") for n, case in enumerate(cases)]


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    numbered(
        (math.nan, "not_a_number"),
        (math.inf, "not_a_number"),
        (-math.inf, "not_a_number"),
        (Decimal("NaN"), "not_a_number"),
        (Decimal("sNaN"), "not_a_number"),
        (Decimal("-Infinity"), "not_a_number"),
        ([1, {"a": math.nan}], "not_a_number"),
        ("half \ud800", "bad_unicode"),
        ({"\udfff": 1}, "bad_unicode"),
        (10**4000, "number_too_long"),
        (-(10**5000), "number_too_long"),
        (Decimal("1E+999999"), "number_too_long"),
        (Decimal("1E-999999"), "number_too_long"),
        (Decimal("0." + "1" * 4001), "number_too_long"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "date_out_of_range"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "date_out_of_range"),
        (nested(101), "too_deep"),
        ({1: "a", "1": "b"}, "duplicate_name"),
        ({None: 1}, "unsupported_type"),
        ({1, 2}, "unsupported_type"),
        (Odd(), "unsupported_type"),
        (1j, "unsupported_type"),
    ),
)
def test_what_json_cannot_say_is_refused_by_a_code(value: object, code: str) -> None:
    with pytest.raises(Unsayable) as caught:
        to_json(value)
    assert caught.value.code == code
    assert caught.value.message
    assert "canary" not in caught.value.message


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(Unsayable, match="nested more than 100 deep"):
        to_json(endless)


@pytest.mark.parametrize(
    ("value", "said"),
    numbered(
        (None, None),
        (True, True),
        (7, 7),
        (2**127 - 1, 2**127 - 1),
        (1.5, 1.5),
        (Decimal("2.00"), 2),
        (Decimal("-0.0"), 0),
        (Decimal("1.10"), 1.1),
        (Decimal("1E+20"), 10**20),
        (Decimal("1e400"), 10**400),
        (Decimal("5E-324"), 5e-324),
        (Decimal("0.1234567890123456789"), Decimal("0.1234567890123456789")),
        (Decimal("9007199254740993.5"), Decimal("9007199254740993.5")),
        ("nul \x00 stays", "nul \x00 stays"),
        (Shouting("quiet"), "quiet"),
        (b"\xaa\x00", "qgA="),
        (bytearray(b"ab"), "YWI="),
        (memoryview(b"ab"), "YWI="),
        (date(2026, 1, 2), "2026-01-02"),
        (date(44, 3, 15), "0044-03-15"),
        (datetime.fromisoformat("2026-01-02T03:04:05"), "2026-01-02T03:04:05Z"),
        (datetime.fromisoformat("2026-01-02T03:04:05.000006"), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:00Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (time(3, 4, 5), "03:04:05"),
        (time(3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-5, minutes=-30))), "03:04:05.000006-05:30"),
        (timedelta(0), "PT0S"),
        (timedelta(days=32, seconds=3), "P32DT3S"),
        (timedelta(hours=2, minutes=3, microseconds=500000), "PT2H3M0.5S"),
        (timedelta(days=-360), "-P360D"),
        (timedelta(microseconds=-1), "-PT0.000001S"),
        (timedelta.min, "-P999999999D"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_interface("10.0.0.1/24"), "10.0.0.1/24"),
        (ipaddress.ip_network("10.0.0.0/24"), "10.0.0.0/24"),
        (Mood.GOOD, "good"),
        (Level.HIGH, 3),
        ((1, [2, None]), [1, [2, None]]),
        (array("i", [1, 2]), [1, 2]),
        (MappingProxyType({"a": date(2026, 1, 1)}), {"a": "2026-01-01"}),
        ({True: "y"}, {"true": "y"}),
        ({date(2026, 1, 1): 1, Decimal("1.50"): 2, (1, 2): 3}, {"2026-01-01": 1, "1.5": 2, "[1,2]": 3}),
    ),
)
def test_each_type_has_one_spelling(value: object, said: Json) -> None:
    result = to_json(value)
    assert (type(result), result) == (type(said), said)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.ip_addresses()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.dates() | st.none(), inner, max_size=4)
    ),
    max_leaves=10,
)


def said_or_refused(value: object) -> "tuple[Json, str | None]":
    """What *value* is said as, or the code by which it is refused; any other exception fails the test."""
    try:
        return to_json(value), None
    except Unsayable as error:
        return None, error.code


@QUICK
@given(anything)
def test_every_value_is_said_losslessly_or_refused(value: object) -> None:
    said, refused = said_or_refused(value)
    assert refused in {None, "not_a_number", "bad_unicode", "date_out_of_range", "duplicate_name", "unsupported_type"}
    back = json.loads(canonical_text(said), parse_float=Decimal)
    assert canonical_text(to_json(back)) == canonical_text(said)
    json.dumps(said, allow_nan=False, default=str, ensure_ascii=False).encode("utf-8")


@QUICK
@given(anything)
def test_what_was_said_is_said_again_in_the_same_way(value: object) -> None:
    said, _ = said_or_refused(value)
    assert canonical_text(to_json(said)) == canonical_text(said)


@QUICK
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_decimal_changes_its_value(value: Decimal) -> None:
    said, refused = said_or_refused(value)
    assert refused in {None, "number_too_long"}
    assert refused or Decimal(canonical_text(said)) == value


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_what_is_json_already_stays_as_it_is(value: Json) -> None:
    assert json.dumps(to_json(value)) == json.dumps(value)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own zone is five hours off UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        tzset()
        yield
    tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize("zone", [None, Zoneless()])
def test_the_zone_of_the_machine_reaches_no_timestamp(zone: tzinfo | None) -> None:
    assert datetime.fromtimestamp(0, UTC).astimezone().hour == 19
    assert to_json(datetime(2026, 1, 2, 3, tzinfo=zone)) == "2026-01-02T03:00:00Z"


DUCKDB = {
    "NULL": None,
    "true": True,
    "1::TINYINT": 1,
    "18446744073709551615::UBIGINT": 18446744073709551615,
    "170141183460469231731687303715884105727::HUGEINT": 2**127 - 1,
    "340282366920938463463374607431768211455::UHUGEINT": 2**128 - 1,
    "0.1::DOUBLE": 0.1,
    "1.5::FLOAT": 1.5,
    "1.10::DECIMAL(10,2)": 1.1,
    "123456789012345678901234567890.12345678::DECIMAL(38,8)": Decimal("123456789012345678901234567890.12345678"),
    "'Zoë'": "Zoë",
    "'a' || chr(0)": "a\x00",
    r"'\xAA\x00'::BLOB": "qgA=",
    "'0101'::BIT": "0101",
    "DATE '2026-01-02'": "2026-01-02",
    "TIMESTAMP '2026-01-02 03:04:05.000006'": "2026-01-02T03:04:05.000006Z",
    "TIMESTAMP_S '2026-01-02 03:04:05'": "2026-01-02T03:04:05Z",
    "TIMESTAMP_MS '2026-01-02 03:04:05.123'": "2026-01-02T03:04:05.123000Z",
    "TIMESTAMPTZ '2026-01-02 03:04:05+02'": "2026-01-02T01:04:05Z",
    "TIME '03:04:05.5'": "03:04:05.500000",
    "'03:04:05+02'::TIMETZ": "03:04:05+02:00",
    "INTERVAL '2 days 3 seconds'": "P2DT3S",
    "'6969ad0c-94b3-4914-b878-089d20130cef'::UUID": "6969ad0c-94b3-4914-b878-089d20130cef",
    "'a'::ENUM('a','b')": "a",
    "[1,2,NULL]": [1, 2, None],
    "[1,2]::INTEGER[2]": [1, 2],
    "{'a': 1, 'b': {'c': DATE '2026-01-01'}}": {"a": 1, "b": {"c": "2026-01-01"}},
    "MAP{DATE '2026-01-01': 1.50::DECIMAL(4,2)}": {"2026-01-01": 1.5},
    """'{"a":1}'::JSON""": '{"a":1}',
    # The driver's doing, not ours: days that Python cannot hold arrive as text, infinity as the last day.
    "DATE '12000-01-01'": "12000-01-01",
    "DATE 'infinity'": "9999-12-31",
    "union_value(n := 1)": 1,
}


@pytest.mark.parametrize(("expression", "said"), DUCKDB.items())
def test_duckdb_gives_what_we_can_say(expression: str, said: Json) -> None:
    import duckdb

    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    assert to_json(row[0]) == said


@pytest.mark.parametrize("expression", ["'nan'::DOUBLE", "'-inf'::DOUBLE", "[1.0::DOUBLE, 'inf'::DOUBLE]"])
def test_duckdb_numbers_that_are_none_are_refused(expression: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {expression}").fetchone()
    assert row is not None
    with pytest.raises(Unsayable, match="NaN or infinite"):
        to_json(row[0])


POSTGRES = {
    "NULL": None,
    "true": True,
    "1::smallint": 1,
    "9223372036854775807::bigint": 2**63 - 1,
    "0.1::real": 0.1,
    "0.1::float8": 0.1,
    "1.10::numeric": 1.1,
    "1e30::numeric": 10**30,
    "0.1234567890123456789::numeric": Decimal("0.1234567890123456789"),
    "'Zoë'::text": "Zoë",
    "'a'::char(4)": "a   ",
    r"'\xaa00'::bytea": "qgA=",
    "B'0101'": "0101",
    "date '2026-01-02'": "2026-01-02",
    "timestamp '2026-01-02 03:04:05.000006'": "2026-01-02T03:04:05.000006Z",
    "timestamptz '2026-01-02 03:04:05+02'": "2026-01-02T01:04:05Z",
    "time '03:04:05'": "03:04:05",
    "timetz '03:04:05+02'": "03:04:05+02:00",
    "interval '2 days 3 seconds'": "P2DT3S",
    "'6969ad0c-94b3-4914-b878-089d20130cef'::uuid": "6969ad0c-94b3-4914-b878-089d20130cef",
    "array[[1,2],[3,NULL]]": [[1, 2], [3, None]],
    """'{"a":[1.5,12345678901234567890]}'::json""": {"a": [1.5, 12345678901234567890]},
    """'"text"'::jsonb""": "text",
    "'null'::jsonb": None,
    "'192.168.0.1'::inet": "192.168.0.1",
    "'192.168.0.1/24'::inet": "192.168.0.1/24",
    "'192.168.0.0/24'::cidr": "192.168.0.0/24",
    "'08:00:2b:01:02:03'::macaddr": "08:00:2b:01:02:03",
    "int4range(1,5)": "[1,5)",
    "numrange(1.5,NULL)": "[1.5,)",
    "'empty'::int4range": "empty",
    "tstzrange('2026-01-01 00:00Z','2026-02-01 00:00Z')": "[2026-01-01T00:00:00Z,2026-02-01T00:00:00Z)",
    "'{[1,3),[5,6)}'::int4multirange": "{[1,3),[5,6)}",
    "'$1.50'::money::numeric": 1.5,
    "point(1,2)": "(1,2)",
}


@pytest.fixture(scope="module")
def postgres() -> "Iterator[object]":
    import psycopg

    try:
        connection = psycopg.connect("postgresql://root@127.0.0.1:5432/test", connect_timeout=3, autocommit=True)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    with connection:
        yield connection


@pytest.mark.parametrize(("expression", "said"), POSTGRES.items())
def test_postgres_gives_what_we_can_say(postgres: object, expression: str, said: Json) -> None:
    row = postgres.execute(f"SELECT {expression}").fetchone()  # type: ignore[attr-defined]
    assert to_json(row[0]) == said


@pytest.mark.parametrize("expression", ["'NaN'::numeric", "'Infinity'::numeric", "'NaN'::float8", "'-inf'::real"])
def test_postgres_numbers_that_are_none_are_refused(postgres: object, expression: str) -> None:
    row = postgres.execute(f"SELECT {expression}").fetchone()  # type: ignore[attr-defined]
    with pytest.raises(Unsayable, match="NaN or infinite"):
        to_json(row[0])


def test_a_range_of_text_is_quoted_as_postgres_quotes_it() -> None:
    from psycopg.types.range import Range

    assert to_json(Range('a,"b', "", "[]")) == '["a,\\"b",""]'
