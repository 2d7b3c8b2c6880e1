"""Reads ``dbt_project.yml``, and the options that say where everything is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.faults import Faults, choice, shown
from dbt_activate.project.rendering import Surroundings, render_native
from dbt_activate.values.sync import Location

FILE = "dbt_project.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOptions:
    """What the command line says of the project. None means: as the environment, else as dbt finds it.

    Attributes:
        target_path: dbt's target directory, absolute or below the project.
        destination_target: The output of ``destinations.yml`` to use in place of the one named like dbt's target.
        variables: What ``--vars`` gave.
    """

    project_dir: Path
    profiles_dir: Path | None = None
    destinations_dir: Path | None = None
    profile: str | None = None
    target: str | None = None
    target_path: Path | None = None
    destination_target: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, object] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The user's dbt directory."""
        return Path(self.environ["HOME"], ".dbt") if self.environ.get("HOME") else Path.home() / ".dbt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DbtProject:
    """The part of ``dbt_project.yml`` that matters here. Paths of *resource_paths* are relative to *directory*."""

    directory: Path
    name: str
    profile: str
    target_path: Path
    resource_paths: tuple[str, ...]
    packages_path: str
    variables: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a project sets for all its syncs under ``vars: dbt_activate:``.

    Attributes:
        schema: The ledger's schema; None for the default, ``<target schema>_activate``.
        store: ``values`` or ``fingerprints``: what the ledger keeps of a row.
    """

    schema: str | None = None
    store: str = "values"


def read_dbt_project(options: ProjectOptions) -> DbtProject:
    """Read the project that *options* point at.

    Raises:
        ConfigError: There is none, or it is broken.
    """
    directory = options.project_dir
    if not (directory / FILE).is_file():
        remedy = "run this in a dbt project, or give --project-dir"
        raise _refused(str(directory / FILE), "there is no such file", remedy)
    raw = read_dbt_yaml(directory / FILE, FILE)
    variables = _mapping(raw.get("vars"))
    surroundings = Surroundings(options.environ, {**variables, **options.variables})
    keys = ("name", "profile", "target-path", "packages-install-path", *_RESOURCES)
    rendered = render_native({key: raw[key] for key in keys if raw.get(key)}, surroundings, Location(FILE))
    return _project(_mapping(rendered), options, variables)


_RESOURCES = {"model-paths": "models", "seed-paths": "seeds", "snapshot-paths": "snapshots"}


def _project(raw: Mapping[str, Any], options: ProjectOptions, variables: Mapping[str, object]) -> DbtProject:
    faults = Faults()
    profile = options.profile or options.environ.get("DBT_PROFILE") or raw.get("profile")
    if not isinstance(raw.get("name"), str):
        faults.add(FILE, "`name` is missing")
    if not isinstance(profile, str):
        faults.add(FILE, "`profile` is missing", "name a profile of profiles.yml, or give --profile")
    faults.settle()
    target = options.target_path or options.environ.get("DBT_TARGET_PATH") or str(raw.get("target-path") or "target")
    paths = [path for key, default in _RESOURCES.items() for path in _texts(raw.get(key, default))]
    return DbtProject(
        directory=options.project_dir,
        name=str(raw["name"]),
        profile=str(profile),
        target_path=options.project_dir / target,
        resource_paths=tuple(dict.fromkeys(paths)),
        packages_path=str(raw.get("packages-install-path") or "dbt_packages"),
        variables=variables,
    )


def read_dbt_yaml(path: Path, place: str) -> dict[str, Any]:
    """Read a file that dbt reads, as leniently as dbt does: anchors and tags of YAML 1.1 are fine.

    Raises:
        ConfigError: It cannot be read, is not YAML, or is no mapping.
    """
    try:
        value = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise _refused(place, f"the file cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise _refused(place, f"this is not YAML: {_told(error)}") from error
    if not isinstance(value, dict):
        raise _refused(place, f"needs a mapping, not {shown(value)}")
    return value


def _told(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or re.sub(r"\s+", " ", str(error))
    return f"{text} (line {mark.line + 1})" if mark else str(text)


def read_settings(project: DbtProject, options: ProjectOptions) -> Settings:
    """Read ``vars: dbt_activate:``; a mapping of that name in ``--vars`` goes before it, key by key.

    Raises:
        ConfigError: With every key and value that is not known.
    """
    at = Location(FILE, ("vars", "dbt_activate"))
    given = [project.variables.get("dbt_activate"), options.variables.get("dbt_activate")]
    faults = Faults()
    for value in given:
        if not isinstance(value, dict | None):
            faults.add(at, f"needs a mapping, not {shown(value)}")
    merged = {**_mapping(given[0]), **_mapping(given[1])}
    for key in merged.keys() - {"schema", "store"}:
        faults.add(at.at(str(key)), "unknown key", choice(str(key), ("schema", "store"), what="the keys are"))
    schema, store = merged.get("schema"), merged.get("store", "values")
    if schema is not None and not (isinstance(schema, str) and schema.strip()):
        faults.add(at.at("schema"), f"needs the name of a schema, not {shown(schema)}")
    if store not in {"values", "fingerprints"}:
        remedy = choice(str(store), ("values", "fingerprints"), what="write one of")
        faults.add(at.at("store"), f"{shown(store)} is no way to store rows", remedy)
    faults.settle()
    return Settings(schema=schema, store=str(store))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _refused(place: str, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(place, fault, remedy))
