"""How fast an account may be used: one bucket and one pause, shared by everything that writes to it."""

from dataclasses import dataclass

from dbt_activate.contracts import Clock
from dbt_activate.errors import FatalError

BUDGET = "budget"
"""The code of a request that was not made because the budget of the account is spent."""


@dataclass(slots=True)
class Pacer:
    """Spaces requests evenly: a bucket of one, so that no window of a second ever holds more than the rate.

    Attributes:
        rate: Requests per second; None for no bound.
        budget: Most requests of a run; None for no bound.
        waited: Seconds that requests waited, added up.
        requests: How many were let through.
    """

    clock: Clock
    rate: float | None
    budget: int | None = None
    waited: float = 0.0
    requests: int = 0
    _next: float = 0.0
    _resumes: float = 0.0

    async def admit(self) -> None:
        """Wait for the next free place.

        Raises:
            FatalError: The budget is spent.
        """
        if self.budget is not None and self.requests >= self.budget:
            raise FatalError(f"the budget of {self.budget} requests is spent; the next run goes on", code=BUDGET)
        self.requests += 1
        # A pause that began while this request waited for its place is its pause, too: it takes another place.
        while await self._wait_for_place() < self._resumes:
            pass

    async def resume(self) -> None:
        """Wait until a pause is over, and take no place."""
        while (wait := self._resumes - self.clock.monotonic()) > 0:
            await self._wait(wait)

    def pause(self, seconds: float) -> None:
        """Let nothing through for *seconds*; a longer pause that is already on stays."""
        self._resumes = max(self._resumes, self.clock.monotonic() + seconds)
        self._next = max(self._next, self._resumes)

    async def _wait_for_place(self) -> float:
        now = self.clock.monotonic()
        place = max(now, self._next)
        self._next = place + (1.0 / self.rate if self.rate else 0.0)
        if place > now:
            await self._wait(place - now)
        return place

    async def _wait(self, seconds: float) -> None:
        self.waited += seconds
        await self.clock.sleep(seconds)
