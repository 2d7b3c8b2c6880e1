"""What a run writes down, and what the next one makes of it, whole or in pieces."""

import re
from collections.abc import Mapping

import pytest

from dbt_activate.contracts import Session
from dbt_activate.errors import AmbiguousError, FencedError, LedgerError
from dbt_activate.ledger.fold import fold
from dbt_activate.ledger.journal import RunJournal
from dbt_activate.ledger.lease import acquire
from dbt_activate.ledger.recovery import recover
from dbt_activate.planning.diff import Scope
from dbt_activate.testing.fakes import FakeDestination
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import ChangeKind, Operation, SyncMode
from tests.run.worlds import World

STORED = ("key", "fingerprint", "payload_hash", "payload", "identity", "record_id", "incarnation", "run_id")


def make_payload(key: str, **changes: object) -> Payload:
    facts: dict[str, object] = {
        "key": key,
        "change": ChangeKind.ADDED,
        "operation": Operation.UPSERT,
        "fields": {"email": f"{key}@example.com"},
        "identity": {"email": f"{key}@example.com"},
        "payload_hash": f"hash {key}",
        "fingerprint": 7,
    }
    return Payload(**(facts | changes))  # type: ignore[arg-type]


def make_batch(*payloads: Payload, number: int = 1) -> Batch:
    rows = tuple(Encoded(payload=payload, body=None, size=1) for payload in payloads)
    return Batch(
        number=number, operation=payloads[0].operation, object=None, rows=rows, idempotency_key=f"key {number}"
    )


def succeeded(batch: Batch) -> list[RowResult]:
    return [RowResult(key=key, outcome=Outcome.SUCCEEDED, record_id=f"id {key}") for key in batch.keys]


class Story:
    """Runs told step by step, each of which may break off anywhere."""

    def __init__(self, world: World) -> None:
        self.world = world

    def begin(self, run_id: str, sync: str = "people") -> RunJournal:
        """Take the lease, recover, open the run."""
        ledger = self.world.ledger
        with self.world.warehouse.session() as session:
            ledger.prepare(session, sync)
            lease = acquire(ledger, session, self.world.clock, sync=sync, run_id=run_id)
            recover(ledger, session, lease)
            journal = RunJournal(ledger=ledger, lease=lease, clock=self.world.clock, run_id=run_id)
            journal.begin(session, {"basis": "b"})
        return journal

    def crash(self) -> None:
        """Let ten minutes pass for the lease."""
        table = self.world.ledger.table("leases")
        self.world.sql(f"UPDATE {table} SET expires_at = expires_at - 600 * INTERVAL '1' SECOND")

    def ledger(self, columns: str = "key, record_id") -> list[tuple[object, ...]]:
        return self.world.ledger_rows("ledger__people", columns)

    def rejects(self, columns: str = "key, outcome") -> list[tuple[object, ...]]:
        return self.world.ledger_rows("rejects", columns)


@pytest.fixture
def story(world: World) -> Story:
    return Story(world)


def end(journal: RunJournal, planned: int) -> Mapping[str, Mapping[str, int]]:
    return journal.finish(planned=planned, forgotten=(), end={}, judge=lambda _counts: "success")[0]


@pytest.mark.parametrize("planned", [1, 3])
def test_a_planned_row_without_exactly_one_outcome_is_an_error(story: Story, planned: int) -> None:
    journal = story.begin("r")
    batch = make_batch(make_payload("1"), make_payload("2"))
    journal.intend([batch], DeliveryClass.UPSERT)
    journal.settle(batch, succeeded(batch))

    with pytest.raises(LedgerError, match=f"{planned} rows were planned, 2 outcomes of 2 rows"):
        end(journal, planned)

    assert story.ledger() == []


def test_a_row_with_two_outcomes_is_an_error(story: Story) -> None:
    journal = story.begin("r")
    for number in (1, 2):
        batch = make_batch(make_payload("1"), number=number)
        journal.settle(batch, succeeded(batch))

    with pytest.raises(LedgerError, match="2 rows were planned, 2 outcomes of 1 rows"):
        end(journal, 2)


