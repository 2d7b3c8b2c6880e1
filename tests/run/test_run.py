"""A whole run of one sync, on a real warehouse, against a destination that fails as it is told."""

from dataclasses import replace

import pytest

from dbt_activate.errors import AmbiguousError, BatchRejectedError, FatalError, RetryableError
from dbt_activate.planning.diff import Scope
from dbt_activate.testing.fakes import FakeDestination
from dbt_activate.values.destination import DeliveryClass, Limits
from dbt_activate.values.sync import (
    Column,
    Constant,
    FieldMap,
    Guards,
    Lookup,
    OnRemoved,
    Share,
    Sql,
    SyncMode,
    Variable,
    WritePolicy,
)
from tests.run.worlds import MIRROR, RETRY, ROWS, World


def test_the_first_run_sends_every_row_and_the_second_none(world: World) -> None:
    world.fill()

    first = world.run()
    second = world.run()

    assert first.counts == {"added": {"succeeded": 3}}
    assert (first.status, second.status, second.counts) == ("success", "success", {})
    assert world.sent_keys == ["1", "2", "3"]


def test_a_value_that_changed_without_its_timestamp_is_found(world: World) -> None:
    world.fill()
    world.run()

    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    result = world.run()

    assert result.counts == {"changed": {"succeeded": 1}}
    assert world.destination.records["bob@example.com",]["score"] == 0.9
    assert world.sent_keys[3:] == ["2"]


def test_a_refused_row_is_kept_with_its_reason_and_holds_nobody_back(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}

    first = world.run()
    second = world.run()

    assert first.status == "partial"
    assert first.counts == {"added": {"rejected": 1, "succeeded": 2}}
    assert world.ledger_rows("rejects", "key, outcome, code, message") == [("2", "rejected", "bad_row", "refused")]
    assert (second.counts, second.census and second.census.held) == ({}, 1)
    assert world.sent_keys == ["1", "2", "3"]


def test_a_refused_row_is_sent_alone_when_it_changes(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()

    world.destination.refused = set()
    world.sql("UPDATE people SET score = 0.1 WHERE id = 2")
    result = world.run()

    assert result.status == "success"
    assert world.sent_keys[3:] == ["2"]
    assert world.ledger_rows("rejects") == []


def test_one_refused_row_in_a_batch_refused_whole_is_found_by_halving(world: World) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(64)])
    world.destination = FakeDestination(rows=64, refuses_whole=True)
    world.destination.refused = {"37"}

    result = world.run()

    assert result.counts == {"added": {"rejected": 1, "succeeded": 63}}
    assert len(world.destination.records) == 63
    assert len(world.destination.sent) <= 2 * 6 + 1


def test_a_row_that_goes_back_to_what_was_confirmed_is_not_sent_and_its_reject_is_forgotten(world: World) -> None:
    world.fill()
    world.run()
    world.destination.refused = {"2"}
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    world.run()
    sent = len(world.sent_keys)

    world.sql("UPDATE people SET score = 0.7 WHERE id = 2")
    result = world.run()

    assert result.counts == {"changed": {"unchanged": 1}}
    assert len(world.sent_keys) == sent
    assert world.ledger_rows("rejects") == []


def test_retry_sends_a_reject_again_though_nothing_changed(world: World) -> None:
    world.fill()
    world.destination.refused = {"2", "3"}
    world.run()

    world.destination.refused = {"3"}
    result = world.run(scope=RETRY)

    assert result.counts == {"added": {"rejected": 1, "succeeded": 1}}
    assert world.sent_keys[3:] == ["2", "3"]
    assert world.ledger_rows("rejects", "key, attempts") == [("3", 2)]


def test_retry_looks_only_at_the_code_it_was_given(world: World) -> None:
    world.fill()
    world.destination.refused = {"2"}
    world.run()

    result = world.run(scope=Scope(rejects_only=True, code="another"))

    assert result.counts == {}


@pytest.mark.parametrize("error", [RetryableError("refused"), AmbiguousError("reset"), FatalError("401")])
def test_when_the_destination_is_down_nothing_is_forgotten(world: World, error: Exception) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(300)])
    world.destination.script = [error] * 1000  # type: ignore[list-item]

    down = world.run()
    world.destination.script = []
    world.destination.sent = []
    up = world.run()

    assert down.status == "failed"
    assert down.left_behind
    assert sum(down.outcomes.values()) == 300
    assert set(down.outcomes) <= {"failed", "aborted"}
    assert up.counts == {"added": {"succeeded": 300}}
    assert len(world.sent_keys) == 300


