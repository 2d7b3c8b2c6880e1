"""The live table of a terminal: the syncs that go on and those that wait. One that is over moves up, into the log."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dbt_activate.reporters.phrases import counted, duration, remaining, speed
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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table. It is left out on a terminal of fewer than *least* characters."""

    least: int
    cell: Callable[[Progress, float], Text | ProgressBar | str]


def _bar(line: Progress, _now: float) -> ProgressBar | str:
    if not line.to_send:
        return ""
    return ProgressBar(
        total=line.to_send, completed=line.done, width=20, style="bright_black", complete_style="cyan",
        finished_style="cyan",
    )  # fmt: skip


def _rows(line: Progress, _now: float) -> str:
    return "" if line.to_send is None else f"{line.done}/{line.to_send}"


def _requests(line: Progress, _now: float) -> str:
    return counted(line.requests, "request") if line.requests else ""


def _delays(line: Progress, _now: float) -> Text:
    repeated = sum(line.retries.values())
    parts = (
        f"{repeated} {'retry' if repeated == 1 else 'retries'}" if repeated else "",
        f"throttled {duration(line.throttled)}" if line.throttled else "",
    )
    return Text(" ".join(part for part in parts if part), style="yellow")


def _outcomes(line: Progress, _now: float) -> Text:
    told = [
        Text(f"{rows} {outcome.value}", style=COLOURS.get(outcome.value, "yellow"))
        for outcome in Outcome
        if (rows := line.outcomes.get(outcome.value, 0))
    ]
    return Text(" ").join(told)


COLUMNS = (
    Column(0, lambda line, _now: Text(line.sync, style="" if line.phase != WAITING else "dim")),
    Column(0, lambda line, _now: Text(PHASES.get(line.phase, line.phase), style="dim")),
    Column(76, _bar),
    Column(0, _rows),
    Column(60, speed),
    Column(60, remaining),
    Column(130, _requests),
    Column(110, _delays),
    Column(90, _outcomes),
)


class LiveTable:
    """Draws the syncs of *board* that are not over, several times a second, until it is closed."""

    def __init__(self, console: Console, board: Board, monotonic: Callable[[], float]) -> None:
        self._board = board
        self._monotonic = monotonic
        self._spinner = Spinner("line" if console.options.ascii_only else "dots", style="cyan")
        self._console = console
        self._live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=not console.stderr and console.file.isatty(),
            vertical_overflow="crop",
        )

    def open(self) -> None:
        """Begin to draw."""
        self._live.start(refresh=True)

    def close(self) -> None:
        """Take the table away and give the cursor back; once is enough, twice does no harm."""
        self._live.stop()

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
        return Group(Text(), table, Text(f"  and {more} more", style="dim")) if more > 0 else Group(Text(), table)

    def _table(self, lines: list[Progress], now: float) -> Table:
        columns = [column for column in COLUMNS if self._console.width >= column.least]
        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(len(columns) + 1):
            table.add_column(no_wrap=True)
        for line in lines:
            mark = Text(" ") if line.phase == WAITING else self._spinner
            table.add_row(mark, *(column.cell(line, now) for column in columns))
        return table
