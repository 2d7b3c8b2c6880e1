"""A ledger of which somebody took a table, or broke a row: told with what is missing, before anything is done."""

import pytest

from dbt_activate.errors import LedgerError
from dbt_activate.ledger.history import life_of, past_runs
from dbt_activate.ledger.tables import TABLES
from tests.run.worlds import World


@pytest.fixture
def synced(world: World) -> World:
    """A world after one run."""
    world.fill()
    world.run()
    return world


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("table", TABLES)
def test_a_missing_table_stops_plan_and_run_alike(world: World, table: str, dry: bool) -> None:
    with world.warehouse.session() as session:
        world.ledger.prepare(session, "people")
        session.execute(f"DROP TABLE {world.ledger.table(table)}")
    world.fill()

    message = world.run(dry=dry).message or ""

    assert f"table '{table}' is missing; restore" in message
    assert "start anew: DROP SCHEMA" in message
    assert world.destination.sent == []


def test_all_missing_tables_are_told_at_once(synced: World) -> None:
    for table in ("batches", "rejects"):
        synced.sql(f"DROP TABLE {synced.ledger.table(table)}")

    with (
        synced.warehouse.session() as session,
        pytest.raises(LedgerError, match="tables 'batches', 'rejects' are missing"),
    ):
        past_runs(synced.ledger, session)


def test_a_schema_that_holds_only_tables_of_others_has_no_ledger_yet(world: World) -> None:
    world.fill()
    schema = world.ledger.schema
    with world.warehouse.session() as session:
        session.execute(f'CREATE SCHEMA "{schema}"')
        session.execute(f'CREATE TABLE "{schema}"."notes" (x INTEGER)')
        assert world.ledger.version(session) is None

    assert world.run().counts == {"added": {"succeeded": 3}}


def test_an_unreadable_confirmed_row_is_told_with_its_key_and_the_way_out(synced: World) -> None:
    synced.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    with synced.warehouse.session() as session:
        session.execute(f"UPDATE {synced.ledger.of('people')} SET payload = 'garbage' WHERE key = '2'")

    with synced.warehouse.session() as session, pytest.raises(LedgerError, match=r"'2'.*'payload'.*reset people"):
        life_of(synced.ledger, session, "people", "2")
    message = synced.run(dry=True).message or ""

    assert "ledger of 'people': what it holds of the row '2'" in message
    assert "dbt-activate reset people" in message


def test_an_unreadable_line_of_the_log_is_told_with_its_run(synced: World) -> None:
    synced.sql(f"UPDATE {synced.ledger.table('runs')} SET counts = '{{'")

    with synced.warehouse.session() as session, pytest.raises(LedgerError, match=r"'runs', .*'people', run_id.*JSON"):
        past_runs(synced.ledger, session)
