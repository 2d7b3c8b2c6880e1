"""The console: what a person reads, and that nothing about their terminal stops a run."""

import io
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dbt_activate.reporters.console import ConsoleReporter
from dbt_activate.reporters.live import LiveTable
from dbt_activate.reporters.progress import Board
from dbt_activate.values.event import (
    BatchSettled,
    Event,
    PhaseEntered,
    RunEnded,
    RunStarted,
    SyncEnded,
    SyncPlanned,
    SyncStarted,
    Warned,
)
from dbt_activate.values.outcome import Outcome
from tests.reporters.stories import (
    BLOCKED,
    CENSUS,
    ENDINGS,
    EXAMPLES,
    FAILED,
    LOCKED,
    PARTIAL,
    SKIPPED,
    SUCCESS,
    run_of,
)

DOTS = "." * 34


class Ticking:
    """Seconds that grow by *step* with each look."""

    def __init__(self, step: float = 0.0) -> None:
        self._step = step
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self._step
        return self._now


def told(events: Iterable[Event], *, quiet: bool = False, step: float = 0.0) -> str:
    """What a pipe gets."""
    paper = io.StringIO()
    console = Console(file=paper, width=120, force_terminal=False)
    reporter = ConsoleReporter(console, live=True, quiet=quiet, monotonic=Ticking(step))
    for event in events:
        reporter(event)
    return paper.getvalue()


def drawn(events: Iterable[Event], *, no_color: bool = False) -> str:
    """What a terminal gets."""
    paper = io.StringIO()
    console = Console(
        file=paper, width=140, force_terminal=True, color_system=None if no_color else "standard", no_color=no_color
    )
    with ConsoleReporter(console, live=True, monotonic=Ticking(0.5)) as reporter:
        for event in events:
            reporter(event)
    return paper.getvalue()


def test_a_pipe_gets_the_whole_run_as_plain_lines() -> None:
    assert told(EXAMPLES, step=3.0) == (
        "Running 1 sync, run r1\n"
        "\n"
        "1 of 1 START sync crm_contacts ................................. [customer_scores to contacts of crm (prod)]\n"
        "  crm_contacts: 100 added, 4 changed, 23496 unchanged; 5 removed, left alone; 103 rows to send\n"
        "  crm_contacts: 50 of 103 rows (48%), 17 rows/s, 3s left, 1 request\n"
        "  crm_contacts: 50 of 103 rows (48%), 6 rows/s, 10s left, 1 request, 1 retry (http_503), throttled 1.5s\n"
        "  crm_contacts: warning: planned without asking the destination: no answer\n"
        "  crm_contacts: 1 retry (http_503), throttled 1.5s\n"
        f"1 of 1 OK synced crm_contacts {DOTS} [104 rows: 103 succeeded, 1 unchanged in 12.3s]\n"
        "\n"
        "Finished 1 sync in 13.0s: 104 rows, 103 succeeded, 1 unchanged.\n"
        "\n"
        "Completed successfully\n"
        "\n"
        "Done. success=1 partial=0 failed=0 blocked=0 locked=0 deferred=0 skipped=0 total=1\n"
    )


def test_every_ending_has_its_line() -> None:
    lines = told(run_of(ENDINGS, exit_code=1)).splitlines()
    ended = [re.sub(r"\.{3,}", "", line) for line in lines if re.match(r"\d of 6 (?!START|sync)", line)]
    assert ended == [
        "1 of 6 OK synced crm_contacts  [104 rows: 103 succeeded, 1 unchanged in 12.3s]",
        "2 of 6 PARTIAL synced crm_companies  [7004 rows: 6970 succeeded, 2 invalid, 28 rejected, 4 unknown in 1m 15s]",
        "3 of 6 BLOCKED sync crm_orders  [nothing sent in 0.4s]",
        "4 of 6 LOCKED sync crm_deals  [nothing sent in 0.4s]",
        "5 of 6 ERROR syncing pages  [stopped after 0.4s]",
        "6 of 6 SKIP sync tickets  [not tried]",
    ]


