"""The dispatcher against a destination in trouble: every row ends once, and none is sent when it must not be."""

import math
import random
import threading
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.delivery.dispatch import ISOLATE, Stop
from dbt_activate.delivery.retry import RetryPolicy
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    DestinationError,
    FatalError,
    FencedError,
    RetryableError,
    WarehouseError,
)
from dbt_activate.testing.fakes import FakeDestination
from dbt_activate.values.destination import DeliveryClass, ObjectSpec
from dbt_activate.values.event import BatchSettled, RetryScheduled
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import Operation, Share
from tests.delivery.deliveries import Delivery, Trouble, TroubledDestination, make_payload, make_payloads

U, K, R, N, T = (
    DeliveryClass.UPSERT,
    DeliveryClass.IDEMPOTENCY_KEY,
    DeliveryClass.READ_BACK,
    DeliveryClass.APPEND,
    DeliveryClass.TRANSACTION,
)
BUSY = Trouble(RetryableError("busy"))
LOST = Trouble(AmbiguousError("the request was lost"))
UNANSWERED = Trouble(AmbiguousError("the answer was lost"), applies=True)
REFUSED = Trouble(BatchRejectedError("refused whole"))
DENIED = Trouble(FatalError("401", code="http_401"))
BROKEN = Trouble(ZeroDivisionError("a row's value"))
BROKEN_LATE = Trouble(KeyError("a row's value"), applies=True)
THROTTLED = Trouble(RetryableError("slow down", retry_after=30.0, code="http_429"))
ANYTHING = [BUSY, LOST, UNANSWERED, REFUSED, DENIED, BROKEN, BROKEN_LATE, THROTTLED]


@st.composite
def troubled_deliveries(draw: st.DrawFn) -> tuple[Delivery, list[Payload]]:
    """Any number of rows and removals, any class, any trouble, at any speed."""
    delivery = draw(st.sampled_from([U, K, R, N, T]))
    removals = draw(st.integers(0, 12))
    writes = draw(st.integers(0, 40))
    destination = TroubledDestination(delivery=delivery, rows=draw(st.integers(1, 20)), whole=draw(st.booleans()))
    keys = [str(number) for number in range(writes + removals)]
    if keys:
        destination.refused = draw(st.sets(st.sampled_from(keys), max_size=4))
        destination.mute = draw(st.sets(st.sampled_from(keys), max_size=3))
    destination.troubles = draw(st.lists(st.sampled_from([None, None, *ANYTHING]), max_size=25))
    speed = random.Random(draw(st.integers(0, 1000)))
    destination.slowness = lambda: speed.choice([0.0, 0.1, 1.0, 20.0])
    made = Delivery(
        destination,
        concurrency=draw(st.integers(1, 5)),
        rate=draw(st.sampled_from([None, 5.0])),
        lease_seconds=draw(st.sampled_from([100.0, 1e9])),
        fence_after=draw(st.sampled_from([None, None, None, 1, 3])),
        fail_fast=draw(st.sampled_from([False, False, False, True])),
        seed=draw(st.integers(0, 1000)),
    )
    rows = [make_payload(number, Operation.CREATE) for number in range(writes)]
    return made, rows + [make_payload(writes + number, Operation.DELETE) for number in range(removals)]


@settings(max_examples=250, deadline=None)
@given(troubled_deliveries())
def test_whatever_goes_wrong_every_row_ends_once_and_rightly(made: tuple[Delivery, list[Payload]]) -> None:
    delivery, payloads = made
    destination = delivery.destination
    assert isinstance(destination, TroubledDestination)
    fenced = False
    try:
        delivery.run(payloads)
    except FencedError:
        fenced = True

    journal = delivery.journal
    assert destination.crowded == set()
    assert destination.late_writes == []
    assert all(len(results) == 1 for results in journal.settled.values())
    intended = {key for batch, _ in journal.intents for key in batch.keys}
    assert {key for batch in destination.sent for key in batch.keys} <= intended
    if not fenced:
        assert sorted(journal.settled) == sorted(payload.key for payload in payloads)
    _check_truth(
        destination, journal.outcomes, class_of=destination.describe(None).operations[Operation.CREATE].delivery
    )


