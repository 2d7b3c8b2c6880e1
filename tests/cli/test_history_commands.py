"""``plan``, ``runs``, ``rejects``, ``row`` on a real project with a past: one row confirmed, one refused."""

import csv
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pytest

from dbt_activate.cli import invoke
from dbt_activate.reporters.planfile import read_plan

Run: TypeAlias = Callable[..., Any]
Shop: TypeAlias = Any

EMAILS = ("ada@example.com", "bob@example.com")


def give_a_past(shop: Path) -> None:
    """One run, in which the destination refused customer 2."""
    path = shop / "target/manifest.json"
    manifest = json.loads(path.read_text())
    node = manifest["nodes"]["model.shop.customers"]
    block = node["config"]["meta"]["activate"]
    del block["feed"]
    local = {"destination": "spare", "purpose": "marketing"}
    block["contacts"] |= {**local, "object": "people"}
    key = {"primary_key": ["customer_id", "email"], "identifier": ["email"]}
    block["pairs"] = {**local, **key, "object": "pairs", "fields": {"email": "email", "score": "score"}}
    node["meta"] = node["config"]["meta"]
    tag = {"activate_field": {"pii": "email", "purpose": ["marketing"]}}
    node["columns"]["email"] |= {"config": {"meta": tag}, "meta": tag}
    path.write_text(json.dumps(manifest))
    with closing(sqlite3.connect(shop / "spare.sqlite")) as database:
        database.execute("CREATE TABLE people (email TEXT UNIQUE, firstname TEXT CHECK (firstname NOT LIKE 'BOB%'))")
        database.execute("CREATE TABLE pairs (email TEXT UNIQUE, score REAL)")
    assert invoke(["sync", "--project-dir", str(shop), "--profiles-dir", str(shop)]) == 1