def test_the_summary_says_what_went_wrong_and_the_way_out() -> None:
    summary = told(run_of(ENDINGS, exit_code=1)).partition("[not tried]\n")[2]
    assert summary == (
        "\n"
        "Finished 6 syncs in 21.5s: 7108 rows, 7073 succeeded, 1 unchanged, 2 invalid, 28 rejected, 4 unknown.\n"
        "\n"
        "4 of 6 syncs left something behind:\n"
        "\n"
        "  PARTIAL crm_companies\n"
        "    34 rows did not get through: 2 invalid, 28 rejected, 4 unknown (28 http_400, 4 timeout, 2 required)\n"
        "    each with its reason: dbt-activate rejects --select crm_companies\n"
        "    to settle what is unknown: dbt-activate resolve --select crm_companies\n"
        "\n"
        "  BLOCKED crm_orders\n"
        "    max_removed: 300 of 1000 confirmed rows would be removed; the bound is 1%."
        " If this is right: --override-guards 0123abcd\n"
        "\n"
        "  LOCKED crm_deals\n"
        "    crm_deals: run 17 holds the lease; wait for it, or: dbt-activate unlock crm_deals --epoch 3\n"
        "\n"
        "  ERROR pages\n"
        "    destination 'crm': the token was refused; renew it\n"
        "\n"
        "Done. success=1 partial=1 failed=1 blocked=1 locked=1 deferred=0 skipped=1 total=6\n"
    )


def test_quiet_says_nothing_of_a_run_that_went_well() -> None:
    warned = Warned(sync="crm_contacts", message="slow")
    assert told([*EXAMPLES[:-1], warned, EXAMPLES[-1]], quiet=True, step=3.0) == ""


def test_quiet_says_what_went_wrong_and_only_that() -> None:
    assert told(run_of((SUCCESS, FAILED), exit_code=1), quiet=True) == (
        "2 of 2 ERROR syncing pages ..................................... [stopped after 0.4s]\n"
        "\n"
        "1 of 2 syncs left something behind:\n"
        "\n"
        "  ERROR pages\n"
        "    destination 'crm': the token was refused; renew it\n"
    )


def test_a_rehearsal_says_that_nothing_was_written() -> None:
    guarded = replace(BLOCKED, message="")
    text = told(run_of((replace(SUCCESS, counts={"added": {"invalid": 3}}), guarded), dry=True, exit_code=1))
    assert "1 of 2 OK planned crm_contacts " in text
    assert "[0 rows to send, 3 invalid in 12.3s]" in text
    assert "Planned 2 syncs in 21.5s: 0 rows to send. Nothing was written.\n" in text
    assert "    max_removed: 300 of 1000 confirmed rows would be removed; the bound is 1%\n" in text
    assert "dbt-activate rejects" not in text


def test_a_run_that_was_stopped_by_a_signal_says_so() -> None:
    text = told(run_of((SUCCESS, SKIPPED), exit_code=130))
    assert "Stopped by a signal: 2 syncs in 21.5s" in text
    assert "Completed" not in text


def test_rows_that_wait_are_a_reason() -> None:
    waiting = replace(SUCCESS, status="partial", counts={}, census=replace(CENSUS, waiting=7))
    text = told(run_of((waiting,), exit_code=1))
    assert "[nothing tried in 12.3s]" in text
    assert "    7 rows of earlier runs: waiting for a later attempt; to try now: dbt-activate retry --select " in text


def test_failed_rows_are_promised_to_the_next_run() -> None:
    failed = replace(SUCCESS, status="partial", counts={"added": {"failed": 1}}, error_classes={"connect": 1})
    text = told(run_of((failed,), exit_code=1))
    assert "    1 row did not get through: 1 failed (1 connect)\n" in text
    assert "    the next run sends what failed or was aborted\n" in text


def test_totals_come_from_the_results_and_not_from_the_batches() -> None:
    stray = BatchSettled(sync="crm_contacts", number=9, outcomes={Outcome.FAILED: 999}, requests=1, seconds=0.0)
    events = list(EXAMPLES)
    events.insert(-2, stray)
    text = told(events)
    assert "[104 rows: 103 succeeded, 1 unchanged in 12.3s]" in text
    assert "999" not in text


