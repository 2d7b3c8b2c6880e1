"""What the pages show is valid: every YAML block, every console block, the plug-in page."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from jsonschema import Draft202012Validator

from dbt_activate.cli import cli
from dbt_activate.project.schemas import schema
from dbt_activate.sandbox.hooks import HookSettings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
COMMON = set(schema("destinations")["$defs"]["connection"]["properties"]) | {"type"}


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it stands."""

    page: str
    line: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    return [
        Block(
            str(page.relative_to(ROOT)),
            m.string.count("\n", 0, m.start()) + 1,
            m["language"],
            m["title"] or "",
            m["text"],
        )
        for page in PAGES
        for m in BLOCK.finditer(page.read_text("utf-8"))
        if m["language"] in languages
    ]


def loaded(block: Block) -> Any:
    return yaml.safe_load(block.text)


def activate_blocks(document: Any) -> Iterator[Mapping[str, Any]]:
    models = document.get("models", []) if isinstance(document, dict) else []
    for model in models if isinstance(models, list) else []:
        yield model.get("config", {}).get("meta", {}).get("activate", {})


def connections(document: Any) -> Iterator[Mapping[str, Any]]:
    for destination in document.values() if isinstance(document, dict) else []:
        outputs = destination.get("outputs", {}) if isinstance(destination, dict) else {}
        yield from (output for output in outputs.values())


def kinds() -> Mapping[str, type]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    places = {k: v.split(":") for k, v in project["entry-points"]["dbt_activate.destinations"].items()}
    return {name: getattr(import_module(module), attribute) for name, (module, attribute) in places.items()}


YAML = [block for block in blocks("yaml") if block.title != "profiles.yml"]


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_activate_block_that_is_shown_is_valid(block: Block) -> None:
    checker = Draft202012Validator(schema("activate"))
    faults = [error.message for one in activate_blocks(loaded(block)) for error in checker.iter_errors(one)]

    assert faults == []


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_identifier_that_is_shown_is_a_field_and_every_mode_that_needs_one_has_it(block: Block) -> None:
    for activate in activate_blocks(loaded(block)):
        for name, sync in activate.items():
            if sync.get("mode", "upsert") in {"update", "upsert", "mirror"}:
                assert sync["identifier"] in sync["fields"], name


@pytest.mark.parametrize("block", [one for one in YAML if one.title == "destinations.yml"], ids=str)
def test_every_connection_that_is_shown_has_settings_of_its_type_only(block: Block) -> None:
    shown = list(connections(loaded(block)))
    assert shown
    for connection in shown:
        if connection["type"] == "sandbox":
            assert set(connection) <= {"type", "emulate", "url"} | COMMON
            continue
        own = {key: value for key, value in connection.items() if key not in COMMON}
        rules = kinds()[connection["type"]].connection_schema  # type: ignore[attr-defined]
        # A template stands for whatever the schema asks for.
        faults = [e.message for e in Draft202012Validator(rules).iter_errors(own) if "{{" not in str(e.instance)]
        assert faults == []


def test_both_files_of_a_project_are_shown_somewhere() -> None:
    documents = [loaded(block) for block in YAML]

    assert sum(bool(list(activate_blocks(one))) for one in documents) > 8
    assert sum(bool(list(connections(one))) for one in documents) > 5


def commands() -> list[tuple[str, list[str]]]:
    """Every use of dbt-activate in a terminal's block or in inline code, with its page."""
    found: list[tuple[str, list[str]]] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line for block in BLOCK.finditer(text) for line in block["text"].splitlines()]
        inline = re.findall(r"`([^`]+)`", BLOCK.sub("", text))
        for line in [*(line.removeprefix("$ ").lstrip("- run:") for line in lines), *inline]:
            parts = [part.split() for part in line.partition("#")[0].partition(">")[0].split("&&")]
            called = [part[1:] for part in parts if part[:1] == ["dbt-activate"] and len(part) > 1]
            found += [(str(page.relative_to(ROOT)), words) for words in called]
    return found


NOT_YET = {"build"}
"""Commands that a page may name because it says that they are not there."""


def test_every_command_that_is_shown_exists_with_the_options_that_it_is_shown_with() -> None:
    faults: list[str] = []
    for page, words in commands():
        name, options = words[0], [word.partition("=")[0] for word in words[1:] if word.startswith("-")]
        command = cli.get_command(click.Context(cli), name)
        if command is None:
            faults += [f"{page}: {name}"] if name not in NOT_YET and not name.startswith("-") else []
            continue
        known = {opt for param in command.params for opt in param.opts} | {"--help"}
        faults += [f"{page}: {name} {option}" for option in options if option not in known]

    assert len(commands()) > 40
    assert faults == []


def test_the_destination_type_of_the_page_passes_the_conformance_kit(tmp_path: Path) -> None:
    files = {block.title: block.text for block in blocks("python") if block.page == "docs/how-to/plug-in.md"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "test_shop_folder.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert set(files) == {"shop_folder.py", "test_shop_folder.py"}
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 30


def test_the_json_schema_that_is_shown_is_one() -> None:
    shown = [json.loads(block.text) for block in blocks("json")]

    assert shown
    for one in shown:
        Draft202012Validator.check_schema(one)


def test_the_signature_of_the_page_is_the_one_that_a_receiver_expects_by_default() -> None:
    page = (ROOT / "docs/how-to/http.md").read_text("utf-8")

    assert f"header: {HookSettings().header}" in page