def _check_truth(destination: TroubledDestination, outcomes: dict[str, Outcome], class_of: DeliveryClass) -> None:
    """What is claimed of each row against what really became of it."""
    for key, outcome in outcomes.items():
        if outcome is Outcome.SUCCEEDED:
            assert destination.applied[key] >= 1
        if outcome is Outcome.REJECTED and class_of in (N, R):
            assert destination.applied[key] == 0
        if class_of in (N, R, K):
            # What is planned again, perhaps among other rows, was not applied by this run.
            again = outcome in (Outcome.FAILED, Outcome.ABORTED) and (class_of is not K or _travelled(destination, key))
            assert destination.applied[key] <= (0 if again else 1)
        if class_of in (U, T):
            assert outcome is not Outcome.UNKNOWN


def _travelled(destination: TroubledDestination, key: str) -> bool:
    """Whether the row was only ever sent together with others: only alone is its key sure to come again."""
    return all(len(batch.rows) > 1 for batch in destination.sent if key in batch.keys)


@pytest.mark.parametrize("delivery", [N, R])
@pytest.mark.parametrize("trouble", [LOST, UNANSWERED, BROKEN_LATE])
def test_a_blind_append_is_never_sent_twice_after_a_lost_answer(delivery: DeliveryClass, trouble: Trouble) -> None:
    destination = TroubledDestination(delivery=delivery)
    destination.troubles = [trouble]

    journal = Delivery(destination).run(make_payloads(3, Operation.CREATE))

    assert set(journal.outcomes.values()) == {Outcome.UNKNOWN}
    assert len(destination.sent) == 1


def test_a_blind_append_that_surely_was_not_applied_is_repeated() -> None:
    destination = TroubledDestination(delivery=N)
    destination.troubles = [BUSY, BUSY]

    journal = Delivery(destination).run(make_payloads(3, Operation.CREATE))

    assert set(journal.outcomes.values()) == {Outcome.SUCCEEDED}
    assert destination.applied == Counter({"0": 1, "1": 1, "2": 1})


@pytest.mark.parametrize("trouble", [LOST, UNANSWERED])
def test_a_lost_answer_is_asked_for_again_with_the_same_idempotency_key(trouble: Trouble) -> None:
    destination = TroubledDestination(delivery=K)
    destination.troubles = [trouble, trouble]

    journal = Delivery(destination).run(make_payloads(3, Operation.CREATE))

    assert set(journal.outcomes.values()) == {Outcome.SUCCEEDED}
    assert len({batch.idempotency_key for batch in destination.sent}) == 1
    assert set(destination.applied.values()) == {1}


def test_a_row_that_is_not_mentioned_is_not_sent_under_another_idempotency_key() -> None:
    destination = TroubledDestination(delivery=K)
    destination.mute = {"1"}

    journal = Delivery(destination).run(make_payloads(3, Operation.CREATE))

    assert journal.outcomes == {"0": Outcome.SUCCEEDED, "1": Outcome.UNKNOWN, "2": Outcome.SUCCEEDED}
    assert destination.applied["1"] == 1


def test_rows_under_one_idempotency_key_stay_unknown_when_nobody_ever_answers() -> None:
    destination = TroubledDestination(delivery=K)
    destination.troubles = [UNANSWERED, *[LOST] * 20]

    journal = Delivery(destination).run(make_payloads(3, Operation.CREATE))

    # The next run may put them into other batches, which would have other keys.
    assert set(journal.outcomes.values()) == {Outcome.UNKNOWN}
    assert set(destination.applied.values()) == {1}


def test_a_row_alone_under_its_idempotency_key_may_be_planned_again() -> None:
    destination = TroubledDestination(delivery=K, rows=1)
    destination.troubles = [UNANSWERED, *[LOST] * 20]

    journal = Delivery(destination).run(make_payloads(1, Operation.CREATE))

    assert journal.outcomes == {"0": Outcome.FAILED}


