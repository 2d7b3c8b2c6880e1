"""The time of the machine, for a sandbox that nobody gave another clock."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Real time, as :class:`~dbt_activate.contracts.Clock` asks for it."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow, from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds*; return at once where they are not positive."""
        if seconds > 0:
            await asyncio.sleep(seconds)


def timestamp(moment: datetime) -> str:
    """Spell *moment* (in UTC) as the CRM does: ISO 8601, milliseconds, ``Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