def test_a_fold_that_is_repeated_changes_nothing(story: Story) -> None:
    world = story.world
    first = story.begin("first")
    batch = make_batch(make_payload("1"), make_payload("2"), make_payload("3"))
    first.settle(batch, succeeded(batch))
    end(first, 3)
    second = story.begin("second")
    batch = make_batch(make_payload("1", payload_hash="new"), make_payload("2"), make_payload("4"))
    results = [
        RowResult(key="1", outcome=Outcome.SUCCEEDED),
        RowResult(key="2", outcome=Outcome.REJECTED, code="bad"),
        RowResult(key="4", outcome=Outcome.FAILED, code="busy"),
    ]
    second.settle(batch, results)
    end(second, 3)
    before = (story.ledger(", ".join(STORED)), story.rejects("key, outcome, attempts, first_seen_at, run_id"))

    for _ in range(2):
        with world.warehouse.session() as session, session.transaction():
            fold(world.ledger, session, sync="people", run_id="second")

    assert (story.ledger(", ".join(STORED)), story.rejects("key, outcome, attempts, first_seen_at, run_id")) == before
    assert [(row[0], row[2], row[5]) for row in before[0]] == [
        ("1", "new", "id 1"),
        ("2", "hash 2", "id 2"),
        ("3", "hash 3", "id 3"),
    ]


@pytest.mark.parametrize("statement", [1, 4, 9])
def test_a_crash_at_any_statement_of_the_fold_leaves_a_state_that_the_next_run_mends(
    story: Story, statement: int
) -> None:
    journal = story.begin("dies")
    batch = make_batch(make_payload("1"), make_payload("2"))
    journal.intend([batch], DeliveryClass.UPSERT)
    journal.settle(batch, [*succeeded(batch)[:1], RowResult(key="2", outcome=Outcome.REJECTED)])
    journal.intend((), DeliveryClass.UPSERT)

    with story.world.warehouse.session() as session, pytest.raises(KeyboardInterrupt):
        _fold_until(story.world, session, statement)
    story.crash()
    end(story.begin("next"), 0)

    assert story.ledger() == [("1", "id 1")]
    assert story.rejects() == [("2", "rejected")]
    assert story.world.ledger_rows("runs", "run_id, status, folded", "run_id") == [
        ("dies", "crashed", True),
        ("next", "success", True),
    ]


def _fold_until(world: World, session: Session, statement: int) -> None:
    left = statement
    execute = session.execute

    class Dying:
        rows, append, describe, transaction = session.rows, session.append, session.describe, session.transaction

        def execute(self, text: str, parameters: object = ()) -> int:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return execute(text, parameters)  # type: ignore[arg-type]

    with session.transaction():
        fold(world.ledger, Dying(), sync="people", run_id="dies")
        raise KeyboardInterrupt


def test_acks_of_a_run_that_died_are_kept(story: Story) -> None:
    journal = story.begin("dies")
    one, two = make_batch(make_payload("1")), make_batch(make_payload("2"), number=2)
    journal.intend([one, two], DeliveryClass.APPEND)
    journal.settle(one, succeeded(one))
    journal.intend((), DeliveryClass.APPEND)
    story.crash()

    end(story.begin("next"), 0)

    assert story.ledger() == [("1", "id 1")]
    assert story.rejects("key, outcome, code") == [("2", "unknown", "crashed")]


# Class and rows of a batch, and whether its rows are in doubt after a crash.
OPEN_BATCHES = [("U", 1, False), ("U", 3, False), ("T", 3, False), ("K", 1, False)]
OPEN_BATCHES += [("K", 3, True), ("R", 1, True), ("N", 1, True), ("N", 3, True)]


