"""What must be shown, 5: a destination that is down leaves failed rows, and the next run delivers them all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import pytest

from tests.acceptance.shops import PEOPLE, Sandbox, Shop, outcomes

THOUSANDS = 8_000
EMAILS = {row[0] for row in PEOPLE.values()}


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def _sandbox_program(shop: Shop, port: int, state: Path) -> Iterator[Sandbox]:
    """The program's own sandbox, in a process that can be stopped."""
    process = shop.start("sandbox", "--port", str(port), "--state", str(state), "--rate-limit", "0")
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield Sandbox(found.group().rstrip("/"))
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.slow
def test_a_destination_that_is_down_leaves_every_row_failed_and_the_next_run_delivers_all(shop: Shop) -> None:
    """5: the sandbox is stopped, so the connection is refused; it comes back at the same address."""
    port, state = _free_port(), shop.directory.parent / "state.json"
    shop.give(SANDBOX_URL=f"http://127.0.0.1:{port}")
    with _sandbox_program(shop, port, state) as sandbox:
        shop.sync("crm_people")
        assert set(sandbox.contacts()) == EMAILS
    shop.execute("UPDATE people SET points = points + 1")
    shop.execute("INSERT INTO people SELECT 6, 'fay@example.com', 'Fay', 60, updated_at FROM people WHERE id = 1")

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["status"]) == (1, "failed")
    assert entry["counts"] == {"added": {"failed": 1}, "changed": {"failed": 5}}
    rejects = shop.rejects("crm_people")
    assert {(one["key"], one["outcome"]) for one in rejects} == {(str(key), "failed") for key in range(1, 7)}
    assert all("connect" in one["message"] or "reach" in one["message"] for one in rejects)
    with _sandbox_program(shop, port, state) as sandbox:
        entry = shop.sync("crm_people")
        assert entry["counts"] == {"added": {"succeeded": 1}, "changed": {"succeeded": 5}}
        assert (entry["exit"], shop.rejects("crm_people")) == (0, [])
        assert {one["jobtitle"] for one in sandbox.contacts().values()} == {"11", "21", "31", "41", "51", "60"}


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503])
def test_a_destination_that_answers_every_request_with_an_error_leaves_every_row_failed(
    each_shop: Shop, status: int
) -> None:
    """5: an error for everything."""
    shop = each_shop
    shop.sandbox.fault("error_before", path="/crm/", status=status)
    shop.sandbox.fault("error_before", path="/account-info/", status=status)

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["status"], entry["outcomes"]) == (1, "failed", {"failed": 5})
    assert shop.sandbox.contacts() == {}
    shop.sandbox.heal()
    entry = shop.sync("crm_people")
    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 5})
    assert set(shop.sandbox.contacts()) == EMAILS
    assert shop.rejects("crm_people") == []


@pytest.mark.slow
def test_writes_that_all_fail_end_early_and_thousands_of_rows_are_delivered_by_the_next_run(shop: Shop) -> None:
    """5: the destination can be asked and takes nothing. After a dozen failures in a row nobody waits for the rest."""
    shop.execute("DELETE FROM crowd WHERE id > ?", THOUSANDS)
    shop.sandbox.fault("error_before", path="/crm/v3/objects/")

    entry = shop.sync("crowd_upserted")

    assert (entry["exit"], entry["status"], entry["outcomes"]) == (1, "failed", {"failed": THOUSANDS})
    assert entry["requests"] < 60, "it is not hammered"
    assert shop.sandbox.contacts() == {}
    shop.sandbox.heal()
    entry = shop.sync("crowd_upserted")
    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": THOUSANDS})
    assert len(shop.sandbox.contacts()) == THOUSANDS


@pytest.mark.slow
def test_blind_creates_that_all_fail_end_early_and_leave_few_rows_unknown(shop: Shop) -> None:
    """5: only the rows that were sent are in doubt; the others were never tried."""
    shop.execute("DELETE FROM crowd WHERE id > ?", THOUSANDS)
    shop.sandbox.fault("error_before", path="/crm/v3/objects/")

    entry = shop.sync("crowd_created")

    assert entry["requests"] < 60
    assert entry["outcomes"]["unknown"] < 6_000
    assert sum(entry["outcomes"].values()) == THOUSANDS


@pytest.mark.slow
def test_a_destination_that_dies_after_it_wrote_gets_no_row_twice(shop: Shop) -> None:
    """5: the connection is lost after the write was applied; an upsert is repeated, and changes nothing."""
    shop.sandbox.fault("reset_after", path="/crm/v3/objects/contacts/batch/create", count=1)

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["outcomes"]) == (0, {"succeeded": 5})
    assert entry["retries"] >= 1
    assert set(shop.sandbox.contacts()) == EMAILS


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset_after", "error_after"])
def test_a_blind_append_without_an_answer_is_unknown_and_never_repeated(shop: Shop, fault: str) -> None:
    """5: nobody can know whether it was applied, so nobody sends it again without being told to."""
    shop.sandbox.fault(fault, path="/hooks/", count=1)

    entry = shop.sync("hook_appended")

    assert (entry["exit"], entry["outcomes"]) == (1, {"unknown": 5})
    requests = shop.sandbox.requests
    entry = shop.sync("hook_appended")
    assert (entry["exit"], entry["requests"]) == (1, 0), "the rows still wait for a person"
    assert shop.sandbox.requests == requests
    assert {one["outcome"] for one in shop.rejects("hook_appended")} == {"unknown"}


@pytest.mark.slow
def test_rows_that_an_answer_leaves_out_are_not_taken_for_delivered(shop: Shop) -> None:
    """5: a 2xx is no answer for a row that it does not mention."""
    shop.sandbox.fault("drop_rows", path="/crm/v3/objects/contacts/batch/create", rows=2, count=1)

    entry = shop.sync("crm_people")

    assert outcomes(entry, "succeeded") == [5], "an upsert is asked for again, by itself"
    assert entry["retries"] >= 1
    assert set(shop.sandbox.contacts()) == EMAILS


@pytest.mark.slow
def test_a_request_for_less_is_obeyed(shop: Shop) -> None:
    """5: 429 with Retry-After is waited for, and nothing is lost."""
    shop.sandbox.fault("too_many_requests", path="/crm/v3/objects/", retry_after="1", count=1)

    entry = shop.sync("crm_people")

    assert (entry["exit"], entry["outcomes"], entry["retries"]) == (0, {"succeeded": 5}, 1)
