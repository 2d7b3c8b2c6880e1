"""Selects syncs: by name, tag and destination here, and by everything else that dbt can select a model by, in dbt."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.faults import did_you_mean
from dbt_activate.project.loading import Project
from dbt_activate.values.sync import Sync

RunDbt: TypeAlias = Callable[[Sequence[str]], str]
"""Runs dbt with arguments, from ``ls`` on, and returns what it printed on standard output."""

_PLACE = "selection"


def select(
    project: Project,
    select: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    selector: str | None = None,
    state: Path | None = None,
    run_dbt: RunDbt | None = None,
) -> tuple[Sync, ...]:
    """The enabled syncs that are selected, in the project's order.

    Each text of *select* and *exclude* may hold several criteria: blanks between them mean any of them, commas all of
    them. A criterion is the name of a sync or of a model, ``tag:`` (of the sync or of its model), ``destination:`` (a
    name or a type), all three with wildcards; any other goes to dbt as it is. *run_dbt* is dbt itself unless given.

    Raises:
        ConfigError: Nothing is selected, or dbt refuses the selection.
    """
    if selector and (select or exclude):
        raise _refused("--selector does not go with --select and --exclude", "give one or the other")
    chooser = _Chooser(project, state, run_dbt or dbt_of(project))
    chosen = chooser.by_selector(selector) if selector else chooser.union(select)
    wanted = chosen if chosen is not None else frozenset(sync.name for sync in project.syncs)
    left = wanted - (chooser.union(exclude) or frozenset())
    found = tuple(sync for sync in project.syncs if sync.name in left and sync.enabled)
    if not found and (project.syncs or select or selector):
        raise _nothing(project, left, select)
    return found


def _nothing(project: Project, names: Iterable[str], select: tuple[str, ...]) -> ConfigError:
    switched_off = sorted(names)
    if switched_off:
        return _refused(f"every selected sync has `enabled: false`: {', '.join(switched_off)}")
    known = [*(sync.name for sync in project.syncs), *(sync.model.name for sync in project.syncs)]
    words = [word for text in select for word in text.split()]
    remedy = did_you_mean(words[0], known) if len(words) == 1 else ""
    there = ", ".join(sync.name for sync in project.syncs)
    return _refused("it selects no sync", remedy or (f"there are: {there}" if there else "the project has none"))


@dataclass(frozen=True, slots=True)
class _Chooser:
    project: Project
    state: Path | None
    run_dbt: RunDbt

    def union(self, texts: tuple[str, ...]) -> frozenset[str] | None:
        """The names of the syncs that any of *texts* selects; None where there are no texts."""
        groups = [group for text in texts for group in text.split()]
        if not groups:
            return None
        ours = [group for group in groups if any(self._own(one) is not None for one in group.split(","))]
        theirs = [group for group in groups if group not in ours]
        chosen = [self._intersection(group) for group in ours]
        # What is dbt's alone goes to it in one call: each costs seconds.
        return frozenset().union(*chosen, self._of_models(["--select", *theirs]) if theirs else frozenset())

    def by_selector(self, selector: str) -> frozenset[str]:
        return self._of_models(["--selector", selector])

    def _intersection(self, group: str) -> frozenset[str]:
        criteria = group.split(",")
        own = [found for one in criteria if (found := self._own(one)) is not None]
        rest = [one for one in criteria if self._own(one) is None]
        sets = [*own, *([self._of_models(["--select", ",".join(rest)])] if rest else [])]
        return frozenset.intersection(*sets)

    def _own(self, criterion: str) -> frozenset[str] | None:
        """The syncs that a criterion of ours selects; None for one of dbt's."""
        method, colon, value = criterion.partition(":")
        matches = _METHODS.get(method if colon else "")
        if matches is None:
            return None
        pattern = value if colon else criterion
        found = frozenset(sync.name for sync in self.project.syncs if matches(self.project, sync, pattern))
        # A bare name that is no sync's and no model's may still be a folder, a package or a file: dbt knows.
        return found if found or colon else None

    def _of_models(self, arguments: list[str]) -> frozenset[str]:
        ids = self._listed(arguments)
        return frozenset(sync.name for sync in self.project.syncs if sync.model.unique_id in ids)

    def _listed(self, arguments: list[str]) -> frozenset[str]:
        state = ["--state", str(self.state)] if self.state else []
        kinds = [word for kind in ("model", "snapshot", "seed") for word in ("--resource-type", kind)]
        output = self.run_dbt([*_LS, *kinds, *arguments, *state])
        return frozenset(_unique_id(line) for line in output.splitlines() if line.lstrip().startswith("{"))


_LS = ("ls", "--quiet", "--output", "json", "--output-keys", "unique_id")


def _unique_id(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return str(found.get("unique_id", "")) if isinstance(found, dict) else ""


def _by_name(_project: Project, sync: Sync, pattern: str) -> bool:
    return fnmatchcase(sync.name, pattern) or fnmatchcase(sync.model.name, pattern)


def _by_tag(project: Project, sync: Sync, pattern: str) -> bool:
    node = project.manifest.nodes.get(sync.model.unique_id)
    tags = (*sync.tags, *((node.tags if node else None) or ()))
    return any(fnmatchcase(tag, pattern) for tag in tags)


def _by_destination(project: Project, sync: Sync, pattern: str) -> bool:
    connection = project.connections.get(sync.destination)
    names = (sync.destination, *((connection.type,) if connection else ()))
    return any(fnmatchcase(name, pattern) for name in names)


_METHODS: Mapping[str, Callable[[Project, Sync, str], bool]] = {
    "": _by_name,
    "tag": _by_tag,
    "destination": _by_destination,
}


def dbt_of(project: Project) -> RunDbt:
    """Dbt in a process of its own, on *project* as it was read: dbt 1.x of this Python, or ``DBT_ACTIVATE_DBT``."""
    options = project.options
    program = options.environ.get("DBT_ACTIVATE_DBT")
    command = [program] if program else [sys.executable, "-m", "dbt.cli.main"]

    def run(arguments: Sequence[str]) -> str:
        where = ["--project-dir", str(project.directory.absolute()), "--profiles-dir", str(project.profile.directory)]
        which = ["--profile", project.profile.name, "--target", project.profile.target]
        # The manifest that was read must stay the one on disk.
        paths = ["--target-path", str(project.target_path.absolute()), "--no-write-json"]
        variables = ["--vars", json.dumps(dict(options.variables))] if options.variables else []
        return _run([*command, *arguments, *where, *which, *paths, *variables], options.environ)

    return run


def _run(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ))  # noqa: S603 - no shell; the user's own words
    except OSError as error:
        raise _refused(f"dbt cannot be run: {error.strerror}", "install dbt-core, or set DBT_ACTIVATE_DBT") from error
    if done.returncode != 0:
        told = " ".join((done.stdout + done.stderr).split())
        raise _refused(f"dbt refuses it: {told[-500:]}")
    return done.stdout


def _refused(fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(_PLACE, fault, remedy))
