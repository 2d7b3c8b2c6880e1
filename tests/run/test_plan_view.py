"""What `plan` shows of real plans: on a terminal, in a pull request, as JSON."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbt_activate.cli.planview import PlannedSync, PlanView
from dbt_activate.planning.diff import Scope
from dbt_activate.run import RunOptions
from dbt_activate.testing.fakes import FakeDestination
from dbt_activate.values.change import Census
from dbt_activate.values.event import SyncResult
from dbt_activate.values.payload import Payload
from dbt_activate.values.sync import (
    ChangeKind,
    Column,
    FieldMap,
    Location,
    Operation,
    Share,
    Sync,
    SyncMode,
    WritePolicy,
)
from tests.run.worlds import MIRROR, NO_GUARDS, World, duckdb_world, make_sync

HASH = "0123456789abcdef" * 2


def tagged(sync: Sync, *pii: str) -> Sync:
    return replace(sync, model=replace(sync.model, pii=frozenset(pii)))


def looked_at(world: World, sync: Sync, show: int = 9, *, unmask: bool = False, **options: Any) -> "Shown":
    view = PlanView(show=show, unmask=unmask)
    runner = world.runner(RunOptions(dry=True, **options))
    runner.look = view.look
    return Shown(view, asyncio.run(runner.run([sync])))


class Shown:
    def __init__(self, view: PlanView, results: Sequence[SyncResult]) -> None:
        self.view = view
        self.results = [replace(result, batch_rows={"upsert": 2, "delete": 2}) for result in results]

    def text(self, output: str = "table", *, color: bool = False) -> str:
        return self.view.render(self.results, output, color)

    @property
    def sync(self) -> dict[str, Any]:
        document = json.loads(self.text("json"))
        assert document["schema"] == "dbt-activate/plan-view/v1"
        [sync] = document["syncs"]
        return dict(sync)

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.text().splitlines()]


@pytest.fixture
def changed(world: World) -> World:
    """A world in which one row came, one changed, one went, and two share a key."""
    world.fill()
    world.run(world.sync(**MIRROR))
    world.sql("UPDATE people SET score = 0.9 WHERE id = 2")
    world.sql("DELETE FROM people WHERE id = 3")
    world.sql("INSERT INTO people VALUES (4, 'dee@example.com', 0.25), (6, 'z', 2), (6, 'q', 3)")
    return world


@pytest.fixture
def duck(tmp_path: Path) -> Any:
    with duckdb_world(tmp_path) as made:
        yield made


def test_a_plan_is_shown_by_change_and_field(changed: World) -> None:
    shown = looked_at(changed, changed.sync(**MIRROR))

    plan_hash = shown.results[0].plan_hash
    assert shown.lines == [
        "people people → crm / contacts mirror ready",
        "changes 1 added · 1 changed · 1 removed",
        "not sent 1 with a null or repeated key · 1 unchanged",
        "fields score 1",
        "delivery 2 upsert, 1 delete in up to 2 requests; class U: a repeated request does no harm",
        f"plan {plan_hash}",
        "",
        "~ 2 upsert score: 0.7 → 0.9",
        '+ 4 upsert email: "dee@example.com"',
        "score: 0.25",
        "- 3 delete",
        "",
        "1 sync: 3 rows to send in up to 2 requests. Nothing was written.",
    ]


def test_the_json_form_holds_all_of_it(changed: World) -> None:
    sync = looked_at(changed, changed.sync(**MIRROR)).sync

    assert (sync["to_send"], sync["estimated_requests"], sync["mode"]) == ({"upsert": 2, "delete": 1}, 2, "mirror")
    assert sync["changed_fields"] == {"score": 1}
    assert sync["counts"]["faulty"] == sync["counts"]["invalid"] == 1
    assert sync["rows"] == [
        {
            "key": "2",
            "change": "changed",
            "operation": "upsert",
            "fields": [{"field": "score", "old": 0.7, "new": 0.9}],
        },
        {
            "key": "4",
            "change": "added",
            "operation": "upsert",
            "fields": [{"field": "email", "new": "dee@example.com"}, {"field": "score", "new": 0.25}],
        },
        {"key": "3", "change": "removed", "operation": "delete", "fields": []},
    ]


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_no_value_is_shown_unless_rows_are_asked_for(changed: World, output: str) -> None:
    text = looked_at(changed, changed.sync(**MIRROR), show=0).text(output)

    assert "dee@example.com" not in text
    assert "0.25" not in text


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_personal_data_is_masked_unless_unmask_is_said(changed: World, output: str) -> None:
    sync = tagged(changed.sync(**MIRROR), "email")

    assert "dee@example.com" not in looked_at(changed, sync).text(output)
    assert "dee@example.com" in looked_at(changed, sync, unmask=True).text(output)


def test_only_so_many_rows_are_shown_and_all_are_counted(changed: World) -> None:
    shown = looked_at(changed, changed.sync(**MIRROR), show=1)

    assert len(shown.sync["rows"]) == 1
    assert sum(shown.sync["to_send"].values()) == 3
    assert "2 more" in shown.lines


def test_a_limited_plan_says_of_how_many(changed: World) -> None:
    shown = looked_at(changed, changed.sync(**MIRROR), limit=1)

    assert "changes 0 of 1 added · 1 changed · 0 of 1 removed" in shown.lines


def test_a_ledger_of_fingerprints_shows_new_values_only(duck: World) -> None:
    duck.stores_values = False
    duck.fill()
    duck.run()
    duck.sql("UPDATE people SET score = 0.9 WHERE id = 2")

    [row] = looked_at(duck, duck.sync()).sync["rows"]

    assert row["fields"] == [{"field": "email", "new": "bob@example.com"}, {"field": "score", "new": 0.9}]


def test_a_full_resync_says_that_nothing_changed(duck: World) -> None:
    duck.fill()
    duck.run()

    shown = looked_at(duck, duck.sync(), scope=Scope(full=True))

    assert [row["fields"] for row in shown.sync["rows"]] == [[], [], []]
    assert "~ 1 upsert sent again as it is" in shown.lines
    assert shown.sync["changed_fields"] == {}


def test_a_field_for_new_records_only_is_shown_with_a_new_row(duck: World) -> None:
    duck.fill()
    fields = (*duck.sync().fields, FieldMap(path=("origin",), source=Column("email"), write=WritePolicy.ON_CREATE))

    rows = looked_at(duck, duck.sync(fields=fields)).sync["rows"]

    assert {field["field"] for field in rows[0]["fields"]} == {"email", "score", "origin"}


def test_a_guard_is_shown_with_the_command_that_overrides_it(changed: World) -> None:
    guards = replace(NO_GUARDS, max_removed=Share(rows=0))
    shown = looked_at(changed, changed.sync(**MIRROR, guards=guards))
    command = f"dbt-activate sync --select people --override-guards {shown.results[0].plan_hash}"

    assert "guard max_removed: 1 of 3 confirmed rows would be removed; the bound is 0" in shown.lines
    assert f"if this is right: {command}" in shown.lines
    assert "1 sync: 0 rows to send; 1 sync would not go. Nothing was written." in shown.lines
    assert f"> If this is right: `{command}`" in shown.text("markdown")


def test_a_plan_without_changes_says_so(duck: World) -> None:
    duck.fill()
    duck.run()

    shown = looked_at(duck, duck.sync())

    assert shown.lines[0] == "people people → crm / contacts upsert nothing to send"
    assert shown.lines[-1] == "1 sync: 0 rows to send. Nothing was written."


def test_colours_are_on_the_terminal_only(changed: World) -> None:
    shown = looked_at(changed, changed.sync(**MIRROR))

    assert "\x1b[" in shown.text(color=True)
    assert not [output for output in ("table", "json", "markdown") if "\x1b" in shown.text(output)]
    assert "\x1b" not in shown.text("markdown", color=True)


def test_a_sync_that_could_not_be_planned_says_why() -> None:
    result = SyncResult(
        sync="people",
        model="model.shop.people.v2",
        destination="crm",
        object=None,
        status="failed",
        message="destination 'crm': no route | to host\nwhatever",
        counts={},
        error_classes={},
        stages={},
    )
    view = PlanView(show=1, unmask=False)

    table, comment = view.render([result], "table", color=False), view.render([result], "markdown", color=False)

    assert table.splitlines()[:3] == [
        "people  people.v2 → crm  failed",
        "  reason  destination 'crm': no route | to host",
        "          whatever",
    ]
    assert "| `people` | `people.v2` → `crm` |  | **failed** |  |  |  |  |  |" in comment
    assert "no route &#124; to host" in comment


HOSTILE = "@team | <img src=x> ``` \x1b[2J\n</details> \u202e"


def hostile_payload(sync: Sync) -> Payload:
    return Payload(
        key=HOSTILE,
        change=ChangeKind.CHANGED,
        operation=Operation.UPSERT,
        fields={"email": HOSTILE, "score": 1, HOSTILE: 1},
        identity={},
        before={"email": "", "score": 1},
        payload_hash=HASH,
    )


def hostile_result(sync: Sync) -> SyncResult:
    return SyncResult(
        sync=sync.name,
        model=sync.model.unique_id,
        destination=sync.destination,
        object=HOSTILE,
        status="blocked",
        counts={},
        census=Census(rows=1, confirmed=1, changes={ChangeKind.CHANGED: 1}),
        guards=(HOSTILE,),
        error_classes={},
        plan_hash=HASH,
        delivery="U",
        stages={},
    )


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_whatever_a_row_holds_it_only_shows(output: str) -> None:
    sync = make_sync()
    view = PlanView(show=1, unmask=False)
    view.look(sync, hostile_payload(sync))

    text = view.render([hostile_result(sync)], output, color=False)

    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_whatever_a_row_holds_the_comment_stays_whole() -> None:
    sync = make_sync()
    view = PlanView(show=1, unmask=False)
    view.look(sync, hostile_payload(sync))

    lines = view.render([hostile_result(sync)], "markdown", color=False).splitlines()

    [cells] = [line for line in lines if line.startswith("| `people`")]
    assert cells.count("|") == 10
    opening, closing = lines.index("````diff"), lines.index("````")
    inside = lines[opening + 1 : closing]
    outside = [line for line in lines if line not in inside]
    assert inside[0].startswith("@@ @team | <img src=x>")
    assert [line for line in outside if "</details>" in line] == ["</details>"]
    assert not [line for line in outside if "@team" in line and "`" not in line]


def test_requests_are_counted_by_operation_and_unknown_where_batches_are() -> None:
    sync = make_sync()
    result = hostile_result(sync)
    operations = {Operation.UPSERT: 201, Operation.DELETE: 1}
    planned = PlannedSync(
        result=replace(result, batch_rows={"upsert": 100, "delete": 100}), changes={}, operations=operations, fields={}
    )

    assert planned.requests == 4
    looked_up = replace(planned.result, batch_requests={"upsert": 3, "delete": 1})
    assert replace(planned, result=looked_up).requests == 10
    assert replace(planned, result=result).requests is None


def test_a_sync_in_another_mode_tells_its_mode() -> None:
    sync = replace(make_sync(), mode=SyncMode.INSERT, at=Location("x.yml"))
    view = PlanView(show=0, unmask=False)
    view.look(sync, hostile_payload(sync))

    document = json.loads(view.render([hostile_result(sync)], "json", color=False))

    assert document["syncs"][0]["mode"] == "insert"


def test_looking_changes_nothing_about_the_plan(changed: World) -> None:
    with_look = looked_at(changed, changed.sync(**MIRROR)).results[0]

    assert with_look.plan_hash == changed.run(changed.sync(**MIRROR), dry=True).plan_hash
    assert isinstance(changed.destination, FakeDestination)
    assert len(changed.destination.sent) == 1
