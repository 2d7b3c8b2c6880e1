"""What an answer says of each row, and what it must not say."""

import pytest

from dbt_activate.delivery.answers import ForeignKeysError, all_rows, complete
from dbt_activate.errors import DestinationError
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import Operation
from tests.delivery.deliveries import make_payload


def make_batch(*payloads: Payload) -> Batch:
    rows = tuple(Encoded(payload=payload, body=None, size=1) for payload in payloads)
    return Batch(number=1, operation=payloads[0].operation, object=None, rows=rows, idempotency_key="k")


def ok(key: str) -> RowResult:
    return RowResult(key=key, outcome=Outcome.SUCCEEDED)


def test_results_come_in_the_order_of_the_rows_whatever_the_order_of_the_answer() -> None:
    batch = make_batch(*(make_payload(number) for number in range(3)))

    assert [result.key for result in complete(batch, [ok("2"), ok("0"), ok("1")])] == ["0", "1", "2"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_row_that_is_not_mentioned_is_unknown(missing: int) -> None:
    batch = make_batch(*(make_payload(number) for number in range(3)))

    results = complete(batch, [ok(str(number)) for number in range(3) if number != missing])

    assert [result.outcome is Outcome.UNKNOWN for result in results] == [number == missing for number in range(3)]
    assert results[missing].code == "not_mentioned"


def test_an_empty_answer_confirms_nothing() -> None:
    batch = make_batch(make_payload(0), make_payload(1))

    assert {result.outcome for result in complete(batch, [])} == {Outcome.UNKNOWN}


def test_rows_that_were_not_sent_are_a_fault_of_the_plug_in() -> None:
    with pytest.raises(ForeignKeysError, match="names 1 rows that were not sent"):
        complete(make_batch(make_payload(0)), [ok("0"), ok("7")])


@pytest.mark.parametrize("good_first", [True, False])
@pytest.mark.parametrize("worse", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.REJECTED])
def test_of_two_words_about_a_row_the_worse_counts(worse: Outcome, good_first: bool) -> None:
    told = [ok("0"), RowResult(key="0", outcome=worse)]

    [result] = complete(make_batch(make_payload(0)), told if good_first else reversed(told))

    assert result.outcome is worse


def test_no_value_of_the_batch_is_left_in_a_message() -> None:
    payload = make_payload(
        0,
        fields={"email": "ann@example.com", "nested": {"deep": ["SECRET-1"]}, "score": 12345, "ok": True, "x": "ab"},
        create_only={"source": "import-7"},
    )
    said = "ann@example.com / SECRET-1 / 12345 / import-7 / True / ab"

    [result] = complete(make_batch(payload), [RowResult(key="0", outcome=Outcome.REJECTED, message=said)])

    assert result.message == "*** / *** / *** / *** / True / ab"


@pytest.mark.parametrize("part", ["identity", "confirmed_identity", "before"])
def test_a_removed_row_is_not_named_by_its_identity_or_its_former_values(part: str) -> None:
    known = {"fields": {}, "identity": {"id": 1}, part: {"email": "ann@example.com"}}
    batch = make_batch(make_payload(0, Operation.DELETE, **known))

    [result] = all_rows(batch, Outcome.FAILED, DestinationError("there is no ann@example.com here"))

    assert result.message == "there is no *** here"


def test_the_longer_of_two_values_goes_first() -> None:
    payload = make_payload(0, fields={"first": "Ann", "full": "Ann Smith"})

    [result] = all_rows(make_batch(payload), Outcome.FAILED, DestinationError("Ann Smith is taken"))

    assert result.message == "*** is taken"


def test_a_long_message_is_cut() -> None:
    [result] = all_rows(make_batch(make_payload(0)), Outcome.FAILED, DestinationError("x" * 10_000))

    assert result.message is not None
    assert len(result.message) == 500
