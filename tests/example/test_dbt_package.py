"""The repository's root is a dbt package: another project installs it and calls its macros."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import psycopg
import pytest

Dbt: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
ADA = hashlib.sha256(b"ada@example.com").hexdigest()
ZOE = hashlib.sha256("zoë@example.com".encode()).hexdigest()

PROFILES = """
caller:
  target: dev
  outputs:
    dev: {type: duckdb, path: caller.duckdb}
    pg:
      type: postgres
      host: "{{ env_var('PGHOST', '') }}"
      port: "{{ env_var('PGPORT', '5432') | as_number }}"
      user: "{{ env_var('PGUSER', '') }}"
      password: ""
      dbname: "{{ env_var('PGDATABASE', '') }}"
      schema: "{{ env_var('EXAMPLE_SCHEMA', '') }}"
"""

FILES = {
    "dbt_project.yml": "{name: caller, version: '1.0', config-version: 2, profile: caller,"
    " flags: {require_generic_test_arguments_property: true}}",
    "profiles.yml": PROFILES,
    "packages.yml": f"packages: [{{local: {json.dumps(str(ROOT))}}}]",
    "models/people.sql": """
        select cast(1 as integer) as id, cast(e' Ada@Example.com\\t\\n' as varchar) as email, '+44 (0)20-7946' as phone
        union all select 2, '  ', 'none'
        union all select 3, null, null
        union all select 4, 'zoë@example.com', '1'
    """,
    "models/normal.sql": """
        select
            id,
            {{ dbt_activate.activate_email('email') }} as email,
            {{ dbt_activate.activate_digits('phone') }} as digits,
            {{ dbt_activate.activate_sha256(dbt_activate.activate_email('email')) }} as email_sha256
        from {{ ref('people') }}
    """,
    "models/bad_keys.sql": """
        select cast('a' as varchar) as code, cast('x' as varchar) as part
        union all select 'a', 'x'
        union all select 'a', 'y'
        union all select null, 'x'
        union all select '  ', 'x'
    """,
    "models/models.yml": """
        models:
          - name: normal
            data_tests: [{dbt_activate.activatable: {name: good_key, arguments: {primary_key: id}}}]
          - name: bad_keys
            data_tests:
              - dbt_activate.activatable: {name: bad_key, arguments: {primary_key: code}}
              - dbt_activate.activatable: {name: bad_pair, arguments: {primary_key: [code, part]}}
    """,
}


@pytest.fixture(scope="module")
def caller(run_dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("caller")
    (directory / "models").mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    installed = run_dbt(directory, "deps", settings={})
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return directory


@pytest.fixture(scope="module")
def duckdb_rows(run_dbt: Dbt, caller: Path) -> Iterator[list[tuple[Any, ...]]]:
    run_dbt(caller, "build", "--target", "dev", "--target-path", "dev", settings={})
    with duckdb.connect(caller / "caller.duckdb", read_only=True) as connection:
        yield connection.execute("select * from normal order by id").fetchall()


@pytest.fixture(scope="module")
def postgres_rows(
    run_dbt: Dbt, caller: Path, postgres_connection: psycopg.Connection, postgres_settings: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    run_dbt(caller, "build", "--target", "pg", "--target-path", "pg", settings=postgres_settings)
    return postgres_connection.execute("select * from normal order by id").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["duckdb_rows", "postgres_rows"])
def test_identifiers_are_normalised_alike_on_both_warehouses(rows: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(rows) == [
        (1, "ada@example.com", "440207946", ADA),
        (2, None, None, None),
        (3, None, None, None),
        (4, "zoë@example.com", "1", ZOE),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "rows"), [("dev", "duckdb_rows"), ("pg", "postgres_rows")])
def test_a_key_test_counts_the_keys_that_are_null_blank_or_twice_there(
    target: str, rows: str, caller: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(rows)
    results = json.loads((caller / target / "run_results.json").read_text())["results"]
    failures = {result["unique_id"].split(".")[2]: result["failures"] for result in results}

    assert {name: failures[name] for name in ("good_key", "bad_key", "bad_pair")} == {
        "good_key": 0,
        "bad_key": 3,
        "bad_pair": 3,
    }


@pytest.mark.slow
def test_the_package_brings_macros_and_nothing_else(duckdb_rows: list[tuple[Any, ...]], caller: Path) -> None:
    manifest = json.loads((caller / "dev" / "manifest.json").read_text())
    nodes = [name for name, node in manifest["nodes"].items() if node["package_name"] == "dbt_activate"]
    undocumented = [
        name
        for name, macro in manifest["macros"].items()
        if macro["package_name"] == "dbt_activate" and "__" not in name and not macro["description"]
    ]

    assert duckdb_rows
    assert nodes == []
    assert undocumented == []
