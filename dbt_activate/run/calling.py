"""Calling a destination, whose methods may be ``async def`` or plain."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


async def call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a destination's method; a plain one in a thread, so that the run goes on meanwhile."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    return await asyncio.to_thread(function, *arguments)
