"""Deliveries under test: virtual time, a destination that gets into trouble, and the dispatcher between them."""

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dbt_activate.delivery.batching import Cutter
from dbt_activate.delivery.dispatch import Dispatcher
from dbt_activate.delivery.pacing import Pacer
from dbt_activate.delivery.retry import RetryPolicy
from dbt_activate.errors import BatchRejectedError
from dbt_activate.testing.fakes import FakeDestination, FakeJournal
from dbt_activate.values.destination import DeliveryClass, Limits
from dbt_activate.values.event import Event
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.sync import REMOVALS, ChangeKind, Operation, Share


class _LeapingSelector(selectors.DefaultSelector):
    """Lets the loop's time leap to the next timer instead of waiting for it."""

    leapt = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.leapt += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once, and in which tasks meet as they would in real time."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.leapt


class LoopClock:
    """The virtual loop's time."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with a request: *error* reaches the sender, whether or not the rows were applied."""

    error: Exception
    applies: bool = False


class TroubledDestination(FakeDestination):
    """A destination in trouble that keeps what only the real system would know.

    Attributes:
        troubles: What goes wrong with the next requests, in order; None for one that goes well.
        applied: Key to how often its row had an effect.
        crowded: Keys that were in two requests at once.
        late_writes: Writes that arrived after a removal.
        sent_at: The virtual time of each request.
        slowness: Draws the seconds that a request takes.
        on_arrival: Is called with each request's number, from 1.
    """

    def __init__(self, *, delivery: DeliveryClass = DeliveryClass.UPSERT, rows: int = 100, whole: bool = False) -> None:
        super().__init__(delivery=delivery, rows=rows)
        self.troubles: list[Trouble | None] = []
        self.applied: Counter[str] = Counter()
        self.crowded: set[str] = set()
        self.late_writes: list[Batch] = []
        self.sent_at: list[float] = []
        self.slowness: Callable[[], float] = lambda: 0.0
        self.on_arrival: Callable[[int], None] = lambda _number: None
        self._whole = whole
        self._remembers = delivery in (DeliveryClass.IDEMPOTENCY_KEY, DeliveryClass.TRANSACTION)
        self._on_the_way: Counter[str] = Counter()
        self._answers: dict[str, list[RowResult]] = {}

    async def send(self, batch: Batch) -> Sequence[RowResult]:
        self._arrive(batch)
        try:
            await asyncio.sleep(self.slowness())
            trouble = self.troubles.pop(0) if self.troubles else None
            if trouble is not None and not trouble.applies:
                raise trouble.error
            results = self._apply_once(batch)
            if trouble is not None:
                raise trouble.error
            return [result for result in results if result.key not in self.mute]
        finally:
            self._on_the_way.subtract(batch.keys)

    def _arrive(self, batch: Batch) -> None:
        self.sent_at.append(asyncio.get_running_loop().time())
        if batch.operation not in REMOVALS and any(earlier.operation in REMOVALS for earlier in self.sent):
            self.late_writes.append(batch)
        self.sent.append(batch)
        self._on_the_way.update(batch.keys)
        self.crowded |= {key for key in batch.keys if self._on_the_way[key] > 1}
        self.on_arrival(len(self.sent))

    def _apply_once(self, batch: Batch) -> list[RowResult]:
        if self._remembers and batch.idempotency_key in self._answers:
            return self._answers[batch.idempotency_key]
        if self._whole and self.refused & set(batch.keys):
            raise BatchRejectedError("a row is refused", code="bad_row")
        results = [self._apply(batch.operation, row.payload) for row in batch.rows]
        self.applied.update(result.key for result in results if result.outcome is Outcome.SUCCEEDED)
        self._answers[batch.idempotency_key] = results
        return results


def make_payload(number: int, operation: Operation = Operation.UPSERT, **changes: object) -> Payload:
    """Row *number*; its key is the number as text."""
    kind = ChangeKind.REMOVED if operation in REMOVALS else ChangeKind.ADDED
    facts: dict[str, object] = {
        "key": str(number),
        "change": kind,
        "operation": operation,
        "fields": {"email": f"p{number}@example.com"},
        "identity": {"email": f"p{number}@example.com"},
        "payload_hash": f"hash of {number}",
    }
    return Payload(**(facts | changes))  # type: ignore[arg-type]


def make_payloads(count: int, operation: Operation = Operation.UPSERT) -> list[Payload]:
    return [make_payload(number, operation) for number in range(count)]


@dataclass
class Delivery:
    """One delivery, ready to go; change its parts before :meth:`run`."""

    destination: FakeDestination
    concurrency: int = 1
    rate: float | None = None
    lease_seconds: float = float("inf")
    fence_after: int | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    fail_fast: bool = False
    max_rejected: Share | None = None
    seed: int = 3
    events: list[Event] = field(default_factory=list)
    journal: FakeJournal = field(default_factory=FakeJournal)
    made: Dispatcher | None = None
    seconds: float = 0.0

    def run(self, payloads: Sequence[Payload]) -> FakeJournal:
        """Deliver in virtual time; return the journal."""
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(self._deliver(payloads))
        return self.journal

    @property
    def dispatcher(self) -> Dispatcher:
        assert self.made is not None
        return self.made

    def _hear(self, event: Event) -> None:
        self.events.append(event)

    async def _deliver(self, payloads: Sequence[Payload]) -> None:
        clock = LoopClock()
        self.journal = FakeJournal(clock, lease_seconds=self.lease_seconds, fence_after=self.fence_after)
        spec = self.destination.describe(None)
        self.made = Dispatcher(
            destination=self.destination,
            spec=spec,
            limits=Limits(max_concurrency=self.concurrency),
            cutter=Cutter(sync="s", run_id="r", object=None, binding="b", operations=spec.operations, rows=None),
            journal=self.journal,
            clock=clock,
            pacer=Pacer(clock, self.rate),
            report=self._hear,
            random=random.Random(self.seed),
            policy=self.policy,
            fail_fast=self.fail_fast,
            max_rejected=self.max_rejected,
        )
        await self.made.deliver(payloads)
        self.seconds = clock.monotonic()
