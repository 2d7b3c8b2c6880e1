"""Reads the active target of ``profiles.yml``, as dbt would, without dbt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.dbt_project import DbtProject, ProjectOptions, read_dbt_yaml
from dbt_activate.project.faults import choice, shown
from dbt_activate.project.rendering import Surroundings, render_native
from dbt_activate.values.sync import Location

FILE = "profiles.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The active output of a profile, rendered.

    Attributes:
        target: The output's name: dbt's target.
        output: All its settings, secrets among them, in clear: its repr leaves them out.
        schema: Where dbt builds by default; empty where the adapter has no such setting.
        directory: Where the file is.
    """

    name: str
    target: str
    adapter_type: str
    output: Mapping[str, object] = field(repr=False)
    schema: str
    directory: Path


def read_profile(options: ProjectOptions, project: DbtProject) -> Profile:
    """Read the profile that *project* names, at the target that *options*, the environment or the profile name.

    Raises:
        ConfigError: It is not there, lacks what dbt needs, or asks for what is not set.
    """
    directory = _directory(options)
    place = _place(directory / FILE, project.directory)
    profiles = read_dbt_yaml(directory / FILE, place)
    if not isinstance(profiles.get(project.profile), dict):
        known = [name for name in profiles if name != "config"]
        raise _refused(Location(place), f"there is no profile '{project.profile}'", choice(project.profile, known))
    # dbt gives a profile the variables of the command line only: the project's are not known when it is read.
    surroundings = Surroundings(options.environ, options.variables)
    return _profile(profiles[project.profile], options, project, directory, surroundings)


def _profile(
    raw: dict[str, Any], options: ProjectOptions, project: DbtProject, directory: Path, surroundings: Surroundings
) -> Profile:
    at = Location(_place(directory / FILE, project.directory), (project.profile,))
    outputs = raw.get("outputs")
    if not isinstance(outputs, dict) or not outputs:
        raise _refused(at, "`outputs` is missing", "a profile needs at least one output")
    target = str(_chosen(options) or render_native(raw.get("target", "default"), surroundings, at.at("target")))
    if not isinstance(outputs.get(target), dict):
        raise _refused(at.at("outputs"), f"there is no target '{target}'", choice(target, map(str, outputs)))
    output = render_native(outputs[target], surroundings, at.at("outputs", target))
    return _checked(project.profile, target, output if isinstance(output, dict) else {}, directory, at)


def _checked(name: str, target: str, output: dict[str, object], directory: Path, at: Location) -> Profile:
    adapter = output.get("type")
    if not isinstance(adapter, str):
        raise _refused(at.at("outputs", target), f"`type` needs an adapter's name, not {shown(adapter)}")
    schema = output.get("schema") or output.get("dataset") or ""
    return Profile(
        name=name, target=target, adapter_type=adapter, output=output, schema=str(schema), directory=directory
    )


def _chosen(options: ProjectOptions) -> str | None:
    return options.target or options.environ.get("DBT_TARGET")


def _directory(options: ProjectOptions) -> Path:
    given = options.profiles_dir or options.environ.get("DBT_PROFILES_DIR")
    places = [Path(given)] if given else list(_usual(options))
    for place in places:
        if (place / FILE).is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise _refused(Location(FILE), f"there is no such file in {looked}", "give --profiles-dir")


def _usual(options: ProjectOptions) -> Iterator[Path]:
    yield from dict.fromkeys((Path.cwd(), options.project_dir.absolute(), options.home))


def _place(path: Path, root: Path) -> str:
    root = root.absolute()
    return path.absolute().relative_to(root).as_posix() if path.absolute().is_relative_to(root) else str(path)


def _refused(at: Location, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(str(at), fault, remedy))
