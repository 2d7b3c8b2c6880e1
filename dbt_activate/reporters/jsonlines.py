"""A run for machines: one JSON object a line, for ``--log-format json`` and ``activate.log``."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TextIO

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.reporters.results import plain, result_entry, timestamp
from dbt_activate.values.event import (
    BatchSettled,
    Event,
    PhaseEntered,
    RetryScheduled,
    RunEnded,
    RunStarted,
    SyncEnded,
    SyncPlanned,
    SyncStarted,
    Throttled,
    Warned,
)

LEVELS = ("debug", "info", "warn", "error")
"""From the one that tells all to the one that tells least; dbt's names."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The *name* of an event in the log, and its level."""

    name: str
    level: str


KINDS: Mapping[type, Kind] = {
    RunStarted: Kind("run.started", "info"),
    SyncStarted: Kind("sync.started", "info"),
    PhaseEntered: Kind("phase.entered", "debug"),
    SyncPlanned: Kind("sync.planned", "info"),
    BatchSettled: Kind("batch.settled", "debug"),
    RetryScheduled: Kind("request.retry", "warn"),
    Throttled: Kind("throttled", "debug"),
    Warned: Kind("warning", "warn"),
    SyncEnded: Kind("sync.ended", "info"),
    RunEnded: Kind("run.ended", "info"),
}

STATUS_LEVELS: Mapping[str, str] = {
    "failed": "error",
    "blocked": "error",
    "partial": "warn",
    "locked": "warn",
    "deferred": "warn",
}
"""Status of a sync to the level at which its end is told, where that is not ``info``."""


class JsonLinesReporter:
    """Writes each event to *stream* as it comes, with ``ts level event run_id`` and the event's own fields.

    *clock_now* gives the time of day, with a zone. Events below *level*, one of :data:`LEVELS`, are left out. Never
    raises: a line that cannot be written is lost, and the next one is tried again. The caller closes the stream.
    """

    def __init__(self, stream: TextIO, clock_now: Callable[[], datetime], run_id: str, *, level: str = "debug") -> None:
        self._stream = stream
        self._now = clock_now
        self._run_id = run_id
        self._least = LEVELS.index(level)

    def __call__(self, event: Event) -> None:
        """Take *event*."""
        level = _level(event)
        if LEVELS.index(level) < self._least:
            return
        head = {"ts": timestamp(self._now()), "level": level, "event": KINDS[type(event)].name, "run_id": self._run_id}
        line = json.dumps({**head, **_body(event)}, ensure_ascii=True)
        # A full disk and a reader who went away are OSErrors, a closed stream is a ValueError.
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def open_log(path: Path) -> TextIO:
    """Open the log at *path* to append whole lines, with the folders above it.

    Raises:
        ConfigError: It cannot be written. Better said before a run than after it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        fault = f"the log cannot be written: {error.strerror or error}"
        raise ConfigError(
            Problem(str(path), fault, "make the folder writable, or choose another target path")
        ) from error


def _level(event: Event) -> str:
    if isinstance(event, SyncEnded):
        return STATUS_LEVELS.get(event.result.status, "info")
    if isinstance(event, RunEnded) and event.exit_code:
        return "error"
    return KINDS[type(event)].level


def _body(event: Event) -> dict[str, object]:
    if isinstance(event, SyncEnded):
        return result_entry(event.result)
    return {item.name: _value(getattr(event, item.name)) for item in fields(event)}


def _value(value: object) -> object:
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return plain(value)
