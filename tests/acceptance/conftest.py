"""The shops that acceptance tests send from."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox
from tests.acceptance.shops import PostgresShop, Sandbox, Shop, copy_of, postgres_connection, run_dbt, write_project


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as dbt built it in DuckDB. Nobody writes to it: tests have copies."""
    directory = tmp_path_factory.mktemp("built")
    write_project(directory)
    run_dbt(directory, "run")
    return directory


@pytest.fixture(scope="session")
def built_in_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The project as dbt built it in PostgreSQL, and the schema that it is in."""
    try:
        with postgres_connection():
            pass
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    directory, schema = tmp_path_factory.mktemp("built_in_postgres"), f"shop_{uuid4().hex[:12]}"
    write_project(directory)
    try:
        run_dbt(directory, "run", "--vars", "{crowd: 20}", environ={"SHOP_TARGET": "pg", "SHOP_SCHEMA": schema})
        with postgres_connection() as connection:
            connection.execute(f'CREATE TABLE "{schema}".people_as_built AS TABLE "{schema}".people'.encode())
        yield directory, schema
    finally:
        _drop(schema)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with RunningSandbox(SandboxOptions(rate_limit=0)) as running:
        yield Sandbox(running.url)


@pytest.fixture
def shop(built: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose warehouse is DuckDB."""
    return Shop(copy_of(built, tmp_path), sandbox, monkeypatch.setenv)


@pytest.fixture
def postgres_shop(
    built_in_postgres: tuple[Path, str], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> PostgresShop:
    """A shop whose warehouse is PostgreSQL, with the rows that dbt built and no ledger."""
    template, schema = built_in_postgres
    shop = PostgresShop(copy_of(template, tmp_path), sandbox, monkeypatch.setenv)
    shop.schema = schema
    shop.give(SHOP_SCHEMA=schema)
    with postgres_connection() as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}_activate" CASCADE'.encode())
        connection.execute(f'DROP TABLE IF EXISTS "{schema}".people'.encode())
        connection.execute(f'CREATE TABLE "{schema}".people AS TABLE "{schema}".people_as_built'.encode())
    return shop


@pytest.fixture(params=["duckdb", "postgres"])
def each_shop(request: pytest.FixtureRequest) -> Shop:
    """The same test on each warehouse."""
    shop: Shop = request.getfixturevalue("shop" if request.param == "duckdb" else "postgres_shop")
    return shop


@pytest.fixture
def postgres_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Mapping[int, tuple[object, ...]]]]:
    """A schema for the destination ``post``; call it with a table's name for its rows by id."""
    schema = f"ops_{uuid4().hex[:12]}"
    monkeypatch.setenv("OPS_SCHEMA", schema)
    try:
        with postgres_connection() as connection:
            connection.execute(f'CREATE SCHEMA "{schema}"'.encode())
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error}")

    def rows(table: str) -> Mapping[int, tuple[object, ...]]:
        with postgres_connection() as connection:
            found = connection.execute(f'SELECT id, email, name, points FROM "{schema}"."{table}"'.encode()).fetchall()
        return {row[0]: row[1:] for row in found}

    yield rows
    _drop(schema)


def _drop(schema: str) -> None:
    with postgres_connection() as connection:
        for name in (schema, f"{schema}_activate"):
            connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'.encode())
