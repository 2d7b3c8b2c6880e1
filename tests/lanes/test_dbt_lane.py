"""Whatever dbt is installed beside us builds a small project, and the program syncs it.

The lane of the oldest dbt runs this file alone, `make lane-dbt-1.10`; the ordinary run has it with the newest dbt.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import duckdb
import pytest

from dbt_activate.sandbox.server import RunningSandbox

PROJECT: Mapping[str, str] = {
    "dbt_project.yml": "name: lane\nversion: '1.0'\nconfig-version: 2\nprofile: lane\n",
    "profiles.yml": "lane: {target: dev, outputs: {dev: {type: duckdb, path: lane.duckdb, threads: 1}}}\n",
    "destinations.yml": """
crm:
  outputs:
    dev: {type: sandbox, emulate: hubspot, url: "{{ env_var('SANDBOX_URL') }}", max_requests_per_second: 1000}
ops:
  outputs:
    dev: {type: sqlite, path: ops.sqlite}
""",
    "seeds/members.csv": "id,email,name\n1,ann@example.com,Ann\n2,bob@example.com,Bob\n3,cy@example.com,Cy\n",
    "seeds/seeds.yml": """
seeds:
  - name: members
    config:
      meta:
        activate:
          member_names: {destination: ops, object: names, mode: mirror, identifier: id, fields: {id: id, name: name}}
    columns:
      - {name: id, data_tests: [unique, not_null]}
""",
    "models/members_with_points.sql": """
{{ config(materialized='table') }}
select id, email, name, id * {{ var('factor', 10) }} as points from {{ ref('members') }}
""",
    "models/models.yml": """
models:
  - name: members_with_points
    config:
      meta:
        activate:
          crm_members:
            destination: crm
            object: contacts
            primary_key: id
            identifier: email
            fields:
              email: email
              firstname: name
              lastname: {sql: "'No. ' || id"}
              annualrevenue: {column: points, transform: [string]}
            guards: {max_changed: 100%}
            tags: [crm]
    columns:
      - {name: id, data_tests: [unique, not_null]}
""",
}


class Lane:
    """A project in a folder, and the two programs to use it with."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
        self.environ = {
            **kept,
            "DBT_PROFILES_DIR": str(directory),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "SANDBOX_URL": url,
        }
        for name, text in PROJECT.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.lstrip())

    def dbt(self, *arguments: str) -> None:
        self._run([sys.executable, "-m", "dbt.cli.main", "--warn-error", "--quiet", *arguments])

    def activate(self, *arguments: str) -> str:
        return self._run([sys.executable, "-m", "dbt_activate", *arguments])

    def results(self) -> dict[str, Any]:
        """Sync to its entry in the artifact of the last run."""
        document = json.loads((self.directory / "target/activate/activate_results.json").read_text())
        return {entry["sync"]: entry for entry in document["results"]}

    def contacts(self) -> dict[str, Any]:
        """E-mail to properties of every contact that the sandbox holds."""
        records = self._get("/_sandbox/state?object=contacts&limit=1000")["records"]["contacts"]
        return {record["properties"]["email"]: record["properties"] for record in records}

    def counts(self) -> dict[str, Any]:
        return self._get("/_sandbox/counts")

    def _get(self, path: str) -> dict[str, Any]:
        with urlopen(f"{self.url}{path}", timeout=60) as answer:  # noqa: S310 - our own sandbox
            found: dict[str, Any] = json.load(answer)
        return found

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.directory, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.mark.slow
def test_this_dbt_builds_and_the_program_syncs_what_changed_and_nothing_else(tmp_path: Path) -> None:
    with RunningSandbox() as sandbox:
        lane = Lane(tmp_path, sandbox.url)

        lane.dbt("build")
        manifest = json.loads((tmp_path / "target/manifest.json").read_text())
        assert manifest["metadata"]["dbt_version"] == version("dbt-core")
        planned = json.loads(lane.activate("plan", "--output", "json"))
        assert {entry["sync"]: entry["counts"]["added"] for entry in planned["syncs"]} == {
            "crm_members": 3,
            "member_names": 3,
        }

        lane.activate("sync")
        assert {name: entry["outcomes"] for name, entry in lane.results().items()} == {
            "crm_members": {"succeeded": 3},
            "member_names": {"succeeded": 3},
        }
        assert _names(tmp_path) == {1: "Ann", 2: "Bob", 3: "Cy"}
        assert lane.contacts()["bob@example.com"]["annualrevenue"] == "20"
        assert lane.contacts()["cy@example.com"]["lastname"] == "No. 3"

        before = lane.counts()["total"]
        lane.activate("sync")
        assert lane.counts()["total"] == before
        assert all(entry["status"] == "success" and not entry["requests"] for entry in lane.results().values())

        with duckdb.connect(str(tmp_path / "lane.duckdb")) as warehouse:
            warehouse.execute("UPDATE members_with_points SET points = 21 WHERE id = 2")
        written = lane.counts()["rows_written"]
        lane.activate("sync", "--select", "+members_with_points")
        assert lane.counts()["rows_written"] == written + 1
        assert lane.contacts()["bob@example.com"]["annualrevenue"] == "21"


def _names(directory: Path) -> dict[int, str]:
    connection = sqlite3.connect(directory / "ops.sqlite")
    try:
        return dict(connection.execute("SELECT id, name FROM names"))
    finally:
        connection.close()
