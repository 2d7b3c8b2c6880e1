"""A saved plan: written whole and for nobody else, read back exactly, refused when anything about it is wrong."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbt_activate.cli.catalog import published
from dbt_activate.errors import ConfigError
from dbt_activate.reporters.planfile import plan_document, read_plan, write_plan
from dbt_activate.values.change import Census
from dbt_activate.values.event import SyncResult
from dbt_activate.values.sync import ChangeKind

HASH = "0123456789abcdef" * 2
CENSUS = Census(
    rows=10,
    confirmed=7,
    changes={ChangeKind.ADDED: 3, ChangeKind.REMOVED: 1},
    ignored={ChangeKind.CHANGED: 4},
    unchanged=5,
    held=1,
    faulty=1,
)
RESULT = SyncResult(
    sync="people",
    model="model.shop.people",
    destination="crm",
    object=None,
    status="blocked",
    counts={"added": {"invalid": 2, "unchanged": 1}},
    census=CENSUS,
    guards=("max_removed: 1 of 7",),
    error_classes={},
    plan_hash=HASH,
    stages={},
)
UNPLANNED = replace(RESULT, sync="orders", status="failed", census=None, plan_hash=None, guards=(), counts={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


def document(**changes: Any) -> dict[str, Any]:
    return {**plan_document([RESULT]), **changes}


def entry(**changes: Any) -> dict[str, Any]:
    return {**plan_document([RESULT])["syncs"][0], **changes}


def test_what_is_written_is_read_back(path: Path) -> None:
    write_plan(path, [RESULT, UNPLANNED, replace(RESULT, sync="events", plan_hash="f" * 32)])

    assert read_plan(path) == {"people": HASH, "events": "f" * 32}


def test_a_plan_is_valid_under_its_published_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(published("plan"))

    jsonschema.validate(plan_document([RESULT, UNPLANNED]), published("plan"))


def test_the_counts_tell_every_kind_of_key() -> None:
    assert entry()["counts"] == {
        "added": 3,
        "changed": 0,
        "removed": 1,
        "faulty": 1,
        "invalid": 2,
        "alike": 1,
        "ignored": 4,
        "unchanged": 5,
        "held": 1,
        "waiting": 0,
        "unknown": 0,
        "withheld": 0,
    }


def test_only_its_owner_may_read_it_also_where_an_open_file_was_before(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o644)

    write_plan(path, [RESULT])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_plan_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(path, [RESULT])
    before = path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_plan(path, [UNPLANNED])

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    write_plan(tmp_path / "a" / "b" / "plan.json", [RESULT])

    assert read_plan(tmp_path / "a" / "b" / "plan.json") == {"people": HASH}


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a file"):
        write_plan(Path("/dev/null"), [RESULT])
    with pytest.raises(ConfigError, match="is not a file"):
        write_plan(tmp_path, [RESULT])

    assert Path("/dev/null").is_char_device()


def test_a_link_keeps_pointing_at_the_plan(tmp_path: Path) -> None:
    link, real = tmp_path / "latest.json", tmp_path / "real.json"
    link.symlink_to(real)

    write_plan(link, [RESULT])

    assert link.is_symlink()
    assert read_plan(real) == {"people": HASH}


def refusal(path: Path, content: bytes | dict[str, Any]) -> str:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ConfigError) as raised:
        read_plan(path)
    [problem] = raised.value.problems
    assert problem.place.startswith(str(path))
    assert "dbt-activate plan --out" in problem.remedy
    return f"{problem.place.removeprefix(str(path))}: {problem.fault}"


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({}, ": is no plan: it lacks `schema: dbt-activate/plan/v1`"),
    (document(schema="dbt-activate/plan/v2"), ", schema: is not dbt-activate/plan/v1: another release"),
    (document(schema=None), ", schema: is not dbt-activate/plan/v1"),
    (document(extra=1), ": Object contains unknown field `extra`"),
    (document(syncs={}), ", syncs: Expected `array`, got `object`"),
    (document(syncs=[entry(plan_hash=7)]), ", syncs[0].plan_hash: Expected `str | null`, got `int`"),
    (document(syncs=[entry(plan_hash="; rm -rf /")]), ", syncs[0].plan_hash: Expected `str` matching regex"),
    (document(syncs=[entry(sync="")]), ", syncs[0].sync: Expected `str` of length >= 1"),
    (document(syncs=[entry(rows=[])]), ", syncs[0]: Object contains unknown field `rows`"),
    (document(syncs=[entry(counts={"added": -1})]), ", syncs[0].counts.added: Expected `int` >= 0"),
    (document(syncs=[entry(), entry()]), ", syncs: the sync 'people' is in it twice"),
    (document(syncs=[]), ", syncs: no sync in it could be planned"),
    (document(syncs=[entry(plan_hash=None)]), ", syncs: no sync in it could be planned"),
]


@pytest.mark.parametrize(("content", "fault"), MALFORMED)
def test_a_malformed_plan_is_refused_by_its_place(path: Path, content: dict[str, Any], fault: str) -> None:
    assert refusal(path, content).startswith(fault)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,", b"\xff\xfe", b"nonsense", b"[" * 100_000, b'{"a":' * 100_000, b'"\\ud800"']
)
def test_what_is_no_json_is_refused(path: Path, content: bytes) -> None:
    assert refusal(path, content).startswith(": is no")


def test_a_missing_or_unreadable_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_plan(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*entry(), "x"]) | st.text(), inner, max_size=9)
    ),
)


@given(keys=st.lists(st.sampled_from([*document(), *entry()]), min_size=1, max_size=3), junk=JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_plan_is_read_only_where_its_schema_allows_it(path: Path, keys: list[str], junk: Any) -> None:
    changes = dict.fromkeys(keys, junk)
    changed = document(syncs=[{**entry(), **{k: v for k, v in changes.items() if k in entry()}}])
    changed |= {k: v for k, v in changes.items() if k in changed}
    path.write_text(json.dumps(changed))
    allowed = jsonschema.Draft202012Validator(published("plan")).is_valid(changed)

    try:
        found = read_plan(path)
    except ConfigError:
        # Beyond the schema: no sync twice, and one at least that was planned.
        hashes = [one["plan_hash"] for one in changed["syncs"]] if allowed else []
        assert not any(hashes)
    else:
        assert allowed
        assert found
