"""A plan in a file: reviewed by people, and then executed exactly or not at all. Holds no row and no value of one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from dbt_activate import __version__
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.reporters.results import write_whole
from dbt_activate.values.event import SyncResult
from dbt_activate.values.outcome import Outcome

FORMAT = "dbt-activate/plan/v1"
AGAIN = "make it again: dbt-activate plan --out FILE"

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16,64}$")]
Number = Annotated[int, msgspec.Meta(ge=0)]


class _Counts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    added: Number
    changed: Number
    removed: Number
    faulty: Number
    invalid: Number
    alike: Number
    ignored: Number
    unchanged: Number
    held: Number
    waiting: Number
    unknown: Number
    withheld: Number


class _Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    sync: Annotated[str, msgspec.Meta(min_length=1)]
    model: str
    destination: str
    object: str | None
    status: str
    plan_hash: Hash | None
    counts: _Counts | None
    guards: list[str]


class _Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    schema: str
    version: str
    syncs: list[_Entry]


def plan_document(results: Sequence[SyncResult]) -> dict[str, Any]:
    """The plan of a dry run as JSON; its schema is ``schemas/plan.schema.json``."""
    return {"schema": FORMAT, "version": __version__, "syncs": [plan_entry(result) for result in results]}


def plan_entry(result: SyncResult) -> dict[str, Any]:
    """One sync of the document."""
    return {
        "sync": result.sync,
        "model": result.model,
        "destination": result.destination,
        "object": result.object,
        "status": result.status,
        "plan_hash": result.plan_hash,
        "counts": plan_counts(result),
        "guards": list(result.guards),
    }


def plan_counts(result: SyncResult) -> dict[str, int] | None:
    """The plan's counts, in the words of the schema; None where the sync could not be planned."""
    census = result.census
    if census is None:
        return None
    return {
        **dict.fromkeys(("added", "changed", "removed"), 0),
        **{kind.value: number for kind, number in census.changes.items()},
        "faulty": census.faulty,
        "invalid": result.outcomes.get(Outcome.INVALID, 0),
        "alike": result.outcomes.get(Outcome.UNCHANGED, 0),
        "ignored": sum(census.ignored.values()),
        "unchanged": census.unchanged,
        "held": census.held,
        "waiting": census.waiting,
        "unknown": census.unknown,
        "withheld": census.withheld,
    }


def write_plan(path: Path, results: Sequence[SyncResult]) -> None:
    """Write the plan of a dry run to *path*, or to where it links, for its owner's eyes only: whole, or not at all.

    Raises:
        ConfigError: There is something at *path* that is no file.
        OSError: It cannot be written.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        raise ConfigError(Problem(str(path), "is not a file", "give --out the name of a file"))
    text = msgspec.json.format(msgspec.json.encode(plan_document(results)), indent=2)
    write_whole(place, text.decode() + "\n", private=True)


def read_plan(path: Path) -> Mapping[str, str]:
    """Sync name to plan hash, of the syncs that were planned, in the order of the file.

    Raises:
        ConfigError: It is no plan, one of another release's layout, or one that planned nothing.
    """
    document = _decoded(path, _content(path))
    names = [entry.sync for entry in document.syncs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _fault(path, "syncs", f"the sync '{twice[0]}' is in it twice")
    hashes = {entry.sync: entry.plan_hash for entry in document.syncs if entry.plan_hash is not None}
    if not hashes:
        raise _fault(path, "syncs", "no sync in it could be planned")
    return hashes


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(Problem(str(path), f"cannot be read: {error.strerror}", AGAIN)) from error


def _decoded(path: Path, content: bytes) -> _Document:
    _check_format(path, content)
    try:
        return msgspec.json.decode(content, type=_Document)
    except msgspec.ValidationError as error:
        fault, _, where = str(error).partition(" - at `$")
        raise _fault(path, where.rstrip("`").lstrip("."), fault) from error


def _check_format(path: Path, content: bytes) -> None:
    """Tell what is no plan from a plan of another layout, before the layout is looked at."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _fault(path, "", f"is not JSON: {error}") from error
    if not isinstance(found, dict) or "schema" not in found:
        raise _fault(path, "", f"is no plan: it lacks `schema: {FORMAT}`")
    if found["schema"] != FORMAT:
        raise _fault(path, "schema", f"is not {FORMAT}: another release of dbt-activate wrote it")


def _fault(path: Path, where: str, fault: str) -> ConfigError:
    place = f"{path}, {where}" if where else str(path)
    return ConfigError(Problem(place, fault, AGAIN))
