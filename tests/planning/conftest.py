"""An open session on each engine, in a schema of its own: planning reads whatever is in it."""

import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.postgres import PostgresWarehouse
from tests.planning.models import Bench

ADDRESS = {"host": "127.0.0.1", "port": 5432, "user": "root", "dbname": "test"}


@pytest.fixture(params=["duckdb", "postgres"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench on each engine."""
    schema = f"t_{uuid.uuid4().hex[:12]}"
    if request.param == "duckdb":
        warehouse: DuckDbWarehouse | PostgresWarehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema=schema)
    else:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS["host"], ADDRESS["port"])):
                pytest.skip("no PostgreSQL on 127.0.0.1:5432")
        warehouse = PostgresWarehouse(ADDRESS, schema=schema)
    with warehouse.session() as session:
        session.execute(f'CREATE SCHEMA "{schema}"')
        try:
            yield Bench(session, warehouse.dialect, schema)
        finally:
            session.execute(f'DROP SCHEMA "{schema}" CASCADE')


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[Bench]:
    """A bench on DuckDB."""
    warehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path, schema="main")
    with warehouse.session() as session:
        yield Bench(session, warehouse.dialect, "main")
