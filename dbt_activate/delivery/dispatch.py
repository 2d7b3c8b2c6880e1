"""Rows to settled batches: the engine of delivery.

Everything it needs from outside comes in as arguments: destination, journal, clock, randomness. It raises only what
ends a whole run (:class:`~dbt_activate.errors.FencedError`); what happens to rows is written down.
"""

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice

from dbt_activate.contracts import Clock, Destination, Journal, Reporter
from dbt_activate.delivery.answers import all_rows, complete
from dbt_activate.delivery.batching import Cutter
from dbt_activate.delivery.pacing import BUDGET, Pacer
from dbt_activate.delivery.retry import Breaker, RetryPolicy
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    DestinationError,
    FatalError,
    RetryableError,
)
from dbt_activate.values.destination import HARMLESS_TO_REPEAT, DeliveryClass, Limits, ObjectSpec
from dbt_activate.values.event import BatchSettled, RetryScheduled, Throttled
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import REMOVALS, Share

ISOLATE = "batch_rejected"
"""The code of a failed row whose part of a batch was refused whole: its part is cut in halves and sent again."""

WINDOW = 20
"""So many batches share one write of intents, where a second send does no harm."""

SHARED_INTENTS = frozenset({DeliveryClass.UPSERT, DeliveryClass.TRANSACTION})

REJECTED_SAMPLE = 500
"""A bound on the share of rejected rows is looked at from so many settled rows on."""

