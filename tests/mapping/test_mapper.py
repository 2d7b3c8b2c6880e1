"""Shaping whole rows: what is sent, what is hashed, what is refused and in which words."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.errors import ConfigError
from dbt_activate.mapping.canonical import payload_hash
from dbt_activate.mapping.mapper import Mapper
from dbt_activate.values.change import Change, Known
from dbt_activate.values.destination import DeliveryClass, FieldSpec, ObjectSpec, OperationSpec
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Payload, RunFacts
from dbt_activate.values.sync import (
    ChangeKind,
    Column,
    Constant,
    FieldMap,
    Location,
    Lookup,
    Model,
    NullPolicy,
    OnRemoved,
    Operation,
    Source,
    Sync,
    SyncMode,
    Variable,
    WritePolicy,
)

CANARY = "canary-7261"
ON_CREATE = WritePolicy.ON_CREATE
SKIP = NullPolicy.SKIP


def a_field(name: str, source: Source | None = None, **settings_: Any) -> FieldMap:
    path = tuple(name.split("."))
    return FieldMap(path=path, source=source or Column(path[-1]), **settings_)


def a_sync(*fields: FieldMap | str, **settings_: Any) -> Sync:
    given_ = {
        "mode": SyncMode.UPSERT,
        "primary_key": ("customer_id",),
        "identifier": ("email",),
        "on_removed": OnRemoved.IGNORE,
    } | settings_
    return Sync(
        name="crm_contacts",
        model=Model(unique_id="model.p.customers", name="customers", relation="customers", file="models/crm.yml"),
        destination="crm",
        object="contacts",
        fields=tuple(a_field(field) if isinstance(field, str) else field for field in fields),
        at=Location("models/crm.yml", ("customers", "activate", "crm_contacts")),
        **given_,
    )


def an_object(*fields: FieldSpec, exact_numbers: bool = False) -> ObjectSpec:
    taken = OperationSpec(delivery=DeliveryClass.UPSERT, rows=100)
    return ObjectSpec(
        name="contacts",
        operations=dict.fromkeys(Operation, taken),
        fields={field.name: field for field in fields} or None,
        exact_numbers=exact_numbers,
    )


def a_mapper(sync: Sync, spec: ObjectSpec | None = None, run_id: str = "run-1") -> Mapper:
    return Mapper(
        sync, spec or an_object(), RunFacts(run_id=run_id, run_started_at="2026-01-01T00:00:00Z", invocation_id="i")
    )


def added(*values: object, **settings_: Any) -> Change:
    return Change(kind=ChangeKind.ADDED, key="1", values=values, fingerprint=7, **settings_)


def changed(*values: object, **known: Any) -> Change:
    return Change(kind=ChangeKind.CHANGED, key="1", values=values, fingerprint=7, known=Known(**known))


def removed(**known: Any) -> Change:
    return Change(kind=ChangeKind.REMOVED, key="1", known=Known(**known))


def shaped(mapper: Mapper, change: Change) -> Payload:
    result = mapper.shape(change)
    assert isinstance(result, Payload), result
    return result


def refused(mapper: Mapper, change: Change) -> RowResult:
    result = mapper.shape(change)
    assert isinstance(result, RowResult), result
    assert result.outcome is Outcome.INVALID
    assert result.key == change.key
    return result


# Faults of the key


@pytest.mark.parametrize(
    ("fault", "copies", "message"),
    [
        ("duplicate_key", 3, "3 rows share this customer_id"),
        ("null_key", 2, "2 rows have no customer_id"),
        ("null_key", 1, "1 row has no customer_id"),
    ],
)
def test_a_faulty_key_names_its_columns_and_counts_its_rows(fault: str, copies: int, message: str) -> None:
    result = refused(a_mapper(a_sync("email")), added(fault=fault, copies=copies))
    assert result.code == fault
    assert message in (result.message or "")


def test_a_faulty_key_of_two_columns_names_both() -> None:
    result = refused(a_mapper(a_sync("email", primary_key=("a", "b"))), added(fault="duplicate_key", copies=2))
    assert "2 rows share this a, b" in (result.message or "")


# Reading fields


def test_every_fault_of_a_row_is_listed_with_its_pointer_and_the_first_one_leads() -> None:
    fields: list[FieldMap | str] = [
        "email",
        a_field("phone", transform=("e164",)),
        "score",
        a_field("address.zip~/", transform=("integer",)),
    ]
    result = refused(a_mapper(a_sync(*fields)), added(" ", "020", float("nan"), "x"))
    assert (result.code, result.field, result.pointer) == ("required", "email", "/email")
    message = result.message or ""
    assert [part.split(":")[0] for part in message.split("; /")] == ["/email", "phone", "score", "address/zip~0~1"]


def test_null_passes_through_transforms_and_is_sent_or_skipped_as_asked() -> None:
    sync = a_sync("email", a_field("phone", transform=("e164", "digits")), a_field("age", null=SKIP))
    assert shaped(a_mapper(sync), added("a@b", None, None)).fields == {"email": "a@b", "phone": None}


def test_a_transform_that_makes_null_ends_the_chain() -> None:
    sync = a_sync("email", a_field("tags", transform=("json", "join"), null=SKIP))
    assert shaped(a_mapper(sync), added("a@b", "null")).fields == {"email": "a@b"}
    assert shaped(a_mapper(sync), added("a@b", '["x", 1]')).fields["tags"] == "x,1"


def test_nested_paths_build_objects_and_an_object_of_skipped_fields_is_not_made() -> None:
    sync = a_sync("email", a_field("a.b.c", null=SKIP), a_field("a.d", null=SKIP))
    mapper = a_mapper(sync)
    assert shaped(mapper, added("a@b", 1, 2)).fields == {"email": "a@b", "a": {"b": {"c": 1}, "d": 2}}
    assert shaped(mapper, added("a@b", None, 2)).fields == {"email": "a@b", "a": {"d": 2}}
    assert shaped(mapper, added("a@b", None, None)).fields == {"email": "a@b"}


def test_constants_and_variables_stand_where_the_warehouse_gives_nothing() -> None:
    sync = a_sync("email", a_field("source", Constant("warehouse")), a_field("by", Variable("sync")))
    fields = shaped(a_mapper(sync), added("a@b", None, None)).fields
    assert fields == {"email": "a@b", "source": "warehouse", "by": "crm_contacts"}


def test_a_lookup_without_a_record_id_names_the_parent_and_the_way_out() -> None:
    company = a_field("company", Lookup("crm_companies", ("company_id",)))
    result = refused(a_mapper(a_sync("email", company)), added("a@b", None))
    assert (result.code, result.pointer) == ("lookup_missing", "/company")
    assert "crm_companies" in (result.message or "")
    assert "null: skip" in (result.message or "")


def test_a_lookup_with_null_skip_is_left_out_until_it_has_its_record_id() -> None:
    mapper = a_mapper(a_sync("email", a_field("company", Lookup("crm_companies", ("company_id",)), null=SKIP)))
    assert shaped(mapper, added("a@b", None)).fields == {"email": "a@b"}
    assert shaped(mapper, added("a@b", "901")).fields == {"email": "a@b", "company": "901"}


@pytest.mark.parametrize("blank", [None, "", " \u00a0\t"])
@pytest.mark.parametrize("policy", list(NullPolicy))
def test_an_identifier_is_never_null_or_blank_whatever_its_null_policy(blank: object, policy: NullPolicy) -> None:
    result = refused(a_mapper(a_sync(a_field("email", null=policy))), added(blank))
    assert (result.code, result.field) == ("required", "email")


@pytest.mark.parametrize("number", [2**53, -(2**53), Decimal("0.1234567890123456789"), [1, [2**60]], {"a": 2**60}])
def test_a_number_that_a_double_would_change_is_refused_where_numbers_are_doubles(number: object) -> None:
    sync = a_sync("email", "n")
    result = refused(a_mapper(sync), added("a@b", number))
    assert (result.code, result.pointer) == ("precision", "/n")
    assert "transform: [string]" in (result.message or "")
    assert shaped(a_mapper(sync, an_object(exact_numbers=True)), added("a@b", number)).fields["n"] == number


def test_the_way_out_that_the_precision_fault_names_works() -> None:
    sync = a_sync("email", a_field("n", transform=("string",)))
    assert shaped(a_mapper(sync), added("a@b", 2**53)).fields["n"] == "9007199254740992"


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1, 0.1, 1e300, Decimal("0.1"), Decimal("12345678.25")])
def test_a_number_that_a_double_holds_is_sent(number: float | Decimal) -> None:
    assert shaped(a_mapper(a_sync("email", "n")), added("a@b", number)).fields["n"] == float(number)


# Operations, and what is written when


def on_create_sync(mode: SyncMode = SyncMode.UPSERT) -> Sync:
    return a_sync("email", a_field("a.source", write=ON_CREATE), "a.score", mode=mode)


def test_an_upsert_keeps_on_create_fields_apart() -> None:
    payload = shaped(a_mapper(on_create_sync()), changed("a@b", "web", 1))
    assert payload.operation is Operation.UPSERT
    assert payload.fields == {"email": "a@b", "a": {"score": 1}}
    assert payload.create_only == {"a": {"source": "web"}}


def test_a_create_sends_on_create_fields_with_the_others() -> None:
    payload = shaped(a_mapper(on_create_sync(SyncMode.INSERT)), added("a@b", "web", 1))
    assert payload.operation is Operation.CREATE
    assert payload.fields == {"email": "a@b", "a": {"source": "web", "score": 1}}
    assert payload.create_only == {}


def test_an_update_leaves_on_create_fields_out_and_does_not_even_read_them() -> None:
    payload = shaped(a_mapper(on_create_sync(SyncMode.UPDATE)), changed("a@b", float("nan"), 1))
    assert payload.operation is Operation.UPDATE
    assert payload.fields == {"email": "a@b", "a": {"score": 1}}
    assert payload.create_only == {}


def test_an_identifier_that_is_written_on_create_still_matches_the_record_of_an_update() -> None:
    sync = a_sync(a_field("email", write=ON_CREATE), "score", mode=SyncMode.UPDATE)
    payload = shaped(a_mapper(sync), changed("a@b", 1))
    assert payload.identity == {"email": "a@b"}
    assert payload.fields == {"score": 1}


def test_create_only_fields_are_checked_like_the_others() -> None:
    spec = an_object(FieldSpec(name="source", type="integer"))
    result = refused(a_mapper(a_sync("email", a_field("source", write=ON_CREATE)), spec), added("a@b", "web"))
    assert result.pointer == "/source"


def test_what_the_ledger_knows_travels_with_the_payload() -> None:
    change = changed(
        "new@b", payload={"email": "old@b"}, identity={"email": "old@b"}, record_id="9", incarnation=2, attempts=3
    )
    payload = shaped(a_mapper(a_sync("email")), change)
    assert payload.confirmed_identity == {"email": "old@b"}
    assert payload.before == {"email": "old@b"}
    assert (payload.record_id, payload.incarnation, payload.attempts, payload.fingerprint) == ("9", 2, 3, 7)


def test_an_identity_that_is_the_confirmed_one_in_other_digits_is_no_rename() -> None:
    payload = shaped(a_mapper(a_sync("id", identifier=("id",))), changed(Decimal("5.0"), identity={"id": 5.0}))
    assert payload.confirmed_identity is None
    assert payload.identity == {"id": 5}


def test_a_nested_identifier_goes_by_its_dotted_name() -> None:
    payload = shaped(a_mapper(a_sync("contact.email", identifier=("contact.email",))), added("a@b"))
    assert payload.identity == {"contact.email": "a@b"}


def test_a_sync_without_identifier_has_no_identity() -> None:
    assert shaped(a_mapper(a_sync("x", identifier=(), mode=SyncMode.APPEND)), added(1)).identity == {}


def test_a_change_that_the_sync_does_not_send_is_a_fault_of_the_plan() -> None:
    with pytest.raises(ValueError, match="does not send changed rows"):
        a_mapper(a_sync("email", mode=SyncMode.INSERT)).shape(changed("a@b"))
    with pytest.raises(ValueError, match="on_removed: ignore"):
        a_mapper(a_sync("email")).shape(removed(record_id="9"))


# The payload hash


def test_a_new_run_sends_its_id_and_changes_no_hash() -> None:
    sync = a_sync("email", a_field("run", Variable("run_id")), a_field("first", write=ON_CREATE))
    one = shaped(a_mapper(sync, run_id="run-1"), added("a@b", None, "x"))
    two = shaped(a_mapper(sync, run_id="run-2"), added("a@b", None, "y"))
    assert (one.fields["run"], two.fields["run"]) == ("run-1", "run-2")
    assert one.payload_hash == two.payload_hash == payload_hash({"email": "a@b"})


def test_a_variable_that_is_the_same_in_every_run_is_part_of_the_hash() -> None:
    payload = shaped(a_mapper(a_sync("email", a_field("by", Variable("model")))), added("a@b", None))
    assert payload.payload_hash == payload_hash({"email": "a@b", "by": "customers"})


def test_a_refactored_field_map_with_the_same_payload_has_the_same_hash() -> None:
    plain = shaped(a_mapper(a_sync("email", "a.x", "a.y")), added("a@b", 1, Decimal("2.50")))
    other = shaped(
        a_mapper(a_sync(a_field("a", transform=("json",)), a_field("email", transform=("lower",)))),
        added('{"y": 2.5, "x": 1.0}', "A@B"),
    )
    assert plain.payload_hash == other.payload_hash


def test_a_field_that_is_null_and_one_that_is_left_out_are_two_payloads() -> None:
    sends, skips = a_mapper(a_sync("email", "x")), a_mapper(a_sync("email", a_field("x", null=SKIP)))
    row = added("a@b", None)
    assert shaped(sends, row).payload_hash != shaped(skips, row).payload_hash


# Removals


def removing(on_removed: OnRemoved) -> Mapper:
    fields = (
        "email",
        "score",
        a_field("contact.id"),
        a_field("contact.phone"),
        a_field("address.zip"),
        a_field("address.city"),
        a_field("first", write=ON_CREATE),
        a_field("run", Variable("run_id")),
        a_field("address.run", Variable("run_id")),
    )
    return a_mapper(a_sync(*fields, on_removed=on_removed, identifier=("email", "contact.id")))


def test_clear_empties_every_deciding_field_but_the_identifiers() -> None:
    payload = shaped(removing(OnRemoved.CLEAR), removed(identity={"email": "a@b"}, payload={"score": 1}, incarnation=1))
    assert payload.operation is Operation.CLEAR
    assert payload.fields == {"score": None, "contact": {"phone": None}, "address": None}
    assert payload.identity == {"email": "a@b"}
    assert payload.before == {"score": 1}
    assert payload.incarnation == 1


@pytest.mark.parametrize("on_removed", [OnRemoved.DELETE, OnRemoved.ARCHIVE])
def test_delete_and_archive_send_no_fields(on_removed: OnRemoved) -> None:
    payload = shaped(removing(on_removed), removed(record_id="9"))
    assert payload.operation == on_removed.value
    assert (payload.fields, payload.identity, payload.record_id) == ({}, {}, "9")


def test_two_clears_share_no_objects() -> None:
    mapper = removing(OnRemoved.CLEAR)
    first, second = (shaped(mapper, removed(record_id="9")) for _ in range(2))
    assert first.fields["contact"] is not second.fields["contact"]


@pytest.mark.parametrize("identity", [None, {}])
def test_a_removed_row_that_nothing_identifies_is_refused(identity: dict[str, Any] | None) -> None:
    assert refused(removing(OnRemoved.DELETE), removed(identity=identity)).code == "no_identity"


# Everything at once


SPEC = an_object(
    FieldSpec(name="email", type="string", max_length=20),
    FieldSpec(name="age", type="integer"),
    FieldSpec(name="born", type="date"),
    FieldSpec(name="stage", type="enumeration", options=("lead", "customer")),
)
SCHEMA = {
    "properties": {
        "email": {"format": "email", "pattern": "@example\\."},
        "age": {"minimum": 0, "maximum": 150},
        "stage": {"enum": ["lead", "customer", None]},
        "extra": {"type": ["array", "object"], "maxItems": 1, "uniqueItems": True, "additionalProperties": False},
        "phone": {"anyOf": [{"maxLength": 13}, {"const": "none"}]},
    },
    "required": ["email", "phone"],
}
FULL = a_sync(
    "email",
    "age",
    a_field("born", transform=("iso_date",)),
    "stage",
    a_field("extra", transform=("json",)),
    a_field("phone", transform=("e164",)),
    schema=SCHEMA,
)

EVERYTHING = a_mapper(FULL, SPEC)

hostile = st.one_of(
    st.just(CANARY),
    st.just(f'{{"{CANARY}": ["{CANARY}", "{CANARY}"]}}'),
    st.just([CANARY, CANARY]),
    st.just({CANARY: CANARY}),
    st.just(f"+44{CANARY}"),
    st.just(CANARY.encode()),
    st.just(-7261726172617261),
    st.just(Decimal("0.72617261726172617261")),
    st.none(),
    st.floats(),
)


@settings(max_examples=400, deadline=None)
@given(st.tuples(*[hostile] * 6))
def test_no_message_ever_holds_a_value_of_the_row(values: tuple[object, ...]) -> None:
    result = refused(EVERYTHING, added(*values))
    text = json.dumps([result.message, result.field, result.pointer, result.code])
    assert "canary" not in text
    assert "7261" not in text


def test_a_row_that_keeps_every_rule_is_shaped() -> None:
    values = ("a@example.com", Decimal("42.0"), datetime(2000, 1, 2, tzinfo=UTC), "lead", "[1]", "+44 20 7946 0958")
    assert shaped(EVERYTHING, added(*values)).fields == {
        "email": "a@example.com",
        "age": 42,
        "born": "2000-01-02",
        "stage": "lead",
        "extra": [1],
        "phone": "+442079460958",
    }


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | st.integers(-9, 9) | st.text(max_size=3), min_size=4, max_size=4),
    st.lists(st.sampled_from(list(NullPolicy)), min_size=4, max_size=4),
    st.lists(st.sampled_from(list(WritePolicy)), min_size=4, max_size=4),
    st.sampled_from([SyncMode.UPSERT, SyncMode.APPEND, SyncMode.UPDATE]),
)
def test_each_value_lands_where_its_policies_say_and_only_there(
    values: list[object], nulls: list[NullPolicy], writes: list[WritePolicy], mode: SyncMode
) -> None:
    names = ["a", "b.c", "b.d.e", "f"]
    fields = [a_field(name, null=null, write=write) for name, null, write in zip(names, nulls, writes, strict=True)]
    payload = shaped(a_mapper(a_sync(*fields, identifier=(), mode=mode)), changed(*values))
    for name, value, null, write in zip(names, values, nulls, writes, strict=True):
        there = value is not None or null is NullPolicy.SEND
        late = write is WritePolicy.ON_CREATE
        sent = there and (not late or payload.operation is Operation.CREATE)
        assert dug(payload.fields, name) == ([value] if sent else [])
        assert dug(payload.create_only, name) == ([value] if there and late and mode is SyncMode.UPSERT else [])


def dug(value: Any, name: str) -> list[object]:
    """The value at the dotted *name*, in a list; an empty list where it is not there."""
    for part in name.split("."):
        if part not in value:
            return []
        value = value[part]
    return [value]


def test_a_schema_that_is_none_is_refused_before_any_row() -> None:
    with pytest.raises(ConfigError, match=r"models/crm.yml, customers.activate.crm_contacts.schema: no JSON Schema"):
        a_mapper(a_sync("email", schema={"type": "txt"}))
