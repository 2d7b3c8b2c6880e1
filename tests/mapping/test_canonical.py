"""The normal form: equal hash, equal value, and the other way round."""

import json
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.mapping.canonical import canonical, canonical_text, field_hashes, payload_hash
from dbt_activate.values.json import Json

QUICK = settings(max_examples=200, deadline=None)

numbers = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=20)
)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def exact(value: Json) -> object:
    """Another way to the same normal form: exact decimals, with the type beside them so that True is not 1."""
    match value:
        case None | bool() | str():
            return (type(value).__name__, value)
        case int() | Decimal():
            return ("number", Decimal(value))
        case float():
            return ("number", Decimal(repr(value)))
        case list():
            return [exact(item) for item in value]
        case dict():
            return {name: exact(item) for name, item in value.items()}


@pytest.mark.parametrize("same", [1, 1.0, Decimal(1), Decimal("1.00"), Decimal("0.1E1"), Decimal("1E+0")])
def test_a_number_has_one_text_however_it_came(same: Json) -> None:
    assert canonical_text(same) == "1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (Decimal("-0.00"), "0"),
        (100, "100"),
        (1e2, "100"),
        (Decimal("1E+2"), "100"),
        (0.1, "0.1"),
        (Decimal("0.10"), "0.1"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (2**70 + 1, "1180591620717411303425"),
        (Decimal("0.1234567890123456789012345678901234567890"), "0.123456789012345678901234567890123456789"),
    ],
)
def test_numbers_are_plain_decimals_without_needless_zeros(value: Json, text: str) -> None:
    assert canonical_text(value) == text


def test_names_are_sorted_at_every_depth_and_nothing_is_spaced() -> None:
    assert canonical({"b": {"y": 1, "x": [None, True]}, "a": "é"}) == '{"a":"é","b":{"x":[null,true],"y":1}}'.encode()


def test_true_is_not_one_and_a_number_is_not_its_text() -> None:
    assert len({canonical_text(value) for value in (True, 1, "1", "true", None, "null", "")}) == 7


def test_the_two_spellings_of_an_accent_are_two_values() -> None:
    assert payload_hash({"name": "\u00e9"}) != payload_hash({"name": "e\u0301"})


def test_what_is_no_json_is_refused_by_the_name_of_its_type() -> None:
    with pytest.raises(TypeError, match="set is not a JSON type"):
        canonical({"a": [{1}]})  # type: ignore[list-item]


def test_half_a_surrogate_pair_does_not_stop_the_hash() -> None:
    assert payload_hash({"a": "\ud800"}) != payload_hash({"a": "\ud801"})


@QUICK
@given(values, values)
def test_two_values_have_one_text_exactly_where_they_are_one_value(left: Json, right: Json) -> None:
    assert (canonical(left) == canonical(right)) == (exact(left) == exact(right))


@QUICK
@given(values)
def test_the_text_is_json_and_holds_the_value_exactly(value: Json) -> None:
    back = json.loads(canonical_text(value), parse_float=Decimal)
    assert exact(back) == exact(value)


@QUICK
@given(st.dictionaries(st.text(), values, max_size=5), st.randoms())
def test_the_order_of_fields_does_not_reach_the_hash(fields: dict[str, Json], random: Random) -> None:
    names = list(fields)
    random.shuffle(names)
    assert payload_hash({name: fields[name] for name in names}) == payload_hash(fields)


def test_a_payload_hash_has_128_bits_and_never_changes_between_releases() -> None:
    # A new value here would make every row of every ledger look changed.
    assert payload_hash({"email": "a@example.com", "score": Decimal("1.50")}) == "57de9d2a3f4d0ffe4511a4d112567b13"


def test_field_hashes_differ_by_key_field_and_value_and_agree_otherwise() -> None:
    hashes = field_hashes({"a": 1, "b": 1, "c": 2}, b"key")
    assert len(set(hashes.values())) == 3
    assert all(len(text) == 32 for text in hashes.values())
    assert field_hashes({"a": 1.0}, b"key") == {"a": hashes["a"]}
    assert field_hashes({"a": 1}, b"other")["a"] != hashes["a"]
