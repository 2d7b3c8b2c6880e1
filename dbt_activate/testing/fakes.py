"""Fakes of what the engine is given: time, transport, a destination. They behave; they record no expectations."""

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx

from dbt_activate.contracts import Clock, Destination, Tools
from dbt_activate.errors import AmbiguousError, BatchRejectedError, DestinationError, FencedError, RetryableError
from dbt_activate.values.destination import Account, Connection, DeliveryClass, ObjectSpec, OperationSpec
from dbt_activate.values.json import Json, JsonObject, Schema
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import Operation


class FakeClock:
    """A clock that stands still until somebody sleeps on it.

    Attributes:
        slept: Seconds of each sleep, in order.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The start, plus all that was slept."""
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """All that was slept, in seconds."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        if seconds > 0:
            self.slept.append(seconds)
            self._seconds += seconds


def make_tools(
    transport: Callable[[bool], httpx.AsyncBaseTransport] | None = None, clock: FakeClock | None = None
) -> Tools:
    """Tools for a destination under test: a still clock, seeded chance, real sockets unless *transport* is given."""
    return Tools(
        clock=clock or FakeClock(),
        transport=transport or (lambda _allow_private: httpx.AsyncHTTPTransport()),
        random=random.Random(7),  # noqa: S311 - jitter in a test
    )


class FakeDestination(Destination):
    """A system of records in memory, matched by the payload's identity; it counts, and fails as it is told.

    Attributes:
        records: Identity (its values, in order) to the fields of the record.
        sent: Every batch that reached it, in order.
        refused: Keys of rows that it rejects.
        script: What the next sends do instead of succeeding: each is raised before anything is applied. An
            :class:`AmbiguousError` is raised after everything was applied.
        mute: Keys of rows that its answer does not mention.
        silent: The method, ``discover`` or ``check``, that finds nobody there.
        silences: How often it does; None for ever.
    """

    connection_schema: ClassVar[Schema] = {"type": "object", "additionalProperties": False}
    object_required: ClassVar[bool] = False
    local: ClassVar[bool] = True

    def __init__(
        self,
        connection: Connection = Connection(name="fake", output="dev", type="fake"),  # noqa: B008 - frozen
        tools: Tools | None = None,
        *,
        delivery: DeliveryClass = DeliveryClass.UPSERT,
        rows: int = 100,
        refuses_whole: bool = False,
    ) -> None:
        super().__init__(connection, tools or make_tools())
        self.records: dict[tuple[Json, ...], JsonObject] = {}
        self.sent: list[Batch] = []
        self.refused: set[str] = set()
        self.mute: set[str] = set()
        self.silent = ""
        self.silences: int | None = None
        self.script: list[DestinationError] = []
        self._delivery = delivery
        self._rows = rows
        self._refuses_whole = refuses_whole

    def describe(self, object_name: str | None) -> ObjectSpec:
        """Take every operation and any field."""
        spec = OperationSpec(delivery=self._delivery, rows=self._rows)
        return ObjectSpec(
            name=object_name or "records", operations=dict.fromkeys(Operation, spec), exact_numbers=True, answers="key"
        )

    async def check(self) -> Account:
        """Always the same account."""
        self._answer("check")
        return Account("fake-account")

    async def discover(self, object_name: str | None) -> ObjectSpec:
        """Say what is known anyway."""
        self._answer("discover")
        return self.describe(object_name)

    def encode(self, payload: Payload) -> Encoded:
        """Take the fields as they are."""
        return Encoded(payload=payload, body=payload.fields, size=len(str(payload.fields)))

    async def send(self, batch: Batch) -> Sequence[RowResult]:
        """Apply the batch, or do what the script says."""
        self.sent.append(batch)
        error = self.script.pop(0) if self.script else None
        if error is not None and not isinstance(error, AmbiguousError):
            raise error
        if self._refuses_whole and self.refused & set(batch.keys):
            raise BatchRejectedError("the batch holds a row that is refused", code="bad_row")
        results = [self._apply(batch.operation, row.payload) for row in batch.rows]
        if error is not None:
            raise error
        return [result for result in results if result.key not in self.mute]

    def _answer(self, method: str) -> None:
        if self.silent == method and self.silences != 0:
            self.silences = None if self.silences is None else self.silences - 1
            raise RetryableError("nobody answers", code="connect")

    def _apply(self, operation: Operation, payload: Payload) -> RowResult:
        if payload.key in self.refused:
            return RowResult(key=payload.key, outcome=Outcome.REJECTED, code="bad_row", message="refused")
        identity = tuple(payload.identity.values())
        if operation in (Operation.DELETE, Operation.ARCHIVE):
            self.records.pop(identity, None)
        else:
            new = {} if identity in self.records else payload.create_only
            self.records[identity] = {**self.records.get(identity, {}), **new, **payload.fields}
        return RowResult(key=payload.key, outcome=Outcome.SUCCEEDED, record_id=f"id-{payload.key}")


class FakeJournal:
    """A journal in memory, with a lease that it can lose.

    Attributes:
        intents: Every batch that was intended, with its class, in order.
        settled: Key to its outcomes; more than one would be a fault of the engine.
        ended: Every batch that was settled, in order.
        renewals: Calls of :meth:`intend` without batches.
        fence_after: So many calls of :meth:`intend` pass before another run has the lease; None for all.
    """

    def __init__(
        self, clock: Clock | None = None, *, lease_seconds: float = math.inf, fence_after: int | None = None
    ) -> None:
        self.intents: list[tuple[Batch, DeliveryClass]] = []
        self.settled: dict[str, list[RowResult]] = {}
        self.ended: list[Batch] = []
        self.renewals = 0
        self.fence_after = fence_after
        self._clock = clock or FakeClock()
        self._lease_seconds = lease_seconds
        self._deadline = self._clock.monotonic() + lease_seconds

    def intend(self, batches: Sequence[Batch], delivery: DeliveryClass) -> None:
        """Take note, and push the lease's end out; raise where it is lost."""
        if self.fence_after is not None:
            if self.fence_after <= 0:
                raise FencedError("another run took the lease")
            self.fence_after -= 1
        self._deadline = self._clock.monotonic() + self._lease_seconds
        self.renewals += not batches
        self.intents += [(batch, delivery) for batch in batches]

    def settle(self, batch: Batch, results: Sequence[RowResult]) -> None:
        """Take note."""
        self.ended.append(batch)
        for result in results:
            self.settled.setdefault(result.key, []).append(result)

    def covers(self, seconds: float) -> bool:
        """Whether the lease lasts *seconds* more."""
        return self._clock.monotonic() + seconds < self._deadline

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Key to its last outcome."""
        return {key: results[-1].outcome for key, results in self.settled.items()}
