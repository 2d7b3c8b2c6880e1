"""What every command has in common: its help, its start, its errors of usage."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from dbt_activate.cli import ALIASES, BROKEN_PIPE, COMMANDS

Run: TypeAlias = Callable[..., Any]

PROJECT = (
    "--project-dir --profiles-dir --destinations-dir --profile --target --vars"
    " --log-format --log-level --quiet --no-color"
)
SELECTION = "--select --exclude --selector --state"
OPTIONS: Mapping[str, str] = {
    "init": f"{PROJECT} --model",
    "list": f"{PROJECT} {SELECTION} --output",
    "validate": f"{PROJECT} --online",
    "debug": f"{PROJECT} --output",
    "plan": f"{PROJECT} {SELECTION} --show --output --out",
    "sync": f"{PROJECT} {SELECTION} --plan --dry-run --full-resync --limit --threads --fail-fast --override-guards"
    " --test-row",
    "retry": f"{PROJECT} {SELECTION} --key --code",
    "resolve": f"{PROJECT} {SELECTION} --assume --key --yes",
    "reset": f"{PROJECT} --mark-synced --yes",
    "runs": PROJECT,
    "rejects": f"{PROJECT} --output",
    "row": PROJECT,
    "destinations": f"{PROJECT} --online --output",
    "schema": "",
    "sandbox": "--host --port --state --rate-limit --properties",
}
"""The options of each command, as design and README name them."""

HEAVY = (
    *("duckdb", "sqlglot", "jsonschema", "httpx", "rich", "dbt", "psycopg", "starlette", "jinja2", "msgspec"),
    *("asyncio", "yaml"),
    *("dbt_activate.run", "dbt_activate.registry", "dbt_activate.cli.application"),
)


def program(registered: str, script: str) -> subprocess.CompletedProcess[str]:
    """*script*, in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": registered},
        capture_output=True,
        text=True,
        check=False,
    )


def loaded(registered: str, script: str) -> set[str]:
    """Which heavy libraries *script* has loaded in the end."""
    done = program(
        registered, f"{script}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_every_command_is_known_here() -> None:
    assert OPTIONS.keys() == COMMANDS.keys()
    assert set(ALIASES.values()) <= COMMANDS.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_the_help_of_a_command_names_its_options(run: Run, name: str) -> None:
    answer = run(name, "--help")
    assert answer.code == 0
    assert answer.err == ""
    missing = [option for option in OPTIONS[name].split() if option not in answer.out]
    assert missing == []


def test_the_help_lists_every_command_with_a_line(run: Run) -> None:
    answer = run("--help")
    assert answer.code == 0
    assert all(f"  {name} " in answer.out for name in COMMANDS)


def test_the_help_loads_nothing_heavy(registered: str) -> None:
    assert loaded(registered, "from dbt_activate.cli import invoke; invoke(['--help'])") == set()


@pytest.mark.parametrize("words", [*([name] for name in OPTIONS), ["runs", "show"]], ids=" ".join)
def test_the_help_of_a_command_loads_nothing_heavy(registered: str, words: list[str]) -> None:
    assert loaded(registered, f"from dbt_activate.cli import invoke; invoke({[*words, '--help']!r})") == set()


@pytest.mark.parametrize("words", [["synk"], ["list", "--outptu", "json"], ["schema"], ["list", "--output", "xml"]])
def test_wrong_words_are_refused_without_a_traceback(run: Run, words: list[str]) -> None:
    answer = run(*words)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert "Error: " in answer.err


def test_wrong_vars_are_refused(run: Run) -> None:
    answer = run("list", "--vars", "[1]")
    assert answer.code == 2
    assert "--vars: is not a mapping" in answer.err


@pytest.mark.parametrize("words", [["schema", "destinations"], ["--help"], ["destinations", "--output", "json"]])
def test_a_reader_that_went_away_is_no_fault_and_leaves_no_row_behind(registered: str, words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "dbt_activate", *words],
        env={**os.environ, "PYTHONPATH": registered},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == BROKEN_PIPE