@pytest.fixture(scope="module")
def kept(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a past, once for all tests that only read it."""
    path = tmp_path_factory.mktemp("kept") / "shop"
    shutil.copytree(built, path, ignore=shutil.ignore_patterns("logs", ".user.yml"))
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DBT_")]:
            patch.delenv(name)
        give_a_past(path)
    return path


@pytest.fixture
def past(kept: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a past, as the current directory. To be read only."""
    monkeypatch.chdir(kept)
    return kept


@pytest.fixture
def own(shop: Shop) -> Shop:
    """A project with a past that a test may spoil."""
    give_a_past(shop.path)
    return shop


def sql(shop: Shop, statement: str) -> None:
    with duckdb.connect(str(shop.path / "warehouse.duckdb")) as connection:
        connection.execute(statement)


def run_id(run: Run) -> str:
    return str(run("runs", "--output", "json").json["runs"][0]["run_id"])


# runs


def test_runs_lists_them_with_their_counts(past: Path, run: Run) -> None:
    answer = run("runs", "-s", "contacts")

    assert answer.code == 0
    heading, _rule, line = answer.out.splitlines()
    assert heading.split() == ["run", "sync", "status", "started", "(UTC)", "took", "requests", "rows"]
    assert line.split()[:3] == [run_id(run), "contacts", "partial"]
    assert line.endswith("1 succeeded, 1 rejected")


def test_runs_as_json_tells_the_outcomes(past: Path, run: Run) -> None:
    document = run("runs", "--output", "json").json

    assert document["schema"] == "dbt-activate/runs/v1"
    assert {(r["sync"], json.dumps(r["outcomes"])) for r in document["runs"]} == {
        ("contacts", '{"rejected": 1, "succeeded": 1}'),
        ("pairs", '{"succeeded": 2}'),
    }


def test_runs_shows_the_newest_up_to_the_limit(own: Shop, run: Run) -> None:
    newest = run("runs", "--output", "json").json["runs"][0]
    run("sync", "-s", "contacts")

    [shown] = run("runs", "--limit", "1", "--output", "json").json["runs"]

    assert shown["run_id"] != newest["run_id"]
    assert shown["sync"] == "contacts"


def test_runs_show_tells_batches_and_rows_by_code(past: Path, run: Run) -> None:
    answer = run("runs", "show", run_id(run), "--output", "json")

    [contacts] = [sync for sync in answer.json["syncs"] if sync["sync"] == "contacts"]
    ended = {(row["outcome"], row["code"]): row["rows"] for row in contacts["rows"]}
    assert ended.pop(("succeeded", None)) == 1
    assert list(ended.values()) == [1]
    assert sum(batch["outcomes"].get("succeeded", 0) for batch in contacts["batches"]) == 1
    assert run("runs", "show", run_id(run)).out.splitlines()[0] in ("contacts", "pairs")


def test_an_unknown_run_is_told_with_exit_code_one(past: Path, run: Run) -> None:
    answer = run("runs", "show", "nope")

    assert (answer.code, answer.out) == (1, "")
    assert "nope: the ledger knows no such run" in answer.err


def test_an_option_before_show_is_not_dropped_in_silence(past: Path, run: Run) -> None:
    answer = run("runs", "--limit", "3", "show", "x")

    assert answer.code == 2
    assert "give --limit after `show`" in answer.err


# rejects


def test_rejects_tells_the_reason_and_no_value(past: Path, run: Run) -> None:
    answer = run("rejects")

    assert answer.code == 0
    line = answer.out.splitlines()[2]
    assert line.split()[:3] == ["contacts", "2", "rejected"]
    assert "when it changes" in line
    assert not [email for email in EMAILS if email in answer.out.lower()]


def test_values_are_shown_where_they_are_asked_for_and_masked_there(past: Path, run: Run) -> None:
    masked = run("rejects", "--show-values", "--output", "json").json["rejects"]
    bare = run("rejects", "--show-values", "--unmask", "--output", "json").json["rejects"]

    assert [row["values"] for row in masked] == [{"email": "***", "firstname": "***"}]
    assert [row["values"] for row in bare] == [{"email": "bob@example.com", "firstname": "BOB@EXAMPLE.COM"}]
    assert "values" not in run("rejects", "--output", "json").json["rejects"][0]


def test_rejects_for_a_spreadsheet(past: Path, run: Run) -> None:
    [row] = csv.DictReader(io.StringIO(run("rejects", "--output", "csv", "--show-values").out))

    assert (row["sync"], row["key"], row["outcome"], row["attempts"]) == ("contacts", "2", "rejected", "1")
    assert json.loads(row["values"]) == {"email": "***", "firstname": "***"}


def test_rejects_are_chosen_by_code_and_outcome(past: Path, run: Run) -> None:
    code = run("rejects", "--output", "json").json["rejects"][0]["code"]

    assert len(run("rejects", "--code", code, "--code", "x", "--output", "json").json["rejects"]) == 1
    assert run("rejects", "--code", "x").out == "no row is held back\n"
    assert run("rejects", "--outcome", "failed").out == "no row is held back\n"
    assert run("rejects", "-s", "pairs").out == "no row is held back\n"
    assert run("rejects", "--outcome", "succeeded").code == 2


def test_the_value_of_a_row_that_could_not_be_shaped_is_read_from_the_model(own: Shop, run: Run) -> None:
    own.change_syncs(lambda block: block["contacts"].update(schema="person.json"))
    person = {"type": "object", "properties": {"email": {"maxLength": 3}}}
    (own.path / "person.json").write_text(json.dumps(person))
    run("sync", "-s", "contacts")

    rejects = run("rejects", "--outcome", "invalid", "--show-values", "--unmask", "--output", "json").json["rejects"]

    assert {row["key"]: row["values"]["email"] for row in rejects} == {"1": EMAILS[0], "2": EMAILS[1]}


def test_a_key_of_personal_data_is_masked_in_its_place(own: Shop, run: Run) -> None:
    rows = "(1, NULL, 1.0, TRUE), (7, 'g@example.com', 1.0, TRUE), (7, 'g@example.com', 1.0, TRUE)"
    sql(own, f"CREATE OR REPLACE VIEW customers AS FROM (VALUES {rows}) AS rows(customer_id, email, score, active)")
    run("sync", "-s", "pairs")

    keys = {row["key"] for row in run("rejects", "-s", "pairs", "--output", "json").json["rejects"]}
    bare = {row["key"] for row in run("rejects", "-s", "pairs", "--unmask", "--output", "json").json["rejects"]}

    assert keys == {"***", '["7","***"]'}
    assert bare == {"(null)", '["7","g@example.com"]'}


def test_a_model_that_is_gone_leaves_the_rejects_readable(own: Shop, run: Run) -> None:
    sql(own, "DROP VIEW IF EXISTS customers")

    answer = run("rejects", "--show-values", "--output", "json")

    assert answer.code == 0
    assert len(answer.json["rejects"]) == 1


# row


def test_row_tells_now_confirmed_and_every_past_outcome(own: Shop, run: Run) -> None:
    sql(own, "CREATE OR REPLACE VIEW customers AS SELECT 1 AS customer_id, 'eve@example.com' AS email, 1 AS score")

    answer = run("row", "contacts", "1", "--unmask", "--output", "json")

    row = answer.json
    assert answer.code == 0
    assert row["now"]["fields"] == {"email": "eve@example.com", "firstname": "EVE@EXAMPLE.COM"}
    assert row["confirmed"]["payload"] == {"email": "ada@example.com", "firstname": "ADA@EXAMPLE.COM"}
    assert row["destination_now"] == {"read": False, "note": "not read by this version"}
    assert [(line["change"], line["outcome"]) for line in row["log"]] == [("added", "succeeded")]
    assert row["reject"] is None


@pytest.mark.parametrize("output", ["table", "json"])
def test_personal_data_of_a_row_is_masked_everywhere(past: Path, run: Run, output: str) -> None:
    answers = [run("row", "contacts", key, "--output", output) for key in "12"]

    assert [answer.code for answer in answers] == [0, 0]
    for answer in answers:
        assert "***" in answer.out
        assert "example.com" not in answer.out.lower()


def test_a_row_that_is_in_step_says_so(past: Path, run: Run) -> None:
    assert run("row", "contacts", "1", "--output", "json").json["now"]["verdict"] == "as confirmed: nothing to send"


def test_a_refused_row_tells_why_and_what_would_be_sent(past: Path, run: Run) -> None:
    answer = run("row", "contacts", "2")

    assert "confirmed    never" in answer.out
    assert "rejected" in answer.out
    assert "added: not sent while it is rejected" in answer.out


def test_the_parts_of_a_composite_key_may_be_spaced_and_numbers(past: Path, run: Run) -> None:
    answer = run("row", "pairs", '[1, "ada@example.com"]', "--output", "json")

    assert answer.code == 0
    assert answer.json["key"] == '["1","ada@example.com"]'
    assert answer.json["confirmed"] is not None


@pytest.mark.parametrize("key", ["1", "1,ada@example.com", '["1"]', '{"a": 1}', "["])
def test_a_composite_key_in_another_form_is_told_the_form(past: Path, run: Run, key: str) -> None:
    answer = run("row", "pairs", key)

    assert answer.code == 2
    assert "the primary key of 'pairs' is customer_id, email" in answer.err
    assert """'["<customer_id>", "<email>"]'""" in answer.err


def test_a_key_that_is_nowhere_is_told_with_exit_code_one(past: Path, run: Run) -> None:
    answer = run("row", "contacts", "99")

    assert (answer.code, answer.out) == (1, "")
    assert "contacts: there is no row with the key 99" in answer.err


def test_a_sync_that_does_not_exist_is_told(past: Path, run: Run) -> None:
    answer = run("row", "nope", "1")

    assert answer.code == 2
    assert "there are: contacts, pairs" in answer.err


# plan


def test_a_plan_is_shown_masked_and_saved(own: Shop, run: Run) -> None:
    sql(own, "CREATE OR REPLACE VIEW customers AS SELECT 1 AS customer_id, 'eve@example.com' AS email, 1 AS score")
    answer = run("plan", "-s", "contacts", "--show", "5", "--output", "json", "--out", "saved/plan.json")

    [sync] = answer.json["syncs"]
    assert answer.code == 0
    assert sync["rows"][0]["fields"] == [
        {"field": "email", "old": "***", "new": "***"},
        {"field": "firstname", "old": "***", "new": "***"},
    ]
    assert read_plan(own.path / "saved/plan.json") == {"contacts": sync["plan_hash"]}


def test_a_plan_without_changes_can_be_saved_and_executed(own: Shop, run: Run) -> None:
    run("plan", "-s", "pairs", "--out", "plan.json")

    assert run("sync", "--plan", "plan.json").code == 0


def test_a_plan_that_no_longer_holds_is_refused(own: Shop, run: Run) -> None:
    run("plan", "-s", "pairs", "--out", "plan.json")
    sql(own, "CREATE OR REPLACE VIEW customers AS SELECT 1 AS customer_id, 'eve@example.com' AS email, 1 AS score")

    answer = run("sync", "--plan", "plan.json")

    assert answer.code == 1
    assert "plan again" in answer.out + answer.err


# what all of them keep


COMMANDS = (
    ("plan", "--show", "9"),
    ("runs",),
    ("rejects", "--show-values"),
    ("row", "contacts", "1"),
    ("row", "contacts", "99"),
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_none_of_them_changes_a_byte(past: Path, run: Run) -> None:
    known = run_id(run)
    before = contents(past)

    for command in (*COMMANDS, ("runs", "show", known)):
        run(*command)

    changed = {name for name, content in contents(past).items() if before.get(name) != content}
    # The plan itself is an artifact.
    assert changed - {str(past / "target/activate/plan.json")} == set()


@pytest.mark.parametrize("command", [("runs",), ("runs", "show", "x"), ("rejects",), ("rejects", "--show-values")])
def test_before_the_first_run_there_is_nothing_and_nothing_is_made(shop: Shop, run: Run, command: Any) -> None:
    before = shop.bytes()

    answer = run(*command)

    assert answer.code == int("show" in command)
    assert shop.bytes() == before


def test_a_row_can_be_looked_at_before_the_first_run(shop: Shop, run: Run) -> None:
    answer = run("row", "feed", "1", "--output", "json")

    assert answer.code == 0
    assert answer.json["now"]["fields"] == {"customer_id": 1, "score": 0.5}
    assert answer.json["confirmed"] is None