@pytest.mark.parametrize("silent", ["discover", "check"])
def test_when_the_destination_cannot_even_be_asked_every_row_failed(world: World, silent: str) -> None:
    world.fill()
    world.destination.silent = silent

    down = world.run()
    world.destination.silent = ""
    up = world.run()

    assert (down.status, down.counts) == ("failed", {"added": {"failed": 3}})
    assert down.error_classes == {"connect": 3}
    assert up.counts == {"added": {"succeeded": 3}}


def test_a_destination_that_is_down_is_not_asked_for_every_batch(world: World) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(100)])
    world.destination = FakeDestination(rows=1)
    world.destination.script = [RetryableError("refused", code="connect")] * 1000

    result = world.run()

    assert result.outcomes == {"failed": 100}
    assert len(world.destination.sent) < 30


def test_a_row_that_failed_twice_waits_longer_each_time(world: World) -> None:
    world.fill([(1, "a@example.com", 0.1)])
    world.destination.script = [RetryableError("busy")] * 12
    world.run()
    world.run()

    waiting = world.run()

    assert waiting.census is not None
    assert waiting.census.waiting == 1
    assert waiting.left_behind


def test_a_lost_answer_is_repeated_where_that_does_no_harm(world: World) -> None:
    world.fill()
    world.destination.script = [AmbiguousError("reset after commit")]

    result = world.run()

    assert result.counts == {"added": {"succeeded": 3}}
    assert result.retries == 1
    assert len(world.destination.records) == 3


def test_a_lost_answer_of_a_blind_append_is_unknown_and_never_sent_again(world: World) -> None:
    world.fill()
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.destination.script = [AmbiguousError("reset after commit")]
    sync = world.sync(mode=SyncMode.APPEND)

    first = world.run(sync)
    second = world.run(sync)

    assert first.counts == {"added": {"unknown": 3}}
    assert second.census is not None
    assert second.census.unknown == 3
    assert second.left_behind
    assert len(world.destination.sent) == 1


def test_a_row_that_the_answer_does_not_mention_is_unknown_for_an_append(world: World) -> None:
    world.fill()
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.destination.mute = {"2"}

    result = world.run(world.sync(mode=SyncMode.APPEND))

    assert result.counts == {"added": {"succeeded": 2, "unknown": 1}}


def test_a_row_that_the_answer_never_mentions_fails_for_an_upsert(world: World) -> None:
    world.fill()
    world.destination.mute = {"2"}

    result = world.run()

    assert result.counts == {"added": {"failed": 1, "succeeded": 2}}
    assert world.sent_keys.count("1") == 1


