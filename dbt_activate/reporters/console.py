"""A run for the person who watches it: a live table on a terminal, plain lines on a pipe, dbt's kind of summary."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.text import Text

from dbt_activate.reporters import phrases
from dbt_activate.reporters.live import LiveTable
from dbt_activate.reporters.progress import Board, Progress
from dbt_activate.reporters.summary import closing, ended_line, left_behind, start_line
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

QUIET_SECONDS = 5.0
"""The least time between two lines of progress of one sync, on a pipe."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a message from outside could drive a terminal with; a tab and a line feed may stay."""


class ConsoleReporter:
    """Tells a run on *console*, without a row's value. Never raises: a reader who went away stops no delivery.

    With *live*, and only on a terminal, a table is drawn until the run ends: use the reporter in a ``with`` block, so
    that a run that breaks off gives the cursor back. With *quiet* nothing is told but what went wrong, at the end.
    *monotonic* gives seconds that only grow.
    """

    def __init__(
        self, console: Console, *, live: bool, quiet: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._draws = live and not quiet and console.is_terminal and not console.is_dumb_terminal
        self._monotonic = monotonic
        self._board = Board()
        self._table: LiveTable | None = None
        self._told: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take *event*."""
        now = self._monotonic()
        self._board.take(event, now)
        # rich ends the process with SystemExit where nobody reads; rows are on their way, so we go on.
        try:
            self._tell(event, now)
        except (OSError, ValueError, SystemExit):
            self._give_up()

    def __enter__(self) -> "ConsoleReporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the live table away, if there is one. May be called more than once."""
        table, self._table = self._table, None
        if table is None:
            return
        try:
            table.close()
        except (OSError, ValueError, SystemExit):
            self._console.quiet = True

    def _give_up(self) -> None:
        """Draw no more. rich keeps what it could not write and tries it again with each line, for as long as we run."""
        if self._table is not None:
            self._console.quiet = True

    def _open(self) -> None:
        if not self._draws:
            return
        table = LiveTable(self._console, self._board, self._monotonic)
        # A table that cannot be opened cannot be closed either, nor be tried again.
        self._draws = False
        table.open()
        self._table, self._draws = table, True

    def _tell(self, event: Event, now: float) -> None:
        if isinstance(event, RunEnded):
            self.close()
        if isinstance(event, RunStarted):
            self.close()
            self._open()
        if isinstance(event, PhaseEntered) and self._table is not None:
            self._table.redraw()
        self._say(self._lines(event, now))

    def _lines(self, event: Event, now: float) -> Iterable[Text]:
        if self._quiet:
            return _trouble(self._board, event) if isinstance(event, RunEnded) else ()
        if type(event) in PROGRESS:
            return self._progress(self._board.of(event.sync), now)  # type: ignore[union-attr]
        if type(event) in DETAILS and self._table is not None:
            return ()
        if isinstance(event, SyncStarted):
            self._told[event.sync] = now
        tell = LINES.get(type(event))
        return () if tell is None else tell(self._board, event)

    def _progress(self, line: Progress, now: float) -> Iterable[Text]:
        if self._table is not None or now - self._told.get(line.sync, now) < QUIET_SECONDS:
            return ()
        self._told[line.sync] = now
        return (_note(line.sync, phrases.progress(line, now)),)

    def _say(self, lines: Iterable[Text]) -> None:
        for line in lines:
            text = _clean(line, self._console.encoding)
            if self._table is not None:
                self._table.above(text)
            else:
                _write(self._console, text)


def _write(console: Console, text: Text) -> None:
    """Write past rich's own output, which answers a broken pipe by pointing the process's stdout at nothing."""
    with console.capture() as captured:
        console.print(text, soft_wrap=True, highlight=False)
    console.file.write(captured.get())
    console.file.flush()


def _clean(text: Text, encoding: str) -> Text:
    plain = CONTROL.sub("?", text.plain)
    text.plain = plain.encode(encoding, "replace").decode(encoding)
    return text


def _note(sync: str, words: str, style: str = "") -> Text:
    return Text(f"  {sync}: {words}", style=style)


def _start_run(board: Board, event: RunStarted) -> Iterator[Text]:
    verb = "Planning" if event.dry else "Running"
    yield Text(f"{verb} {phrases.counted(len(board.syncs), 'sync')}, run {event.run_id}")
    yield Text()


def _start_sync(board: Board, event: SyncStarted) -> Iterator[Text]:
    yield start_line(board.of(event.sync), len(board.syncs), phrases.way(event))


def _plan(_board: Board, event: SyncPlanned) -> Iterator[Text]:
    yield _note(event.sync, phrases.planned(event.census, event.to_send))


def _warn(_board: Board, event: Warned) -> Iterator[Text]:
    yield _note(event.sync, f"warning: {event.message}", "yellow")


def _end_sync(board: Board, event: SyncEnded) -> Iterator[Text]:
    line = board.of(event.sync)
    if trouble := phrases.trouble(line):
        yield _note(event.sync, trouble)
    yield ended_line(line, event.result, board)


def _end_run(board: Board, event: RunEnded) -> Iterator[Text]:
    yield from closing(board, event)


def _trouble(board: Board, _event: RunEnded) -> Iterator[Text]:
    for line in board.syncs.values():
        if line.result is not None and line.result.left_behind:
            yield ended_line(line, line.result, board)
    yield from left_behind(board)


LINES: Mapping[type, Callable[[Board, Any], Iterator[Text]]] = {
    RunStarted: _start_run,
    SyncStarted: _start_sync,
    SyncPlanned: _plan,
    Warned: _warn,
    SyncEnded: _end_sync,
    RunEnded: _end_run,
}
"""Event to its lines. The others move the board on and are told through it."""

DETAILS = frozenset({SyncStarted, SyncPlanned})
"""What a live table shows already."""

PROGRESS = frozenset({BatchSettled, RetryScheduled, Throttled})
