"""The artifact of a run, ``activate_results.json``: versioned, shaped like dbt's own, without a row's value."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from dbt_activate.errors import ActivateError
from dbt_activate.values.change import Census
from dbt_activate.values.event import SyncResult
from dbt_activate.values.json import Schema
from dbt_activate.values.secret import Secret

SCHEMA = "dbt-activate/results/v1"
SCHEMA_VERSION = 1
"""Grows when a reader of the artifact would have to change."""

WITHHELD = frozenset({"vars", "key", "test_row"})
"""Arguments whose names are kept and whose values are not: they may hold a secret, or a row's key."""

MASK = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsMetadata:
    """Which run it was.

    Attributes:
        version: Of dbt-activate.
        generated_at: When the artifact was made; with a time zone.
        dbt_invocation_id: The dbt run whose artifacts were read, where there was one.
        dbt_schema: The schema that dbt's target builds in.
    """

    version: str
    generated_at: datetime
    run_id: str
    invocation_id: str
    dbt_invocation_id: str | None = None
    dbt_version: str | None = None
    dbt_target: str | None = None
    dbt_schema: str | None = None


def results_document(
    *,
    results: Sequence[SyncResult],
    metadata: ResultsMetadata,
    args: Mapping[str, object],
    elapsed_seconds: float,
) -> dict[str, object]:
    """The artifact as JSON data, valid under :func:`results_schema`. *args* are the command's options as given."""
    return {
        "metadata": _head(metadata),
        "args": {name: _argument(name, value) for name, value in args.items()},
        "elapsed_time": elapsed_seconds,
        "results": [result_entry(result) for result in results],
    }


def result_entry(result: SyncResult) -> dict[str, object]:
    """One sync's entry of the artifact."""
    return {
        "unique_id": result.model,
        "sync": result.sync,
        "destination": result.destination,
        "object": result.object,
        "mode": result.mode,
        "status": result.status,
        "message": result.message,
        "execution_time": result.seconds,
        "counts": plain(result.counts),
        "outcomes": plain(result.outcomes),
        "census": None if result.census is None else _census(result.census),
        "requests": result.requests,
        "retries": result.retries,
        "throttled_seconds": result.throttled_seconds,
        "guards": list(result.guards),
        "error_classes": plain(result.error_classes),
        "plan_hash": result.plan_hash,
        "epoch": result.epoch,
        "delivery_class": result.delivery,
        "batch_rows": plain(result.batch_rows),
        "batch_requests": plain(result.batch_requests),
        "stages": plain(result.stages),
    }


def write_results(
    path: Path,
    *,
    results: Sequence[SyncResult],
    metadata: ResultsMetadata,
    args: Mapping[str, object],
    elapsed_seconds: float,
) -> None:
    """Write the artifact to *path* in one step, with the folders above it: a reader sees the old file or the new one.

    Raises:
        ActivateError: It cannot be written; what stood there before still does.
    """
    document = results_document(results=results, metadata=metadata, args=args, elapsed_seconds=elapsed_seconds)
    try:
        write_whole(path, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
    except OSError as error:
        raise ActivateError(
            f"{path}: the results of the run cannot be written: {error.strerror or error};"
            " the ledger has them: dbt-activate runs"
        ) from error


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Put *text* into *path* in one step, with the folders above it; where *private*, for its owner's eyes only.

    Raises:
        OSError: It cannot be written; what stood there before still does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own, and not a temporary file: those are unreadable for everybody else.
    with TemporaryDirectory(dir=path.parent, prefix=".writing-") as room:
        draft = Path(room) / path.name
        draft.touch(0o600 if private else 0o666)
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


@cache
def results_schema() -> Schema:
    """The JSON Schema of the artifact."""
    text = files("dbt_activate.reporters").joinpath("schemas", "results.schema.json").read_text("utf-8")
    schema: Schema = json.loads(text)
    return schema


def plain(value: object) -> object:
    """*value* as JSON data: mappings become objects with text keys, other collections lists, the unknown its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    return str(value)


def timestamp(moment: datetime) -> str:
    """*moment* in UTC, to the microsecond, as dbt writes it: ``2026-01-01T00:00:00.000000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _head(metadata: ResultsMetadata) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "version": metadata.version,
        "generated_at": timestamp(metadata.generated_at),
        "run_id": metadata.run_id,
        "invocation_id": metadata.invocation_id,
        "dbt_invocation_id": metadata.dbt_invocation_id,
        "dbt_version": metadata.dbt_version,
        "dbt_target": metadata.dbt_target,
        "dbt_schema": metadata.dbt_schema,
    }


def _argument(name: str, value: object) -> object:
    if isinstance(value, Secret):
        return MASK
    if name not in WITHHELD or not value:
        return plain(value)
    return {str(part): MASK for part in value} if isinstance(value, Mapping) else MASK


def _census(census: Census) -> dict[str, object]:
    return {
        "rows": census.rows,
        "confirmed": census.confirmed,
        "changes": plain(census.changes),
        "ignored": plain(census.ignored),
        "unchanged": census.unchanged,
        "held": census.held,
        "waiting": census.waiting,
        "unknown": census.unknown,
        "faulty": census.faulty,
        "withheld": census.withheld,
        "first": census.first,
    }