def test_a_batch_in_doubt_is_not_halved_under_new_idempotency_keys() -> None:
    destination = TroubledDestination(delivery=K)
    destination.troubles = [UNANSWERED, REFUSED]

    journal = Delivery(destination).run(make_payloads(4, Operation.CREATE))

    assert set(journal.outcomes.values()) == {Outcome.UNKNOWN}
    assert set(destination.applied.values()) == {1}


def test_nothing_is_sent_after_the_lease_is_lost() -> None:
    destination = TroubledDestination(delivery=N, rows=1)
    delivery = Delivery(destination, fence_after=2)

    with pytest.raises(FencedError, match="another run took the lease"):
        delivery.run(make_payloads(50, Operation.CREATE))

    assert len(destination.sent) <= 2


def test_nothing_is_sent_by_anybody_once_one_worker_learns_that_the_lease_is_lost() -> None:
    destination = TroubledDestination(rows=1)
    destination.slowness = lambda: 200.0
    delivery = Delivery(destination, concurrency=4, lease_seconds=250.0, fence_after=1)

    with pytest.raises(FencedError):
        delivery.run(make_payloads(20))

    assert len(destination.sent) == 4
    assert delivery.journal.settled.keys() <= {"0", "1", "2", "3"}


def test_a_journal_that_cannot_be_written_is_told_as_such() -> None:
    destination = TroubledDestination(rows=1)
    delivery = Delivery(destination, lease_seconds=10.0)
    destination.on_arrival = lambda _number: setattr(delivery.journal, "intend", _raise_full_disk)

    with pytest.raises(WarehouseError, match="disk full"):
        delivery.run(make_payloads(3))

    assert len(destination.sent) == 1


def _raise_full_disk(*_arguments: object) -> None:
    raise WarehouseError("disk full")


def test_the_lease_is_renewed_before_a_request_that_it_does_not_cover() -> None:
    destination = TroubledDestination(rows=1)
    destination.slowness = lambda: 60.0
    delivery = Delivery(destination, lease_seconds=150.0)

    journal = delivery.run(make_payloads(10))

    assert set(journal.outcomes.values()) == {Outcome.SUCCEEDED}
    assert journal.renewals >= 5


def test_a_request_that_waited_out_a_pause_is_covered_by_the_lease() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [Trouble(RetryableError("slow down", retry_after=250.0, code="http_429"))]
    delivery = Delivery(destination, concurrency=3, lease_seconds=300.0)
    covered: list[bool] = []
    destination.on_arrival = lambda _number: covered.append(delivery.journal.covers(90.0))

    delivery.run(make_payloads(9))

    assert delivery.seconds >= 250.0
    assert all(covered)


def test_a_pause_that_one_request_was_told_holds_for_all() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [THROTTLED]
    delivery = Delivery(destination, concurrency=4)

    delivery.run(make_payloads(12))

    first, *others = destination.sent_at
    # The three that had left already were on their way.
    assert first == 0.0
    assert sorted(others)[3] >= 30.0


def test_a_retry_comes_no_sooner_than_the_destination_asked() -> None:
    destination = TroubledDestination()
    destination.troubles = [THROTTLED]
    delivery = Delivery(destination)

    delivery.run(make_payloads(1))

    assert 30.0 <= destination.sent_at[1] <= 33.0
    assert [event.seconds for event in delivery.events if isinstance(event, RetryScheduled)] == [destination.sent_at[1]]


def test_a_pause_that_is_too_long_puts_the_rest_off() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [None, Trouble(RetryableError("come tomorrow", retry_after=3600.0, code="http_429"))]
    delivery = Delivery(destination)

    journal = delivery.run(make_payloads(5))

    assert list(journal.outcomes.values()) == [Outcome.SUCCEEDED, Outcome.FAILED, *[Outcome.ABORTED] * 3]
    assert delivery.dispatcher.stopped is not None
    assert delivery.dispatcher.stopped.status == "deferred"
    assert delivery.seconds < 1.0


def test_a_destination_that_is_down_is_given_up_after_so_many_failures_in_a_row() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [BUSY] * 500
    delivery = Delivery(destination, policy=RetryPolicy(failures_to_open=12))

    journal = delivery.run(make_payloads(100))

    assert set(journal.outcomes.values()) == {Outcome.FAILED}
    assert len(destination.sent) == 12
    assert delivery.dispatcher.stopped is not None
    assert delivery.dispatcher.stopped.error.code == "down"


