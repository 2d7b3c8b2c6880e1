"""The published JSON Schemas are sound, and say what every key means."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dbt_activate.contracts import Destination
from dbt_activate.destinations.duckdb import DuckDb
from dbt_activate.destinations.file import File
from dbt_activate.destinations.http.destination import Http
from dbt_activate.destinations.hubspot.destination import HubSpot
from dbt_activate.destinations.postgres import Postgres
from dbt_activate.destinations.sqlite import Sqlite
from dbt_activate.ledger.lease import MARGIN_SECONDS, TTL_SECONDS
from dbt_activate.project.schemas import NAMES, schema

BLOCK = """
crm_contacts:
  destination: crm
  object: contacts
  mode: upsert
  primary_key: customer_id
  identifier: email
  fields:
    email: email
    churn_score: {column: churn_score}
    full_name: {sql: "first_name || ' ' || last_name"}
    lead_source: {value: warehouse}
    synced_at: {variable: run_started_at}
    phone: {column: phone, "null": skip}
    owner: {column: owner, write: on_create}
    email_sha256: {column: email, transform: [trim, lower, sha256]}
    company: {lookup: {sync: crm_companies, key: company_id}}
    address: {fields: {city: city, zip: {column: zip}}}
  where: "is_active"
  on_removed: ignore
  first_run: send
  schema: activate/contact.json
  conflicts: warehouse_wins
  purpose: marketing
  requires: {tests: pass, freshness: ignore, contract: ignore}
  guards: {max_removed: 1%, max_changed: 50%, min_rows: 1, max_rejected: 20%}
  batch_size: 100
  max_requests_per_second: 10
  enabled: true
  tags: [crm]
  owner: growth@example.com
"""
DESTINATIONS = """
crm:
  outputs:
    dev: {type: sandbox, emulate: hubspot}
    prod:
      type: hubspot
      token: "{{ env_var('DBT_ENV_SECRET_HUBSPOT_TOKEN') }}"
      max_requests_per_second: "{{ env_var('RATE') }}"
      max_concurrency: 4
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_published_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(("name", "text"), [("activate", BLOCK), ("destinations", DESTINATIONS)])
def test_what_the_documentation_shows_is_valid(name: str, text: str) -> None:
    errors = list(Draft202012Validator(schema(name)).iter_errors(yaml.safe_load(text)))
    assert [error.message for error in errors] == []


def test_a_sync_s_name_is_checked_by_editors_too() -> None:
    sync = yaml.safe_load(BLOCK)["crm_contacts"]
    assert not Draft202012Validator(schema("activate")).is_valid({"CRM": sync})


def properties(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.get("properties", {}).items():
            yield f"{path}.{name}", one
        for key, inner in value.items():
            yield from properties(inner, f"{path}.{key}")
    if isinstance(value, list):
        for inner in value:
            yield from properties(inner, path)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_says_what_it_means(name: str) -> None:
    bare = [path for path, one in properties(schema(name)) if not ({"description", "$ref"} & set(one))]
    assert bare == []


def test_there_is_no_schema_of_another_name() -> None:
    with pytest.raises(KeyError, match="plans"):
        schema("plans")


def test_a_schema_is_a_copy_each_time() -> None:
    schema("activate").clear()
    assert schema("activate")


def parts(schema_part: object) -> Iterator[Mapping[str, object]]:
    """Every mapping in a JSON Schema, at any depth."""
    if isinstance(schema_part, Mapping):
        yield schema_part
    inner = schema_part.values() if isinstance(schema_part, Mapping) else schema_part
    for part in inner if not isinstance(inner, str) and isinstance(inner, Iterable) else ():
        yield from parts(part)


@pytest.mark.parametrize("kind", [DuckDb, File, Http, HubSpot, Postgres, Sqlite])
def test_nobody_is_shown_a_pattern_of_a_connection(kind: type[Destination]) -> None:
    patterned = [part for part in parts(kind.connection_schema) if isinstance(part.get("pattern"), str)]

    assert [part["pattern"] for part in patterned if not part.get("patternErrorMessage")] == []


def test_a_request_may_take_no_longer_than_a_lease_that_was_just_renewed() -> None:
    limits = schema("destinations")["$defs"]["connection"]["properties"]

    assert limits["timeout_seconds"]["maximum"] < TTL_SECONDS - MARGIN_SECONDS