def batches(number: int) -> list[Event]:
    """A delivery of *number* batches of one row each."""
    return [
        BatchSettled(sync="s", number=n, outcomes={Outcome.SUCCEEDED: 1}, requests=1, seconds=0.1)
        for n in range(number)
    ]


def delivery(number: int) -> list[Event]:
    """A sync up to its last batch."""
    return [
        RunStarted(run_id="r1", syncs=("s",), dry=False),
        SyncStarted(sync="s", model="m", destination="d", output="dev", object=None),
        SyncPlanned(sync="s", census=CENSUS, to_send=number, plan_hash="0"),
        PhaseEntered(sync="s", phase="deliver"),
        *batches(number),
    ]


@pytest.mark.parametrize(("step", "lines"), [(0.0, 0), (0.1, 2), (1.0, 20), (5.0, 100)])
def test_progress_is_told_every_five_seconds_at_most(step: float, lines: int) -> None:
    text = told(delivery(100), step=step)
    assert text.count(" of 100 rows (") == lines


def test_a_slow_delivery_is_told_by_the_minute() -> None:
    text = told(delivery(2), step=6.0)
    assert "1 of 2 rows (50%), 10.0 rows/min, 6s left, 1 request\n" in text


def test_a_message_cannot_drive_the_terminal() -> None:
    wild = replace(FAILED, message="bad\x1b]0;owned\x07 and\r\x9b2J gone [red]x[/red]")
    assert "    bad?]0;owned and?2J gone [red]x[/red]\n" in told(run_of((wild,), exit_code=1))


def test_a_message_of_several_lines_stays_indented() -> None:
    assert "    first\n    second\n" in told(run_of((replace(FAILED, message="first\nsecond"),), exit_code=1))


def test_lines_are_not_folded_on_a_pipe() -> None:
    long = replace(FAILED, message="word " * 60)
    assert any(len(line) > 300 for line in told(run_of((long,), exit_code=1)).splitlines())


def test_a_pipe_gets_no_escape_sequences() -> None:
    assert "\x1b" not in told([*EXAMPLES, *run_of(ENDINGS, exit_code=1)])


def test_a_terminal_gets_a_table_then_the_summary() -> None:
    text = drawn([*EXAMPLES, *run_of(ENDINGS, exit_code=1)])
    assert "delivering" in text
    assert "\x1b[?25l" in text
    assert text.count("\x1b[?25h") == 2
    assert "START" not in text
    assert "\x1b[32mOK\x1b[0m synced crm_contacts" in text
    assert "\x1b[31mERROR\x1b[0m syncing pages" in text
    assert text.endswith("deferred=0 skipped=1 total=6\n")


def test_no_color_leaves_no_colour() -> None:
    text = drawn(EXAMPLES, no_color=True)
    assert "synced crm_contacts" in text
    assert not [code for code in ("\x1b[3", "\x1b[9", "\x1b[1;3") if code in text]


def test_a_run_that_breaks_off_gives_the_cursor_back() -> None:
    text = drawn(EXAMPLES[:6])
    assert text.rstrip("\n").endswith("\x1b[?25h") or text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


def table(width: int, events: Iterable[Event]) -> str:
    """The live table as text, 21 seconds after *events*."""
    board, paper = Board(), io.StringIO()
    for event in events:
        board.take(event, 0.0)
    console = Console(file=paper, width=width, force_terminal=True, color_system=None)
    console.print(LiveTable(console, board, lambda: 21.0).render())
    return paper.getvalue()


CROWD: tuple[Event, ...] = (
    RunStarted(run_id="r1", syncs=("crm_companies", *(f"more_{n}" for n in range(9))), dry=False),
    SyncStarted(sync="crm_companies", model="m", destination="crm", output="prod", object="companies"),
    SyncPlanned(sync="crm_companies", census=CENSUS, to_send=23570, plan_hash="0"),
    PhaseEntered(sync="crm_companies", phase="deliver"),
    BatchSettled(
        sync="crm_companies",
        number=1,
        outcomes={Outcome.SUCCEEDED: 8100, Outcome.REJECTED: 12},
        requests=85,
        seconds=2.0,
    ),
)


