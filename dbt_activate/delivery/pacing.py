"""How fast an account may be used: one bucket and one pause, shared by everything that writes to it."""

from dataclasses import dataclass

from dbt_activate.contracts import Clock


@dataclass(slots=True)
class Pacer:
    """Spaces requests evenly: a bucket of one, so that no window of a second ever holds more than the rate.

    Attributes:
        rate: Requests per second; None for no bound.
        waited: Seconds that requests waited, added up.
        requests: How many were let through.
    """

    clock: Clock
    rate: float | None
    waited: float = 0.0
    requests: int = 0
    _next: float = 0.0

    async def admit(self) -> None:
        """Wait for the next free place."""
        now = self.clock.monotonic()
        place = max(now, self._next)
        self._next = place + (1.0 / self.rate if self.rate else 0.0)
        self.requests += 1
        self.waited += place - now
        if place > now:
            await self.clock.sleep(place - now)

    def pause(self, seconds: float) -> None:
        """Let nothing through for *seconds*; a longer pause that is already on stays."""
        self._next = max(self._next, self.clock.monotonic() + seconds)
