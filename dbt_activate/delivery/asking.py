"""Asking a destination something that changes nothing: its fields, its account."""

import asyncio
import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dbt_activate.contracts import Clock
from dbt_activate.delivery.retry import RetryPolicy
from dbt_activate.errors import AmbiguousError, DestinationError, RetryableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks, and asks again where the answer was lost: a question may be repeated."""

    clock: Clock
    random: random.Random
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=4))

    async def ask(self, question: Callable[..., Any], *arguments: object) -> Any:
        """Call *question*, a method of a destination, ``async def`` or plain.

        Raises:
            DestinationError: There was no answer, or one that asking again cannot better.
        """
        for attempt in range(1, self.policy.attempts):
            try:
                return await call(question, *arguments)
            except (RetryableError, AmbiguousError) as error:
                await self._wait(attempt, error)
        return await call(question, *arguments)

    async def _wait(self, attempt: int, error: DestinationError) -> None:
        seconds = self.policy.wait(attempt, error, self.random)
        if seconds > self.policy.longest_pause:
            raise error
        await self.clock.sleep(seconds)


async def call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a destination's method; a plain one in a thread, so that the run goes on meanwhile."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    return await asyncio.to_thread(function, *arguments)
