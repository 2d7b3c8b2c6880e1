"""The options that commands share, with dbt's names and dbt's environment variables."""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click

from dbt_activate.errors import ConfigError, Problem

F = TypeVar("F", bound=Callable[..., Any])

DIRECTORY = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
READ_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every command that reads a project was given."""

    project_dir: Path
    profiles_dir: Path | None
    destinations_dir: Path | None
    profile: str | None
    target: str | None
    target_path: Path | None
    destination_target: str | None
    variables: Mapping[str, object]
    lock_timeout: float
    log_format: str
    log_level: str
    quiet: bool
    color: bool

    @property
    def colored(self) -> bool:
        """Whether an answer has colours: they are for terminals."""
        return self.color and sys.stdout.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which syncs a command is about."""

    select: tuple[str, ...]
    exclude: tuple[str, ...]
    selector: str | None
    state: Path | None

    def __bool__(self) -> bool:
        return bool(self.select or self.exclude or self.selector)


PROJECT_OPTIONS = (
    click.option(
        "--project-dir", type=DIRECTORY, envvar="DBT_PROJECT_DIR", default=Path(), help="Where dbt_project.yml is."
    ),
    click.option("--profiles-dir", type=DIRECTORY, envvar="DBT_PROFILES_DIR", help="Where profiles.yml is."),
    click.option(
        "--destinations-dir", type=DIRECTORY, envvar="DBT_ACTIVATE_DESTINATIONS_DIR", help="Where destinations.yml is."
    ),
    click.option("--profile", envvar="DBT_PROFILE", help="The profile, instead of the project's."),
    click.option("--target", "-t", envvar="DBT_TARGET", help="The target, instead of the profile's."),
    click.option("--target-path", type=DIRECTORY, envvar="DBT_TARGET_PATH", help="Where dbt's artifacts are."),
    click.option(
        "--destination-target", help="The output of each destination, instead of the one named like the target."
    ),
    click.option("--vars", "variables", default="{}", help="dbt variables, as YAML."),
    click.option(
        "--lock-timeout", type=float, default=60.0, show_default=True, help="Seconds to wait for a DuckDB file."
    ),
    click.option(
        "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to tell."
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warn", "error"]),
        default="info",
        show_default=True,
        help="How much goes into target/activate/activate.log.",
    ),
    click.option("--quiet", "-q", is_flag=True, help="Tell errors only."),
    click.option("--no-color", is_flag=True, envvar="NO_COLOR", help="No colours."),
    click.option("--debug", is_flag=True, help="Show a traceback with an error."),
)

SELECTION_OPTIONS = (
    click.option(
        "--select", "-s", multiple=True, help="Syncs, tag:, destination:, or dbt's selection of their models."
    ),
    click.option("--exclude", multiple=True, help="What to leave out, in the same words."),
    click.option("--selector", help="A selector of selectors.yml."),
    click.option("--state", type=DIRECTORY, envvar="DBT_STATE", help="Artifacts to compare with, for state:."),
)

unmask_option = click.option("--unmask", is_flag=True, help="Show columns that are tagged as personal data, too.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask, where a terminal would be asked.")


def output_option(*forms: str) -> Callable[[F], F]:
    """``--output``, one of *forms*; the first one where nothing is said."""
    return click.option("--output", type=click.Choice(forms), default=forms[0], show_default=True, help="The form.")


def project_options(command: F) -> F:
    """Take the options of a command that reads a project; it is given one ``common``."""

    def common(given: dict[str, Any]) -> Common:
        given |= {"variables": parse_variables(given["variables"]), "color": not given.pop("no_color")}
        del given["debug"]
        return Common(**{each.name: given.pop(each.name) for each in fields(Common)})

    return _gathered(command, PROJECT_OPTIONS, "common", common)


def selection_options(command: F) -> F:
    """Take the options that choose syncs; the command is given one ``selection``."""

    def selection(given: dict[str, Any]) -> Selection:
        given |= {key: tuple(" ".join(given[key]).split()) for key in ("select", "exclude")}
        return Selection(**{each.name: given.pop(each.name) for each in fields(Selection)})

    return _gathered(command, SELECTION_OPTIONS, "selection", selection)


def _gathered(
    command: F, options: tuple[Callable[[F], F], ...], name: str, gather: Callable[[dict[str, Any]], object]
) -> F:
    @functools.wraps(command)
    def wrapped(**arguments: object) -> object:
        gathered = gather(arguments)
        return command(**{name: gathered}, **arguments)

    for option in reversed(options):
        wrapped = option(wrapped)  # type: ignore[assignment, arg-type]
    return wrapped  # type: ignore[return-value]


def parse_variables(text: str) -> Mapping[str, object]:
    """Read ``--vars``.

    Raises:
        ConfigError: It is not a YAML mapping.
    """
    if text == "{}":
        return {}
    import yaml

    remedy = "write it as dbt takes it: '{name: value}'"
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(Problem("--vars", "is not YAML", remedy)) from error
    if not isinstance(found, dict | None):
        raise ConfigError(Problem("--vars", "is not a mapping", remedy))
    return found or {}


def environment() -> Mapping[str, str]:
    """The environment of the process: read here, and handed on as a value."""
    return dict(os.environ)