def test_refused_rows_are_no_sign_that_the_destination_is_down() -> None:
    destination = TroubledDestination(rows=1)
    destination.refused = {str(number) for number in range(50)}

    journal = Delivery(destination).run(make_payloads(60))

    assert Counter(journal.outcomes.values()) == {Outcome.REJECTED: 50, Outcome.SUCCEEDED: 10}


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_a_row_is_spelled_once_however_often_it_is_sent(count: int) -> None:
    destination = TroubledDestination(rows=20, whole=True)
    destination.troubles = [BUSY, LOST, UNANSWERED]
    destination.refused, destination.mute = {"0"}, {"1"}

    Delivery(destination).run(make_payloads(count))

    spelled: dict[str, set[int]] = {}
    for batch in destination.sent:
        for row in batch.rows:
            spelled.setdefault(row.payload.key, set()).add(id(row))
    assert len(destination.sent) >= 3
    assert [len(spellings) for spellings in spelled.values()] == [1] * count


@pytest.mark.parametrize("attempts", [1, 2, 6])
def test_a_request_is_repeated_only_so_often(attempts: int) -> None:
    destination = TroubledDestination()
    destination.troubles = [BUSY] * 500
    delivery = Delivery(destination, policy=RetryPolicy(attempts=attempts))

    journal = delivery.run(make_payloads(3))

    assert set(journal.outcomes.values()) == {Outcome.FAILED}
    assert len(destination.sent) == attempts
    assert delivery.dispatcher.retries == attempts - 1


@pytest.mark.parametrize("count", [2, 3, 64, 100])
@pytest.mark.parametrize("bad", [1, 2, 3])
def test_the_search_for_refused_rows_is_short(count: int, bad: int) -> None:
    destination = TroubledDestination(rows=100, whole=True)
    destination.refused = {str(number) for number in random.Random(count + bad).sample(range(count), min(bad, count))}

    journal = Delivery(destination).run(make_payloads(count))

    assert {key for key, outcome in journal.outcomes.items() if outcome is Outcome.REJECTED} == destination.refused
    assert len(destination.sent) <= len(destination.refused) * (2 * math.ceil(math.log2(count)) + 1)


def test_the_parts_of_a_refused_batch_carry_numbers_and_keys_of_their_own() -> None:
    destination = TroubledDestination(rows=4, whole=True)
    destination.refused = {"3"}

    journal = Delivery(destination).run(make_payloads(4))

    assert len({batch.number for batch in destination.sent}) == len(destination.sent)
    assert len({batch.idempotency_key for batch in destination.sent}) == len(destination.sent)
    assert [batch.number for batch in journal.ended] == [1]


def test_a_refused_append_that_may_be_there_in_part_is_not_searched() -> None:
    class HalfWay(TroubledDestination):
        def describe(self, object_name: str | None) -> ObjectSpec:
            spec = super().describe(object_name)
            return replace(spec, operations={op: replace(o, atomic=False) for op, o in spec.operations.items()})

    destination = HalfWay(delivery=N)
    destination.troubles = [REFUSED]

    journal = Delivery(destination).run(make_payloads(4, Operation.CREATE))

    assert set(journal.outcomes.values()) == {Outcome.UNKNOWN}
    assert len(destination.sent) == 1


class Answering(FakeDestination):
    """Answers each request with the next of the answers it was given."""

    def __init__(self, *answers: list[RowResult], delivery: DeliveryClass = U) -> None:
        super().__init__(delivery=delivery)
        self.answers = list(answers)

    async def send(self, batch: Batch) -> list[RowResult]:
        self.sent.append(batch)
        return self.answers.pop(0)


def _row(key: int, outcome: Outcome, code: str | None = None) -> RowResult:
    return RowResult(key=str(key), outcome=outcome, code=code)


@pytest.mark.parametrize("at", range(5))
def test_an_answer_of_many_outcomes_gives_each_row_its_own(at: int) -> None:
    answer = [_row(number, Outcome.SUCCEEDED) for number in range(5)]
    answer[at] = _row(at, Outcome.REJECTED, "bad")
    destination = Answering(list(reversed(answer)))

    journal = Delivery(destination).run(make_payloads(5))

    assert journal.outcomes == {result.key: result.outcome for result in answer}


