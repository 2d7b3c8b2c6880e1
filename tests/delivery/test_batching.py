"""How rows are cut into batches, and what names a batch."""

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.delivery.batching import Cutter
from dbt_activate.values.destination import DeliveryClass, OperationSpec
from dbt_activate.values.payload import Batch, Encoded
from dbt_activate.values.sync import Operation
from tests.delivery.deliveries import make_payload

REMOVED = (Operation.DELETE, Operation.ARCHIVE)


def make_cutter(*, rows: int = 100, size: int | None = None, chosen: int | None = None) -> Cutter:
    spec = OperationSpec(delivery=DeliveryClass.UPSERT, rows=rows, bytes=size)
    return Cutter(
        sync="s", run_id="r", binding="b", object=None, operations=dict.fromkeys(Operation, spec), rows=chosen
    )


def encoded(number: int, operation: Operation = Operation.UPSERT, size: int = 10, **changes: object) -> Encoded:
    return Encoded(payload=make_payload(number, operation, **changes), body=None, size=size)


def one_key(*rows: Encoded, **names: str) -> str:
    [batch] = replace(make_cutter(), **names).batches(rows)  # type: ignore[arg-type]
    return batch.idempotency_key


@given(
    sizes=st.lists(st.tuples(st.integers(1, 50), st.sampled_from(Operation)), max_size=60),
    rows=st.integers(1, 20),
    size=st.one_of(st.none(), st.integers(10, 120)),
    chosen=st.one_of(st.none(), st.integers(1, 30)),
)
def test_every_row_is_in_one_batch_in_order_and_no_batch_is_too_big(
    sizes: list[tuple[int, Operation]], rows: int, size: int | None, chosen: int | None
) -> None:
    given_rows = [encoded(number, operation, length) for number, (length, operation) in enumerate(sizes)]

    batches = list(make_cutter(rows=rows, size=size, chosen=chosen).batches(given_rows))

    assert [row for batch in batches for row in batch.rows] == given_rows
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    for batch in batches:
        assert {row.payload.operation for row in batch.rows} == {batch.operation}
        assert len(batch.rows) <= min(rows, chosen or rows)
        # A row that is too big by itself still travels: the destination may take it, and says so where it does not.
        assert size is None or len(batch.rows) == 1 or sum(row.size for row in batch.rows) <= size


def test_the_same_rows_have_the_same_key_in_another_run_and_at_another_place() -> None:
    rows = [encoded(1), encoded(2)]
    other = replace(make_cutter(), run_id="another run", numbers=count(77))
    [batch] = other.batches(rows)

    assert batch.idempotency_key == one_key(*rows)


def test_whatever_names_the_effect_is_in_the_key() -> None:
    keys = [
        one_key(encoded(1), encoded(2)),
        one_key(encoded(2), encoded(1)),
        one_key(encoded(1)),
        one_key(encoded(1, payload_hash="other"), encoded(2)),
        one_key(encoded(1, incarnation=1), encoded(2)),
        one_key(encoded(1, revision=1), encoded(2)),
        one_key(encoded(1, Operation.CREATE), encoded(2, Operation.CREATE)),
        one_key(encoded(1), encoded(2), sync="t"),
        one_key(encoded(1), encoded(2), binding="c"),
    ]

    assert len(set(keys)) == len(keys)


texts = st.text(st.characters(codec=None), max_size=4)


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=3), st.lists(st.tuples(texts, texts), min_size=1, max_size=3)
)
def test_no_two_lists_of_rows_share_a_key_by_running_together(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    keys = [one_key(*(encoded(0, key=key, payload_hash=digest) for key, digest in rows)) for rows in (one, other)]

    assert (keys[0] == keys[1]) == (one == other)


def test_a_part_of_a_batch_is_a_batch_of_its_own_and_the_whole_is_itself() -> None:
    cutter = make_cutter()
    [batch] = cutter.batches([encoded(1), encoded(2)])

    part: Batch = cutter.part(batch, batch.rows[:1])

    assert cutter.part(batch, batch.rows) is batch
    assert part.number == 2
    assert part.idempotency_key == one_key(encoded(1))
