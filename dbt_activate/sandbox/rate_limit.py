"""The CRM's limit of requests in a rolling window of ten seconds."""

from collections import deque
from collections.abc import Callable, Mapping

WINDOW_SECONDS = 10.0
DAILY_LIMIT = 650_000


class RateLimit:
    """Lets *most* requests through in any ten seconds of *monotonic*; 0 switches it off."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._taken: deque[float] = deque()
        self._today = 0

    def take(self) -> bool:
        """Count one request; False, and not counted, where the window is full."""
        self._forget_old()
        if self._most and len(self._taken) >= self._most:
            return False
        self._today += 1
        if self._most:
            self._taken.append(self._monotonic())
        return True

    def headers(self) -> Mapping[str, str]:
        """The headers that tell a client how much is left; none where the limit is off."""
        if not self._most:
            return {}
        self._forget_old()
        return {
            "X-HubSpot-RateLimit-Max": str(self._most),
            "X-HubSpot-RateLimit-Remaining": str(self._most - len(self._taken)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(WINDOW_SECONDS * 1000)),
            "X-HubSpot-RateLimit-Daily": str(DAILY_LIMIT),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, DAILY_LIMIT - self._today)),
        }

    def _forget_old(self) -> None:
        oldest = self._monotonic() - WINDOW_SECONDS
        while self._taken and self._taken[0] <= oldest:
            self._taken.popleft()
