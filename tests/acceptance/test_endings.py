"""How a run ends: exit codes, signals, two runs at once, a crash, a full disk, a reader that went away."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.shops import Shop, outcomes

ROWS = 3_000
PATIENCE = 20.0
"""Seconds that a test waits for what must come at once, on a busy machine."""


def _until(condition: object, process: "subprocess.Popen[str]") -> None:
    """Wait until *condition* holds, while *process* runs."""
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def _slow_sync(shop: Shop, name: str = "crowd_created") -> "Iterator[subprocess.Popen[str]]":
    """A sync of the crowd that has sent a few batches, and would take minutes for all."""
    shop.execute("DELETE FROM crowd WHERE id > ?", ROWS)
    shop.sandbox.fault("slow", path="/crm/v3/objects/", seconds=1.5)
    process = shop.start("sync", "-s", name, "--threads", "2")
    try:
        _until(lambda: shop.sandbox.writes >= 2, process)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sync_cleanly_and_the_next_run_completes_it(
    shop: Shop, number: signal.Signals, code: int
) -> None:
    """The batches in flight are awaited and written down; all else is aborted, and nothing is sent twice."""
    with _slow_sync(shop) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == code, out + err
    assert "Traceback" not in err
    entry = shop.result("crowd_created")
    succeeded, aborted = outcomes(entry, "succeeded", "aborted")
    assert succeeded + aborted == sum(entry["outcomes"].values()) == ROWS
    assert succeeded == len(shop.sandbox.contacts()) > 0
    shop.sandbox.heal()
    assert shop.sync("crowd_created")["counts"] == {"added": {"succeeded": aborted}}
    assert len(shop.sandbox.contacts()) == ROWS


@pytest.mark.slow
def test_a_second_signal_does_not_wait_for_what_is_in_flight(shop: Shop) -> None:
    """Whoever presses Ctrl-C twice means it; the next run still knows what was sent."""
    shop.sandbox.fault("slow", path="/crm/v3/objects/", seconds=60)
    process = shop.start("sync", "-s", "crm_people")
    try:
        _until(lambda: "started" in _batch_states(shop), process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    shop.sandbox.heal()
    assert shop.sync("crm_people")["outcomes"] == {"succeeded": 5}


def _batch_states(shop: Shop) -> set[str]:
    """The states of the batches that the ledger has; none while somebody else has the file open."""
    try:
        return {row[0] for row in shop.query("SELECT state FROM main_activate.batches")}
    except Exception:  # noqa: BLE001 - no ledger yet, or its file is open
        return set()


@pytest.mark.slow
def test_a_run_beside_another_is_told_at_once_that_it_is_locked_out(shop: Shop) -> None:
    """One holder at a time: the second run ends with 1, and sends nothing."""
    with _slow_sync(shop) as process:
        entry = shop.sync("crowd_created")
        assert (entry["exit"], entry["status"]) == (1, "locked")
        assert entry["execution_time"] < 2
        assert entry["requests"] == 0
        assert str(process.pid) in entry["message"], "it says who holds it"
        shop.sandbox.heal()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert len(shop.sandbox.contacts()) == ROWS


@pytest.mark.slow
def test_a_killed_run_loses_nothing_and_sends_nothing_twice(shop: Shop) -> None:
    """`kill -9` in the middle; when its lease has run out the next run finds what it left."""
    with _slow_sync(shop, "crowd_upserted") as process:
        process.kill()
        process.communicate()
    assert shop.sync("crowd_upserted")["status"] == "locked", "the lease is still the dead run's"
    shop.sandbox.heal()
    shop.execute("UPDATE main_activate.leases SET expires_at = expires_at - INTERVAL '1' HOUR")

    entry = shop.sync("crowd_upserted")

    assert entry["exit"] == 0, entry["outcomes"]
    assert len(shop.sandbox.contacts()) == ROWS
    assert shop.sync("crowd_upserted")["requests"] == 0


@pytest.mark.slow
def test_exit_codes_say_what_became_of_a_run(shop: Shop) -> None:
    """0 all in step, 1 something was left behind, 2 it could not run."""
    assert shop.sync("crm_people")["exit"] == 0
    assert shop.sync("crm_people")["exit"] == 0, "nothing to do is a success"
    shop.execute("UPDATE people SET email = 'nobody at all' WHERE id = 1")
    assert shop.sync("crm_people")["exit"] == 1
    assert shop.sync("crm_people")["exit"] == 0, "what is held is no news"
    assert shop.run("sync", "-s", "tag:no_such_tag").code == 2
    shop.execute("DELETE FROM people")
    entry = shop.sync("crm_people")
    assert (entry["exit"], entry["status"]) == (1, "blocked")


@pytest.mark.slow
def test_a_failed_dbt_model_is_not_sent(shop: Shop) -> None:
    """What dbt could not build stays where it is: blocked, exit 1."""
    path = shop.directory / "target/run_results.json"
    results = json.loads(path.read_text())
    for result in results["results"]:
        result["status"] = "error"
    path.write_text(json.dumps(results))

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["status"]) == (1, "blocked")
    assert shop.sandbox.requests == 0


@pytest.mark.slow
def test_a_plan_in_json_is_json_even_where_a_guard_refuses_it(shop: Shop) -> None:
    """Whoever reads the plan with a program must not stumble over words for people."""
    shop.sync("crm_people")
    shop.execute("DELETE FROM people")

    done = shop.run("plan", "-s", "crm_people", "--output", "json")

    assert done.code == 1
    assert done.json["syncs"][0]["status"] == "blocked"


@pytest.mark.slow
def test_artifacts_that_cannot_be_made_stop_a_run_before_it_sends(shop: Shop) -> None:
    """A file stands where the folder must be."""
    (shop.directory / "target/activate").write_text("in the way")

    done = shop.run("sync", "-s", "crm_people")

    assert done.code == 2
    assert "target/activate" in done.err
    assert shop.sandbox.requests == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_that_meets_a_full_disk_does_not_stop_a_run(shop: Shop) -> None:
    """Rows are on their way: the ledger has what the log lost."""
    (shop.directory / "target/activate").mkdir()
    (shop.directory / "target/activate/activate.log").symlink_to("/dev/full")

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 5})


@pytest.mark.slow
def test_results_that_meet_a_full_disk_are_told_and_the_ledger_has_them(shop: Shop) -> None:
    """The rows were sent; the artifact was not written: that is no success."""
    with _tiny_disk(shop.directory / "target/activate"):
        done = shop.program("sync", "-s", "crm_people")

    assert done.code == 2
    assert "activate_results.json: the results of the run cannot be written: No space left on device" in done.err
    assert "dbt-activate runs" in done.err
    assert len(shop.sandbox.contacts()) == 5
    requests = shop.sandbox.requests
    assert shop.sync("crm_people")["requests"] == 0
    assert shop.sandbox.requests == requests


@contextmanager
def _tiny_disk(directory: Path) -> Iterator[None]:
    """A disk of one page at *directory*, where this machine lets us make one."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no leave to mount a disk here")
    try:
        (directory / "activate.log").write_bytes(b"\n" * 4096)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["list", "plan -s crm_people --show 5", "--help", "schema activate"])
def test_a_reader_that_goes_away_ends_a_command_without_a_word(shop: Shop, command: str) -> None:
    """`dbt-activate list | head -0`."""
    program = f"{sys.executable} -m dbt_activate {command}"

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} | head -c 0"],
        cwd=shop.directory,
        env={**os.environ, **shop.environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode in (0, 141)


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_stop_a_sync(shop: Shop) -> None:
    """`dbt-activate sync | head -1`: rows are on their way, and every one of them is written down."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m dbt_activate sync -s crm_people | head -1"],
        cwd=shop.directory,
        env={**os.environ, **shop.environ},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Traceback" not in done.stderr
    assert len(shop.sandbox.contacts()) == 5
    assert shop.result("crm_people")["outcomes"] == {"succeeded": 5}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_answer_that_meets_a_full_disk_is_no_success(shop: Shop) -> None:
    """`dbt-activate list > /dev/full`."""
    with Path("/dev/full").open("w") as full:
        done = shop.program("list", stdout=full)

    assert done.code == 2
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err