def test_a_removed_row_is_deleted_and_comes_back_as_a_new_one(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 2")
    removed = world.run(sync)
    records = dict(world.destination.records)
    world.sql("INSERT INTO people VALUES (2, 'bob@example.com', 0.7)")
    back = world.run(sync)

    assert removed.counts == {"removed": {"succeeded": 1}}
    assert ("bob@example.com",) not in records
    assert back.counts == {"added": {"succeeded": 1}}
    assert world.destination.records["bob@example.com",] == {"email": "bob@example.com", "score": 0.7}
    assert world.ledger_rows("ledger__people", "key, incarnation, removed_at") == [
        ("1", 0, None),
        ("2", 1, None),
        ("3", 0, None),
    ]


def test_a_removed_row_is_archived_where_the_block_says_so(world: World) -> None:
    world.fill()
    sync = world.sync(on_removed=OnRemoved.ARCHIVE)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 2")
    result = world.run(sync)

    assert result.counts == {"removed": {"succeeded": 1}}
    assert world.destination.sent[-1].operation.value == "archive"


def test_a_removed_row_is_cleared_but_for_its_identifier_and_filled_again_when_it_returns(world: World) -> None:
    world.fill()
    sync = world.sync(on_removed=OnRemoved.CLEAR)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 2")
    world.run(sync)
    cleared = dict(world.destination.records["bob@example.com",])
    quiet = world.run(sync)
    world.sql("INSERT INTO people VALUES (2, 'bob@example.com', 0.7)")
    world.run(sync)

    assert cleared == {"email": "bob@example.com", "score": None}
    assert quiet.counts == {}
    assert world.destination.records["bob@example.com",]["score"] == 0.7


def test_a_removed_row_is_left_alone_by_default(world: World) -> None:
    world.fill()
    world.run()

    world.sql("DELETE FROM people WHERE id = 2")
    result = world.run()

    assert result.counts == {}
    assert ("bob@example.com",) in world.destination.records


def test_a_row_that_stops_matching_where_is_a_removed_row(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR, where="score IS NULL OR score < 0.8")
    world.run(sync)

    world.sql("UPDATE people SET score = 0.95 WHERE id = 1")
    result = world.run(sync)

    assert result.counts == {"removed": {"succeeded": 1}}


def test_a_renamed_column_with_the_same_values_sends_nothing(world: World) -> None:
    world.fill()
    world.run()

    world.sql('ALTER TABLE people RENAME COLUMN score TO "points"')
    sync = world.sync()
    renamed = replace(sync, fields=(sync.fields[0], FieldMap(path=("score",), source=Column("points"))))
    result = world.run(renamed)
    again = world.run(renamed)

    assert result.counts == {"changed": {"unchanged": 3}}
    assert again.counts == {}
    assert len(world.sent_keys) == 3


def test_an_integer_that_became_a_bigint_sends_nothing(world: World) -> None:
    fields = (FieldMap(path=("email",), source=Column("email")), FieldMap(path=("number",), source=Column("id")))
    world.fill()
    world.run(world.sync(fields=fields))

    world.fill(id_type="BIGINT")
    result = world.run(world.sync(fields=fields))

    assert result.counts == {"changed": {"unchanged": 3}}
    assert len(world.sent_keys) == 3


def test_null_and_duplicate_keys_are_invalid_and_nobody_is_taken_for_removed(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR)
    world.run(sync)

    world.sql("UPDATE people SET id = NULL WHERE id = 2")
    world.sql("INSERT INTO people VALUES (3, 'cy2@example.com', 0.2)")
    result = world.run(sync)

    assert result.counts == {"added": {"invalid": 2}}
    assert result.census is not None
    assert result.census.withheld == 1
    assert len(world.destination.records) == 3
    assert world.ledger_rows("rejects", "key, code") == [("(null)", "null_key"), ("3", "duplicate_key")]


def test_rejects_of_repaired_keys_are_forgotten(world: World) -> None:
    world.fill([*ROWS, (None, "x@example.com", 1.0)])
    world.run()

    world.sql("DELETE FROM people WHERE id IS NULL")
    world.run()

    assert world.ledger_rows("rejects") == []


def test_composite_keys_that_look_alike_stay_apart(world: World) -> None:
    world.fill([(1, "a-b", 1.0), (1, "a", 2.0)])
    sync = world.sync(primary_key=("email", "id"))

    result = world.run(sync)

    assert result.counts == {"added": {"succeeded": 2}}
    assert sorted(world.sent_keys) == ['["a","1"]', '["a-b","1"]']


def test_a_guard_refuses_the_whole_plan_and_the_hash_lets_it_pass(world: World) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(50)])
    sync = world.sync(**MIRROR, guards=Guards(max_removed=Share(share=0.01), max_changed=None, max_rejected=None))
    world.run(sync)

    world.sql("DELETE FROM people WHERE id >= 30")
    blocked = world.run(sync)
    records = len(world.destination.records)
    passed = world.run(sync, override=blocked.plan_hash)

    assert (blocked.status, blocked.counts, records) == ("blocked", {}, 50)
    assert "20 of 50 confirmed rows would be removed; the bound is 1%" in blocked.message
    assert passed.counts == {"removed": {"succeeded": 20}}


def test_an_emptied_model_removes_nobody(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR, guards=Guards(max_removed=None))
    world.run(sync)

    world.sql("DELETE FROM people")
    result = world.run(sync)

    assert result.status == "blocked"
    assert result.guards == ("min_rows: the model has 0 rows, 3 are confirmed; at least 1 expected",)
    assert len(world.destination.records) == 3


def test_adopting_remembers_every_row_and_sends_none(world: World) -> None:
    world.fill()

    first = world.run(world.sync(adopt=True))
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    second = world.run(world.sync(adopt=True))

    assert first.counts == {"added": {"unchanged": 3}}
    assert second.counts == {"changed": {"succeeded": 1}}
    assert world.sent_keys == ["2"]


