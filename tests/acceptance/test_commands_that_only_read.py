"""What must be shown, 7: what only looks leaves ledger and destination byte for byte as they were."""

import json
from pathlib import Path

import pytest

from tests.acceptance.shops import Shop

LOOKS = (
    ("validate",),
    ("validate", "--online", "--output", "json"),
    ("list",),
    ("list", "--output", "json"),
    ("list", "--output", "name"),
    ("debug",),
    ("debug", "--output", "json"),
    ("plan", "-s", "tag:crm"),
    ("plan", "--show", "5"),
    ("plan", "--output", "json", "--show", "2"),
    ("plan", "--output", "markdown", "--unmask", "--show", "1"),
    ("plan", "--full-resync", "--limit", "1"),
    ("runs",),
    ("runs", "--output", "json"),
    ("rejects",),
    ("rejects", "--output", "csv", "--show-values"),
    ("rejects", "--output", "json"),
    ("row", "crm_people", "2"),
    ("row", "crm_people", "3", "--output", "json", "--unmask"),
    ("destinations",),
    ("schema", "activate"),
)

SYNCS = ("crm_people", "in_sqlite", "in_duckdb", "hook_deleted")


def _lively(shop: Shop) -> None:
    """A ledger with a past: confirmed rows, a reject, a change that is due, a removed row."""
    shop.sandbox.fault("reject", path="/crm/", reject={"property": "jobtitle", "value": "30"})
    for sync in SYNCS:
        shop.sync(sync)
    shop.sandbox.heal()
    shop.execute("UPDATE people SET points = 41 WHERE id = 4")
    shop.execute("DELETE FROM people WHERE id = 5")


def _only_enabled(shop: Shop) -> None:
    """Switch off what needs another server, and one of two writers of the same fields."""
    path = shop.directory / "target/manifest.json"
    manifest = json.loads(path.read_text())
    for node in manifest["nodes"].values():
        for name, block in node["config"].get("meta", {}).get("activate", {}).items():
            block["enabled"] = name in SYNCS
        node["meta"] = node["config"].get("meta", {})
    path.write_text(json.dumps(manifest))


@pytest.mark.slow
def test_looking_changes_nothing(each_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """7: every command that looks, one after the other, over a ledger with a past."""
    shop = each_shop
    _only_enabled(shop)
    _lively(shop)
    monkeypatch.chdir(shop.directory)
    before = shop.everywhere()

    for look in LOOKS:
        done = shop.run(*look) if look[0] not in ("destinations", "schema") else shop.program(*look)
        assert done.code == 0, (look, done.out, done.err)
        assert shop.everywhere() == before, look


@pytest.mark.slow
def test_a_plan_that_is_saved_writes_its_file_and_no_other(each_shop: Shop, tmp_path: Path) -> None:
    """7: `plan --out`, outside the project; a table, a file and a CRM are planned without being touched."""
    shop = each_shop
    _only_enabled(shop)
    _lively(shop)
    before, plan = shop.everywhere(), tmp_path / "plans" / "plan.json"
    plan.parent.mkdir()

    assert shop.run("plan", "--out", str(plan)).code == 0

    assert shop.everywhere() == before
    assert [path.name for path in plan.parent.iterdir()] == ["plan.json"]
    counts = {entry["sync"]: entry["counts"] for entry in json.loads(plan.read_text())["syncs"]}
    assert (counts["in_sqlite"]["changed"], counts["in_sqlite"]["removed"]) == (1, 1)
    assert shop.run("sync", "--plan", str(plan)).code == 0
    assert shop.run("sync", "--plan", str(plan)).code == 1, "what was planned is done: the plan fits no longer"


@pytest.mark.slow
def test_a_dry_run_leaves_its_artifact_and_nothing_else(each_shop: Shop) -> None:
    """7: `sync --dry-run`."""
    shop = each_shop
    _only_enabled(shop)
    _lively(shop)
    memory, records, writes = shop.memory(), shop.sandbox.records(), shop.sandbox.writes
    files, table = _without_artifacts(shop), shop.lite("SELECT * FROM people")

    done = shop.run("sync", "--dry-run")

    assert done.code == 0, done.err
    assert (shop.memory(), shop.sandbox.records(), shop.sandbox.writes) == (memory, records, writes)
    assert (_without_artifacts(shop), shop.lite("SELECT * FROM people")) == (files, table)
    assert shop.result("in_sqlite")["census"]["changes"] == {"changed": 1, "removed": 1}


@pytest.mark.slow
def test_looking_before_the_first_run_makes_no_ledger(each_shop: Shop) -> None:
    """7: not even an empty one."""
    shop = each_shop
    _only_enabled(shop)
    before = shop.everywhere()

    for look in (("plan",), ("runs",), ("rejects",), ("row", "crm_people", "1"), ("debug",), ("validate", "--online")):
        done = shop.run(*look)
        assert done.code == 0, (look, done.out, done.err)

    assert shop.everywhere() == before


def _without_artifacts(shop: Shop) -> dict[str, str]:
    return {name: told for name, told in shop.files().items() if not name.startswith("target/activate/")}
