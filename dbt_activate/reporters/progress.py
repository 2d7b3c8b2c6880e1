"""How far the syncs of a run are, folded from its events. Frozen values: another thread may draw them meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dbt_activate.values.change import Census
from dbt_activate.values.event import (
    BatchSettled,
    Event,
    PhaseEntered,
    RetryScheduled,
    RunEnded,
    RunStarted,
    SyncEnded,
    SyncPlanned,
    SyncResult,
    SyncStarted,
    Throttled,
)

WAITING = "waiting"
"""The phase of a sync whose turn has not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one sync is.

    Attributes:
        position: Its place in the run, from 1.
        to_send: Rows that will be sent; None until the plan is made.
        outcomes: Outcome to rows of the batches that are settled: an estimate for the display while the sync goes on.
            Once it is over, only the counts of *result* are told.
        retries: Reason to number of repeated requests.
        throttled: Seconds that requests waited for the rate limit.
        began: When delivery began, in monotonic seconds.
        result: What became of it; None while it goes on.
    """

    sync: str
    position: int
    phase: str = WAITING
    census: Census | None = None
    to_send: int | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    throttled: float = 0.0
    began: float | None = None
    result: SyncResult | None = None

    @property
    def done(self) -> int:
        """Rows that have their outcome, never more than *to_send*."""
        rows = sum(self.outcomes.values())
        return rows if self.to_send is None else min(rows, self.to_send)

    def rate(self, now: float) -> float | None:
        """Rows per second since delivery began; None until there is something to judge by."""
        if self.began is None or now <= self.began or not self.done:
            return None
        return self.done / (now - self.began)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the last row at the rate so far; None until that can be said."""
        rate = self.rate(now)
        if rate is None or self.to_send is None:
            return None
        return (self.to_send - self.done) / rate

    def after(self, event: Event, now: float) -> "Progress":
        """The sync after *event*, which came at the monotonic second *now*."""
        step = STEPS.get(type(event))
        return self if step is None else step(self, event, now)


def _start(progress: Progress, _event: SyncStarted, _now: float) -> Progress:
    return Progress(sync=progress.sync, position=progress.position, phase="start")


def _enter(progress: Progress, event: PhaseEntered, now: float) -> Progress:
    return replace(progress, phase=event.phase, began=now if event.phase == "deliver" else progress.began)


def _plan(progress: Progress, event: SyncPlanned, _now: float) -> Progress:
    return replace(progress, census=event.census, to_send=event.to_send)


def _settle(progress: Progress, event: BatchSettled, _now: float) -> Progress:
    outcomes = dict(progress.outcomes)
    for outcome, rows in event.outcomes.items():
        outcomes[str(outcome)] = outcomes.get(str(outcome), 0) + rows
    return replace(progress, outcomes=outcomes, requests=progress.requests + event.requests)


def _retry(progress: Progress, event: RetryScheduled, _now: float) -> Progress:
    return replace(progress, retries={**progress.retries, event.code: progress.retries.get(event.code, 0) + 1})


def _throttle(progress: Progress, event: Throttled, _now: float) -> Progress:
    return replace(progress, throttled=progress.throttled + event.seconds)


def _end(progress: Progress, event: SyncEnded, _now: float) -> Progress:
    return replace(progress, result=event.result)


STEPS: Mapping[type, Callable[[Progress, Any, float], Progress]] = {
    SyncStarted: _start,
    PhaseEntered: _enter,
    SyncPlanned: _plan,
    BatchSettled: _settle,
    RetryScheduled: _retry,
    Throttled: _throttle,
    SyncEnded: _end,
}
"""What each event does to the sync that it names. The others change nothing in it."""


@dataclass(slots=True)
class Board:
    """Every sync of a run, in order.

    Attributes:
        syncs: Name to progress; replaced whole, never changed in place.
        dry: Whether the run plans only.
    """

    run_id: str = ""
    dry: bool = False
    syncs: Mapping[str, Progress] = field(default_factory=dict)

    def take(self, event: Event, now: float) -> None:
        """Move on by *event*. A run that starts clears the board."""
        if isinstance(event, RunStarted):
            self.run_id, self.dry = event.run_id, event.dry
            self.syncs = {name: Progress(sync=name, position=place) for place, name in enumerate(event.syncs, 1)}
        elif not isinstance(event, RunEnded):
            self.syncs = {**self.syncs, event.sync: self.of(event.sync).after(event, now)}

    def of(self, sync: str) -> Progress:
        """The progress of *sync*; a new one, at the end, where the run did not announce it."""
        return self.syncs.get(sync) or Progress(sync=sync, position=len(self.syncs) + 1)

    @property
    def results(self) -> tuple[SyncResult, ...]:
        """What became of the syncs that are over."""
        return tuple(progress.result for progress in self.syncs.values() if progress.result is not None)