def test_a_full_resync_sends_equal_rows_again_and_still_removes(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 2")
    result = world.run(sync, scope=Scope(full=True))

    assert result.counts == {"changed": {"succeeded": 2}, "removed": {"succeeded": 1}}
    assert world.sent_keys[3:] == ["1", "3", "2"]


def test_a_dry_run_leaves_no_trace(world: World) -> None:
    world.fill()

    result = world.run(dry=True)

    assert result.census is not None
    assert result.census.planned == 3
    assert world.destination.sent == []
    with world.warehouse.session() as session:
        assert world.ledger.version(session) is None


def test_a_plan_that_is_no_longer_the_approved_one_is_refused(world: World) -> None:
    world.fill()
    approved = world.run(dry=True).plan_hash or ""

    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    refused = world.run(expected={"people": approved})
    world.sql("UPDATE people SET score = 0.7 WHERE id = 2")
    accepted = world.run(expected={"people": approved})

    assert (refused.status, accepted.status) == ("blocked", "success")


def test_a_field_of_the_run_is_no_reason_to_send(world: World) -> None:
    world.fill()
    sync = world.sync()
    sync = replace(sync, fields=(*sync.fields, FieldMap(path=("synced_by",), source=Variable("run_id"))))

    world.run(sync)
    result = world.run(sync)

    assert result.counts == {}
    assert world.destination.records["ann@example.com",]["synced_by"]


def test_a_field_for_new_records_is_written_once(world: World) -> None:
    world.fill()
    sync = world.sync()
    source = FieldMap(path=("source",), source=Sql("'v' || score"), write=WritePolicy.ON_CREATE)
    sync = replace(sync, fields=(*sync.fields, source))
    world.run(sync)

    world.sql("UPDATE people SET score = 0.9 WHERE id = 1")
    world.run(sync)

    record = world.destination.records["ann@example.com",]
    assert (record["score"], record["source"]) == (0.9, "v0.5")


def test_a_new_constant_sends_every_row(world: World) -> None:
    world.fill()
    sync = world.sync()
    world.run(replace(sync, fields=(*sync.fields, FieldMap(path=("source",), source=Constant("a")))))

    result = world.run(replace(sync, fields=(*sync.fields, FieldMap(path=("source",), source=Constant("b")))))

    assert result.counts == {"changed": {"succeeded": 3}}


def test_a_lookup_waits_for_its_parent_and_follows_it(world: World) -> None:
    world.fill()
    parent = world.sync(name="parents")
    child = world.sync(
        fields=(
            FieldMap(path=("email",), source=Column("email")),
            FieldMap(path=("parent",), source=Lookup("parents", ("id",))),
        )
    )

    early = world.run(child)
    world.run(parent)
    later = world.run(child)

    assert early.counts == {"added": {"invalid": 3}}
    assert later.counts == {"added": {"succeeded": 3}}
    assert world.destination.records["ann@example.com",]["parent"] == "id-1"


def test_modes_send_only_what_they_mean(world: World) -> None:
    world.fill()
    world.run(world.sync(mode=SyncMode.INSERT))

    world.sql("UPDATE people SET score = 0.9 WHERE id = 1")
    world.sql("INSERT INTO people VALUES (9, 'new@example.com', 0.1)")
    result = world.run(world.sync(mode=SyncMode.INSERT))

    assert result.counts == {"added": {"succeeded": 1}}
    assert world.sent_keys[3:] == ["9"]


def test_a_second_run_at_the_same_time_is_locked_out(world: World) -> None:
    from dbt_activate.ledger.lease import acquire

    world.fill()
    world.run()
    with world.warehouse.session() as session:
        lease = acquire(world.ledger, session, world.clock, sync="people", run_id="other")

    locked = world.run()
    with world.warehouse.session() as session:
        lease.release(session)
    free = world.run()

    assert (locked.status, free.status) == ("locked", "success")
    assert "run other holds the lease" in locked.message


def test_deletes_go_last(world: World) -> None:
    world.fill()
    world.destination = FakeDestination(rows=1)
    world.limits = Limits(max_concurrency=8)
    sync = world.sync(**MIRROR)
    world.run(sync)

    world.sql("DELETE FROM people WHERE id = 1")
    world.sql("UPDATE people SET score = 9 WHERE id IN (2, 3)")
    world.run(sync)

    assert [batch.operation.value for batch in world.destination.sent[-3:]] == ["upsert", "upsert", "delete"]


def test_a_plug_in_that_raises_what_it_must_not_stops_the_sync(world: World) -> None:
    world.fill()
    world.destination.script = [ZeroDivisionError("secret value")]  # type: ignore[list-item]

    result = world.run()

    assert result.status == "failed"
    assert result.counts == {"added": {"failed": 3}}
    assert "secret value" not in str(world.ledger_rows("rejects"))


def test_messages_of_a_destination_do_not_carry_values_into_the_ledger(world: World) -> None:
    world.fill(ROWS[:1])
    world.destination.script = [BatchRejectedError("ann@example.com is bad")]

    world.run()

    messages = [row[0] for row in world.ledger_rows("rejects", "message")]
    assert messages == ["*** is bad"]


def test_another_account_behind_the_same_ledger_is_refused(world: World) -> None:
    world.fill()
    world.run()

    with world.warehouse.session() as session:
        session.execute(f"UPDATE {world.ledger.table('leases')} SET binding = 'another'")
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    result = world.run()

    assert result.status == "blocked"
    assert "reset people" in result.message
    assert len(world.sent_keys) == 3


def test_fingerprints_alone_are_kept_where_values_must_not_be(world: World) -> None:
    world.stores_values = False
    world.fill()
    world.run()

    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    result = world.run()

    assert result.counts == {"changed": {"succeeded": 1}}
    assert world.ledger_rows("ledger__people", "payload") == [(None,)] * 3
    assert all(row[0] for row in world.ledger_rows("ledger__people", "field_hashes"))
    assert world.ledger_rows("row_log", "before, after") == [(None, None)] * 4


def test_a_renamed_sync_keeps_its_ledger(world: World) -> None:
    world.fill()
    world.run()

    result = world.run(world.sync(name="persons", renamed_from="people"))

    assert result.counts == {}
    assert len(world.sent_keys) == 3


def test_a_value_that_comes_back_is_another_request_than_the_first(world: World) -> None:
    world.fill(ROWS[:1])
    world.run()
    for score in (0.9, 0.5):
        world.sql(f"UPDATE people SET score = {score}")
        world.run()

    keys = [batch.idempotency_key for batch in world.destination.sent]
    assert len(set(keys)) == 3


def test_a_repeated_request_has_the_key_of_the_first(world: World) -> None:
    world.fill(ROWS[:1])
    world.destination.script = [AmbiguousError("reset")] * 6
    world.run()
    world.run()

    assert len({batch.idempotency_key for batch in world.destination.sent}) == 1


def test_a_number_of_rejected_rows_stops_the_rest(world: World) -> None:
    world.fill([(i, f"p{i}@example.com", 0.5) for i in range(10)])
    world.destination = FakeDestination(rows=1)
    world.destination.refused = {str(i) for i in range(10)}
    world.limits = Limits(max_concurrency=1)
    guards = Guards(max_rejected=Share(rows=2), min_rows=0)

    result = world.run(world.sync(guards=guards))

    assert result.status == "blocked"
    assert result.counts == {"added": {"aborted": 7, "rejected": 3}}
    assert result.message == "max_rejected: 3 of the first 3 rows were rejected; the bound is 2"


@pytest.mark.parametrize(("adopt", "sent"), [(True, 3), (False, 6)])
def test_rows_of_unknown_fate_are_settled_by_what_a_person_found(world: World, *, adopt: bool, sent: int) -> None:
    world.fill()
    world.destination = FakeDestination(delivery=DeliveryClass.APPEND)
    world.destination.script = [AmbiguousError("reset after commit")]
    sync = world.sync(mode=SyncMode.APPEND)
    world.run(sync)

    settled = world.run(sync, scope=Scope(unknown=True), adopt=adopt)
    after = world.run(sync)

    assert settled.counts == {"added": {"unchanged" if adopt else "succeeded": 3}}
    assert (after.status, after.counts) == ("success", {})
    assert len(world.sent_keys) == sent


def test_a_plan_has_the_same_hash_in_every_run(world: World) -> None:
    world.fill()
    sync = world.sync()
    started = FieldMap(path=("first_seen",), source=Variable("run_id"), write=WritePolicy.ON_CREATE)
    sync = replace(sync, fields=(*sync.fields, started))

    assert world.run(sync, dry=True).plan_hash == world.run(sync, dry=True).plan_hash


def test_removals_that_wait_for_null_keys_keep_the_run_from_being_green(world: World) -> None:
    world.fill()
    sync = world.sync(**MIRROR)
    world.run(sync)
    world.sql("UPDATE people SET id = NULL WHERE id = 2")
    world.run(sync)

    assert world.run(sync).left_behind


def test_a_ledger_that_lost_its_table_is_refused_and_not_taken_for_a_first_run(world: World) -> None:
    world.fill()
    world.run()
    with world.warehouse.session() as session:
        session.execute(f"DROP TABLE {world.ledger.of('people')}")

    planned, run = world.run(dry=True), world.run()

    assert (planned.status, run.status) == ("failed", "failed")
    assert "the table 'ledger__people' is gone" in run.message
    assert "dbt-activate reset people" in run.message
    assert len(world.sent_keys) == 3


def test_a_first_question_that_fails_is_asked_again(world: World) -> None:
    world.fill()
    world.destination.silent = "discover"
    world.destination.silences = 2

    result = world.run()

    assert result.counts == {"added": {"succeeded": 3}}
    assert len(world.clock.slept) == 2
