"""Fakes of what the engine is given: time, transport. They behave; they do not record expectations."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from dbt_activate.contracts import Tools


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
    """Tools for a destination under test: a still clock, seeded randomness, real sockets unless *transport* is given."""
    return Tools(
        clock=clock or FakeClock(),
        transport=transport or (lambda _allow_private: httpx.AsyncHTTPTransport()),
        random=random.Random(7),  # noqa: S311 - jitter in a test
    )
