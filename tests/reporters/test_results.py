"""The results artifact: valid, whole or not there at all, and without what must not be seen."""

import json
import stat
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dbt_activate.errors import ActivateError
from dbt_activate.reporters.results import ResultsMetadata, results_document, results_schema, write_results
from dbt_activate.values.change import Census
from dbt_activate.values.event import SyncResult
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import ChangeKind
from tests.reporters.stories import ENDINGS, SUCCESS

METADATA = ResultsMetadata(
    version="0.1.0",
    generated_at=datetime(2026, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1))),
    run_id="r1",
    invocation_id="i1",
    dbt_invocation_id="d1",
    dbt_schema="analytics",
)


def document(*results: SyncResult, **args: object) -> dict[str, Any]:
    """The artifact of *results*, as a reader gets it."""
    made = results_document(results=results, metadata=METADATA, args=args, elapsed_seconds=21.5)
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def write(path: Path, *results: SyncResult) -> None:
    """Write the artifact of *results* to *path*."""
    write_results(path, results=results, metadata=METADATA, args={}, elapsed_seconds=1.0)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(dict(results_schema()))
    assert results_schema()["$id"] == "dbt-activate/results/v1"


def test_every_ending_is_valid_under_the_schema() -> None:
    Draft202012Validator(dict(results_schema())).validate(document(*ENDINGS, select=["tag:nightly"], threads=4))
    Draft202012Validator(dict(results_schema())).validate(document())


def test_the_schema_refuses_what_it_does_not_know() -> None:
    made = document(SUCCESS)
    made["results"][0]["rows"] = [{"email": "ann@example.com"}]
    assert not Draft202012Validator(dict(results_schema())).is_valid(made)


def test_the_schema_knows_every_word_of_the_glossary() -> None:
    everything = {kind.value: dict.fromkeys(map(str, Outcome), 1) for kind in ChangeKind}
    result = SyncResult(
        sync="s", model="m", destination="d", object=None, status="deferred", counts=everything,
        error_classes={}, stages={}, census=Census(changes=dict.fromkeys(ChangeKind, 1)),
    )  # fmt: skip
    Draft202012Validator(dict(results_schema())).validate(document(result))


def test_an_entry_tells_the_whole_result() -> None:
    entry = document(SUCCESS)["results"][0]
    assert entry == {
        "unique_id": "model.shop.customer_scores",
        "sync": "crm_contacts",
        "destination": "crm",
        "object": "contacts",
        "mode": "upsert",
        "status": "success",
        "message": "",
        "execution_time": 12.3,
        "counts": {"added": {"succeeded": 100}, "changed": {"succeeded": 3, "unchanged": 1}},
        "outcomes": {"succeeded": 103, "unchanged": 1},
        "census": {
            "rows": 23600,
            "confirmed": 23500,
            "changes": {"added": 100, "changed": 4},
            "ignored": {"removed": 5},
            "unchanged": 23496,
            "held": 0,
            "waiting": 0,
            "unknown": 0,
            "faulty": 0,
            "withheld": 0,
            "first": False,
        },
        "requests": 2,
        "retries": 1,
        "throttled_seconds": 1.5,
        "guards": [],
        "error_classes": {},
        "plan_hash": "0123abcd",
        "epoch": 4,
        "delivery_class": "U",
        "batch_rows": {"upsert": 100},
        "batch_requests": {"upsert": 3},
        "stages": {"plan": 0.4, "deliver": 11.0},
    }


def test_no_field_of_a_census_is_forgotten() -> None:
    assert set(document(SUCCESS)["results"][0]["census"]) == {item.name for item in fields(Census)}


def test_no_field_of_a_result_is_forgotten() -> None:
    renamed = {"model": "unique_id", "seconds": "execution_time", "delivery": "delivery_class"}
    told = {renamed.get(item.name, item.name) for item in fields(SyncResult)}
    assert set(document(SUCCESS)["results"][0]) == told | {"outcomes"}


def test_the_head_names_the_run_and_its_time_in_utc() -> None:
    made = document(SUCCESS)
    assert made["metadata"] == {
        "schema": "dbt-activate/results/v1",
        "schema_version": 1,
        "version": "0.1.0",
        "generated_at": "2026-01-02T03:04:05.000000Z",
        "run_id": "r1",
        "invocation_id": "i1",
        "dbt_invocation_id": "d1",
        "dbt_version": None,
        "dbt_target": None,
        "dbt_schema": "analytics",
    }
    assert made["elapsed_time"] == 21.5


def test_arguments_are_kept_without_secrets_and_keys() -> None:
    args = document(
        select=("tag:nightly",),
        project_dir=Path("shop"),
        token=Secret("hunter2"),
        vars={"api_key": "hunter2"},
        test_row="ann@example.com",
        key=None,
        threads=4,
    )["args"]
    assert args == {
        "select": ["tag:nightly"],
        "project_dir": "shop",
        "token": "***",
        "vars": {"api_key": "***"},
        "test_row": "***",
        "key": None,
        "threads": 4,
    }


def test_a_secret_deep_in_the_arguments_is_masked() -> None:
    assert document(settings={"token": [Secret("hunter2")]})["args"] == {"settings": {"token": ["***"]}}


def test_the_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "target" / "activate" / "activate_results.json"
    write(path, SUCCESS)
    write(path, *ENDINGS)
    assert len(json.loads(path.read_text())["results"]) == len(ENDINGS)
    assert list(path.parent.iterdir()) == [path]


def test_the_file_may_be_read_by_whom_the_folder_lets(tmp_path: Path) -> None:
    path, other = tmp_path / "activate_results.json", tmp_path / "other"
    other.write_text("")
    write(path, SUCCESS)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_reader_of_the_old_file_reads_it_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "activate_results.json"
    write(path, *ENDINGS)
    with path.open() as reader:
        start = reader.read(10)
        write(path)
        assert len(json.loads(start + reader.read())["results"]) == len(ENDINGS)
    assert json.loads(path.read_text())["results"] == []


def test_a_file_that_cannot_be_replaced_is_left_whole(tmp_path: Path) -> None:
    path = tmp_path / "activate_results.json"
    path.mkdir()
    (path / "kept").write_text("x")
    with pytest.raises(
        ActivateError, match=r"activate_results\.json: the results of the run cannot be written: .+; the ledger"
    ):
        write(path, SUCCESS)
    assert (path / "kept").read_text() == "x"
    assert list(tmp_path.iterdir()) == [path]


def test_a_moment_without_a_zone_is_not_guessed_wrong() -> None:
    assert document()["metadata"]["generated_at"] == METADATA.generated_at.astimezone(UTC).strftime("%FT%T.%fZ")
