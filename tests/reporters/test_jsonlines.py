"""JSON lines: every event has its line, and no stream stops a run."""

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from dbt_activate.errors import ConfigError
from dbt_activate.reporters.jsonlines import KINDS, JsonLinesReporter, open_log
from dbt_activate.values.event import Event, RunEnded, SyncEnded
from tests.reporters.stories import ENDINGS, EXAMPLES, PARTIAL, run_of


def now() -> datetime:
    """A moment."""
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def lines(*events: Event, level: str = "debug") -> list[dict[str, Any]]:
    """What is written of *events*."""
    paper = io.StringIO()
    report = JsonLinesReporter(paper, now, "r1", level=level)
    for event in events:
        report(event)
    return [json.loads(line) for line in paper.getvalue().splitlines()]


def test_every_kind_of_event_has_a_name_and_an_example() -> None:
    kinds = set(get_args(Event))
    assert set(KINDS) == kinds
    assert {type(event) for event in EXAMPLES} == kinds
    assert len({kind.name for kind in KINDS.values()}) == len(kinds)


@pytest.mark.parametrize("event", [pytest.param(event, id=str(place)) for place, event in enumerate(EXAMPLES)])
def test_every_line_says_when_what_and_of_which_run(event: Event) -> None:
    (line,) = lines(event)
    assert list(line)[:4] == ["ts", "level", "event", "run_id"]
    assert line["ts"] == "2026-01-02T03:04:05.000000Z"
    assert line["event"] == KINDS[type(event)].name
    assert line["run_id"] == "r1"
    if hasattr(event, "sync"):
        assert line["sync"] == event.sync


def test_a_line_holds_every_field_of_its_event() -> None:
    by_name = {line["event"]: line for line in lines(*EXAMPLES)}
    assert by_name["run.started"] == {
        "ts": "2026-01-02T03:04:05.000000Z",
        "level": "info",
        "event": "run.started",
        "run_id": "r1",
        "syncs": ["crm_contacts"],
        "dry": False,
    }
    planned = by_name["sync.planned"]
    assert planned["census"]["changes"] == {"added": 100, "changed": 4}
    assert (planned["to_send"], planned["plan_hash"]) == (103, "0123abcd")
    assert by_name["batch.settled"]["outcomes"] == {"succeeded": 53}
    assert by_name["request.retry"]["code"] == "http_503"
    assert by_name["throttled"]["seconds"] == 1.5
    assert by_name["sync.ended"]["counts"]["changed"] == {"succeeded": 3, "unchanged": 1}
    assert by_name["run.ended"]["exit_code"] == 0


def test_what_went_wrong_is_told_at_its_level() -> None:
    levels = {line["status"]: line["level"] for line in lines(*run_of(ENDINGS)) if line["event"] == "sync.ended"}
    assert levels == {
        "success": "info",
        "partial": "warn",
        "blocked": "error",
        "locked": "warn",
        "failed": "error",
        "skipped": "info",
    }
    assert lines(RunEnded(run_id="r1", exit_code=1, seconds=1.0))[0]["level"] == "error"


def test_events_below_the_level_are_left_out() -> None:
    names = [line["event"] for line in lines(*EXAMPLES, SyncEnded(sync="x", result=PARTIAL), level="warn")]
    assert names == ["request.retry", "warning", "sync.ended"]


def test_an_unknown_level_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        JsonLinesReporter(io.StringIO(), now, "r1", level="loud")


def test_a_broken_pipe_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    report = JsonLinesReporter(stream, now, "r1")
    for event in EXAMPLES:
        report(event)
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_full_disk_stops_nothing() -> None:
    stream = open_log(Path("/dev/full"))
    report = JsonLinesReporter(stream, now, "r1")
    for event in EXAMPLES:
        report(event)
    with pytest.raises(OSError, match="No space left"):
        stream.close()


def test_a_closed_stream_stops_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    JsonLinesReporter(stream, now, "r1")(EXAMPLES[0])
    assert stream.closed


def test_the_log_is_appended_to_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "target" / "activate" / "activate.log"
    for run_id in ("r1", "r2"):
        with open_log(path) as stream:
            JsonLinesReporter(stream, now, run_id)(EXAMPLES[2])
    assert [json.loads(line)["run_id"] for line in path.read_text().splitlines()] == ["r1", "r2"]


def test_a_line_is_in_the_file_before_the_next_event(tmp_path: Path) -> None:
    path = tmp_path / "activate.log"
    with open_log(path) as stream:
        JsonLinesReporter(stream, now, "r1")(EXAMPLES[0])
        assert path.read_text().endswith("}\n")


def test_a_log_that_cannot_be_opened_says_so_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("a file")
    with pytest.raises(ConfigError, match=r"activate\.log: the log cannot be written: .+; make the folder writable"):
        open_log(tmp_path / "target" / "activate.log")
