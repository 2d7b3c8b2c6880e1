"""``destinations`` and ``schema``: what can be written to, and the schemas of the files."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from jsonschema import Draft202012Validator

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.destinations import DestinationKind
from dbt_activate.project.publication import destinations_schema
from dbt_activate.registry import DestinationKinds
from dbt_activate.sandbox.server import RunningSandbox

Run: TypeAlias = Callable[..., Any]
Shop: TypeAlias = Any

EXAMPLE = Path(__file__).parents[2] / "example_project"
TYPES = {"duckdb", "file", "http", "hubspot", "postgres", "sqlite"}


# destinations


def test_every_installed_type_is_listed_with_what_it_needs(run: Run) -> None:
    answer = run("destinations", "--output", "json")
    assert answer.code == 0
    needs = {fact["type"]: fact["needs"] for fact in answer.json}
    assert needs.keys() == TYPES | {"sandbox"}
    assert needs["http"] == "url"
    assert needs["postgres"] == "url or host and dbname"
    assert all(fact["about"] for fact in answer.json)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_settings_of_a_type_are_those_of_its_schema(run: Run, name: str) -> None:
    facts = run("destinations", name, "--output", "json").json
    rules: Any = DestinationKinds()[name].connection_schema
    assert {setting["name"] for setting in facts["settings"]} == rules["properties"].keys()
    required = {setting["name"] for setting in facts["settings"] if setting["required"] == "yes"}
    assert required == set(rules.get("required", ()))
    text = run("destinations", name).out
    assert all(f"\n{setting['name']} " in text for setting in facts["settings"])


def test_secrets_are_marked_at_any_depth(run: Run) -> None:
    facts = run("destinations", "http", "--output", "json").json
    assert {setting["name"] for setting in facts["settings"] if setting["secret"]} == {"headers", "sign"}


def test_settings_of_which_one_group_is_needed_say_so(run: Run) -> None:
    facts = run("destinations", "postgres", "--output", "json").json
    required = {setting["name"]: setting["required"] for setting in facts["settings"]}
    assert required["url"] == "unless dbname and host"
    assert required["host"] == required["dbname"] == "unless url"


def test_the_sandbox_is_a_type_too(run: Run) -> None:
    answer = run("destinations", "sandbox")
    assert answer.code == 0
    assert "emulate" in answer.out
    refused = run("destinations", "sandbox", "contacts")
    assert refused.code == 2
    assert "name that type" in refused.err


@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_object_shows_operations_and_what_a_lost_answer_means(run: Run, name: str) -> None:
    facts = run("destinations", name, "contacts", "--output", "json").json
    operations = facts["object"]["operations"]
    assert {"create", "upsert"} <= operations.keys()
    assert all(each["class"] in "UKRNT" and each["rows"] > 0 and each["meaning"] for each in operations.values())
    text = run("destinations", name, "contacts").out
    assert "class" in text
    assert str(operations["upsert"]["rows"]) in text


def test_a_blind_append_is_called_one(run: Run) -> None:
    operations = run("destinations", "http", "x", "--output", "json").json["object"]["operations"]
    assert operations["create"]["class"] == "N"
    assert "stays unknown" in operations["create"]["meaning"]


def test_an_unknown_type_or_object_is_an_error_that_names_the_close_one(run: Run) -> None:
    unknown = run("destinations", "hubspt")
    assert unknown.code == 2
    assert "did you mean 'hubspot'?" in unknown.err
    assert "did you mean 'contacts'?" in run("destinations", "hubspot", "contact").err


def test_online_the_live_system_is_asked_for_its_fields(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    answer = run("destinations", "--online", "crm", "contacts", "--output", "json")
    assert answer.code == 0
    fields = {field["name"]: field for field in answer.json["object"]["fields"]}
    assert fields["email"]["identifier"]
    assert not fields["hs_object_id"]["createable"]
    assert "email" in run("destinations", "--online", "crm", "contacts").out


def test_online_a_destination_that_no_sync_uses_can_be_asked(shop: Shop, run: Run) -> None:
    assert run("destinations", "--online", "spare", "people").code == 0


def test_online_needs_a_name_that_is_there(shop: Shop, run: Run) -> None:
    assert "names no destination" in run("destinations", "--online").err
    answer = run("destinations", "--online", "cmr", "contacts")
    assert answer.code == 2
    assert "did you mean 'crm'?" in answer.err


def test_online_needs_an_output_for_the_target(shop: Shop, run: Run) -> None:
    answer = run("destinations", "--online", "crm", "contacts", "--target", "prod")
    assert answer.code == 2
    assert "there is no output 'prod'" in answer.err


def test_online_a_system_that_is_not_there_is_told(shop: Shop, run: Run) -> None:
    answer = run("destinations", "--online", "crm", "contacts")
    assert answer.code == 1
    assert "refused the connection" in answer.err


# schema


@pytest.mark.parametrize("name", ["activate", "destinations", "plan", "results"])
def test_each_schema_is_a_json_schema(run: Run, name: str) -> None:
    answer = run("schema", name)
    assert answer.code == 0
    Draft202012Validator.check_schema(answer.json)
    assert answer.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_another_schema_is_refused_with_the_names_there_are(run: Run) -> None:
    answer = run("schema", "models")
    assert answer.code == 2
    assert "destinations" in answer.err


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(destinations_schema(DestinationKinds()))


def _faults(validator: Draft202012Validator, output: Mapping[str, object]) -> list[str]:
    return [error.message for error in validator.iter_errors({"crm": {"outputs": {"dev": dict(output)}}})]


def test_the_example_projects_destinations_suit_the_schema(validator: Draft202012Validator) -> None:
    found = yaml.safe_load((EXAMPLE / "destinations.yml").read_text())
    assert not list(validator.iter_errors(found))


SOUND: Mapping[str, Mapping[str, object]] = {
    "http": {"type": "http", "url": "https://example.com/v1", "body": "row", "max_concurrency": 2},
    "a template in place of a text with a pattern": {"type": "http", "url": "{{ env_var('U') }}/v1"},
    "a template in place of a number": {"type": "http", "url": "https://e.com", "batch_size": "{{ env_var('N') }}"},
    "a template in place of a common number": {"type": "file", "path": "x", "max_concurrency": "{{ env_var('N') }}"},
    "a template in a list of choices": {"type": "http", "url": "https://e.com", "success_statuses": ["{{ var('s') }}"]},
    "a template as a header": {
        "type": "http",
        "url": "https://e.com",
        "headers": {"Authorization": "Bearer {{ env_var('T') }}"},
    },
    "a sandbox without what the real one needs": {"type": "sandbox", "emulate": "hubspot"},
    "a sandbox with a setting of the real one": {"type": "sandbox", "emulate": "hubspot", "batch_size": 3},
    "postgres by url": {"type": "postgres", "url": "{{ env_var('DSN') }}"},
    "postgres by parts": {"type": "postgres", "host": "db", "dbname": "x", "port": 5432},
    "a file of csv": {"type": "file", "path": "out", "format": "csv"},
}
FAULTY: Mapping[str, Mapping[str, object]] = {
    "no type": {"url": "https://example.com"},
    "an unknown type": {"type": "hubspt", "token": "{{ env_var('T') }}"},
    "a key of another type": {"type": "http", "url": "https://example.com", "token": "{{ env_var('T') }}"},
    "a missing setting": {"type": "hubspot"},
    "neither of two ways": {"type": "postgres", "host": "db"},
    "a number that is a text": {"type": "http", "url": "https://example.com", "batch_size": "many"},
    "a text that breaks its pattern": {"type": "http", "url": "ftp://example.com"},
    "a common number out of range": {"type": "file", "path": "x", "max_concurrency": 0},
    "a sandbox of nothing": {"type": "sandbox"},
    "a sandbox of an unknown type": {"type": "sandbox", "emulate": "hubspt"},
    "a sandbox with a key of another type": {"type": "sandbox", "emulate": "hubspot", "body": "row"},
    "a condition of the type's own": {"type": "file", "path": "x", "format": "csv", "envelope": True},
    "results without what says succeeded": {"type": "http", "url": "https://e.com", "results": {"by": "index"}},
}


@pytest.mark.parametrize("name", SOUND)
def test_what_loading_takes_suits_the_schema(validator: Draft202012Validator, name: str) -> None:
    assert _faults(validator, SOUND[name]) == []


@pytest.mark.parametrize("name", FAULTY)
def test_what_loading_refuses_does_not(validator: Draft202012Validator, name: str) -> None:
    assert _faults(validator, FAULTY[name])


def test_references_of_a_plugins_schema_still_lead_where_they_did() -> None:
    rules = {
        "type": "object",
        "$defs": {"port": {"type": "integer", "minimum": 1}},
        "properties": {"port": {"$ref": "#/$defs/port"}, "other": {"$ref": "#/properties/port"}},
        "additionalProperties": False,
    }
    before = copy.deepcopy(rules)
    made = Draft202012Validator(destinations_schema({"queue": DestinationKind(connection_schema=rules)}))
    assert rules == before
    assert _faults(made, {"type": "queue", "port": 1, "other": "{{ env_var('P') }}"}) == []
    assert _faults(made, {"type": "queue", "port": 0})
    assert _faults(made, {"type": "queue", "other": 0})
    assert _faults(made, {"type": "sandbox", "emulate": "queue", "port": 0})


class _Broken(dict[str, DestinationKind]):
    def __getitem__(self, name: str) -> DestinationKind:
        raise ConfigError(Problem(name, "its library is not installed"))


def test_a_type_whose_library_is_missing_takes_any_setting() -> None:
    kinds = _Broken(queue=DestinationKind(connection_schema={}))
    made = Draft202012Validator(destinations_schema(kinds))
    assert _faults(made, {"type": "queue", "anything": 1}) == []
    assert _faults(made, {"type": "other"})
