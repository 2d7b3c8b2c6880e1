"""Worlds for whole runs: the same tests on DuckDB and on PostgreSQL."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.worlds import World, duckdb_world, postgres_world

POSTGRES = {"host": "127.0.0.1", "port": 5432, "user": "root", "dbname": "test"}


@pytest.fixture(params=["duckdb", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world on each engine."""
    if request.param == "duckdb":
        with duckdb_world(tmp_path) as made:
            yield made
        return
    with socket.socket() as probe:
        if probe.connect_ex((POSTGRES["host"], POSTGRES["port"])):
            pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    with postgres_world(POSTGRES) as made:
        yield made
