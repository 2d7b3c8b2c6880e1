"""Names to plug-ins, profiles to warehouses."""

import inspect
import random
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dbt_activate.contracts import Destination
from dbt_activate.destinations.hubspot import HubSpot
from dbt_activate.errors import ConfigError
from dbt_activate.project.profile import Profile
from dbt_activate.registry import DestinationKinds, SystemClock, connect, open_warehouse
from dbt_activate.testing.fakes import FakeClock
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Operation
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.postgres import PostgresWarehouse
from tests.registry.conftest import Register


def make_profile(adapter: str, **output: object) -> Profile:
    return Profile(
        name="shop", target="dev", adapter_type=adapter, output=output, schema="analytics", directory=Path("profiles")
    )


def test_every_type_that_is_declared_can_be_loaded(register: Register, declared: Mapping[str, str]) -> None:
    register(declared)
    kinds = DestinationKinds()

    for name in declared:
        kind = kinds.load(name)
        assert issubclass(kind, Destination)
        assert not inspect.isabstract(kind)
        assert kinds[name].connection_schema == kind.connection_schema
    assert set(declared) <= set(kinds)
    assert "nonsense" not in kinds


def test_the_sandbox_is_no_type_of_its_own(declared: Mapping[str, str]) -> None:
    assert "sandbox" not in declared


@pytest.mark.parametrize(
    ("entry", "fault"),
    [("no_such_module_anywhere:Thing", "no_such_module_anywhere"), ("dbt_activate.errors:NoSuchClass", "NoSuchClass")],
)
def test_a_type_that_cannot_be_loaded_is_told_by_name(register: Register, entry: str, fault: str) -> None:
    register({"acme": entry})

    with pytest.raises(ConfigError, match=rf"destination type 'acme': cannot be loaded: .*{fault}"):
        DestinationKinds().load("acme")


def test_looking_at_the_names_loads_nothing(register: Register) -> None:
    register({"acme": "no_such_module_anywhere:Thing"})
    kinds = DestinationKinds()

    assert "acme" in kinds
    assert "acme" in list(kinds)
    assert len(kinds) >= 1


@pytest.mark.parametrize("adapter", ["snowflake", "sqlite", ""])
def test_an_adapter_without_support_is_told_with_its_place(adapter: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"profiles\.yml, shop\.outputs\.dev: no support for the adapter '{adapter}'"
    ):
        open_warehouse(make_profile(adapter), Path())


@pytest.mark.parametrize(("adapter", "driver"), [("duckdb", "duckdb"), ("postgres", "psycopg")])
def test_a_driver_that_is_not_installed_is_told_with_the_command(
    adapter: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)

    with pytest.raises(ConfigError, match=rf"pip install 'dbt-activate\[{adapter}\]'"):
        open_warehouse(make_profile(adapter, path="w.duckdb"), Path())


def test_a_profile_in_memory_is_a_fault_of_the_profile() -> None:
    with pytest.raises(ConfigError, match=r"profiles\.yml, shop\.outputs\.dev: .*give the output a `path`"):
        open_warehouse(make_profile("duckdb"), Path())


def test_each_adapter_has_its_warehouse(tmp_path: Path) -> None:
    duckdb = open_warehouse(make_profile("duckdb", path="w.duckdb"), tmp_path, lock_timeout=7.0)
    postgres = open_warehouse(make_profile("postgres", host="h", dbname="d"), tmp_path)

    assert isinstance(duckdb, DuckDbWarehouse)
    assert (duckdb.path, duckdb.schema, duckdb.lock_timeout) == (str(tmp_path / "w.duckdb"), "analytics", 7.0)
    assert isinstance(postgres, PostgresWarehouse)
    assert (postgres.schema, postgres.identity) == ("analytics", "postgres:h:5432/d")


def test_the_sandbox_stands_in_for_the_type_that_it_emulates(register: Register, declared: Mapping[str, str]) -> None:
    register(declared)
    settings = {"emulate": "hubspot", "url": "http://127.0.0.1:8484", "portal_id": 7}
    connection = Connection(name="crm", output="dev", type="sandbox", settings=settings)

    link = connect(connection, DestinationKinds(), FakeClock(), random.Random(1))

    made = link.destination
    assert isinstance(made, HubSpot)
    assert made.connection.type == "hubspot"
    assert made.connection.allow_private_addresses
    assert made.connection.settings == {"base_url": "http://127.0.0.1:8484", "token": Secret("sandbox"), "portal_id": 7}
    assert Operation.UPSERT in made.describe("contacts").operations


def test_a_real_type_is_never_given_private_addresses(register: Register, declared: Mapping[str, str]) -> None:
    register(declared)
    connection = Connection(name="crm", output="dev", type="hubspot", settings={"token": Secret("t")})

    link = connect(connection, DestinationKinds(), FakeClock(), random.Random(1))

    assert not link.destination.connection.allow_private_addresses


@pytest.mark.parametrize(("chosen", "used"), [(None, HubSpot.limits.max_requests_per_second), (3.0, 3.0)])
def test_the_documented_rate_holds_where_the_user_sets_none(
    register: Register, declared: Mapping[str, str], chosen: float | None, used: float
) -> None:
    register(declared)
    limits = Limits(max_requests_per_second=chosen, max_concurrency=2)
    connection = Connection(name="crm", output="dev", type="hubspot", settings={"token": Secret("t")}, limits=limits)

    link = connect(connection, DestinationKinds(), FakeClock(), random.Random(1))

    assert (link.pacer.rate, link.limits.max_requests_per_second, link.limits.max_concurrency) == (used, used, 2)
    assert link.destination.connection.limits == link.limits


async def test_the_machines_clock_goes_on_and_does_not_wait_for_what_is_past() -> None:
    clock = SystemClock()
    before = clock.monotonic()

    await clock.sleep(-1)
    await clock.sleep(0.01)

    assert clock.monotonic() - before >= 0.01
    assert clock.now().utcoffset() is not None
