"""Nothing that is tagged as personal data is shown unasked, whichever way it takes into a field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.cli.layout import Mark
from dbt_activate.cli.masks import Masks, changes_between
from dbt_activate.values.json import JsonObject
from dbt_activate.values.sync import Column, Constant, FieldMap, Location, Lookup, Model, Source, Sql, Sync, SyncMode

BEFORE: JsonObject = {"email": "ann@example.com", "address": {"city": "Berne", "zip": "3011"}, "score": 0.5}


def make_sync(fields: dict[str, Source], *pii: str, key: tuple[str, ...] = ("id",)) -> Sync:
    return Sync(
        name="people",
        model=Model(
            unique_id="model.shop.people",
            name="people",
            relation='"shop"."main"."people_v2"',
            file="models/people.yml",
            pii=frozenset(pii),
        ),
        destination="crm",
        object="contacts",
        mode=SyncMode.UPSERT,
        primary_key=key,
        identifier=("email",),
        fields=tuple(FieldMap(path=tuple(name.split(".")), source=source) for name, source in fields.items()),
        at=Location("models/people.yml"),
    )


@pytest.mark.parametrize(
    "source",
    [
        Column("email"),
        Column("EMAIL"),
        Sql("lower(email)"),
        Sql('upper("Email")'),
        Sql("model.email || ''"),
        Sql("to_json(model)"),
        Sql("row_to_json(people_v2.*)"),
        Sql("(SELECT max(p) FROM people_v2 AS p)"),
        Sql("list_value(*COLUMNS('e.*'))"),
        Sql("concat(COLUMNS (*))"),
        Sql('U&"\\0065mail"'),
    ],
)
def test_a_field_in_which_personal_data_may_be_is_masked(source: Source) -> None:
    assert Masks.of(make_sync({"x": source}, "email")).seen("x", "ann@example.com") is Mark.MASKED


@pytest.mark.parametrize(
    "source",
    [
        Column("score"),
        Sql("score * 100"),
        Sql("model.score + 1"),
        Sql("coalesce(emails_sent, 0)"),
        Constant("email"),
        Lookup("accounts", ("email",)),
    ],
)
def test_a_field_of_other_columns_is_shown(source: Source) -> None:
    assert Masks.of(make_sync({"x": source}, "email")).seen("x", 7) == 7


def test_a_model_without_tags_shows_everything() -> None:
    masks = Masks.of(make_sync({"x": Sql("to_json(model)")}))

    assert masks.seen("x", "text") == "text"
    assert masks.seen("a field of an older field map", 1) == 1


def test_a_field_that_left_the_field_map_is_masked_because_nobody_knows_what_it_held() -> None:
    masks = Masks.of(make_sync({"score": Column("score")}, "email"))

    assert masks.seen("mail", "ann@example.com") is Mark.MASKED


def test_unmask_shows_everything() -> None:
    masks = Masks.of(make_sync({"email": Column("email")}, "email", key=("email",)), unmask=True)

    assert masks.seen("email", "a@example.com") == "a@example.com"
    assert masks.seen("mail", 1) == 1
    assert masks.key("ann@example.com") == "ann@example.com"


def test_an_object_is_masked_when_one_field_in_it_is() -> None:
    masks = Masks.of(make_sync({"address.city": Column("city"), "address.zip": Column("zip")}, "zip"))

    assert masks.seen("address", {"zip": "3011"}) is Mark.MASKED
    assert masks.seen("address.city", "Berne") == "Berne"
    assert masks.seen("address.zip.first", "3") is Mark.MASKED


@pytest.mark.parametrize(
    ("columns", "key", "shown"),
    [
        (("email",), "ann@example.com", "***"),
        (("id", "email"), '["7","ann@example.com"]', '["7","***"]'),
        (("id", "email"), "(null)", "***"),
        (("id", "email"), '["7"]', "***"),
        (("id",), "7", "7"),
    ],
)
def test_a_key_is_masked_where_its_columns_are(columns: tuple[str, ...], key: str, shown: str) -> None:
    assert Masks.of(make_sync({}, "email", key=columns)).key(key) == shown


def test_nothing_is_shown_of_a_sync_that_is_not_in_the_project() -> None:
    assert Masks.of_a_stranger().key("7") == "***"
    assert Masks.of_a_stranger(unmask=True).key("7") == "7"


NESTED: dict[str, Source] = {
    "email": Column("email"),
    "address.city": Column("city"),
    "address.zip": Column("zip"),
    "score": Column("score"),
}


def told(before: JsonObject | None, now: JsonObject, *pii: str) -> list[str]:
    return [str(change) for change in changes_between(before, now, Masks.of(make_sync(NESTED, *pii)))]


def test_only_fields_that_differ_are_told_old_to_new() -> None:
    assert told(BEFORE, {**BEFORE, "score": 0.7}) == ["score: 0.5 → 0.7"]


def test_a_masked_field_that_changed_is_told_as_changed() -> None:
    assert told(BEFORE, {**BEFORE, "email": "bob@example.com"}, "email") == ["email: *** → ***"]


def test_a_new_row_has_new_values_only() -> None:
    assert told(None, {"score": None, "address": {"city": "Thun"}}) == ["score: null", 'address.city: "Thun"']


def test_a_nested_field_is_told_by_its_dotted_name() -> None:
    assert told(BEFORE, {**BEFORE, "address": {"city": "Thun", "zip": "3011"}}) == ['address.city: "Berne" → "Thun"']


def test_an_object_that_is_emptied_empties_its_fields() -> None:
    now: JsonObject = {**BEFORE, "address": None}

    assert told(BEFORE, now) == ['address.city: "Berne" → null', 'address.zip: "3011" → null']


def test_a_field_that_is_left_out_is_told_as_not_sent() -> None:
    now = {name: value for name, value in BEFORE.items() if name != "score"}

    assert told(BEFORE, now) == ["score: 0.5 → (not sent any more)"]


def test_true_is_not_one_and_a_number_is_not_its_text() -> None:
    assert told({"score": 1, "email": "1"}, {"score": True, "email": 1}) == ["score: 1 → true", 'email: "1" → 1']


TEXT = st.text(min_size=9).map(lambda text: f"secret{text}")


@given(before=TEXT, now=TEXT, other=st.none() | st.booleans() | st.integers())
def test_no_part_of_a_masked_value_is_ever_told(before: str, now: str, other: JsonObject) -> None:
    old: JsonObject = {"email": before, "gone": before, "address": {"city": before, "zip": {"deep": before}}}
    new: JsonObject = {"email": now, "address": {"city": now, "zip": other, "new": now}, "more": {"x": now}}
    lines = told(old, new, "email", "city", "zip") + told(None, new, "email", "city", "zip")

    assert lines
    assert not [line for line in lines if "secret" in line]
