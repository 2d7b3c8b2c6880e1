"""Nothing that a user can write or meet is missing from the documentation."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dbt_activate.cli import COMMANDS
from dbt_activate.cli.catalog import SCHEMA_NAMES
from dbt_activate.ledger.tables import LEDGER, TABLES
from dbt_activate.mapping.transforms import TRANSFORMS
from dbt_activate.project.schemas import schema
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import OnRemoved, SyncMode

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [page for page in DOCS.rglob("*.md") if "reference" not in page.parts]
TYPES = ("http", "hubspot", "postgres", "duckdb", "sqlite", "file", "sandbox")


def text_of(pages: Iterable[Path]) -> str:
    return "\n".join(page.read_text("utf-8") for page in pages)


def without(names: Iterable[str], text: str, pattern: str) -> list[str]:
    """Those of *names* that *pattern*, with the name in the place of ``%s``, does not find in *text*."""
    return [name for name in names if not re.search(pattern % re.escape(name), text)]


def keys(part: Any) -> Iterator[str]:
    """Every key that a JSON Schema lets a user write, at any depth."""
    if isinstance(part, Mapping):
        properties = part.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for rule in part.values():
            yield from keys(rule)
    elif isinstance(part, list):
        for rule in part:
            yield from keys(rule)


def words(part: Any) -> Iterator[str]:
    """Every word that a JSON Schema lets a user choose."""
    if isinstance(part, Mapping):
        yield from (value for value in part.get("enum", ()) if isinstance(value, str))
        for rule in part.values():
            yield from words(rule)
    elif isinstance(part, list):
        for rule in part:
            yield from words(rule)


@pytest.mark.parametrize("name", ["activate", "destinations"])
def test_every_key_and_every_word_of_the_schemas_is_in_the_reference(name: str) -> None:
    reference = text_of((DOCS / "reference").glob("*.md"))

    assert without(set(keys(schema(name))), reference, r"`%s`") == []
    assert without(set(words(schema(name))), reference, r"`%s`") == []


@pytest.mark.parametrize("name", ["activate", "destinations"])
def test_every_key_of_the_schemas_is_shown_in_a_page_that_somebody_wrote(name: str) -> None:
    assert without(set(keys(schema(name))), text_of(WRITTEN), r'[\s{`"]%s"?[:`]') == []


def test_every_command_is_told_of_in_a_page_that_somebody_wrote() -> None:
    assert without(COMMANDS, text_of(WRITTEN), r"dbt-activate %s\b") == []


def test_every_command_has_a_section_in_the_reference() -> None:
    assert without(COMMANDS, (DOCS / "reference/commands.md").read_text("utf-8"), r"\n## %s\n") == []


def test_every_mode_and_every_way_of_removing_is_told_of() -> None:
    names = [*(mode.value for mode in SyncMode), *(policy.value for policy in OnRemoved)]

    assert without(names, text_of(WRITTEN), "`%s`") == []
    assert without(names, (DOCS / "reference/modes.md").read_text("utf-8"), "`%s`") == []


def test_every_outcome_is_explained() -> None:
    names = [outcome.value for outcome in Outcome]

    for page in ("explanation/outcomes.md", "reference/outcomes.md"):
        assert without(names, (DOCS / page).read_text("utf-8"), r"\| `%s` \|") == []


def test_every_capability_class_is_explained() -> None:
    names = [kind.value for kind in DeliveryClass]

    assert without(names, (DOCS / "explanation/delivery.md").read_text("utf-8"), r"\| `%s` ") == []


def test_every_destination_type_is_told_of_and_has_its_settings_in_the_reference() -> None:
    assert without(TYPES, text_of(WRITTEN), r"type: %s\b") == []
    settings = text_of([DOCS / "reference/destination-types.md", DOCS / "reference/destinations-yml.md"])
    assert without(TYPES, settings, r"## type: %s\n") == []


def test_every_transform_is_in_the_reference() -> None:
    assert without(TRANSFORMS, (DOCS / "reference/transforms.md").read_text("utf-8"), r"\| `%s` \|") == []


def test_every_schema_that_can_be_printed_is_told_of() -> None:
    assert without(SCHEMA_NAMES, text_of(DOCS.rglob("*.md")), r"schema\s+%s\b") == []


def test_every_table_of_the_ledger_is_explained_and_every_column_listed() -> None:
    reference = (DOCS / "reference/ledger.md").read_text("utf-8")
    columns = {column for table in (LEDGER, *TABLES.values()) for column in table}

    assert without(TABLES, (DOCS / "explanation/ledger.md").read_text("utf-8"), r"\n`%s`\n:") == []
    assert without(columns, reference, r"\| `%s` \|") == []


def test_every_environment_variable_that_the_code_reads_is_listed() -> None:
    sources = text_of((ROOT / "dbt_activate").rglob("*.py"))
    read = set(re.findall(r"""["'](DBT_(?!ENV_SECRET_)[A-Z_]+|NO_COLOR)["']""", sources))

    assert len(read) > 6
    assert without(read, (DOCS / "reference/environment.md").read_text("utf-8"), r"`%s`") == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    decisions = [page.name for page in (DOCS / "decisions").glob("0*.md")]

    assert len(decisions) > 11
    assert without(decisions, (DOCS / "decisions/index.md").read_text("utf-8"), r"\(%s\)") == []


def test_no_page_holds_an_emoji_or_a_path_of_a_machine() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "mkdocs.yml"]
    wrong = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]|/(?:tmp|root|work|home)/")

    assert [(page.name, found) for page in pages for found in wrong.findall(page.read_text("utf-8"))] == []