def test_what_became_of_an_open_batch_is_decided_by_what_a_second_send_does(story: Story) -> None:
    journal = story.begin("dies")
    doubtful: list[str] = []
    for number, (delivery, rows, in_doubt) in enumerate(OPEN_BATCHES):
        keys = [f"{delivery}{rows} {row}" for row in range(rows)]
        doubtful += keys if in_doubt else []
        journal.intend([make_batch(*map(make_payload, keys), number=number)], DeliveryClass(delivery))
    story.crash()

    for run_id in ("second", "third"):
        end(story.begin(run_id), 0)

    # Told once, and for good.
    assert story.rejects("key, outcome, code, run_id") == [(k, "unknown", "crashed", "dies") for k in sorted(doubtful)]
    assert len(story.world.ledger_rows("row_log")) == len(doubtful)
    states = [row[0] for row in story.world.ledger_rows("batches", "state", "number")]
    assert (states.count("started"), states.count("resolved")) == (len(OPEN_BATCHES), len(OPEN_BATCHES))


def test_a_run_that_lost_its_lease_can_write_nothing_more(story: Story) -> None:
    old = story.begin("old")
    batch = make_batch(make_payload("1"))
    old.intend([batch], DeliveryClass.APPEND)
    story.crash()
    story.begin("new")
    old.settle(batch, succeeded(batch))

    for write in (
        lambda: old.intend([], DeliveryClass.APPEND),
        lambda: old.intend([make_batch(make_payload("2"), number=2)], DeliveryClass.APPEND),
        lambda: end(old, 1),
    ):
        with pytest.raises(FencedError):
            write()

    assert story.ledger() == []
    assert story.rejects() == [("1", "unknown")]


def test_what_a_destination_says_is_stored_on_every_engine(story: Story) -> None:
    journal = story.begin("r")
    batch = make_batch(make_payload("1"), make_payload("2"))
    odd = "a\x00b \ud800 'quoted' \\ \n 😀"
    journal.settle(
        batch,
        [
            RowResult(key="1", outcome=Outcome.SUCCEEDED, record_id=odd, request_id=odd),
            RowResult(key="2", outcome=Outcome.REJECTED, message=odd, code=odd, field=odd, pointer=odd),
        ],
    )

    end(journal, 2)

    [(record_id,)] = story.ledger("record_id")
    assert "'quoted' \\ \n 😀" in str(record_id)
    assert [message for (message,) in story.rejects("message")] == [record_id]


def test_an_unknown_row_stays_unknown_when_it_leaves_the_model_and_returns(world: World) -> None:
    world.fill()
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.destination.script = [AmbiguousError("reset after commit")]
    sync = world.sync(mode=SyncMode.APPEND)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 2")
    world.run(sync)
    world.sql("INSERT INTO people VALUES (2, 'bob@example.com', 0.7)")
    world.run(sync)

    assert world.sent_keys == ["1", "2", "3"]
    assert world.ledger_rows("rejects", "key, outcome") == [("1", "unknown"), ("2", "unknown"), ("3", "unknown")]


def test_only_the_row_that_failed_is_sent_by_the_next_run(world: World) -> None:
    world.fill()
    world.destination.mute = {"2"}
    failed = world.run()
    world.destination.mute, world.destination.sent = set(), []

    result = world.run()

    assert failed.counts == {"added": {"failed": 1, "succeeded": 2}}
    assert (result.counts, world.sent_keys) == ({"added": {"succeeded": 1}}, ["2"])


def test_a_value_that_may_have_arrived_is_overwritten_when_the_row_goes_back(world: World) -> None:
    world.fill()
    world.run()
    world.destination.script = [AmbiguousError("no answer")] * 6
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    failed = world.run()
    assert world.destination.records["bob@example.com",]["score"] == 0.9

    world.sql("UPDATE people SET score = 0.7 WHERE id = 2")
    result = world.run()

    assert (failed.counts, result.counts) == ({"changed": {"failed": 1}}, {"changed": {"succeeded": 1}})
    assert world.destination.records["bob@example.com",]["score"] == 0.7


