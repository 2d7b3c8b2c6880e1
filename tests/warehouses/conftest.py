"""A PostgreSQL schema of one's own."""

import socket
import uuid
from collections.abc import Iterator, Mapping

import pytest

from dbt_activate.warehouses.postgres import PostgresWarehouse

ADDRESS: Mapping[str, object] = {"host": "127.0.0.1", "port": 5432, "user": "root", "dbname": "test"}


@pytest.fixture
def postgres() -> Iterator[PostgresWarehouse]:
    """A warehouse in a schema that is there for one test."""
    with socket.socket() as probe:
        if probe.connect_ex((ADDRESS["host"], ADDRESS["port"])):
            pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    schema = f"t_{uuid.uuid4().hex[:12]}"
    warehouse = PostgresWarehouse(ADDRESS, schema=schema)
    with warehouse.session() as session:
        session.execute(f"CREATE SCHEMA {schema}")
    yield warehouse
    with warehouse.session() as session:
        session.execute(f"DROP SCHEMA {schema} CASCADE")
