"""How syncs and runs ended, in the shape of dbt's own summary."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.text import Text

from dbt_activate.reporters.phrases import counted, duration, outcomes, tally
from dbt_activate.reporters.progress import Board, Progress
from dbt_activate.values.change import Census
from dbt_activate.values.event import RunEnded, SyncResult
from dbt_activate.values.outcome import HELD, SETTLED, Outcome

WIDTH = 64
"""Characters up to the bracket of a line; longer names push it to the right."""

SIGNALS = frozenset({130, 143})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a status is told; *nothing* stands for the counts where there are none."""

    label: str
    verb: str
    style: str
    nothing: str


ENDINGS: Mapping[str, Ending] = {
    "success": Ending("OK", "synced", "green", "nothing to send in"),
    "partial": Ending("PARTIAL", "synced", "yellow", "nothing tried in"),
    "failed": Ending("ERROR", "syncing", "red", "stopped after"),
    "blocked": Ending("BLOCKED", "sync", "red", "nothing sent in"),
    "locked": Ending("LOCKED", "sync", "yellow", "nothing sent in"),
    "deferred": Ending("DEFERRED", "sync", "yellow", "put off after"),
    "skipped": Ending("SKIP", "sync", "yellow", "not tried"),
}
"""Status to how it is told, in the order of the last line."""

REHEARSED: Mapping[str, str] = {"synced": "planned", "syncing": "planning"}
"""What a verb becomes where a run plans only."""

NEXT: Mapping[frozenset[Outcome], str] = {
    HELD: "each with its reason: dbt-activate rejects --select {sync}",
    frozenset({Outcome.UNKNOWN}): "to settle what is unknown: dbt-activate resolve --select {sync}",
    frozenset({Outcome.FAILED, Outcome.ABORTED}): "the next run sends what failed or was aborted",
}
"""Outcomes to what a person does about them."""


def start_line(progress: Progress, total: int, way: str) -> Text:
    """``1 of 3 START sync crm_contacts ..... [customer_scores to contacts of crm (prod)]``."""
    return _dotted(progress, total, Ending("START", "sync", "", ""), way)


def ended_line(progress: Progress, result: SyncResult, board: Board) -> Text:
    """``3 of 3 OK synced crm_contacts ..... [23570 rows: 23570 succeeded in 12.3s]``."""
    ending = _ending(result.status)
    if board.dry:
        ending = Ending(ending.label, REHEARSED.get(ending.verb, ending.verb), ending.style, ending.nothing)
    return _dotted(progress, len(board.syncs), ending, _account(progress, result, ending, dry=board.dry))


def closing(board: Board, event: RunEnded) -> Iterator[Text]:
    """The lines after the last sync: totals, what was left behind and why, and what to do about it."""
    yield Text()
    yield Text(_finished(board, event))
    yield from left_behind(board)
    if event.exit_code == 0:
        yield Text()
        yield Text("Completed successfully", style="green")
    yield Text()
    yield Text(_done(board.results))


def left_behind(board: Board) -> Iterator[Text]:
    """Each sync that left something behind: why, and the way out. Nothing where none did."""
    behind = [result for result in board.results if result.left_behind]
    if not behind:
        return
    yield Text()
    yield Text(f"{len(behind)} of {counted(len(board.syncs), 'sync')} left something behind:", style="bold")
    for result in behind:
        yield Text()
        ending = _ending(result.status)
        yield Text.assemble("  ", (ending.label, ending.style), " ", (result.sync, "bold"))
        yield from (Text(f"    {line}") for text in _reasons(result, dry=board.dry) for line in text.split("\n"))


def _ending(status: str) -> Ending:
    return ENDINGS.get(status, Ending(status.upper(), "sync", "", "ended after"))


def _dotted(progress: Progress, total: int, ending: Ending, bracket: str) -> Text:
    line = Text(f"{progress.position} of {total} ")
    line.append(ending.label, style=ending.style)
    line.append(f" {ending.verb} {progress.sync} ")
    line.append("." * max(3, WIDTH - len(line.plain)), style="dim")
    return line.append(f" [{bracket}]")


def _account(progress: Progress, result: SyncResult, ending: Ending, *, dry: bool) -> str:
    """The bracket: rows by outcome, and the time."""
    if result.status == "skipped":
        return result.message or ending.nothing
    rows = result.outcomes
    if dry and progress.to_send is not None:
        told = ", ".join(filter(None, (f"{counted(progress.to_send, 'row')} to send", outcomes(rows))))
        return f"{told} in {duration(result.seconds)}"
    if not any(rows.values()):
        return f"{ending.nothing} {duration(result.seconds)}"
    return f"{counted(sum(rows.values()), 'row')}: {outcomes(rows)} in {duration(result.seconds)}"


def _finished(board: Board, event: RunEnded) -> str:
    verb = "Stopped by a signal:" if event.exit_code in SIGNALS else "Planned" if board.dry else "Finished"
    told = f"{verb} {counted(len(board.results), 'sync')} in {duration(event.seconds)}"
    if board.dry:
        return f"{told}: {counted(_to_send(board), 'row')} to send. Nothing was written."
    rows = sum((Counter(result.outcomes) for result in board.results), Counter[str]())
    return f"{told}: {counted(rows.total(), 'row')}{', ' if rows.total() else ''}{outcomes(rows)}."


def _to_send(board: Board) -> int:
    return sum(progress.to_send or 0 for progress in board.syncs.values())


def _reasons(result: SyncResult, *, dry: bool) -> Iterator[str]:
    if text := result.message or "; ".join(result.guards):
        yield text
    missing = {name: rows for name, rows in result.outcomes.items() if rows and name not in SETTLED}
    if missing:
        codes = tally(result.error_classes)
        told = f"{counted(sum(missing.values()), 'row')} did not get through: {outcomes(missing)}"
        yield f"{told} ({codes})" if codes else told
    census = result.census or Census()
    if census.waiting:
        told = f"{counted(census.waiting, 'row')} of earlier runs: waiting for a later attempt"
        yield f"{told}; to try now: dbt-activate retry --select {result.sync}"
    if census.unknown:
        told = f"{counted(census.unknown, 'row')} of earlier runs: nobody knows whether they arrived"
        yield f"{told}; look, then: dbt-activate resolve --select {result.sync}"
    if census.withheld:
        yield f"{counted(census.withheld, 'removal')} withheld while a key is null"
    if not dry:
        yield from (text.format(sync=result.sync) for group, text in NEXT.items() if group & missing.keys())


def _done(results: tuple[SyncResult, ...]) -> str:
    statuses = Counter(result.status for result in results)
    counts = {name: statuses.get(name, 0) for name in (*ENDINGS, *statuses)}
    return "Done. " + " ".join(f"{name}={number}" for name, number in counts.items()) + f" total={len(results)}"
