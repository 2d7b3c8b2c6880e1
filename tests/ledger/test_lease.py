"""Who may send for a sync: one at a time, told by an epoch that only grows."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dbt_activate.contracts import Session
from dbt_activate.errors import FencedError, LockedError
from dbt_activate.ledger.lease import MARGIN_SECONDS, TTL_SECONDS, Lease, acquire
from dbt_activate.testing.fakes import FakeClock
from tests.run.worlds import World

ROOT = Path(__file__).parents[2]


@pytest.fixture
def take(world: World) -> Callable[..., Lease]:
    """Take the lease of a sync, in a session of its own."""

    def taken(sync: str = "people", run_id: str = "r", clock: FakeClock | None = None) -> Lease:
        with world.warehouse.session() as session:
            world.ledger.prepare(session, sync)
            return acquire(world.ledger, session, clock or FakeClock(), sync=sync, run_id=run_id)

    return taken


def expire(world: World) -> None:
    """What the warehouse's clock would do in ten minutes."""
    world.sql(f"UPDATE {world.ledger.table('leases')} SET expires_at = expires_at - 600 * INTERVAL '1' SECOND")


def leases(world: World) -> list[tuple[object, ...]]:
    return world.ledger_rows("leases", "sync, epoch, holder IS NULL, run_id", "sync")


def test_a_held_lease_is_refused_and_its_holder_named(world: World, take: Callable[..., Lease]) -> None:
    take(run_id="first")

    with pytest.raises(LockedError, match=r"run first holds the lease \(host .*, process \d+, epoch 1\)"):
        take(run_id="second")

    assert leases(world) == [("people", 1, False, "first")]


def test_a_released_lease_is_free_and_the_epoch_grows(world: World, take: Callable[..., Lease]) -> None:
    for epoch in (1, 2, 3):
        lease = take(run_id=f"run {epoch}")
        assert lease.epoch == epoch
        with world.warehouse.session() as session:
            lease.release(session)

    assert leases(world) == [("people", 3, True, "run 3")]


def test_an_expired_lease_is_taken_and_its_old_holder_fenced(world: World, take: Callable[..., Lease]) -> None:
    old = take(run_id="old")
    expire(world)

    new = take(run_id="new")

    assert new.epoch == old.epoch + 1
    with world.warehouse.session() as session:
        with pytest.raises(FencedError, match=r"another run took the lease \(epoch 1 is over\)"):
            old.renew(session)
        old.release(session)
        new.renew(session)
    assert leases(world) == [("people", 2, False, "new")]


def test_what_a_fenced_run_wrote_in_the_same_transaction_is_rolled_back(
    world: World, take: Callable[..., Lease]
) -> None:
    old = take(run_id="old")
    expire(world)
    take(run_id="new")

    with world.warehouse.session() as session, pytest.raises(FencedError):
        _write_and_renew(world, session, old)

    assert world.ledger_rows("rejects") == []


def _write_and_renew(world: World, session: Session, lease: Lease) -> None:
    with session.transaction():
        session.execute(f"INSERT INTO {world.ledger.table('rejects')} (sync, key) VALUES ('people', '1')")
        lease.renew(session)


def test_an_expired_lease_that_nobody_took_may_be_renewed(world: World, take: Callable[..., Lease]) -> None:
    lease = take()
    expire(world)

    with world.warehouse.session() as session:
        lease.renew(session)

    with pytest.raises(LockedError):
        take(run_id="another")


def test_the_deadline_is_counted_from_before_the_question(world: World, take: Callable[..., Lease]) -> None:
    clock = FakeClock()
    lease = take(clock=clock)

    covered = TTL_SECONDS - MARGIN_SECONDS
    assert lease.covers(covered - 1)
    assert not lease.covers(covered)
    clock._seconds = 200.0
    assert not lease.covers(100.0)
    with world.warehouse.session() as session:
        lease.renew(session)
    assert lease.covers(covered - 1)


def test_the_leases_of_two_syncs_have_nothing_to_do_with_each_other(world: World, take: Callable[..., Lease]) -> None:
    one, other = take("people"), take("others")

    with world.warehouse.session() as session:
        one.release(session)
        other.renew(session)

    assert leases(world) == [("others", 1, False, "r"), ("people", 1, True, "r")]


@pytest.mark.parametrize("world", ["postgres"], indirect=True)
@pytest.mark.parametrize("attempt", range(2))
def test_of_many_first_runs_at_once_one_gets_the_lease_and_all_find_one_ledger(world: World, attempt: int) -> None:
    barrier, outcomes = threading.Barrier(6), list[str]()

    def run(number: int) -> None:
        with world.warehouse.session() as session:
            barrier.wait()
            try:
                world.ledger.prepare(session, "people")
                acquire(world.ledger, session, FakeClock(), sync="people", run_id=f"run {number}")
            except LockedError:
                outcomes.append("locked")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                outcomes.append(repr(error))
            else:
                outcomes.append("taken")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [*["locked"] * 5, "taken"]
    assert [(sync, epoch) for sync, epoch, *_ in leases(world)] == [("people", 1)]
    assert [name for (name,) in world.ledger_rows("meta", "name", "name")] == ["hash_key", "version"]


def test_two_first_runs_that_both_find_no_lease_make_one(world: World) -> None:
    with world.warehouse.session() as session:
        world.ledger.prepare(session, "people")
        overtaken = Overtaken(
            session, lambda: acquire(world.ledger, session, FakeClock(), sync="people", run_id="quick")
        )

        with pytest.raises(LockedError, match="run quick"):
            acquire(world.ledger, overtaken, FakeClock(), sync="people", run_id="slow")

    assert leases(world) == [("people", 1, False, "quick")]


class Overtaken:
    """A session that loses a race: right after its first question somebody else acts."""

    def __init__(self, session: Session, other: Callable[[], object]) -> None:
        self._session = session
        self._other: Callable[[], object] | None = other
        self.describe, self.execute = session.describe, session.execute
        self.append, self.transaction = session.append, session.transaction

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        found = list(self._session.rows(statement, parameters))
        if self._other is not None:
            other, self._other = self._other, None
            other()
        return iter(found)


RACER = """
import sys
from pathlib import Path
from dbt_activate.errors import LockedError
from dbt_activate.ledger.lease import acquire
from dbt_activate.ledger.store import Ledger
from dbt_activate.testing.fakes import FakeClock
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
warehouse = DuckDbWarehouse({"path": "w.duckdb"}, Path(sys.argv[1]), schema="main")
ledger = Ledger(warehouse=warehouse, schema="main_activate")
print("ready", flush=True)
sys.stdin.readline()
with warehouse.session() as session:
    ledger.prepare(session, "people")
    try:
        acquire(ledger, session, FakeClock(), sync="people", run_id=sys.argv[2])
        print("taken")
    except LockedError:
        print("locked")
"""


@pytest.mark.parametrize("world", ["duckdb"], indirect=True)
def test_of_three_processes_on_one_file_one_gets_the_lease(world: World, tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), f"run {number}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
        )
        for number in range(3)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()

    told = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)

    assert told == ["locked", "locked", "taken"]
    assert [(sync, epoch) for sync, epoch, *_ in leases(world)] == [("people", 1)]
