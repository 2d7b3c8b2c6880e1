"""What the ledger tells of its past, on every engine; and that it tells nothing where there is none."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest

from dbt_activate.cli.masks import Masks
from dbt_activate.cli.present import Now, row_now
from dbt_activate.cli.rejectlist import Listed, Rejects, values_of
from dbt_activate.cli.rowlife import RowLife
from dbt_activate.cli.runhistory import run_page, runs_page
from dbt_activate.errors import FatalError
from dbt_activate.ledger.history import life_of, past_runs, rejects, run_detail, sent_fields
from dbt_activate.ledger.past import Life, PastRun, Reject, RunDetail
from dbt_activate.testing.fakes import FakeDestination
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.payload import RunFacts
from dbt_activate.values.sync import Sync
from tests.run.worlds import MIRROR, World

FACTS = RunFacts(run_id="r", run_started_at="2026-01-01T00:00:00Z", invocation_id="i")
T = TypeVar("T")


def runs(world: World, *syncs: str, limit: int | None = None) -> tuple[PastRun, ...]:
    with world.warehouse.session(read_only=True) as session:
        return past_runs(world.ledger, session, syncs or None, limit)


def detail(world: World, run_id: str) -> RunDetail:
    with world.warehouse.session(read_only=True) as session:
        [found] = run_detail(world.ledger, session, run_id)
    return found


def refused(world: World, **wanted: list[str]) -> tuple[Reject, ...]:
    with world.warehouse.session(read_only=True) as session:
        return rejects(world.ledger, session, **wanted)  # type: ignore[arg-type]


def life(world: World, key: str, sync: str = "people") -> Life:
    with world.warehouse.session(read_only=True) as session:
        return life_of(world.ledger, session, sync, key)


def now(world: World, key: str, sync: Sync | None = None) -> Now:
    return row_now(world.ledger, world.destination, sync or world.sync(), (key,), FACTS)


def later(world: World) -> None:
    asyncio.run(world.clock.sleep(60))


def test_where_there_is_no_ledger_everything_is_empty_and_nothing_is_made(world: World) -> None:
    world.fill()

    assert runs(world) == ()
    assert refused(world) == ()
    assert not life(world, "1")
    with world.warehouse.session(read_only=True) as session:
        assert run_detail(world.ledger, session, "x") == ()
        assert world.ledger.version(session) is None


def test_runs_come_newest_first_with_what_became_of_their_rows(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    later(world)
    world.sql("UPDATE people SET score = 0.9 WHERE id = 1")
    world.run()

    newest, first = runs(world)

    assert first.counts == {"added": {"rejected": 1, "succeeded": 2}}
    assert newest.counts == {"changed": {"succeeded": 1}}
    assert first.outcomes == {"rejected": 1, "succeeded": 2}
    assert (first.sync, first.status, first.destination, first.object) == ("people", "partial", "crm", "contacts")
    assert first.seconds == 0.0
    assert runs(world, limit=1) == (newest,)
    assert runs(world, "people") == (newest, first)
    assert runs(world, "another") == ()
    assert newest.run_id in runs_page((newest, first), color=False)


def test_a_run_is_told_from_the_inside(world: World) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(1, 8)])
    world.destination = FakeDestination(rows=3)
    world.destination.refused = {"5"}
    world.run()
    [run] = runs(world)

    told = detail(world, run.run_id)

    assert [(batch.number, batch.rows, batch.state, dict(batch.outcomes)) for batch in told.batches] == [
        (1, 3, "done", {"succeeded": 3}),
        (2, 3, "done", {"rejected": 1, "succeeded": 2}),
        (3, 1, "done", {"succeeded": 1}),
    ]
    assert [(t.change, t.outcome, t.code, t.rows) for t in told.tallies] == [
        ("added", "rejected", "bad_row", 1),
        ("added", "succeeded", None, 6),
    ]
    assert all(batch.idempotency_key and batch.first_sent_at and batch.settled_at for batch in told.batches)
    assert "6 succeeded, 1 rejected" in run_page([told], color=False)


def crash(world: World, delivery: DeliveryClass = DeliveryClass.APPEND) -> None:
    """End a run in the middle of its only batch, as a kill does: nothing after the intent is written."""

    class Crash(BaseException):
        pass

    async def send(_batch: object) -> list[object]:
        raise Crash

    world.destination = FakeDestination(delivery=delivery)
    world.destination.send = send  # type: ignore[method-assign, assignment]
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - a group, or the crash itself
        world.run()
    assert raised.type is Crash or isinstance(raised.value, BaseExceptionGroup)


def test_a_run_that_ended_in_the_middle_is_interrupted_and_then_crashed(world: World) -> None:
    world.fill()
    crash(world)

    [broken] = runs(world)
    [batch] = detail(world, broken.run_id).batches
    assert (broken.status, broken.seconds, broken.outcomes) == ("interrupted", None, {})
    assert (batch.state, batch.rows, batch.settled_at) == ("started", 3, None)

    world.destination = FakeDestination()
    later(world)
    world.run()

    _newest, settled = runs(world)
    [batch] = detail(world, settled.run_id).batches
    assert (settled.status, settled.outcomes) == ("crashed", {"unknown": 3})
    assert batch.state == "resolved"


def test_a_run_that_holds_its_lease_is_running(world: World) -> None:
    world.fill()
    crash(world)
    [run] = runs(world)
    leases = world.ledger.table("leases")
    with world.warehouse.session() as session:
        clock = world.warehouse.dialect.now
        session.execute(
            f"UPDATE {leases} SET holder = 'h', run_id = ?, expires_at = {clock} + INTERVAL '1' HOUR", [run.run_id]
        )

    assert [run.status for run in runs(world)] == ["running"]


def test_a_run_that_a_guard_refused_tells_why(world: World) -> None:
    world.fill()
    world.run()
    world.sql("DELETE FROM people")
    later(world)
    world.run(world.sync(**MIRROR, guards=replace(world.sync().guards, min_rows=1)))

    newest = runs(world)[0]

    assert newest.status == "blocked"
    assert "--override-guards" in (newest.message or "")


def test_rejects_are_chosen_by_sync_code_and_outcome(world: World) -> None:
    world.fill([(1, "a", 0.5), (2, "b", 0.5), (3, "c", 0.5), (3, "d", 0.5)])
    world.destination.refused = {"2"}
    world.run()

    assert {row.key for row in refused(world)} == {"2", "3"}
    assert [row.key for row in refused(world, codes=["bad_row"])] == ["2"]
    assert [row.key for row in refused(world, outcomes=["invalid"], codes=["x", "duplicate_key"])] == ["3"]
    assert refused(world, outcomes=["failed"]) == ()
    assert refused(world, syncs=[]) == ()
    assert len(refused(world, limit=1)) == 1  # type: ignore[arg-type]


def test_the_first_time_a_row_was_refused_is_kept(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    later(world)
    world.sql("UPDATE people SET score = 0.1 WHERE id = 2")
    world.run()

    [row] = refused(world)

    assert row.attempts == 2
    assert row.first_seen_at is not None
    assert row.last_seen_at is not None
    assert (row.last_seen_at - row.first_seen_at).total_seconds() == 60


def test_the_life_of_a_row_is_told_from_its_beginning(world: World) -> None:
    world.fill()
    world.run(world.sync(**MIRROR))
    later(world)
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    world.run(world.sync(**MIRROR))
    later(world)
    world.sql("DELETE FROM people WHERE id = 2")
    world.run(world.sync(**MIRROR))

    found = life(world, "2")

    assert [(row.change, row.outcome, row.changed_fields) for row in found.log][:2] == [
        ("added", "succeeded", None),
        ("changed", "succeeded", ["score"]),
    ]
    assert found.log[2].change == "removed"
    assert found.log[1].before == {"email": "bob@example.com", "score": Decimal("0.7")}
    assert found.confirmed is not None
    assert found.confirmed.removed_at is not None
    assert found.reject is None


def row_life(world: World, key: str, sync: Sync | None = None, *, unmask: bool = True) -> RowLife:
    chosen = sync or world.sync()
    masks = Masks.of(chosen, unmask=unmask)
    return RowLife(sync=chosen, key=key, life=life(world, key), now=now(world, key, chosen), masks=masks)


def test_a_row_says_what_would_become_of_it(world: World) -> None:
    world.fill([(1, "a", 0.5), (2, "b", 0.5), (3, "c", 0.5), (4, "d", 0.5)])
    world.destination.refused = {"3"}
    world.run(world.sync(**MIRROR))
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    world.sql("DELETE FROM people WHERE id = 4")
    world.sql("INSERT INTO people VALUES (5, 'e', 1), (6, 'f', 1), (6, 'g', 1)")

    verdicts = {key: row_life(world, key, world.sync(**MIRROR)).verdict for key in "1234567"}

    assert verdicts.pop("6").startswith("would not be sent: ")
    assert verdicts == {
        "1": "as confirmed: nothing to send",
        "2": "changed: would be sent (upsert)",
        "3": "added: not sent while it is rejected",
        "4": "removed: would be sent (delete)",
        "5": "added: would be sent (upsert)",
        "7": "not in the model, or this sync does not send such a change",
    }
    assert not row_life(world, "7")


def test_a_row_of_unknown_fate_says_so(world: World) -> None:
    world.fill()
    crash(world)
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.run()

    assert row_life(world, "1").verdict == "would not be sent: the fate of its last delivery is unknown"


def test_a_destination_that_is_down_does_not_hide_the_row(world: World) -> None:
    world.fill()
    world.run()

    def down(_object: str | None) -> None:
        raise FatalError("no route to host")

    world.destination.discover = down  # type: ignore[method-assign, assignment]

    assert row_life(world, "1").verdict == "as confirmed: nothing to send"


def test_a_model_that_is_gone_does_not_hide_the_past(world: World) -> None:
    world.fill()
    world.run()
    world.sql("DROP TABLE people")

    row = row_life(world, "1")

    assert row
    assert row.verdict.startswith("cannot be looked at: ")
    assert "succeeded" in row.page(color=False)


def test_a_ledger_of_fingerprints_has_a_past_without_values(world: World) -> None:
    world.stores_values = False
    world.fill()
    world.destination.refused = {"2"}
    world.run()

    row = row_life(world, "1")

    assert row.life.confirmed is not None
    assert row.life.confirmed.payload is None
    assert row.document()["log"][0]["fields"] == []
    assert "ann@example.com" in row.page(color=False)
    assert values(world) == {"2": {"email": "bob@example.com", "score": 0.7}}


def values(world: World, sync: Sync | None = None) -> dict[str, dict[str, object]]:
    chosen = sync or world.sync()
    with world.warehouse.session(read_only=True) as session:
        rows = rejects(world.ledger, session)
        found = values_of(world.ledger, session, chosen, rows, Masks.of(chosen))
    return {key: dict(fields) for key, fields in found.items()}


def test_the_values_of_a_reject_are_those_that_were_sent(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    world.sql("UPDATE people SET score = 0.1 WHERE id = 2")

    assert values(world) == {"2": {"email": "bob@example.com", "score": Decimal("0.7")}}
    tagged = replace(world.sync(), model=replace(world.sync().model, pii=frozenset({"email"})))
    assert values(world, tagged)["2"]["email"] == "***"


def test_values_are_only_of_the_run_that_refused_the_row_last(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    later(world)
    world.sql("UPDATE people SET score = 0.1 WHERE id = 2")
    world.run()

    newest, first = runs(world)

    assert values(world)["2"]["score"] == Decimal("0.1")
    with world.warehouse.session(read_only=True) as session:
        assert set(sent_fields(world.ledger, session, "people", first.run_id)) == {"2"}
        assert sent_fields(world.ledger, session, "people", newest.run_id)["2"]["score"] == Decimal("0.1")


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_what_a_message_holds_does_not_drive_the_terminal(world: World, output: str) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    [row] = refused(world)
    hostile = replace(row, message="\x1b[2J=cmd()\u202e", key="=1+1", code="\x9b")

    text = Rejects((Listed(hostile, {"x": "\x1b"}),), more=False, with_values=True).render(output, color=False)

    assert not [c for c in text if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("key", ["", "x'; DROP TABLE people; --", "(null)", "%s ? {x}", "\u00e9", "a\tb"])
def test_any_text_may_be_asked_for_as_a_key(world: World, key: str) -> None:
    world.fill()
    world.run()

    assert not row_life(world, key)