DEFERRING = frozenset({BUDGET, "quota"})
"""Codes of a refusal that is over another day: the rest is put off, not failed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why no further batch is sent, and how the rows that are left end."""

    outcome: Outcome
    error: DestinationError
    status: str


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """Delivers the rows of one sync.

    Attributes:
        stopped: Why it stopped early, if it did. May be set from outside, to stop it after the batches in flight.
        max_rejected: Most rejected rows before the rest is held back; None for no bound.
        retries: Requests that were repeated.
    """

    destination: Destination
    spec: ObjectSpec
    limits: Limits
    cutter: Cutter
    journal: Journal
    clock: Clock
    pacer: Pacer
    report: Reporter
    random: random.Random
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    fail_fast: bool = False
    max_rejected: Share | None = None
    stopped: Stop | None = None
    retries: int = 0
    _doubted: set[int] = field(default_factory=set)
    _breaker: Breaker = field(init=False)
    _settled: Counter[Outcome] = field(default_factory=Counter)
    _reported: int = 0
    _waited: float = 0.0

    def __post_init__(self) -> None:
        self._reported, self._waited = self.pacer.requests, self.pacer.waited
        self._breaker = Breaker(self.policy.failures_to_open)

    async def deliver(self, payloads: Iterable[Payload]) -> None:
        """Send *payloads* in order, and settle every one of them.

        Raises:
            FencedError: The lease is lost; nothing more was sent.
            WarehouseError: The journal cannot be written; nothing more was sent.
        """
        batches = self.cutter.batches(map(self._encoded, payloads))
        # Removals go last, when every write has its outcome: a row that took a new key exists by then.
        for _, phase in groupby(batches, key=lambda batch: batch.operation in REMOVALS):
            await self._deliver_phase(phase)

    def _encoded(self, payload: Payload) -> Encoded:
        try:
            return self.destination.encode(payload)
        except Exception as error:  # noqa: BLE001 - as in _settle: a fault in a plug-in ends its sync, in order
            self._stop(Outcome.ABORTED, self._fault(error), "failed")
            return Encoded(payload=payload, body=None, size=0)

    async def _deliver_phase(self, batches: Iterator[Batch]) -> None:
        try:
            await self._share_out(batches)
        except ExceptionGroup as group:
            # Only the journal raises in here, and what it raises is the caller's business, not that tasks were used.
            raise group.exceptions[0] from None

    async def _share_out(self, batches: Iterator[Batch]) -> None:
        queue: asyncio.Queue[Batch | None] = asyncio.Queue(self.limits.max_concurrency)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.limits.max_concurrency):
                tasks.create_task(self._work(queue))
            while window := list(islice(batches, self._window())):
                if self.stopped is None:
                    self.journal.intend(window, self._class(window[0]))
                for batch in window:
                    await queue.put(batch)
            for _ in range(self.limits.max_concurrency):
                await queue.put(None)

    async def _work(self, queue: "asyncio.Queue[Batch | None]") -> None:
        while (batch := await queue.get()) is not None:
            started = self.clock.monotonic()
            results = await self._settle(batch, 1)
            self.journal.settle(batch, results)
            self._judge(results)
            self._new_wait(batch.sync)
            self.report(
                BatchSettled(
                    sync=batch.sync,
                    number=batch.number,
                    outcomes=Counter(result.outcome for result in results),
                    requests=self._new_requests(),
                    seconds=self.clock.monotonic() - started,
                )
            )

    def _new_requests(self) -> int:
        """Requests since the last report: with several in flight, none of them is one batch's alone."""
        new, self._reported = self.pacer.requests - self._reported, self.pacer.requests
        return new

    def _new_wait(self, sync: str) -> None:
        """Tell how long requests waited for their place since the last report."""
        new, self._waited = self.pacer.waited - self._waited, self.pacer.waited
        if new > 0:
            self.report(Throttled(sync=sync, seconds=new))

    async def _settle(self, batch: Batch, attempt: int) -> list[RowResult]:  # noqa: C901, PLR0911 - one arm per ending
        """One result for each row of *batch*, whatever it takes."""
        if self.stopped is None:
            await self._await_turn(batch)
        if self.stopped is not None:
            return self._given_up(batch, self.stopped.outcome, self.stopped.error)
        try:
            answered = complete(batch, await self._send(batch))
        except BatchRejectedError as error:
            self._breaker.answered()
            return await self._isolate(batch, error)
        except RetryableError as error:
            return await self._again(batch, attempt, error)
        except AmbiguousError as error:
            if self._class(batch) not in HARMLESS_TO_REPEAT:
                self._count_failure(error)
                return all_rows(batch, Outcome.UNKNOWN, error)
            self._doubt(batch)
            return await self._again(batch, attempt, error)
        except FatalError as error:
            self._stop(Outcome.ABORTED, error, "deferred" if error.code in DEFERRING else "failed")
            return self._given_up(batch, Outcome.FAILED, error)
        except Exception as error:  # noqa: BLE001 - whatever else a plug-in raises is a fault in it: stop
            return self._broken(batch, error)
        self._breaker.answered()
        return await self._repeat_rows(batch, answered, attempt)

    def _broken(self, batch: Batch, error: Exception) -> list[RowResult]:
        fault = self._fault(error)
        self._stop(Outcome.ABORTED, fault, "failed")
        self._doubt(batch)
        outcome = Outcome.FAILED if self._class(batch) in HARMLESS_TO_REPEAT else Outcome.UNKNOWN
        return self._given_up(batch, outcome, fault)

    def _fault(self, error: Exception) -> DestinationError:
        kind = self.destination.connection.type
        code = error.code if isinstance(error, DestinationError) else "plugin"
        return DestinationError(f"fault in the destination type '{kind}': {type(error).__name__}", code=code)

    async def _await_turn(self, batch: Batch) -> None:
        """Let a pause end, then see to it that the lease outlasts the request: a pause may be as long as a lease."""
        await self.pacer.resume()
        if self.stopped is None and not self.journal.covers(self.limits.timeout_seconds):
            self.journal.intend((), self._class(batch))

    async def _send(self, batch: Batch) -> Sequence[RowResult]:
        if inspect.iscoroutinefunction(self.destination.send):
            return await self.destination.send(batch)
        await self.pacer.admit()
        blocking: Callable[[Batch], Sequence[RowResult]] = self.destination.send  # type: ignore[assignment]
        return await asyncio.to_thread(blocking, batch)

    async def _again(self, batch: Batch, attempt: int, error: DestinationError) -> list[RowResult]:
        self._count_failure(error)
        wait = self.policy.wait(attempt, error, self.random)
        if wait > self.policy.longest_pause:
            self._stop(Outcome.ABORTED, error, "deferred")
            return self._given_up(batch, Outcome.FAILED, error)
        if attempt >= self.policy.attempts or self.stopped is not None:
            return self._given_up(batch, Outcome.FAILED, error)
        self.retries += 1
        self.report(
            RetryScheduled(sync=batch.sync, number=batch.number, attempt=attempt, seconds=wait, code=error.code)
        )
        if isinstance(error, RetryableError) and error.retry_after is not None:
            self.pacer.pause(wait)
        await self.clock.sleep(wait)
        return await self._settle(batch, attempt + 1)

    def _count_failure(self, error: DestinationError) -> None:
        self._breaker.failed()
        if self._breaker.is_open:
            self._stop(Outcome.FAILED, DestinationError(f"destination is down: {error}", code="down"), "failed")

    async def _repeat_rows(self, batch: Batch, answered: list[RowResult], attempt: int) -> list[RowResult]:
        """Send again, by themselves, the rows of an answer that did not get through and may be repeated."""
        unknown = [result.key for result in answered if result.outcome is Outcome.UNKNOWN]
        harmless = self._class(batch) in HARMLESS_TO_REPEAT
        if unknown and self._is_indivisible(batch):
            self._doubt(batch)
            harmless = len(unknown) == len(batch.rows)
        again = {
            result.key: result
            for result in answered
            if result.outcome is Outcome.FAILED or (result.outcome is Outcome.UNKNOWN and harmless)
        }
        if not again:
            return answered
        part = self.cutter.part(batch, [row for row in batch.rows if row.payload.key in again])
        first = next(iter(again.values()))
        reason = RetryableError(first.message or "no answer for the row", code=first.code or "row_failed")
        if first.code == ISOLATE and len(part.rows) > 1:
            repeated = await self._halves(part)
        else:
            repeated = await self._again(part, attempt, reason)
        settled = {result.key: result for result in repeated}
        return [settled.get(result.key, result) for result in answered]

    async def _isolate(self, batch: Batch, error: BatchRejectedError) -> list[RowResult]:
        """Find the rows for which a batch was refused."""
        if len(batch.rows) == 1:
            return all_rows(batch, Outcome.REJECTED, error)
        atomic = self.spec.operations[batch.operation].atomic
        divisible = self._class(batch) in HARMLESS_TO_REPEAT and not self._is_indivisible(batch)
        if batch.number in self._doubted or not (atomic or divisible):
            return all_rows(batch, Outcome.UNKNOWN, error)
        return await self._halves(batch)

    def _is_indivisible(self, batch: Batch) -> bool:
        """Whether only this very batch may be sent again: its key names its rows, no fewer and no others."""
        return self._class(batch) is DeliveryClass.IDEMPOTENCY_KEY and len(batch.rows) > 1

    def _doubt(self, batch: Batch) -> None:
        """Note that *batch* may have been applied, where sending its rows in another batch would apply them twice."""
        if self._is_indivisible(batch):
            self._doubted.add(batch.number)

    def _given_up(self, batch: Batch, outcome: Outcome, error: DestinationError) -> list[RowResult]:
        """The rows of a batch that is not sent (again) by this run."""
        return all_rows(batch, Outcome.UNKNOWN if batch.number in self._doubted else outcome, error)

    async def _halves(self, batch: Batch) -> list[RowResult]:
        middle = len(batch.rows) // 2
        results: list[RowResult] = []
        for rows in (batch.rows[:middle], batch.rows[middle:]):
            results += await self._settle(self.cutter.part(batch, rows), 1)
        return results

    def _judge(self, results: Sequence[RowResult]) -> None:
        """Stop after a batch that the user, or the bound on rejected rows, does not let pass."""
        self._settled.update(result.outcome for result in results)
        if self.fail_fast and any(result.outcome is not Outcome.SUCCEEDED for result in results):
            self._stop(
                Outcome.ABORTED, DestinationError("stopped after the first failure", code="fail_fast"), "partial"
            )
        total, rejected = self._settled.total(), self._settled[Outcome.REJECTED]
        bound = self.max_rejected
        # A share says nothing of the first few rows.
        enough = bound is not None and (bound.rows is not None or total >= REJECTED_SAMPLE)
        if bound is not None and enough and rejected > bound.of(total):
            reason = f"{rejected} of the first {total} rows were rejected; the bound is {bound}"
            self._stop(Outcome.ABORTED, DestinationError(f"max_rejected: {reason}", code="max_rejected"), "blocked")

    def _stop(self, outcome: Outcome, error: DestinationError, status: str) -> None:
        self.stopped = self.stopped or Stop(outcome, error, status)

    def _class(self, batch: Batch) -> DeliveryClass:
        return self.spec.operations[batch.operation].delivery

    def _window(self) -> int:
        classes = {operation.delivery for operation in self.spec.operations.values()}
        return WINDOW if classes <= SHARED_INTENTS else 1
