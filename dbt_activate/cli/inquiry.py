"""Asks live destinations, all at the same time, and lets go of them afterwards."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbt_activate.contracts import Clock
from dbt_activate.delivery.asking import call
from dbt_activate.errors import ActivateError, DestinationError
from dbt_activate.registry import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: a *value*, or the *error* in its place, after so many *seconds*."""

    value: Any = None
    error: ActivateError | None = None
    seconds: float = 0.0


def ask(
    links: Mapping[str, Link], questions: Sequence[tuple[Callable[..., Any], tuple[object, ...]]], clock: Clock
) -> list[Reply]:
    """Ask *questions*, each a method of a destination of *links* with its arguments; replies in their order.

    A destination that raises something other than our errors is at fault itself, and the reply says so.
    """
    return asyncio.run(_ask_all(links, questions, clock))


async def _ask_all(
    links: Mapping[str, Link], questions: Sequence[tuple[Callable[..., Any], tuple[object, ...]]], clock: Clock
) -> list[Reply]:
    try:
        return await asyncio.gather(*(_ask(method, arguments, clock) for method, arguments in questions))
    finally:
        for link in links.values():
            await call(link.destination.close)


async def _ask(method: Callable[..., Any], arguments: tuple[object, ...], clock: Clock) -> Reply:
    started = clock.monotonic()
    try:
        value = await call(method, *arguments)
    except ActivateError as error:
        return Reply(error=error, seconds=clock.monotonic() - started)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the others are still to be heard
        fault = DestinationError(f"a fault of the destination type: {type(error).__name__}; report it", code="fault")
        fault.__cause__ = error
        return Reply(error=fault, seconds=clock.monotonic() - started)
    return Reply(value=value, seconds=clock.monotonic() - started)
