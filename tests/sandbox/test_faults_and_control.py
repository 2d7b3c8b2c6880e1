"""Faults, the log, the counts, the state file, the server around them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from dbt_activate.errors import ConfigError
from dbt_activate.sandbox.emulator import Emulator
from dbt_activate.sandbox.exchange import Call
from dbt_activate.sandbox.faults import Fault
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox, serve
from dbt_activate.testing.fakes import FakeClock

CREATE = "/crm/v3/objects/contacts/batch/create"
BEARER = {"Authorization": "Bearer x"}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with RunningSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(running: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, headers=BEARER) as client:
        client.post("/_sandbox/reset")
        yield client


def rows(*emails: str) -> dict[str, Any]:
    return {"inputs": [{"properties": {"email": each}, "objectWriteTraceId": each} for each in emails]}


def contacts(client: httpx.Client) -> list[str]:
    found = client.get("/_sandbox/state?object=contacts").json()["records"]["contacts"]
    return sorted(row["properties"]["email"] for row in found)


def switch_on(client: httpx.Client, **fault: Any) -> int:
    answer = client.post("/_sandbox/faults", json=fault)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


@pytest.mark.parametrize(
    ("fault", "status", "is_applied"),
    [
        ({"kind": "too_many_requests"}, 429, False),
        ({"kind": "error_before"}, 500, False),
        ({"kind": "error_before", "status": 503}, 503, False),
        ({"kind": "error_after", "status": 502}, 502, True),
        ({"kind": "unauthorized"}, 401, False),
    ],
)
def test_an_error_comes_before_or_after_the_rows_are_applied(
    client: httpx.Client, fault: dict[str, Any], status: int, *, is_applied: bool
) -> None:
    switch_on(client, count=1, **fault)
    answer = client.post(CREATE, json=rows("a@example.com"))
    assert (answer.status_code, bool(contacts(client))) == (status, is_applied)
    assert answer.json()["category"]
    assert client.post(CREATE, json=rows("b@example.com")).status_code == 201


@pytest.mark.parametrize(("kind", "is_applied"), [("reset_before", False), ("reset_after", True)])
def test_a_connection_is_reset_before_or_after_the_rows_are_applied(
    client: httpx.Client, kind: str, *, is_applied: bool
) -> None:
    switch_on(client, kind=kind, count=1)
    with pytest.raises(httpx.ReadError):
        client.post(CREATE, json=rows("a@example.com"))
    assert bool(contacts(client)) == is_applied
    assert client.get("/_sandbox/requests").json()["requests"][0]["status"] == 0


@pytest.mark.parametrize("value", ["1", "86400", "99999999999999999999", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_is_sent_as_it_is_however_hostile(client: httpx.Client, value: str) -> None:
    switch_on(client, kind="too_many_requests", retry_after=value)
    answer = client.post(CREATE, json=rows("a@example.com"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, value)
    assert answer.json()["policyName"] == "TEN_SECONDLY_ROLLING"


def test_rows_are_left_out_of_the_answer_though_they_were_applied(client: httpx.Client) -> None:
    switch_on(client, kind="drop_rows", rows=2)
    answer = client.post(CREATE, json=rows("a@example.com", "b@example.com", "c@example.com"))
    assert [row["objectWriteTraceId"] for row in answer.json()["results"]] == ["a@example.com"]
    assert len(contacts(client)) == 3


def test_an_answer_may_be_empty(client: httpx.Client) -> None:
    switch_on(client, kind="empty_answer")
    answer = client.post(CREATE, json=rows("a@example.com"))
    assert (answer.status_code, answer.content, len(contacts(client))) == (201, b"", 1)


def test_a_refused_record_fails_its_row_on_create_and_the_batch_on_update(client: httpx.Client) -> None:
    client.post(CREATE, json=rows("old@example.com"))
    switch_on(client, kind="reject", reject={"property": "email", "value": "BAD@example.com", "message": "no"})
    answer = client.post(CREATE, json=rows("bad@example.com", "good@example.com"))
    assert [error["context"]["objectWriteTraceId"] for error in answer.json()["errors"]] == [["bad@example.com"]]
    assert contacts(client) == ["good@example.com", "old@example.com"]
    update = {"inputs": [{"id": "1001", "properties": {"email": "bad@example.com"}}]}
    answer = client.post("/crm/v3/objects/contacts/batch/update", json=update)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "no")


async def test_a_slow_answer_takes_as_long_as_asked_for() -> None:
    clock = FakeClock()
    emulator = Emulator(SandboxOptions(clock=clock))
    emulator.faults.add(_fault({"kind": "slow", "seconds": 90}))
    answer = await emulator.exchange(
        Call(method="GET", path="/account-info/v3/details", headers={"authorization": "Bearer x"})
    )
    assert (answer is not None and answer.status, clock.slept) == (200, [90])
    assert emulator.journal.requests(0, 1)[0].milliseconds == 90_000


async def test_a_fault_with_a_probability_strikes_some_of_the_requests_and_the_same_ones_each_time() -> None:
    async def statuses() -> list[int]:
        emulator = Emulator(SandboxOptions(clock=FakeClock(), seed=3, rate_limit=0))
        emulator.faults.add(_fault({"kind": "error_before", "probability": 0.3}))
        call = {"method": "GET", "path": "/account-info/v3/details", "headers": {"authorization": "Bearer x"}}
        answers = [await emulator.exchange(Call(**call)) for _ in range(200)]  # type: ignore[arg-type]
        return [answer.status for answer in answers if answer]

    first = await statuses()
    assert first == await statuses()
    assert 30 < first.count(500) < 90


@pytest.mark.parametrize("path", ["/crm/v3/objects/companies", "/hooks"])
def test_a_fault_leaves_other_paths_and_methods_alone(client: httpx.Client, path: str) -> None:
    switch_on(client, kind="error_before", path=path)
    switch_on(client, kind="error_before", method="DELETE")
    assert client.post(CREATE, json=rows("a@example.com")).status_code == 201


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "flood"},
        {"kind": "reject"},
        {"kind": "slow", "reject": {"property": "a", "value": "b"}},
        {"kind": "error_before", "status": 200},
        {"kind": "too_many_requests", "retry_after": "1\r\nX: y"},
        {"kind": "slow", "second": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(client: httpx.Client, fault: dict[str, Any]) -> None:
    assert client.post("/_sandbox/faults", json=fault).status_code == 400
    assert client.get("/_sandbox/faults").json()["faults"] == []


def test_faults_are_switched_off_one_by_one_and_all_at_once(client: httpx.Client) -> None:
    first = switch_on(client, kind="slow")
    switch_on(client, kind="error_before")
    assert client.delete(f"/_sandbox/faults/{first}").status_code == 204
    assert client.delete(f"/_sandbox/faults/{first}").status_code == 404
    assert [each["kind"] for each in client.get("/_sandbox/faults").json()["faults"]] == ["error_before"]
    client.delete("/_sandbox/faults")
    assert client.post(CREATE, json=rows("a@example.com")).status_code == 201


def test_data_requests_are_counted_apart_from_discovery(client: httpx.Client) -> None:
    client.get("/account-info/v3/details")
    client.get("/crm/v3/properties/contacts")
    client.post(CREATE, json=rows("a@example.com", "b@example.com"))
    client.post("/crm/objects/2026-09/contacts/batch/create", json=rows("c@example.com"))
    client.get("/crm/v3/objects/contacts/1001")
    client.get("/crm/v3/objects/contacts/9999")
    client.post("/hooks/ops/x", json={"id": 1})
    counts = client.get("/_sandbox/counts").json()
    assert counts["data"] == {f"POST {CREATE}": 2, "GET /crm/v3/objects/contacts/{id}": 2, "POST /hooks/ops": 1}
    assert counts["other"] == {"GET /account-info/v3/details": 1, "GET /crm/v3/properties/contacts": 1}
    assert (counts["total"], counts["write"], counts["read"], counts["failed"]) == (7, 3, 2, 1)
    assert counts["rows_written"] == 4


def test_the_log_keeps_a_thousand_requests_and_counts_on(client: httpx.Client) -> None:
    for _ in range(1_010):
        client.post("/hooks/ops", content=b"{}")
    log = client.get("/_sandbox/requests?limit=1000").json()
    assert (log["total"], len(log["requests"]), log["requests"][0]["number"]) == (1_010, 1_000, 1_010)
    assert client.get("/_sandbox/requests?offset=999&limit=5").json()["requests"][0]["number"] == 11


def test_the_last_changes_say_what_was_and_what_is(client: httpx.Client) -> None:
    client.post(CREATE, json=rows("a@example.com"))
    update = {"inputs": [{"id": "1001", "properties": {"city": "Lyon", "email": "a@example.com"}}]}
    client.post("/crm/v3/objects/contacts/batch/update", json=update)
    client.post("/crm/v3/objects/contacts/batch/update", json=update)
    changes = client.get("/_sandbox/changes").json()["changes"]
    told = [
        (each["object"], each["label"], each["action"], each["field"], each["old"], each["new"]) for each in changes
    ]
    assert told == [
        ("contacts", "a@example.com", "changed", "city", None, "Lyon"),
        ("contacts", "a@example.com", "created", "", None, None),
    ]


def test_records_are_searched_and_read_in_pages(client: httpx.Client) -> None:
    client.post(CREATE, json=rows(*[f"c{number}@example.com" for number in range(30)]))
    state = client.get("/_sandbox/state?object=contacts&search=C1&offset=10&limit=5").json()
    assert state["matching"] == {"contacts": 11}
    assert len(state["records"]["contacts"]) == 1
    assert {each["name"]: each["count"] for each in state["objects"]} == {"contacts": 30, "companies": 0, "deals": 0}


def test_a_reset_of_the_journal_keeps_the_records(client: httpx.Client) -> None:
    client.post(CREATE, json=rows("a@example.com"))
    client.post("/_sandbox/reset?only=journal")
    assert (client.get("/_sandbox/counts").json()["total"], contacts(client)) == (0, ["a@example.com"])
    client.post("/_sandbox/reset")
    assert contacts(client) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/crm/v3/objects/contacts"])
def test_somebody_elses_web_page_cannot_reach_the_records(
    client: httpx.Client, headers: dict[str, str], status: int, path: str
) -> None:
    assert client.get(path, headers=headers).status_code == status


def test_requests_above_the_limit_get_a_429_with_its_policy() -> None:
    with RunningSandbox(SandboxOptions(rate_limit=2)) as sandbox, httpx.Client(base_url=sandbox.url) as client:
        path = "/account-info/v3/details"
        answers = [client.get(path, headers=BEARER) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-HubSpot-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].json()["policyName"] == "TEN_SECONDLY_ROLLING"


def test_records_survive_a_restart(tmp_path: Path) -> None:
    schema = {"name": "pets", "labels": {}, "requiredProperties": [], "associatedObjects": [], "properties": []}
    options = SandboxOptions(state=tmp_path / "kept" / "state.json", schemas=[schema])
    with RunningSandbox(options) as sandbox, httpx.Client(base_url=sandbox.url, headers=BEARER) as client:
        client.post(CREATE, json=rows("a@example.com", "b@example.com"))
        client.delete("/crm/v3/objects/contacts/1002")
        client.post("/hooks/ops", json={"id": 1})
    with RunningSandbox(options) as sandbox, httpx.Client(base_url=sandbox.url, headers=BEARER) as client:
        assert contacts(client) == ["a@example.com"]
        assert client.get("/crm/v3/objects/contacts/a@example.com?idProperty=email").json()["id"] == "1001"
        assert client.get("/crm/v3/objects/contacts/1002?archived=true").status_code == 200
        assert client.get("/crm/v3/objects/pets").status_code == 200
        assert client.post("/crm/v3/objects/pets", json={"properties": {}}).json()["id"] == "1003"
        assert client.get("/_sandbox/state?object=hooks/ops").json()["matching"] == {"hooks/ops": 1}
    assert [each.name for each in (tmp_path / "kept").iterdir()] == ["state.json"]


def test_records_are_saved_while_the_sandbox_runs(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    options = SandboxOptions(state=path, save_seconds=0.01)
    with RunningSandbox(options) as sandbox, httpx.Client(base_url=sandbox.url, headers=BEARER) as client:
        client.post(CREATE, json=rows("a@example.com"))
        while not path.exists():
            client.get("/_sandbox/counts")
        assert json.loads(path.read_bytes())["crm"]["objects"][0]["records"][0]["id"] == "1001"


def test_records_that_cannot_be_saved_at_the_end_are_not_lost_in_silence(tmp_path: Path) -> None:
    options = SandboxOptions(state=tmp_path / "folder" / "state.json", save_seconds=60)
    with pytest.raises(ConfigError, match=r"state\.json: cannot be written"), RunningSandbox(options):
        (tmp_path / "folder").write_text("a file is in the way")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 9, "crm": {"next_id": 1, "objects": []}, "hooks": {}}']
)
def test_a_file_that_is_no_state_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"state\.json.*; move it away"), RunningSandbox(SandboxOptions(state=path)):
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "options",
    [
        SandboxOptions(properties={"contacts": [{"name": "x"}]}),
        SandboxOptions(properties={"planets": []}),
        SandboxOptions(schemas=[{"name": "x"}]),
    ],
)
def test_a_wrong_definition_is_a_configuration_error(options: SandboxOptions) -> None:
    with pytest.raises(ConfigError, match="definition is wrong"):
        Emulator(options)


def test_a_taken_port_is_a_configuration_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot listen"):
            serve(SandboxOptions(), port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_in_peace_on_a_signal_and_prints_nothing(tmp_path: Path, number: signal.Signals) -> None:
    ready, path = tmp_path / "ready", tmp_path / "state.json"
    script = (
        "import pathlib, sys\n"
        "from dbt_activate.sandbox.options import SandboxOptions\n"
        "from dbt_activate.sandbox.server import serve\n"
        "options = SandboxOptions(state=pathlib.Path(sys.argv[2]))\n"
        "def tell(url):\n"
        "    draft = pathlib.Path(sys.argv[1] + '.new')\n"
        "    draft.write_text(url)\n"
        "    draft.rename(sys.argv[1])\n"
        "serve(options, 0, on_ready=tell)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(ready), str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while not ready.exists():
            assert process.poll() is None
        httpx.post(ready.read_text() + CREATE, json=rows("a@example.com"), headers=BEARER).raise_for_status()
        process.send_signal(number)
        printed, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, printed) == (0, b"")
    assert b"a@example.com" in path.read_bytes()


def _fault(settings: dict[str, Any]) -> Fault:
    return msgspec.convert(settings, Fault)
