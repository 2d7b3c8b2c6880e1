"""``sandbox``, as a program of its own: its first line, its end, its errors."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

PROPERTY = {"name": "shoe_size", "label": "Shoe size", "type": "number", "fieldType": "number", "groupName": "x"}


@contextmanager
def started(registered: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The sandbox on a free port, and its address: the first line that it prints."""
    program = subprocess.Popen(
        [sys.executable, "-m", "dbt_activate", "sandbox", "--port", "0", *arguments],
        env={**os.environ, "PYTHONPATH": registered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    try:
        yield program, program.stdout.readline().strip()
    finally:
        program.kill()
        program.communicate()


def ran(registered: str, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command, to its end; *before* runs first in the same process."""
    script = f"import sys; {before}\nfrom dbt_activate.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, "sandbox", *arguments],
        env={**os.environ, "PYTHONPATH": registered},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGTERM, {0}), (signal.SIGINT, {0, 130})])
def test_it_tells_its_address_first_and_ends_cleanly(registered: str, number: signal.Signals, codes: set[int]) -> None:
    with started(registered) as (program, url):
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url).headers["content-type"].startswith("text/html")
        program.send_signal(number)
        _out, told = program.communicate(timeout=30)
        assert program.returncode in codes
        assert "Traceback" not in told


def test_the_records_outlive_it_in_a_state_file(registered: str, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with started(registered, "--state", str(state)) as (program, url):
        body = {"properties": {"email": "ada@example.com"}}
        headers = {"Authorization": "Bearer sandbox"}
        assert httpx.post(f"{url}/crm/v3/objects/contacts", json=body, headers=headers).status_code == 201
        program.terminate()
        program.wait(30)
    assert "ada@example.com" in state.read_text()


def test_properties_are_defined_from_a_file(registered: str, tmp_path: Path) -> None:
    file = tmp_path / "properties.json"
    file.write_text(json.dumps({"contacts": [PROPERTY], "companies": []}))
    with started(registered, "--properties", str(file), "--rate-limit", "0") as (_program, url):
        headers = {"Authorization": "Bearer sandbox"}
        answer = httpx.get(f"{url}/crm/v3/properties/contacts", headers=headers).json()
    assert "shoe_size" in {each["name"] for each in answer["results"]}


def test_the_example_projects_list_of_properties_is_taken(registered: str) -> None:
    file = Path(__file__).parents[2] / "example_project/hubspot_properties.json"
    with started(registered, "--properties", str(file)) as (_program, url):
        assert url


def test_a_taken_port_is_told(registered: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = ran(registered, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("library", ["starlette", "uvicorn"])
def test_without_the_extra_the_way_out_is_pip(registered: str, library: str) -> None:
    done = ran(registered, "--port", "0", before=f"sys.modules['{library}'] = None")
    assert done.returncode == 2
    assert "pip install 'dbt-activate[sandbox]'" in done.stderr


@pytest.mark.parametrize("content", ["{", "3", '{"contacts": [1]}', '{"contacts": {}}', '[{"name": 1}]'])
def test_a_file_that_holds_no_properties_is_told(registered: str, tmp_path: Path, content: str) -> None:
    file = tmp_path / "properties.json"
    file.write_text(content)
    done = ran(registered, "--port", "0", "--properties", str(file))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--port", "70000"], ["--rate-limit", "-1"], ["--properties", "absent.json"]])
def test_wrong_words_are_refused(registered: str, words: Sequence[str]) -> None:
    assert ran(registered, *words).returncode == 2


def test_a_sandbox_for_everybody_warns_and_answers_to_any_name(registered: str) -> None:
    with started(registered, "--host", "0.0.0.0") as (program, url):  # noqa: S104 - what the test is about
        port = url.rpartition(":")[2]
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": f"shop.internal:{port}"})
        program.terminate()
        _out, told = program.communicate(timeout=30)
    assert answer.status_code == 200
    assert "Everybody" in told


def test_a_sandbox_for_this_machine_answers_to_its_own_names_only(registered: str) -> None:
    with started(registered) as (_program, url):
        assert httpx.get(url, headers={"Host": "evil.example"}).status_code == 421
