"""The example project holds what its README says, on both warehouses."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import psycopg
import pytest
import yaml

Query: TypeAlias = Callable[[str], Sequence[tuple[Any, ...]]]
Rows: TypeAlias = Mapping[int, tuple[Any, ...]]
Builds: TypeAlias = Mapping[str, Mapping[str, Rows]]
Dbt: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

PROJECT = Path(__file__).parents[2] / "example_project"
ACTIVATED = ("customer_profile", "high_value_customers", "customer_scores")
CUSTOMERS = 23_570
CONSENT = 5  # the place of marketing_consent in a row of high_value_customers
BUILDS = {"first": (), "same day": ("--vars", "{as_of: 1997-10-01}"), "a week on": ("--vars", "{as_of: 1997-10-08}")}
HUBSPOT_OWN = {"email", "firstname", "lastname", "country"}


def _copy_of_the_project(directory: Path) -> Path:
    unwanted = shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb*", "*.sqlite", ".user.yml")
    return Path(shutil.copytree(PROJECT, directory / "shop", ignore=unwanted))


def _build_each(run_dbt: Dbt, shop: Path, target: str, settings: Mapping[str, str], query: Query) -> Builds:
    builds = {}
    for name, variables in BUILDS.items():
        done = run_dbt(shop, "--quiet", "build", "--target", target, *variables, settings=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        builds[name] = {table: _by_key(query(f"select * from {table}")) for table in ACTIVATED}
        builds[name]["customer_segments"] = _numbered(query("select customer_id, segment from customer_segments"))
    return builds


def _by_key(rows: Sequence[tuple[Any, ...]]) -> Rows:
    keyed = {row[0]: row for row in rows}
    assert len(keyed) == len(rows), "a key names two rows"
    return keyed


def _numbered(rows: Sequence[tuple[Any, ...]]) -> Rows:
    return dict(enumerate(sorted(rows)))


def _changed(before: Rows, after: Rows) -> int:
    return sum(after[key] != row for key, row in before.items() if key in after)


@pytest.fixture(scope="module")
def duckdb_builds(run_dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Builds:
    shop = _copy_of_the_project(tmp_path_factory.mktemp("dev"))

    def query(statement: str) -> Sequence[tuple[Any, ...]]:
        with duckdb.connect(shop / "warehouse.duckdb", read_only=True) as connection:
            return connection.execute(statement).fetchall()

    return _build_each(run_dbt, shop, "dev", {}, query)


@pytest.fixture(scope="module")
def postgres_builds(
    run_dbt: Dbt,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_connection: psycopg.Connection,
    postgres_settings: Mapping[str, str],
) -> Builds:
    shop = _copy_of_the_project(tmp_path_factory.mktemp("pg"))

    def query(statement: str) -> Sequence[tuple[Any, ...]]:
        return postgres_connection.execute(statement.encode()).fetchall()

    return _build_each(run_dbt, shop, "pg", postgres_settings, query)


@pytest.fixture(params=["duckdb_builds", "postgres_builds"])
def builds(request: pytest.FixtureRequest) -> Builds:
    made: Builds = request.getfixturevalue(request.param)
    return made


@pytest.mark.slow
def test_the_first_sync_has_every_customer(builds: Builds) -> None:
    assert set(builds["first"]["customer_profile"]) == set(range(1, CUSTOMERS + 1))
    assert set(builds["first"]["customer_scores"]) == set(range(1, CUSTOMERS + 1))


@pytest.mark.slow
def test_a_second_build_of_the_same_day_has_the_same_rows(builds: Builds) -> None:
    assert builds["same day"] == builds["first"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["customer_profile", "customer_scores"])
def test_a_week_changes_one_row_in_eleven(builds: Builds, table: str) -> None:
    before, after = builds["first"][table], builds["a week on"][table]

    assert set(after) == set(before)
    assert _changed(before, after) == 2_087


@pytest.mark.slow
def test_a_week_lets_some_high_value_customers_in_and_others_go(builds: Builds) -> None:
    before, after = builds["first"]["high_value_customers"], builds["a week on"]["high_value_customers"]

    assert (len(before), len(after)) == (842, 855)
    assert (len(set(after) - set(before)), len(set(before) - set(after))) == (36, 23)
    assert _changed(before, after) == 154


@pytest.mark.slow
def test_a_week_removes_fewer_members_than_the_guard_of_the_webhook_allows(builds: Builds) -> None:
    before, after = (
        {key for key, row in builds[name]["high_value_customers"].items() if row[CONSENT]}
        for name in ("first", "a week on")
    )
    allowed = float(_activate_blocks()["vip_webhook"]["guards"]["max_removed"].removesuffix("%"))

    assert (len(before), len(after)) == (726, 738)
    assert 100 * len(before - after) / len(before) < allowed


@pytest.mark.slow
def test_the_snapshot_grows_only_by_customers_who_moved_to_another_segment(builds: Builds) -> None:
    sizes = [len(build["customer_segments"]) for build in builds.values()]

    assert sizes == [CUSTOMERS, CUSTOMERS, CUSTOMERS + 695]


@pytest.mark.slow
def test_both_warehouses_hold_the_same_rows(duckdb_builds: Builds, postgres_builds: Builds) -> None:
    assert postgres_builds == duckdb_builds


def _models() -> Mapping[str, Any]:
    models = yaml.safe_load((PROJECT / "models/marts/marts.yml").read_text())["models"]
    return {model["name"]: model for model in models}


def _activate_blocks() -> Mapping[str, Any]:
    return {
        name: block
        for model in _models().values()
        for name, block in model.get("config", {}).get("meta", {}).get("activate", {}).items()
    }


def test_every_synced_column_is_a_column_of_its_model() -> None:
    for model in ACTIVATED:
        columns = {column["name"] for column in _models()[model]["columns"]}
        for block in _models()[model]["config"]["meta"]["activate"].values():
            sources = {field for field in block["fields"].values() if isinstance(field, str)}
            assert sources | {block["primary_key"]} <= columns


def test_every_destination_has_an_output_for_every_dbt_target() -> None:
    profiles = yaml.safe_load((PROJECT / "profiles.yml").read_text())
    destinations = yaml.safe_load((PROJECT / "destinations.yml").read_text())

    assert {block["destination"] for block in _activate_blocks().values()} == set(destinations)
    for destination in destinations.values():
        assert set(destination["outputs"]) == set(profiles["music_shop"]["outputs"])


def test_the_crm_is_given_a_property_for_every_field_it_does_not_have() -> None:
    properties = json.loads((PROJECT / "hubspot_properties.json").read_text())

    assert {each["name"] for each in properties} == set(_activate_blocks()["crm_contacts"]["fields"]) - HUBSPOT_OWN


@pytest.mark.parametrize(
    ("column", "crm_property"), [("segment", "customer_segment"), ("recency_band", "recency_band")]
)
def test_the_crm_knows_every_value_that_the_model_may_have(column: str, crm_property: str) -> None:
    properties = {each["name"]: each for each in json.loads((PROJECT / "hubspot_properties.json").read_text())}
    columns = {each["name"]: each for each in _models()["customer_profile"]["columns"]}
    tests = [test for test in columns[column]["data_tests"] if isinstance(test, dict)]

    allowed = tests[0]["accepted_values"]["arguments"]["values"]
    assert [option["value"] for option in properties[crm_property]["options"]] == allowed