def test_a_renamed_sync_takes_its_lease_and_what_is_open_along(story: Story) -> None:
    for number in range(4):
        end(story.begin(f"run {number}"), 0)
    journal = story.begin("dies")
    journal.intend([make_batch(make_payload("1"))], DeliveryClass.APPEND)
    story.crash()
    world = story.world

    with world.warehouse.session() as session:
        world.ledger.prepare(session, "persons", renamed_from="people")
        lease = acquire(world.ledger, session, world.clock, sync="persons", run_id="next")
        assert recover(world.ledger, session, lease) == 1

    assert lease.epoch == 6
    assert world.ledger_rows("rejects", "sync, key, outcome") == [("persons", "1", "unknown")]


def test_a_run_whose_sync_is_renamed_under_it_is_fenced(story: Story) -> None:
    journal = story.begin("r")
    with story.world.warehouse.session() as session:
        story.world.ledger.prepare(session, "persons", renamed_from="people")

    with pytest.raises(FencedError):
        journal.intend([make_batch(make_payload("1"))], DeliveryClass.APPEND)


def test_a_ledger_that_was_dropped_is_forgotten_with_what_a_crash_left_open(story: Story) -> None:
    journal = story.begin("dies")
    one, two = make_batch(make_payload("1")), make_batch(make_payload("2"), number=2)
    journal.intend([one, two], DeliveryClass.APPEND)
    journal.settle(one, succeeded(one))
    journal.intend((), DeliveryClass.APPEND)
    story.crash()

    with story.world.warehouse.session() as session:
        story.world.ledger.drop(session, "people")
    next_run = story.begin("next")

    assert (story.ledger(), story.rejects()) == ([], [])
    assert next_run.lease.epoch == 2


def test_a_dropped_ledger_sends_every_row_again(world: World) -> None:
    world.fill()
    world.destination.refused = {"3"}
    world.run()

    with world.warehouse.session() as session:
        world.ledger.drop(session, "people")
    result = world.run()

    assert result.counts == {"added": {"succeeded": 2, "rejected": 1}}
    assert result.census is not None
    assert result.census.first


@pytest.mark.parametrize("dry", [False, True])
def test_a_ledger_of_a_newer_release_is_refused(world: World, dry: bool) -> None:
    world.fill()
    world.run()
    world.sql(f"UPDATE {world.ledger.table('meta')} SET value = '999' WHERE name = 'version'")

    result = world.run(dry=dry)

    assert result.status == "failed"
    assert re.search(r"made by a newer dbt-activate \(layout 999.*upgrade dbt-activate", result.message)
    assert len(world.sent_keys) == 3


def test_two_syncs_in_one_schema_do_not_touch_each_other(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()
    before = [world.ledger_rows(table) for table in ("ledger__people", "rejects")]

    world.destination.refused = {"3"}
    world.run(world.sync(name="others"))
    with world.warehouse.session() as session:
        world.ledger.drop(session, "others")

    assert [world.ledger_rows("ledger__people"), world.ledger_rows("rejects")] == before
    assert world.run().counts == {}


def test_the_fingerprint_store_keeps_hashes_that_need_its_key(world: World) -> None:
    world.stores_values = False
    world.fill()
    world.run()
    [first] = world.ledger_rows("ledger__people", "field_hashes", "key")[:1]
    with world.warehouse.session() as session:
        world.ledger.drop(session, "people")
        session.execute(f"UPDATE {world.ledger.table('meta')} SET value = ? WHERE name = 'hash_key'", ["00" * 32])
    world.run()

    [second] = world.ledger_rows("ledger__people", "field_hashes", "key")[:1]
    assert first != second
    for table in ("ledger__people", "row_log", "rejects", "batches", "runs"):
        stored = world.ledger_rows(table, "*", "1")
        without_identity = str([[value for value in row if '"email"' not in str(value)] for row in stored])
        assert "@example.com" not in without_identity


def test_unknown_rows_are_taken_up_only_when_they_are_asked_for(world: World) -> None:
    world.fill()
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.destination.script = [AmbiguousError("reset after commit")]
    sync = world.sync(mode=SyncMode.APPEND)
    world.run(sync)

    for scope in (Scope(full=True), Scope(keys=("2",)), Scope(rejects_only=True)):
        assert world.run(sync, scope=scope).counts == {}

    assert len(world.sent_keys) == 3
