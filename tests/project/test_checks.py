"""What fits its columns and its object passes; what meets in one field is told."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from dbt_activate.contracts import Dialect
from dbt_activate.project.checks import check_against, check_columns, check_overlaps
from dbt_activate.values.destination import DeliveryClass, FieldSpec, ObjectSpec, OperationSpec
from dbt_activate.values.sync import Operation

if TYPE_CHECKING:
    from tests.project.conftest import Shop

COLUMNS = {
    "customer_id": "INTEGER",
    "Email": "VARCHAR",
    "phone": "VARCHAR",
    "churn_score": "DOUBLE",
    "is_active": "BOOLEAN",
}
ONE_BY_ONE = OperationSpec(delivery=DeliveryClass.UPSERT, rows=1)


def spec(*fields: FieldSpec, tells_creates: bool = False) -> ObjectSpec:
    """An object that takes everything, with *fields*."""
    operations = dict.fromkeys(Operation, ONE_BY_ONE)
    named = {field.name: field for field in fields} or None
    return ObjectSpec(name="contacts", operations=operations, fields=named, tells_creates=tells_creates)


def test_a_sync_that_fits_its_columns_passes(shop: "Shop") -> None:
    shop.sync(where="is_active and churn_score > 0.5")
    shop.fields(score={"sql": "round(CHURN_SCORE, 2)"}, who={"sql": '"email" || phone'})
    dialect = cast("Dialect", SimpleNamespace(name="duckdb"))
    assert check_columns(shop.load().syncs[0], COLUMNS, dialect) == ()


def test_postgresql_tells_cases_apart_and_folds_what_is_not_quoted(shop: "Shop") -> None:
    shop.sync(fields={"email": "Email", "a": {"sql": 'PHONE || "Email"'}, "b": {"sql": "Email"}})
    told = [str(problem) for problem in check_columns(shop.load().syncs[0], COLUMNS, "postgres")]
    base = "models/schema.yml, customer_scores.activate.crm_contacts.fields"
    assert told == [f"{base}.b.sql: no column 'email'; did you mean 'Email'?"]


@pytest.mark.parametrize(
    "where", ["is_active", "(is_active)", "Email like '%@x'", "churn_score is null", "phone ~ '^49'"]
)
def test_these_are_conditions(shop: "Shop", where: str) -> None:
    shop.sync(where=where)
    assert check_columns(shop.load().syncs[0], {**COLUMNS, "email": ""}, "postgres") == ()


def test_an_object_without_declared_fields_takes_any(shop: "Shop") -> None:
    shop.sync(mode="mirror", fields={"email": "email", "x": {"fields": {"y": "phone"}}})
    assert check_against(shop.load().syncs[0], spec()) == ()


def test_a_sync_that_fits_its_object_passes(shop: "Shop") -> None:
    shop.fields(
        address={"fields": {"city": "phone"}},
        source={"value": "web", "write": "on_create"},
        anything={"fields": {"a": "phone"}},
    )
    fields = (
        FieldSpec(name="email", required=True, identifier=True, updateable=False, createable=False),
        FieldSpec(name="churn_score", type="number"),
        FieldSpec(name="address", type="object"),
        FieldSpec(name="anything", type="any"),
        FieldSpec(name="source", type="enumeration", updateable=False, options=("web", "shop")),
        FieldSpec(name="id", required=True, createable=False, updateable=False),
    )
    assert check_against(shop.load().syncs[0], spec(*fields, tells_creates=True)) == ()


def test_an_update_needs_no_required_fields_and_may_set_what_creation_may_not(shop: "Shop") -> None:
    shop.sync(mode="update", fields={"email": "email", "verified": "is_active"})
    fields = (
        FieldSpec(name="email"),
        FieldSpec(name="name", required=True),
        FieldSpec(name="verified", createable=False),
    )
    assert check_against(shop.load().syncs[0], spec(*fields)) == ()


def test_an_open_object_takes_new_fields_and_still_checks_those_it_has(shop: "Shop") -> None:
    shop.sync(fields={"email": "email", "nick": "phone", "score": {"fields": {"last": "churn_score"}}})
    known = spec(FieldSpec(name="email"), FieldSpec(name="score", type="number"))
    sync = shop.load().syncs[0]
    place = "models/schema.yml, customer_scores.activate.crm_contacts.fields"

    told = [str(problem) for problem in check_against(sync, replace(known, open=True))]

    assert told == [
        f"{place}.score.fields.last: 'score' is of type number, and has no fields of its own; write one value"
    ]
    assert any("there is no field 'nick'" in str(problem) for problem in check_against(sync, known))


def test_two_syncs_that_write_one_field_are_told_of(shop: "Shop") -> None:
    shop.syncs["other"] = shop.block(fields={"email": "email", "churn_score": "phone"})
    shop.syncs["another_object"] = shop.block(object="leads")
    shop.syncs["switched_off"] = shop.block(enabled=False)
    place = "models/schema.yml, customer_scores.activate.other.fields.churn_score"
    fault = "the sync 'crm_contacts' writes this field of the same records, too; leave it to one of them"
    assert [str(problem) for problem in check_overlaps(shop.load().syncs)] == [f"{place}: {fault}"]
