"""The tutorial does what it says: its files are written, its commands run, its output compared."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
BACKGROUND = "second terminal"
PORT = "8765"

VARYING = (
    (re.compile(r"\b\d{8}T\d{6}-[0-9a-f]{8}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HASH"),
    (re.compile(r"\b\d+(\.\d+)?s\b"), "SECONDS"),
    (re.compile(r"\.{3,}"), "..."),
    (re.compile(r"\s+"), " "),
)
"""What is not the same in two runs, and layout."""


@dataclass
class Block:
    """A fenced block: a file with *title*, or a terminal's text."""

    language: str
    title: str
    text: str


@dataclass
class Step:
    """A command, and the lines that the page shows after it."""

    command: str
    promised: list[str] = field(default_factory=list)


def blocks() -> list[Block]:
    return [Block(m["language"], m["title"] or "", m["text"]) for m in BLOCK.finditer(TUTORIAL.read_text("utf-8"))]


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ ")))
        elif line.strip() != "...":
            found[-1].promised.append(line)
    return found


def alike(line: str) -> str:
    for pattern, word in VARYING:
        line = pattern.sub(word, line)
    return line.strip()


def missing(promised: list[str], printed: str) -> list[str]:
    """The promised lines that were not printed in their order."""
    rest = iter([alike(line) for line in printed.splitlines()])
    return [line for line in promised if line.strip() and alike(line) not in rest]


class Terminal:
    """A shell in a directory of its own; what is started in the second one is stopped at the end."""

    def __init__(self, directory: Path, programs: Path, port: int) -> None:
        self.directory = directory
        self._port = str(port)
        self._code = 0
        self._stack = ExitStack()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "NO_COLOR"))}
        path = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(directory), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "COLUMNS": "200"}
        self._environment = {**inherited, **own}

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def here(self, text: str) -> str:
        """*text* with a port that is free."""
        return text.replace(PORT, self._port)

    def write(self, block: Block) -> None:
        (self.directory / block.title).write_text(self.here(block.text), encoding="utf-8")

    def run(self, step: Step) -> None:
        words = shlex.split(step.command)
        if words[0] == "cd":
            self.directory = self.directory / words[1]
            return
        asks = step.command == "echo $?"
        assert self._code == 0 or asks, "a command failed, and the page does not say so"
        done = subprocess.run(
            ["bash", "-c", f"(exit {self._code}); {self.here(step.command)}"],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self._code = done.returncode
        assert missing([self.here(line) for line in step.promised], done.stdout) == [], done.stdout + done.stderr

    def start(self, step: Step) -> None:
        process = subprocess.Popen(
            shlex.split(self.here(step.command)),
            cwd=self.directory,
            env={**self._environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(process.wait, 20)
        self._stack.callback(process.terminate)
        assert process.stdout is not None
        self._stack.callback(process.stdout.close)
        assert alike(process.stdout.readline()) == alike(self.here(step.promised[0]))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Both programs of the page, whether or not this Python has them installed as such."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in {"dbt-activate": "dbt_activate", "dbt": "dbt.cli.main"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Terminal(work, programs, port) as opened:
        yield opened


@pytest.mark.slow
def test_every_file_and_every_command_of_the_tutorial_does_what_the_page_shows(terminal: Terminal) -> None:
    for block in blocks():
        if block.language == "console":
            act = terminal.start if block.title == BACKGROUND else terminal.run
            for step in steps(block.text):
                act(step)
        elif block.title:
            terminal.write(block)


def test_the_only_block_that_is_not_run_installs_what_is_tested() -> None:
    others = [block for block in blocks() if block.language != "console" and not block.title]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]

    assert [block.text.strip() for block in others] == ["pip install 'dbt-core<1.12' 'dbt-activate[duckdb,sandbox]'"]
    assert {"duckdb", "sandbox"} <= set(extras)


def test_the_tutorial_shows_a_refusal_a_retry_and_the_life_of_a_row() -> None:
    commands = [step.command for block in blocks() if block.language == "console" for step in steps(block.text)]
    words = {tuple(shlex.split(command)[:2]) for command in commands}

    assert {("dbt-activate", name) for name in ("plan", "sync", "rejects", "retry", "row", "runs")} <= words


@pytest.mark.parametrize(
    ("promised", "printed"),
    [
        (["4 rows to send"], "5 rows to send\n"),
        (["second", "first"], "first\nsecond\n"),
        (["said once", "said once"], "said once\n"),
    ],
)
def test_a_line_that_was_not_printed_is_noticed(promised: list[str], printed: str) -> None:
    assert missing(promised, printed)


def test_a_line_that_differs_in_what_varies_only_is_found() -> None:
    promised = ["1 of 1 OK synced a ........ [1 row: 1 succeeded in 0.9s]"]

    assert missing(promised, "1 of 1 OK synced a ... [1 row: 1 succeeded in 12.3s]\n") == []


def test_the_shell_that_the_page_needs_is_there() -> None:
    assert shutil.which("bash")
    assert shutil.which("curl")