def test_rows_that_did_not_get_through_are_sent_again_by_themselves() -> None:
    destination = Answering(
        [_row(0, Outcome.SUCCEEDED), _row(1, Outcome.FAILED, "locked"), _row(2, Outcome.REJECTED)],
        [_row(1, Outcome.SUCCEEDED)],
    )

    journal = Delivery(destination).run(make_payloads(3))

    assert [batch.keys for batch in destination.sent] == [("0", "1", "2"), ("1",)]
    assert list(journal.outcomes.values()) == [Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.REJECTED]


def test_rows_that_were_refused_together_within_an_answer_are_halved() -> None:
    together = [_row(number, Outcome.FAILED, ISOLATE) for number in range(1, 4)]
    destination = Answering(
        [_row(0, Outcome.SUCCEEDED), *together],
        [_row(1, Outcome.SUCCEEDED)],
        [_row(2, Outcome.REJECTED), _row(3, Outcome.SUCCEEDED)],
    )

    journal = Delivery(destination).run(make_payloads(4))

    assert [batch.keys for batch in destination.sent[1:]] == [("1",), ("2", "3")]
    assert journal.outcomes["2"] is Outcome.REJECTED


def test_an_answer_that_says_two_things_of_a_row_counts_as_the_worse() -> None:
    destination = Answering([_row(0, Outcome.REJECTED), _row(0, Outcome.SUCCEEDED)])

    journal = Delivery(destination).run(make_payloads(1))

    assert journal.outcomes == {"0": Outcome.REJECTED}


@pytest.mark.parametrize(("delivery", "outcome"), [(U, Outcome.FAILED), (N, Outcome.UNKNOWN)])
def test_an_answer_about_rows_that_were_not_sent_stops_the_sync(delivery: DeliveryClass, outcome: Outcome) -> None:
    destination = Answering([_row(0, Outcome.SUCCEEDED), _row(100, Outcome.SUCCEEDED)], delivery=delivery)
    made = Delivery(destination)

    journal = made.run(make_payloads(101, Operation.CREATE))

    assert Counter(journal.outcomes.values()) == {outcome: 100, Outcome.ABORTED: 1}
    assert journal.settled["0"][0].code == "contract"


def test_a_fault_in_a_plug_in_stops_the_sync_and_its_text_goes_nowhere() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [BROKEN]
    made = Delivery(destination)

    journal = made.run(make_payloads(3))

    assert list(journal.outcomes.values()) == [Outcome.FAILED, Outcome.ABORTED, Outcome.ABORTED]
    assert "a row's value" not in str(journal.settled)
    assert "ZeroDivisionError" in str(journal.settled["0"][0].message)


def test_a_plug_in_that_cannot_spell_a_row_stops_the_sync_in_order() -> None:
    class Speechless(TroubledDestination):
        def encode(self, payload: Payload) -> Encoded:
            if payload.key == "2":
                raise KeyError(payload.key)
            return super().encode(payload)

    made = Delivery(Speechless(rows=1))

    journal = made.run(make_payloads(5))

    assert sorted(journal.settled) == ["0", "1", "2", "3", "4"]
    assert made.dispatcher.stopped is not None
    assert "KeyError" in str(made.dispatcher.stopped.error)
    assert journal.outcomes["2"] is Outcome.ABORTED


def test_a_denied_request_is_the_last_one() -> None:
    destination = TroubledDestination(rows=1)
    destination.troubles = [None, DENIED]

    journal = Delivery(destination).run(make_payloads(4))

    assert list(journal.outcomes.values()) == [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABORTED, Outcome.ABORTED]
    assert {results[0].code for results in list(journal.settled.values())[1:]} == {"http_401"}


def test_fail_fast_stops_at_the_first_row_that_does_not_get_through() -> None:
    destination = TroubledDestination(rows=1)
    destination.refused = {"1"}

    journal = Delivery(destination, fail_fast=True).run(make_payloads(4))

    assert list(journal.outcomes.values()) == [Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.ABORTED, Outcome.ABORTED]


