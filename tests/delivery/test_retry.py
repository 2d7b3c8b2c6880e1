"""When a request is repeated: bounds of the waits, and the count of failures in a row."""

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbt_activate.delivery.retry import THROTTLE_CODES, Breaker, RetryPolicy
from dbt_activate.errors import AmbiguousError, RetryableError

POLICY = RetryPolicy()


@given(attempt=st.integers(1, 40), seed=st.integers(), code=st.sampled_from(["connect", *sorted(THROTTLE_CODES)]))
def test_a_wait_lies_between_nothing_and_its_bound(attempt: int, seed: int, code: str) -> None:
    base = POLICY.throttle if code in THROTTLE_CODES else POLICY.transient

    wait = POLICY.wait(attempt, RetryableError("x", code=code), random.Random(seed))

    assert 0 <= wait <= min(POLICY.longest_wait, base * 2**attempt)


@pytest.mark.parametrize("attempt", [1, 3, 5])
def test_the_jitter_is_full(attempt: int) -> None:
    rng = random.Random(5)
    bound = POLICY.transient * 2**attempt

    waits = [POLICY.wait(attempt, AmbiguousError("x"), rng) for _ in range(2000)]

    assert min(waits) < 0.05 * bound
    assert max(waits) > 0.95 * bound
    assert fmean(waits) == pytest.approx(bound / 2, rel=0.1)


@given(asked=st.floats(0, 1e6), attempt=st.integers(1, 9), seed=st.integers())
def test_what_the_destination_asks_for_is_a_lower_bound(asked: float, attempt: int, seed: int) -> None:
    error = RetryableError("slow down", retry_after=asked, code="http_429")

    wait = POLICY.wait(attempt, error, random.Random(seed))

    assert asked <= wait <= asked * 1.1 + 1e-9


def test_only_failures_in_a_row_open_the_breaker() -> None:
    breaker = Breaker(3)

    for _ in range(5):
        breaker.failed()
        breaker.failed()
        assert not breaker.is_open
        breaker.answered()
    for _ in range(3):
        breaker.failed()

    assert breaker.is_open
