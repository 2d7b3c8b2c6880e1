"""The live table of a terminal: the syncs that go on and those that wait. One that is over moves up, into the log."""

import sys
from collections.abc import Callable, Iterable
from itertools import accumulate

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dbt_activate.reporters.phrases import counted, remaining, retried, speed, throttled
from dbt_activate.reporters.progress import WAITING, Board, Progress
from dbt_activate.values.outcome import Outcome

PHASES = {
    WAITING: "waiting",
    "start": "starting",
    "lease": "taking lease",
    "recover": "recovering",
    "plan": "planning",
    "deliver": "delivering",
    "record": "recording",
}

COLOURS = {Outcome.SUCCEEDED.value: "green", Outcome.UNCHANGED.value: "dim"}
"""Outcome to colour; every other one is told in yellow."""

WAITING_SHOWN = 5
"""So many syncs whose turn has not come are listed; the others are counted."""

FRAMES_PER_SECOND = 5.0


NAME_WIDTH, PHASE_WIDTH, BAR_WIDTH, GAP = 30, 12, 20, 2

NARROW = 90
"""On a terminal of fewer characters the bar gives way to the numbers."""


def _bar(line: Progress) -> ProgressBar | str:
    if not line.to_send:
        return ""
    return ProgressBar(
        total=line.to_send,
        completed=line.done,
        width=BAR_WIDTH,
        style="grey23",
        complete_style="cyan",
        finished_style="cyan",
    )


def _details(line: Progress, now: float) -> list[Text]:
    """What is told of a delivery, the most telling first."""
    plain = [] if line.to_send is None else [f"{line.done}/{line.to_send}", speed(line, now), remaining(line, now)]
    settled = [
        Text(f"{rows} {outcome.value}", style=COLOURS.get(outcome.value, "yellow"))
        for outcome in Outcome
        if (rows := line.outcomes.get(outcome.value, 0))
    ]
    requests = Text(counted(line.requests, "request") if line.requests else "", style="dim")
    delays = [Text(retried(line), style="yellow"), Text(throttled(line), style="yellow")]
    return [text for text in (*map(Text, plain), *settled, requests, *delays) if text.plain]


def _fitting(parts: Iterable[Text], width: int) -> Text:
    """As many of *parts*, from the first on, as go whole into *width* characters."""
    ends = accumulate(parts, lambda left, right: Text.assemble(left, " " * GAP, right))
    return next((text for text in reversed(list(ends)) if len(text) <= width), Text())


class _Picture(Live):
    """Drawn by a thread of its own: where its terminal went away, it goes blank instead of printing a traceback."""

    def refresh(self) -> None:
        try:
            super().refresh()
        except (OSError, ValueError):
            self.console.quiet = True


class LiveTable:
    """Draws the syncs of *board* that are not over, several times a second, until it is closed."""

    def __init__(self, console: Console, board: Board, monotonic: Callable[[], float]) -> None:
        self._board = board
        self._monotonic = monotonic
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")
        self._console = console
        self._live = _Picture(
            console=console,
            get_renderable=self.render,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            # What others write to the same terminal goes above the table; what goes into a pipe stays in it.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
            vertical_overflow="crop",
        )

    def open(self) -> None:
        """Begin to draw."""
        self._live.start(refresh=True)

    def close(self) -> None:
        """Take the table away and give the cursor back; once is enough, twice does no harm."""
        self._live.stop()

    def redraw(self) -> None:
        """Draw now, not with the next tick."""
        self._live.refresh()

    def above(self, text: Text) -> None:
        """Put a line over the table, where it stays."""
        self._console.print(text, soft_wrap=True, highlight=False)

    def render(self) -> Group:
        """The table as it is now."""
        now = self._monotonic()
        open_lines = [line for line in self._board.syncs.values() if line.result is None]
        running = [line for line in open_lines if line.phase != WAITING]
        waiting = [line for line in open_lines if line.phase == WAITING]
        table = self._table([*running, *waiting[:WAITING_SHOWN]], now)
        more = len(waiting) - WAITING_SHOWN
        return Group(Text(), table, Text(f"   and {more} more", style="dim")) if more > 0 else Group(Text(), table)

    def _table(self, lines: list[Progress], now: float) -> Table:
        table = Table.grid(padding=(0, GAP, 0, 0))
        name = min(NAME_WIDTH, max((len(line.sync) for line in lines), default=0))
        bar = BAR_WIDTH if self._console.width >= NARROW else 0
        widths = [1, name, PHASE_WIDTH, *([bar] if bar else [])]
        for width in widths:
            table.add_column(no_wrap=True, width=width)
        table.add_column(no_wrap=True)
        room = self._console.width - sum(widths) - GAP * (len(widths) + 1)
        for line in lines:
            table.add_row(*self._cells(line, drawn=bool(bar)), _fitting(_details(line, now), room))
        return table

    def _cells(self, line: Progress, *, drawn: bool) -> list[Text | Spinner | ProgressBar | str]:
        waits = line.phase == WAITING
        return [
            " " if waits else self._spinner,
            Text(line.sync, style="dim" if waits else ""),
            Text(PHASES.get(line.phase, line.phase), style="dim"),
            *([_bar(line)] if drawn else []),
        ]
