"""A real dbt and the warehouses it builds in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import psycopg
import pytest

Dbt: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

LOCAL_POSTGRES = {"PGHOST": "127.0.0.1", "PGPORT": "5432", "PGUSER": "root", "PGDATABASE": "test"}


@pytest.fixture(scope="session")
def run_dbt() -> Dbt:
    """Run dbt in a directory: ``run_dbt(directory, "build", ..., settings={})``. A warning is an error."""

    def run(directory: Path, *arguments: str, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "EXAMPLE_"))}
        return subprocess.run(
            [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--warn-error", *arguments],
            cwd=directory,
            env={**inherited, **settings, "DBT_PROFILES_DIR": ".", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def postgres() -> Mapping[str, str]:
    """The server's address, as libpq's environment variables."""
    address = {name: os.environ.get(name, default) for name, default in LOCAL_POSTGRES.items()}
    try:
        psycopg.connect(_dsn(address), connect_timeout=3).close()
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {address['PGHOST']}:{address['PGPORT']}: {error}")
    return address


@pytest.fixture(scope="module")
def postgres_connection(postgres: Mapping[str, str]) -> Iterator[psycopg.Connection]:
    """A connection whose search path is a schema of its own; the schema goes when the module is done."""
    schema = f"example_{uuid4().hex[:12]}"
    with psycopg.connect(_dsn(postgres), autocommit=True) as connection:
        connection.execute(f"create schema {schema}")
        connection.execute(f"set search_path to {schema}")
        yield connection
        connection.execute(f"drop schema {schema} cascade")


@pytest.fixture(scope="module")
def postgres_settings(postgres: Mapping[str, str], postgres_connection: psycopg.Connection) -> Mapping[str, str]:
    """What dbt must find in its environment to build in the schema of ``postgres_connection``."""
    row = postgres_connection.execute("select current_schema()").fetchone()
    assert row is not None
    return {**postgres, "EXAMPLE_SCHEMA": row[0]}


def _dsn(address: Mapping[str, str]) -> str:
    return psycopg.conninfo.make_conninfo(
        host=address["PGHOST"], port=address["PGPORT"], user=address["PGUSER"], dbname=address["PGDATABASE"]
    )
