"""The gates of a sync: what dbt must have found, read from its artifacts, before anything is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dbt_activate.project.loading import Project
from dbt_activate.project.manifest import Node
from dbt_activate.values.sync import Sync

_BUILD = "run `dbt build`"
_FRESHNESS = "run `dbt source freshness`"
_FAILED = frozenset({"error", "fail", "runtime error", "skipped", "partial success"})


class _Metadata(msgspec.Struct, frozen=True):
    invocation_id: str | None = None
    generated_at: str | None = None


class _Result(msgspec.Struct, frozen=True):
    unique_id: str = ""
    status: str = ""


class _Results(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    results: list[_Result] = []

    def by_id(self) -> dict[str, str]:
        return {result.unique_id: result.status.lower() for result in self.results}


@dataclass(slots=True)
class _Findings:
    """What stops the sync, and what a person should know besides."""

    blocks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def gates(project: Project, sync: Sync, now: datetime | None = None) -> tuple[str, ...]:
    """What blocks *sync*, a sentence each; none where it may go. *now* is the time against which ages are taken."""
    return tuple(_look(project, sync, now).blocks)


def gate_warnings(project: Project, sync: Sync, now: datetime | None = None) -> tuple[str, ...]:
    """What a person should know of dbt's results though it blocks nothing, a sentence each."""
    return tuple(_look(project, sync, now).warnings)


def _look(project: Project, sync: Sync, now: datetime | None) -> _Findings:
    findings = _Findings()
    results = _read(project.target_path / "run_results.json", findings)
    if results is not None:
        _check_belonging(project, results, findings)
        _check_model(sync, results, findings)
    _check_tests(project, sync, results, findings)
    _check_freshness(project, sync, findings)
    _check_contract(project, sync, findings)
    _check_artifact_age(sync, results, now or datetime.now(UTC), findings)
    return findings


def _read(path: Path, findings: _Findings) -> _Results | None:
    """The results at *path*; None where there are none, or where they are broken, which is told."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Results)
    except FileNotFoundError:
        return None
    except OSError as error:
        findings.blocks.append(f"{path.name} cannot be read: {error.strerror}.")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        findings.blocks.append(f"{path.name} is broken: {_BUILD if path.name == 'run_results.json' else _FRESHNESS}.")
    return None


def _check_belonging(project: Project, results: _Results, findings: _Findings) -> None:
    """Results of the same invocation belong to the manifest; so do older ones, as `dbt parse` and `ls` write none."""
    manifest = project.manifest.metadata
    if results.metadata.invocation_id == manifest.invocation_id:
        return
    made, run = _time(manifest.generated_at), _time(results.metadata.generated_at)
    if made is None or run is None or run > made:
        findings.blocks.append(f"run_results.json is of another invocation of dbt than manifest.json: {_BUILD}.")


def _check_model(sync: Sync, results: _Results, findings: _Findings) -> None:
    status = results.by_id().get(sync.model.unique_id)
    if status == "skipped":
        findings.blocks.append(
            f"dbt skipped the {sync.model.kind} {sync.model.name}, as something before it failed: {_BUILD}."
        )
    elif status in _FAILED:
        findings.blocks.append(f"the {sync.model.kind} {sync.model.name} failed in dbt's last run: {_BUILD}.")


def _check_tests(project: Project, sync: Sync, results: _Results | None, findings: _Findings) -> None:
    if sync.requires.tests == "ignore":
        return
    statuses = results.by_id() if results else {}
    tests = sorted((uid, test.name or uid) for uid, test in project.manifest.tests_of(sync.model.unique_id))
    for uid, name in tests:
        _check_test(name, statuses.get(uid), sync.requires.tests, findings)
    if sync.requires.tests == "ran" and not tests:
        findings.blocks.append(f"{sync.model.name} has no tests, and `tests: ran` wants some to have run.")


def _check_test(name: str, status: str | None, wanted: str, findings: _Findings) -> None:
    if status in {"fail", "error", "runtime error"}:
        findings.blocks.append(f"the test {name} {'failed' if status == 'fail' else 'ended in an error'}.")
    elif status == "warn":
        findings.warnings.append(f"the test {name} warned.")
    elif status != "pass" and wanted == "ran":
        findings.blocks.append(f"the test {name} did not run: {_BUILD}.")


def _check_freshness(project: Project, sync: Sync, findings: _Findings) -> None:
    if sync.requires.freshness == "ignore":
        return
    sources = project.manifest.sources_of(sync.model.unique_id)
    judged = [uid for uid in sources if _has_criterion(project.manifest.sources[uid])]
    if not judged:
        findings.warnings.append(f"no source of {sync.model.name} declares a freshness, so there is nothing to check.")
        return
    results = _read(project.target_path / "sources.json", findings)
    statuses = results.by_id() if results else {}
    for uid in judged:
        _check_source(uid.removeprefix("source."), statuses.get(uid), findings)


def _has_criterion(source: Node) -> bool:
    for place in (source.freshness, source.config.freshness if source.config else None):
        if isinstance(place, Mapping) and any(_counts(place.get(key)) for key in ("warn_after", "error_after")):
            return True
    return False


def _counts(criterion: Any) -> bool:
    return isinstance(criterion, Mapping) and criterion.get("count") is not None


def _check_source(name: str, status: str | None, findings: _Findings) -> None:
    if status is None:
        findings.blocks.append(f"nothing is known of the freshness of the source {name}: {_FRESHNESS}.")
    elif status == "warn":
        findings.warnings.append(f"the source {name} is getting old.")
    elif status != "pass":
        findings.blocks.append(f"the source {name} is not fresh ({status}).")


def _check_contract(project: Project, sync: Sync, findings: _Findings) -> None:
    node = project.manifest.nodes.get(sync.model.unique_id)
    if sync.requires.contract == "enforced" and not (node and node.contracted):
        findings.blocks.append(
            f"{sync.model.name} has no enforced contract: add `contract: {{enforced: true}}` to its config."
        )


def _check_artifact_age(sync: Sync, results: _Results | None, now: datetime, findings: _Findings) -> None:
    most = sync.requires.max_artifact_age_seconds
    if most is None:
        return
    made = _time(results.metadata.generated_at) if results else None
    if made is None:
        findings.blocks.append(f"there is no run_results.json that says its age: {_BUILD}.")
    elif (now - made).total_seconds() > most:
        hours = (now - made).total_seconds() / 3600
        findings.blocks.append(f"run_results.json is {hours:.1f} hours old, and {most / 3600:g} are allowed: {_BUILD}.")


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
