"""What of dbt's results lets a sync go, and what stops it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from dbt_activate.project.gates import gate_warnings, gates

if TYPE_CHECKING:
    from tests.project.conftest import Shop

MODEL = "model.shop.customer_scores"
MADE = "2100-01-01T00:00:00.000000Z"
NOW = datetime(2100, 1, 1, 12, tzinfo=UTC)


def results(shop: "Shop", statuses: dict[str, str], *, file: str = "run_results", **metadata: Any) -> None:
    """Write what dbt found, by the same invocation as the manifest unless *metadata* says otherwise."""
    invocation = shop.manifest["metadata"]["invocation_id"]
    found = [{"unique_id": uid, "status": status, "timing": []} for uid, status in statuses.items()]
    content = {"metadata": {"invocation_id": invocation, "generated_at": MADE, **metadata}, "results": found}
    shop.files[f"target/{file}.json"] = json.dumps(content)


def blocks(shop: "Shop") -> tuple[str, ...]:
    project = shop.load()
    return gates(project, project.syncs[0], NOW)


def warnings(shop: "Shop") -> tuple[str, ...]:
    project = shop.load()
    return gate_warnings(project, project.syncs[0], NOW)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("success", ()),
        ("pass", ()),
        ("no-op", ()),
        ("error", ("the model customer_scores failed in dbt's last run: run `dbt build`.",)),
        ("partial success", ("the model customer_scores failed in dbt's last run: run `dbt build`.",)),
        ("runtime error", ("the model customer_scores failed in dbt's last run: run `dbt build`.",)),
        ("skipped", ("dbt skipped the model customer_scores, as something before it failed: run `dbt build`.",)),
    ],
)
def test_a_model_that_failed_blocks_its_syncs(shop: "Shop", status: str, told: tuple[str, ...]) -> None:
    results(shop, {MODEL: status, "model.shop.other": "error"})
    assert blocks(shop) == told


def test_without_results_nothing_is_known_to_have_failed(shop: "Shop") -> None:
    shop.test("unique", "email")
    assert (blocks(shop), warnings(shop)) == ((), ())


@pytest.mark.parametrize("content", ["", "{", '{"results": 3}', b"\xff\xfe"])
def test_broken_results_block(shop: "Shop", content: str | bytes) -> None:
    shop.files["target/run_results.json"] = content
    assert blocks(shop) == ("run_results.json is broken: run `dbt build`.",)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("2099-12-31T00:00:00Z", ()),
        (
            "2100-01-02T00:00:00Z",
            ("run_results.json is of another invocation of dbt than manifest.json: run `dbt build`.",),
        ),
        ("never", ("run_results.json is of another invocation of dbt than manifest.json: run `dbt build`.",)),
    ],
)
def test_results_of_another_invocation_are_older_than_the_manifest(
    shop: "Shop", made: str, told: tuple[str, ...]
) -> None:
    results(shop, {MODEL: "success"}, invocation_id="another", generated_at=made)
    assert blocks(shop) == told


@pytest.mark.parametrize(
    ("wanted", "status", "told", "warned"),
    [
        ("pass", "pass", (), ()),
        ("pass", None, (), ()),
        ("pass", "skipped", (), ()),
        ("pass", "warn", (), ("the test unique_customer_scores_email warned.",)),
        ("pass", "fail", ("the test unique_customer_scores_email failed.",), ()),
        ("pass", "error", ("the test unique_customer_scores_email ended in an error.",), ()),
        ("ran", "pass", (), ()),
        ("ran", "warn", (), ("the test unique_customer_scores_email warned.",)),
        ("ran", None, ("the test unique_customer_scores_email did not run: run `dbt build`.",), ()),
        ("ran", "skipped", ("the test unique_customer_scores_email did not run: run `dbt build`.",), ()),
        ("ran", "fail", ("the test unique_customer_scores_email failed.",), ()),
        ("ignore", "fail", (), ()),
    ],
)
def test_tests_gate_as_the_sync_says(
    shop: "Shop", wanted: str, status: str | None, told: tuple[str, ...], warned: tuple[str, ...]
) -> None:
    shop.sync(requires={"tests": wanted})
    test = shop.test("unique", "email")
    results(shop, {test: status} if status else {})
    assert (blocks(shop), warnings(shop)) == (told, warned)


def test_a_sync_that_wants_tests_to_have_run_needs_some(shop: "Shop") -> None:
    shop.sync(requires={"tests": "ran"})
    assert blocks(shop) == ("customer_scores has no tests, and `tests: ran` wants some to have run.",)


def test_singular_and_unit_tests_of_the_model_count(shop: "Shop") -> None:
    singular = {"name": "no_orphans", "resource_type": "test", "depends_on": {"nodes": [MODEL]}}
    shop.manifest["nodes"]["test.shop.no_orphans"] = singular
    shop.manifest["unit_tests"] = {"unit_test.shop.x": {"name": "x", "depends_on": {"nodes": [MODEL]}}}
    attached = {
        "name": "fk",
        "resource_type": "test",
        "attached_node": "model.shop.a",
        "depends_on": {"nodes": [MODEL]},
    }
    shop.manifest["nodes"]["test.shop.fk"] = attached
    results(shop, {"test.shop.no_orphans": "fail", "unit_test.shop.x": "fail", "test.shop.fk": "fail"})
    assert blocks(shop) == ("the test no_orphans failed.", "the test x failed.")


def sourced(shop: "Shop", freshness: Any = None) -> str:
    """Let the model read a source through another model."""
    uid = "source.shop.raw.events"
    shop.scores["depends_on"] = {"nodes": ["model.shop.middle"]}
    shop.model("middle", depends_on={"nodes": [uid, "model.shop.gone"]})
    shop.manifest["sources"] = {uid: {"name": "events", "freshness": freshness}}
    shop.sync(requires={"freshness": "pass"})
    return uid


DAY = {"error_after": {"count": 1, "period": "day"}}


@pytest.mark.parametrize(
    ("status", "told", "warned"),
    [
        ("pass", (), ()),
        ("warn", (), ("the source shop.raw.events is getting old.",)),
        ("error", ("the source shop.raw.events is not fresh (error).",), ()),
        ("runtime error", ("the source shop.raw.events is not fresh (runtime error).",), ()),
    ],
)
def test_old_sources_block_where_the_sync_says_so(
    shop: "Shop", status: str, told: tuple[str, ...], warned: tuple[str, ...]
) -> None:
    uid = sourced(shop, DAY)
    results(shop, {uid: status}, file="sources")
    assert (blocks(shop), warnings(shop)) == (told, warned)


def test_a_freshness_that_nobody_took_blocks(shop: "Shop") -> None:
    sourced(shop, DAY)
    unknown = "nothing is known of the freshness of the source shop.raw.events: run `dbt source freshness`."
    assert blocks(shop) == (unknown,)
    shop.files["target/sources.json"] = "{"
    assert blocks(shop) == ("sources.json is broken: run `dbt source freshness`.", unknown)


@pytest.mark.parametrize("freshness", [None, {"error_after": {"count": None}}])
def test_sources_without_a_freshness_warn(shop: "Shop", freshness: Any) -> None:
    sourced(shop, freshness)
    assert blocks(shop) == ()
    assert warnings(shop) == ("no source of customer_scores declares a freshness, so there is nothing to check.",)


def test_a_contract_is_needed_where_the_sync_says_so(shop: "Shop") -> None:
    shop.sync(requires={"contract": "enforced"})
    assert blocks(shop) == (
        "customer_scores has no enforced contract: add `contract: {enforced: true}` to its config.",
    )
    shop.scores["contract"] = {"enforced": True}
    assert blocks(shop) == ()


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda shop: results(shop, {}), ()),
        (
            lambda shop: results(shop, {}, generated_at="2099-12-31T10:30:00"),
            ("run_results.json is 25.5 hours old, and 24 are allowed: run `dbt build`.",),
        ),
        (lambda _shop: None, ("there is no run_results.json that says its age: run `dbt build`.",)),
    ],
)
def test_old_results_block_where_the_sync_says_so(
    shop: "Shop", edit: "Callable[[Shop], None]", told: tuple[str, ...]
) -> None:
    shop.sync(requires={"max_artifact_age": "1d"})
    edit(shop)
    assert blocks(shop) == told
