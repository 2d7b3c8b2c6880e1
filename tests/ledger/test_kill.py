"""kill -9 of a real process in the middle of a delivery to a real server, on both engines."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from dbt_activate.contracts import Warehouse
from tests.ledger.remote import Store, open_warehouse, run_once, running_store

ROOT = Path(__file__).parents[2]
ROWS = 40
KILLS = [(1, True), (4, False)]
"""The write at which the run is killed, and whether its rows were applied."""


@pytest.fixture
def store() -> Iterator[Store]:
    """A server that keeps what it is sent."""
    with running_store() as store:
        yield store


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """A warehouse on each engine, with a model of forty people."""
    where = {"directory": str(tmp_path)} if request.param == "duckdb" else {"schema": f"t_{uuid.uuid4().hex[:12]}"}
    warehouse = open_warehouse(where)
    try:
        with warehouse.session() as session:
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {warehouse.schema}")
            session.execute(f"CREATE TABLE {warehouse.schema}.people (id INTEGER, email VARCHAR(99), score INTEGER)")
            people = ", ".join(f"({number}, 'p{number}@example.com', 0)" for number in range(ROWS))
            session.execute(f"INSERT INTO {warehouse.schema}.people VALUES {people}")
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield where
    if "schema" in where:
        with warehouse.session() as session:
            session.execute(f"DROP SCHEMA {warehouse.schema} CASCADE")
            session.execute(f"DROP SCHEMA IF EXISTS {warehouse.schema}_activate CASCADE")


def run_and_die(place: Mapping[str, str], store: Store, delivery: str, kill: tuple[int, bool]) -> None:
    """Start a run in a process of its own, and let the store kill it."""
    store.writes, store.kill_at, store.kept = 0, *kill
    command = [sys.executable, "-m", "tests.ledger.remote", json.dumps(place), store.url, delivery]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as victim:
        store.victim = victim.pid
        assert victim.wait(60) == -9
    store.kill_at = 0
    # What the clock would do in five minutes.
    sql(place, "UPDATE {ledger}.leases SET expires_at = expires_at - 600 * INTERVAL '1' SECOND")


def sql(place: Mapping[str, str], statement: str) -> list[tuple[object, ...]]:
    warehouse: Warehouse = open_warehouse(place)
    with warehouse.session() as session:
        text = statement.format(model=f"{warehouse.schema}.people", ledger=f"{warehouse.schema}_activate")
        if text.startswith("SELECT"):
            return list(session.rows(text))
        session.execute(text)
        return []


def model(place: Mapping[str, str]) -> dict[str, dict[str, object]]:
    return {
        str(email): {"email": email, "score": score} for email, score in sql(place, "SELECT email, score FROM {model}")
    }


@pytest.mark.parametrize("kill", KILLS)
def test_after_a_kill_the_next_run_brings_an_upserting_destination_in_step(
    place: Mapping[str, str], store: Store, kill: tuple[int, bool]
) -> None:
    run_and_die(place, store, "upsert", kill)

    result = run_once(place, store.url, "upsert")
    quiet = run_once(place, store.url, "upsert")

    assert store.records == model(place)
    assert (result.status, quiet.counts) == ("success", {})
    assert sql(place, "SELECT COUNT(*), COUNT(DISTINCT key) FROM {ledger}.ledger__people") == [(ROWS, ROWS)]


def test_a_value_that_was_on_its_way_at_the_kill_and_is_taken_back_does_not_stay(
    place: Mapping[str, str], store: Store
) -> None:
    run_once(place, store.url, "upsert")
    sql(place, "UPDATE {model} SET score = 1")
    run_and_die(place, store, "upsert", (2, True))
    assert {row["score"] for row in store.records.values()} == {0, 1}

    sql(place, "UPDATE {model} SET score = 0")
    run_once(place, store.url, "upsert")

    assert store.records == model(place)


@pytest.mark.parametrize("kill", KILLS)
def test_after_a_kill_no_row_of_a_blind_append_is_sent_twice_and_the_doubtful_ones_are_listed(
    place: Mapping[str, str], store: Store, kill: tuple[int, bool]
) -> None:
    run_and_die(place, store, "append", kill)

    run_once(place, store.url, "append")
    run_once(place, store.url, "append")

    emails = [row["email"] for row in store.received]
    unknown = {
        f"p{key}@example.com" for (key,) in sql(place, "SELECT key FROM {ledger}.rejects WHERE outcome = 'unknown'")
    }
    confirmed = {f"p{key}@example.com" for (key,) in sql(place, "SELECT key FROM {ledger}.ledger__people")}
    assert len(emails) == len(set(emails))
    assert confirmed <= set(emails) <= confirmed | unknown
    assert confirmed | unknown == set(model(place))
    assert confirmed & unknown == set()
    # At most what waited and what was on its way: two requests, as many in the queue, and one at its end.
    assert 0 < len(unknown) <= 5 * 5
