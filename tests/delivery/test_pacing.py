"""The pace of an account: one bucket, one pause, one budget."""

import asyncio
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.delivery.pacing import BUDGET, Pacer
from dbt_activate.errors import FatalError
from dbt_activate.testing.fakes import FakeClock
from tests.delivery.deliveries import LoopClock, VirtualLoop


def _most_in_a_window(times: list[float], seconds: float) -> int:
    # A hair less than the window: its two ends are not both in it.
    return max((sum(start <= time < start + seconds - 1e-6 for time in times) for start in times), default=0)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.1, 200),
    steps=st.lists(st.tuples(st.floats(0, 3), st.one_of(st.none(), st.floats(0, 20))), max_size=60),
)
def test_no_window_ever_holds_more_requests_than_the_rate(rate: float, steps: list[tuple[float, float | None]]) -> None:
    clock = FakeClock()
    pacer = Pacer(clock, rate)
    times: list[float] = []

    async def work() -> None:
        for idle, pause in steps:
            await clock.sleep(idle)
            if pause is not None:
                pacer.pause(pause)
            await pacer.admit()
            times.append(clock.monotonic())

    asyncio.run(work())

    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in itertools.pairwise(times))
    assert _most_in_a_window(times, 1.0) <= math.ceil(rate)


def _admitted(rate: float | None, count: int, pauses: dict[float, float]) -> list[float]:
    """The times at which *count* requests that all came at once were let through; *pauses*: when, how long."""
    times: list[float] = []

    async def work() -> None:
        clock = LoopClock()
        pacer = Pacer(clock, rate)

        async def request() -> None:
            await pacer.admit()
            times.append(clock.monotonic())

        async def pause(at: float, seconds: float) -> None:
            await clock.sleep(at)
            pacer.pause(seconds)

        await asyncio.gather(*(request() for _ in range(count)), *(pause(*each) for each in pauses.items()))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
    return sorted(times)


def test_requests_that_come_at_once_are_spaced_evenly() -> None:
    assert _admitted(4.0, 5, {}) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_without_a_rate_nobody_waits() -> None:
    assert _admitted(None, 5, {}) == [0.0] * 5


def test_a_pause_holds_for_requests_that_were_waiting_for_their_place_already() -> None:
    times = _admitted(1.0, 4, {1.5: 10.0})

    assert times[:2] == pytest.approx([0.0, 1.0])
    assert times[2] >= 11.5
    assert times[3] - times[2] >= 1.0 - 1e-9


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    times = _admitted(1.0, 2, {0.5: 20.0, 0.75: 1.0})

    assert times[1] >= 20.5


def test_the_time_that_requests_waited_is_added_up() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, 2.0)

    async def work() -> None:
        for _ in range(3):
            await pacer.admit()
        pacer.pause(10.0)
        await pacer.resume()
        await pacer.resume()

    asyncio.run(work())

    assert pacer.requests == 3
    assert pacer.waited == pytest.approx(11.0)
    assert sum(clock.slept) == pytest.approx(11.0)


def test_a_budget_that_is_spent_refuses_every_further_request() -> None:
    pacer = Pacer(FakeClock(), None, budget=2)

    async def work() -> None:
        await pacer.admit()
        await pacer.admit()
        for _ in range(2):
            with pytest.raises(FatalError, match="budget of 2 requests") as refused:
                await pacer.admit()
            assert refused.value.code == BUDGET

    asyncio.run(work())

    assert pacer.requests == 2
