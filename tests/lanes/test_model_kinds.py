"""Every kind of node that has a relation, built by a real dbt, is synced alike."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dbt_activate.sandbox.server import RunningSandbox
from tests.lanes.test_dbt_lane import Lane

BLOCK = """
    config:
      meta:
        activate:
          {name}:
            {{destination: ops, object: {name}, mode: mirror, primary_key: id, identifier: id,
              fields: {{id: id, name: name}}}}
"""
KINDS = {
    "models/as_view.sql": "{{ config(materialized='view') }} select id, name from {{ ref('members') }}",
    "models/as_increment.sql": (
        "{{ config(materialized='incremental', unique_key='id') }} select id, name from {{ ref('members') }}"
    ),
    "models/as_version_v1.sql": "select id, 'first' as name from {{ ref('members') }}",
    "models/as_version_v2.sql": "select id, name from {{ ref('members') }}",
    "models/kinds.yml": "\n".join(
        (
            "models:",
            *(f"  - name: {name}{BLOCK.format(name=name)}" for name in ("as_view", "as_increment")),
            f"  - name: as_version\n    latest_version: 2{BLOCK.format(name='as_version')}",
            "    versions: [{v: 1}, {v: 2}]",
        )
    ),
    "snapshots/kinds.yml": (
        "snapshots:\n"
        "  - name: as_snapshot\n"
        "    relation: ref('members')\n"
        "    config:\n"
        "      unique_key: id\n"
        "      strategy: check\n"
        "      check_cols: [name]\n"
        "      meta:\n"
        "        activate:\n"
        "          as_snapshot: {destination: ops, object: as_snapshot, mode: mirror,\n"
        "            primary_key: id, identifier: id,\n"
        "            where: dbt_valid_to is null, fields: {id: id, name: name}}\n"
    ),
}
NAMES = ("as_view", "as_increment", "as_version", "as_snapshot", "names")


@pytest.mark.slow
def test_view_increment_version_snapshot_and_seed_are_synced_alike(tmp_path: Path) -> None:
    with RunningSandbox() as sandbox:
        lane = Lane(tmp_path, sandbox.url)
        for name, text in KINDS.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        lane.dbt("build")

        lane.activate("sync", "--yes")
        first = {name: entry["outcomes"] for name, entry in lane.results().items()}
        lane.activate("sync", "--yes")
        second = {name: entry["outcomes"] for name, entry in lane.results().items()}

    assert first["as_view"] == {"succeeded": 3}
    assert set(map(str, second.values())) == {"{}"}
    with closing(sqlite3.connect(tmp_path / "ops.sqlite")) as connection:
        tables = {name: connection.execute(f"SELECT id, name FROM {name} ORDER BY id").fetchall() for name in NAMES}
    people = [(1, "Ann"), (2, "Bob"), (3, "Cy")]
    assert tables == dict.fromkeys(NAMES, people)
