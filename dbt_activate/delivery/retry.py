"""When to try again, and when to stop trying: pure decisions."""

import random
from dataclasses import dataclass

from dbt_activate.errors import DestinationError, RetryableError

THROTTLE_CODES = frozenset({"http_429", "rate_limit", "throttled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a run repeats requests. Times in seconds.

    Attributes:
        attempts: Most sends of one request in one run.
        longest_pause: A destination that asks for more is not waited for: the rest of the run is put off.
        failures_to_open: So many failed requests in a row, with no success between, and the destination counts as down.
    """

    attempts: int = 6
    transient: float = 0.5
    throttle: float = 1.0
    longest_wait: float = 60.0
    longest_pause: float = 300.0
    failures_to_open: int = 12

    def wait(self, attempt: int, error: DestinationError | None, rng: random.Random) -> float:
        """Seconds before attempt number *attempt* + 1: full jitter, or what the destination asked for, or more."""
        asked = error.retry_after if isinstance(error, RetryableError) else None
        if asked is not None:
            # Never before the time the destination named; a little after, so that not everybody returns at once.
            return asked * (1 + 0.1 * rng.random())
        throttled = error is not None and error.code in THROTTLE_CODES
        base = self.throttle if throttled else self.transient
        return rng.random() * min(self.longest_wait, base * 2.0**attempt)


@dataclass(slots=True)
class Breaker:
    """Notices that a destination is down. Refused rows do not count: only requests without a usable answer do."""

    failures_to_open: int
    _in_a_row: int = 0

    @property
    def is_open(self) -> bool:
        """Whether further requests of this run are pointless."""
        return self._in_a_row >= self.failures_to_open

    def failed(self) -> None:
        """Count one."""
        self._in_a_row += 1

    def answered(self) -> None:
        """Start counting anew."""
        self._in_a_row = 0
