"""``list``, ``validate``, ``debug`` on a real project, sound and spoiled."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import psycopg
import pytest

from dbt_activate.ledger.store import Ledger
from dbt_activate.sandbox.server import RunningSandbox
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.postgres import PostgresWarehouse

Run: TypeAlias = Callable[..., Any]
Shop: TypeAlias = Any
Block: TypeAlias = dict[str, Any]


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def states(out: str) -> Mapping[str, str]:
    """Subject to OK or ERROR, of ``debug``; a subject with any fault is at fault."""
    found: dict[str, str] = {}
    for line in lines_of(out):
        state, subject = line.split()[:2]
        found[subject] = "ERROR" if "ERROR" in (state, found.get(subject)) else state
    return found


# list


def test_list_shows_what_each_sync_reads_and_where_it_writes(shop: Shop, run: Run) -> None:
    answer = run("list")
    assert answer.code == 0
    heading, contacts, feed = lines_of(answer.out)
    assert heading.split("  ")[0] == "sync"
    assert " ".join(contacts.split()) == "contacts customers crm sandbox contacts upsert customer_id yes nightly"
    assert " ".join(feed.split()) == "feed customers hook http upsert customer_id yes"


def test_list_needs_neither_warehouse_nor_network(shop: Shop, run: Run) -> None:
    (shop.path / "warehouse.duckdb").unlink()
    assert run("ls", "--output", "name").out == "contacts\nfeed\n"


def test_list_as_json_names_every_field_and_operation(shop: Shop, run: Run) -> None:
    contacts, _feed = run("list", "--output", "json").json
    assert contacts["fields"] == ["email", "firstname"]
    assert contacts["operations"] == ["upsert"]
    assert contacts["unique_id"] == "model.shop.customers"
    assert contacts["output"] == "dev"


def test_a_sync_that_is_switched_off_is_listed_without_a_type(shop: Shop, run: Run) -> None:
    shop.change_syncs(lambda block: block["feed"].update(enabled=False))
    _contacts, feed = run("list", "--output", "json").json
    assert (feed["name"], feed["enabled"], feed["type"]) == ("feed", False, None)


@pytest.mark.parametrize("words", ["feed", "destination:http", "destination:hook", "customers,destination:hook"])
def test_list_takes_the_selection_of_the_other_commands(shop: Shop, run: Run, words: str) -> None:
    assert run("list", "-s", words, "--output", "name").out == "feed\n"


def test_a_selection_of_nothing_is_an_error(shop: Shop, run: Run) -> None:
    answer = run("list", "-s", "tag:weekly")
    assert answer.code == 2
    assert "selects no sync" in answer.err


def test_a_project_without_syncs_is_told_how_to_get_one(shop: Shop, run: Run) -> None:
    shop.change_manifest(_drop_block)
    answer = run("list")
    assert (answer.code, answer.out) == (0, "")
    assert "dbt-activate init" in answer.err


def _drop_block(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.shop.customers"]
    node["config"]["meta"] = node["meta"] = {}


# validate, offline


def test_a_sound_project_is_valid_without_any_network(shop: Shop, run: Run) -> None:
    answer = run("validate")
    assert (answer.code, answer.out, answer.err) == (0, "2 syncs are valid\n", "")


def test_every_problem_is_told_at_once_on_a_line_of_its_own(shop: Shop, run: Run) -> None:
    def spoil(block: Block) -> None:
        block["contacts"]["object"] = "contact"
        block["feed"]["fields"]["shoe"] = "shoe_size"
        block["feed"]["where"] = "active and"

    shop.change_syncs(spoil)
    answer = run("validate")
    assert (answer.code, answer.out) == (2, "")
    told = lines_of(answer.err)
    assert len(told) == 3
    assert any("HubSpot has no object 'contact'" in line and "did you mean 'contacts'?" in line for line in told)
    assert any("feed.fields.shoe: no column 'shoe_size'" in line for line in told)
    assert any("feed.where" in line for line in told)


def test_a_project_that_cannot_be_loaded_is_told_whole(shop: Shop, run: Run) -> None:
    def spoil(block: Block) -> None:
        block["contacts"]["mode"] = "merge"
        block["feed"]["destination"] = "hok"

    shop.change_syncs(spoil)
    answer = run("validate", "--output", "json")
    assert answer.code == 2
    assert not answer.json["valid"]
    places = [problem["place"] for problem in answer.json["problems"]]
    assert any(place.endswith("contacts.mode") for place in places)
    assert any(place.endswith("feed.destination") for place in places)


def test_without_a_manifest_the_way_out_is_dbt_parse(shop: Shop, run: Run) -> None:
    (shop.path / "target/manifest.json").unlink()
    answer = run("validate")
    assert answer.code == 2
    assert "dbt parse" in answer.err


def test_columns_are_not_missed_where_neither_catalog_nor_contract_lists_them_all(shop: Shop, run: Run) -> None:
    (shop.path / "target/catalog.json").unlink()
    assert run("validate").code == 0, "score is in no YAML, and may be there"


def test_a_contract_lists_all_columns(shop: Shop, run: Run) -> None:
    (shop.path / "target/catalog.json").unlink()
    shop.change_manifest(_enforce_contract)
    answer = run("validate")
    assert answer.code == 2
    assert "no column 'score'" in answer.err


def _enforce_contract(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.shop.customers"]
    node["config"]["contract"] = node["contract"] = {"enforced": True}


def test_sql_is_parsed_where_columns_are_not_known(shop: Shop, run: Run) -> None:
    (shop.path / "target/catalog.json").unlink()
    shop.change_syncs(lambda block: block["contacts"]["fields"].update(firstname={"sql": "upper(email"}))
    answer = run("validate")
    assert answer.code == 2
    assert "contacts.fields.firstname.sql" in answer.err


def test_a_catalog_older_than_the_model_is_doubted(shop: Shop, run: Run) -> None:
    shop.change_syncs(lambda block: block["feed"]["fields"].update(shoe="shoe_size"))
    (shop.path / "target/manifest.json").touch()
    assert "dbt docs generate" not in run("validate").err
    later = time.time() + 60
    os.utime(shop.path / "models/customers.sql", (later, later))
    assert "dbt docs generate" in run("validate").err


def test_a_broken_catalog_is_told(shop: Shop, run: Run) -> None:
    (shop.path / "target/catalog.json").write_text("{")
    answer = run("validate")
    assert answer.code == 2
    assert "target/catalog.json" in answer.err


def test_two_syncs_that_write_one_field_of_one_object_are_told(shop: Shop, run: Run) -> None:
    shop.change_syncs(lambda block: block.update(again=json.loads(json.dumps(block["contacts"]))))
    answer = run("validate")
    assert answer.code == 2
    assert "the sync 'again' writes this field" in answer.err or "the sync 'contacts' writes this field" in answer.err


def test_lookups_in_a_circle_are_told(shop: Shop, run: Run) -> None:
    def spoil(block: Block) -> None:
        for one, other in (("contacts", "feed"), ("feed", "contacts")):
            block[one]["fields"]["lastname"] = {"lookup": {"sync": other, "key": "customer_id"}}

    shop.change_syncs(spoil)
    answer = run("validate")
    assert answer.code == 2
    assert "circle" in answer.err


def test_an_operation_that_the_destination_does_not_take_is_told(shop: Shop, run: Run) -> None:
    shop.change_syncs(lambda block: block["feed"].update(on_removed="archive"))
    answer = run("validate")
    assert answer.code == 2
    assert "customers.activate.feed.on_removed" in answer.err


# validate, online


def test_online_a_sound_project_is_valid(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    answer = run("validate", "--online")
    assert (answer.code, answer.out, answer.err) == (0, "2 syncs are valid\n", "")


def test_online_a_field_that_the_crm_lacks_is_told(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    shop.change_syncs(lambda block: block["contacts"]["fields"].update(shoe_size="score"))
    assert run("validate").code == 0
    answer = run("validate", "--online")
    assert answer.code == 2
    assert "shoe_size" in answer.err


def test_online_a_destination_that_does_not_answer_gives_1(shop: Shop, run: Run) -> None:
    answer = run("validate", "--online")
    assert (answer.code, answer.out) == (1, "")
    assert "destination 'crm'" in answer.err
    assert run("validate", "--online", "--output", "json").json["unreachable"].keys() == {"crm"}


def test_online_the_relation_is_looked_at_as_it_is(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    with duckdb.connect(shop.path / "warehouse.duckdb") as connection:
        connection.execute("drop view customers")
        connection.execute("create table customers as select 1 as customer_id, 'a' as email, true as active")
    answer = run("validate", "--online")
    assert answer.code == 2
    assert "no column 'score'" in answer.err


def test_online_a_model_that_was_never_built_is_told(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    with duckdb.connect(shop.path / "warehouse.duckdb") as connection:
        connection.execute("drop view customers")
    answer = run("validate", "--online")
    assert answer.code == 2
    assert "dbt run --select customers" in answer.err
    assert all(line.startswith("Error: ") for line in lines_of(answer.err))


def test_online_a_warehouse_that_is_not_there_is_told_with_the_rest(shop: Shop, run: Run) -> None:
    (shop.path / "warehouse.duckdb").unlink()
    answer = run("validate", "--online")
    assert answer.code == 2
    assert "profiles.yml, shop.outputs.dev" in answer.err
    assert "destination 'crm'" in answer.err


# debug


def test_debug_tries_everything_and_writes_nothing(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    before = shop.bytes()
    answer = run("debug")
    assert answer.code == 0, answer.out
    subjects = ("versions", "project", "profile", "manifest", "syncs", "warehouse", "ledger", "crm", "hook")
    assert states(answer.out) == dict.fromkeys(subjects, "OK")
    assert "account 4711000" in answer.out
    assert shop.bytes() == before


def test_a_destination_that_is_not_there_gives_1_and_says_how_to_start_it(shop: Shop, run: Run) -> None:
    answer = run("debug")
    assert answer.code == 1
    assert {subject for subject, state in states(answer.out).items() if state == "ERROR"} == {"crm", "hook"}
    assert "`dbt-activate sandbox` starts it" in answer.out


def test_a_warehouse_that_is_not_there_gives_2_and_the_destinations_are_tried_all_the_same(
    shop: Shop, run: Run, sandbox: RunningSandbox
) -> None:
    (shop.path / "warehouse.duckdb").unlink()
    answer = run("debug")
    assert answer.code == 2
    assert states(answer.out)["warehouse"] == "ERROR"
    assert states(answer.out)["crm"] == "OK"
    assert "ledger" not in states(answer.out)


def test_a_broken_block_does_not_hide_warehouse_and_destinations(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    shop.change_syncs(lambda block: block["contacts"].update(mode="merge"))
    answer = run("debug")
    assert answer.code == 2
    found = states(answer.out)
    assert found["syncs"] == "ERROR"
    assert {found[name] for name in ("warehouse", "ledger", "crm", "hook", "spare")} == {"OK"}


def test_a_fault_is_told_once_though_all_depends_on_it(shop: Shop, run: Run) -> None:
    (shop.path / "profiles.yml").write_text("other: {outputs: {}}\n")
    answer = run("debug")
    assert answer.code == 2
    assert answer.out.count("there is no profile 'shop'") == 1
    assert states(answer.out)["warehouse"] == "ERROR"


def test_outside_of_a_dbt_project_debug_says_so(tmp_path: Path, run: Run) -> None:
    answer = run("debug", "--project-dir", str(tmp_path))
    assert answer.code == 2
    assert "there is no such file; run this in a dbt project" in answer.out
    assert states(answer.out)["versions"] == "OK"


def test_debug_tells_the_version_of_a_ledger(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    _make_ledger(shop.path, "1")
    answer = run("debug")
    assert answer.code == 0
    assert "layout 1" in answer.out


def test_a_ledger_of_a_newer_release_gives_2(shop: Shop, run: Run, sandbox: RunningSandbox) -> None:
    _make_ledger(shop.path, "99")
    answer = run("debug")
    assert answer.code == 2
    assert "upgrade dbt-activate" in answer.out


def _make_ledger(path: Path, version: str) -> None:
    warehouse = DuckDbWarehouse({"path": "warehouse.duckdb"}, path, schema="main")
    ledger = Ledger(warehouse=warehouse, schema="main_activate")
    with warehouse.session() as session:
        ledger.prepare(session, "people")
        session.execute(f"UPDATE {ledger.table('meta')} SET value = ? WHERE name = 'version'", [version])


def test_debug_as_json_says_the_same(shop: Shop, run: Run) -> None:
    answer = run("debug", "--output", "json")
    assert answer.code == answer.json["exit_code"] == 1
    failed = {check["subject"] for check in answer.json["checks"] if not check["ok"]}
    assert failed == {"crm", "hook"}


def test_no_secret_is_told(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (shop.path / "destinations.yml").read_text()
    secret = "pat-na1-" + str(uuid.uuid4())
    monkeypatch.setenv("DBT_ENV_SECRET_CRM", secret)
    crm = "type: hubspot\n      token: \"{{ env_var('DBT_ENV_SECRET_CRM') }}\"\n      allow_private_addresses: true\n"
    (shop.path / "destinations.yml").write_text(
        text.replace("type: sandbox\n      emulate: hubspot\n", crm).replace("      url:", "      base_url:", 1)
    )
    answers = [run("debug"), run("validate", "--online"), run("list", "--output", "json")]
    assert [answer.code for answer in answers] == [1, 1, 0]
    assert not any(secret in answer.out + answer.err for answer in answers)


# permissions


@pytest.fixture
def schema() -> Iterator[str]:
    """A schema of PostgreSQL that belongs to root, and a role of the same name that may do nothing."""
    name = f"cli_{uuid.uuid4().hex[:12]}"
    try:
        server = psycopg.connect(host="127.0.0.1", user="root", dbname="test", autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL on 127.0.0.1: {error}")
    with server as connection:
        connection.execute(f"create schema {name}")
        connection.execute(f"create role {name} login")
        yield name
        connection.execute(f"drop schema {name} cascade")
        connection.execute(f"drop role {name}")


def _as_role(name: str, statements: tuple[str, ...] = (), schema: str | None = None) -> tuple[str, ...]:
    with psycopg.connect(host="127.0.0.1", user="root", dbname="test", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    warehouse = PostgresWarehouse({"host": "127.0.0.1", "user": name, "dbname": "test"}, schema="public")
    with warehouse.session(read_only=True) as session:
        return warehouse.refusals(session, schema or name)


def test_a_schema_that_may_not_be_used_is_told(schema: str) -> None:
    assert "USAGE" in _as_role(schema)[0]


def test_a_schema_that_may_not_be_made_is_told(schema: str) -> None:
    assert "CREATE on the database" in _as_role(schema, schema=f"{schema}_absent")[0]


def test_a_table_that_may_only_be_read_is_told(schema: str) -> None:
    statements = (
        f"grant usage, create on schema {schema} to {schema}",
        f"create table {schema}.meta (name text)",
        f"grant select on {schema}.meta to {schema}",
    )
    assert _as_role(schema, statements) == (
        "the table meta may not be written; grant SELECT, INSERT, UPDATE and DELETE on it",
    )


def test_a_schema_with_all_rights_is_in_order(schema: str) -> None:
    assert _as_role(schema, (f"grant usage, create on schema {schema} to {schema}",)) == ()


def test_a_file_of_duckdb_that_is_read_only_is_told(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anything, so the question is answered here.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).suffix != ".duckdb")
    answer = run("debug")
    assert answer.code == 2
    assert "may not be written to; allow it" in answer.out