def test_too_many_rejected_rows_hold_the_rest_back() -> None:
    destination = TroubledDestination(rows=10)
    destination.refused = {str(number) for number in range(0, 2000, 4)}
    made = Delivery(destination, max_rejected=Share(share=0.2))

    journal = made.run(make_payloads(2000))

    assert Counter(journal.outcomes.values())[Outcome.ABORTED] == 1500
    assert made.dispatcher.stopped is not None
    assert (made.dispatcher.stopped.status, made.dispatcher.stopped.error.code) == ("blocked", "max_rejected")


def test_a_stop_from_outside_lets_the_requests_on_the_way_end_and_sends_no_other() -> None:
    destination = TroubledDestination(delivery=N, rows=1)
    destination.slowness = lambda: 1.0
    made = Delivery(destination, concurrency=3)
    signal = Stop(Outcome.ABORTED, DestinationError("stopped by a signal", code="signal"), "partial")

    def stop(number: int) -> None:
        if number == 5:
            made.dispatcher.stopped = signal

    destination.on_arrival = stop
    journal = made.run(make_payloads(40, Operation.CREATE))

    assert len(destination.sent) <= 6
    assert Counter(journal.outcomes.values()) == {
        Outcome.SUCCEEDED: len(destination.sent),
        Outcome.ABORTED: 40 - len(destination.sent),
    }


def test_what_will_not_be_sent_is_not_intended() -> None:
    destination = TroubledDestination(delivery=N, rows=1)
    destination.troubles = [DENIED]

    journal = Delivery(destination).run(make_payloads(200, Operation.CREATE))

    # After a crash an intent without an outcome is a row of unknown fate.
    assert len(journal.intents) < 10
    assert len(journal.settled) == 200


@pytest.mark.parametrize(("delivery", "shared"), [(U, True), (T, True), (K, False), (R, False), (N, False)])
def test_intents_are_written_together_only_where_a_second_send_does_no_harm(
    delivery: DeliveryClass, shared: bool
) -> None:
    destination = TroubledDestination(delivery=delivery, rows=1)
    made = Delivery(destination)
    seen: list[int] = []
    destination.on_arrival = lambda _number: seen.append(len(made.journal.intents))

    made.run(make_payloads(40, Operation.CREATE))

    assert (seen[0] > 10) is shared


def test_every_intent_comes_before_its_request() -> None:
    destination = TroubledDestination(delivery=N, rows=2)
    made = Delivery(destination, concurrency=4)
    early: list[Batch] = []

    def look(number: int) -> None:
        batch = destination.sent[-1]
        if batch not in [intended for intended, _ in made.journal.intents]:
            early.append(batch)

    destination.on_arrival = look
    made.run(make_payloads(20, Operation.CREATE))

    assert early == []
    assert {delivery for _, delivery in made.journal.intents} == {N}


def test_a_plug_in_without_async_sends_in_threads_at_the_pace_of_the_account() -> None:
    threads: set[int] = set()

    class Blocking(FakeDestination):
        def send(self, batch: Batch) -> list[RowResult]:  # type: ignore[override]
            threads.add(threading.get_ident())
            self.sent.append(batch)
            return [RowResult(key=key, outcome=Outcome.SUCCEEDED) for key in batch.keys]

    destination = Blocking(rows=1)
    made = Delivery(destination, concurrency=3, rate=2.0)

    journal = made.run(make_payloads(9))

    assert set(journal.outcomes.values()) == {Outcome.SUCCEEDED}
    assert threading.get_ident() not in threads
    assert made.dispatcher.pacer.requests == 9
    assert made.seconds >= 4.0


def test_each_batch_is_told_once_with_its_outcomes() -> None:
    destination = TroubledDestination(rows=2, whole=True)
    destination.refused = {"1"}
    made = Delivery(destination)

    made.run(make_payloads(4))

    told = [dict(event.outcomes) for event in made.events if isinstance(event, BatchSettled)]
    assert told == [{Outcome.SUCCEEDED: 1, Outcome.REJECTED: 1}, {Outcome.SUCCEEDED: 2}]