def test_the_table_shows_what_goes_on_and_counts_the_rest() -> None:
    text = table(140, CROWD)
    assert "8112/23570  386 rows/s  40s left  8100 succeeded  12 rejected  85 requests" in text
    assert "more_4" in text
    assert "more_5" not in text
    assert "   and 4 more" in text


@pytest.mark.parametrize("width", [30, 56, 80, 110, 140])
def test_the_table_is_never_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, table(width, CROWD).splitlines())) <= width


def test_numbers_are_shown_whole_or_not_at_all() -> None:
    narrow = table(80, CROWD)
    assert "8112/23570  386 rows/s  40s left" in narrow
    assert "succ" not in narrow


def test_a_sync_that_is_over_leaves_the_table() -> None:
    ended = SyncEnded(sync="crm_companies", result=PARTIAL)
    assert "crm_companies" not in table(140, [*CROWD, ended])


def broken_pipe() -> TextIO:
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", buffering=1)


def full_disk() -> TextIO:
    """A device on which nothing fits."""
    return Path("/dev/full").open("w", buffering=1)


def closed_file() -> TextIO:
    """A stream that was closed before us."""
    paper = io.StringIO()
    paper.close()
    return paper


def discard(stream: TextIO) -> None:
    """Close what cannot be flushed."""
    try:
        stream.close()
    except OSError:
        assert stream.closed


@pytest.mark.parametrize("stream", [broken_pipe, full_disk, closed_file])
def test_a_reader_who_went_away_stops_nothing(stream: Callable[[], TextIO]) -> None:
    file = stream()
    reporter = ConsoleReporter(Console(file=file, force_terminal=False), live=False)
    for event in (*EXAMPLES, *run_of(ENDINGS, exit_code=1)):
        reporter(event)
    discard(file)


def test_a_terminal_that_was_never_there_stops_nothing() -> None:
    file = full_disk()
    with ConsoleReporter(Console(file=file, force_terminal=True, width=100), live=True) as reporter:
        for event in (*EXAMPLES, *run_of(ENDINGS, exit_code=1)):
            reporter(event)
    discard(file)


def test_a_terminal_that_goes_away_stops_nothing() -> None:
    ours, theirs = os.openpty()
    file = os.fdopen(theirs, "w")
    console = Console(file=file, force_terminal=True, width=100)
    with ConsoleReporter(console, live=True) as reporter:
        for event in EXAMPLES[:4]:
            reporter(event)
        os.close(ours)
        for event in (*EXAMPLES[4:], *run_of(ENDINGS, exit_code=1)):
            reporter(event)
    assert console.quiet
    discard(file)


def test_a_name_that_the_stream_cannot_spell_is_spelt_otherwise() -> None:
    raw = io.BytesIO()
    paper = io.TextIOWrapper(raw, encoding="ascii")
    reporter = ConsoleReporter(Console(file=paper, width=120, force_terminal=False), live=False)
    for event in run_of(
        (replace(SUCCESS, sync="kunden_müller"), replace(LOCKED, message="läuft → schon")), exit_code=1
    ):
        reporter(event)
    text = raw.getvalue().decode()
    assert "OK synced kunden_m?ller" in text
    assert "l?uft ? schon" in text
    assert "total=2" in text


def test_a_real_terminal_is_drawn_on() -> None:
    ours, theirs = os.openpty()
    screen: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(ours, screen))
    reader.start()
    with os.fdopen(theirs, "w") as file:
        console = Console(file=file, width=120, force_terminal=True)
        with ConsoleReporter(console, live=True) as reporter:
            for event in EXAMPLES:
                reporter(event)
    reader.join(timeout=10)
    os.close(ours)
    text = b"".join(screen).decode()
    assert "synced crm_contacts" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


def _drain(terminal: int, screen: list[bytes]) -> None:
    try:
        while chunk := os.read(terminal, 65536):
            screen.append(chunk)
    except OSError:  # the other side was closed
        return


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from((*EXAMPLES, *run_of(ENDINGS), *CROWD, RunEnded(run_id="x", exit_code=2, seconds=0.0)))))
def test_no_order_of_events_breaks_the_console(events: list[Event]) -> None:
    told(events, step=2.0)
    table(100, events)
