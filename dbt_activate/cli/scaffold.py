"""``init``: the files that a dbt project needs to activate its data. What exists keeps its meaning."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click

from dbt_activate import __version__
from dbt_activate.cli.options import Common, project_options
from dbt_activate.errors import ConfigError

if TYPE_CHECKING:
    from dbt_activate.cli.application import Application
    from dbt_activate.project.proposal import Subject

PACKAGE_FILES = ("packages.yml", "dependencies.yml")
FIRST_DESTINATION = "webhook"

NEXT = """
Next:
  1. dbt-activate sandbox     in another terminal: a destination to try things with
  2. {block}, then run `dbt parse`
  3. dbt-activate validate    is all of it right?
  4. dbt-activate plan        what would be sent; nothing is written"""

OTHER_TARGET = """\
    # TARGET:
    #   type: hubspot
    #   token: "{{ env_var('DBT_ENV_SECRET_HUBSPOT_TOKEN') }}"
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What was done to a file, or why it was left alone. *rest* is for the user to do."""

    did: str
    file: str
    note: str = ""
    rest: str = ""


@click.command("init")
@project_options
@click.option("--model", help="The model, seed or snapshot to write a commented block for.")
def init_command(common: Common, model: str | None) -> int:
    """Add to a dbt project what dbt-activate needs: destinations.yml, a commented block, package and .gitignore lines.

    Nothing that exists is changed but by adding to it: comments in the model's YAML, lines at the end of .gitignore. A
    second call adds nothing.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.project.manifest import read_manifest
    from dbt_activate.project.proposal import Subject

    application = Application(common)
    # Before anything is written: a wrong --project-dir or --model leaves no trace.
    dbt = application.dbt
    subject = Subject.find(read_manifest(dbt.target_path / "manifest.json"), dbt.name, model) if model else None
    steps = [_destinations(application), *([_block(application, subject)] if subject else [])]
    for step in (*steps, _package(application), _gitignore(application)):
        click.echo(f"{step.did:<8} {step.file}{f': {step.note}' if step.note else ''}")
        if step.rest:
            click.echo(f"\n{step.rest}\n")
    todo = (
        "take the '# ' away from the block" if model else "run `dbt-activate init --model MODEL` for a block, edit it"
    )
    click.echo(NEXT.format(block=todo))
    return 0


def _destinations(application: "Application") -> Step:
    from dbt_activate.project.destinations import FILE, read_destinations
    from dbt_activate.project.faults import Faults
    from dbt_activate.project.proposal import spelled

    found = read_destinations(application.options, Faults())
    if found.found:
        return Step("kept", found.place)
    targets, active, note = _targets(application)
    text = files("dbt_activate.cli").joinpath("templates", "destinations.yml").read_text(encoding="utf-8")
    others = (OTHER_TARGET.replace("TARGET", spelled(target)) for target in targets if target != active)
    found.file.parent.mkdir(parents=True, exist_ok=True)
    found.file.write_text(text.replace("ACTIVE", spelled(active)) + "".join(others), encoding="utf-8")
    return Step("created", found.place or FILE, note)


def _targets(application: "Application") -> tuple[tuple[str, ...], str, str]:
    """The targets of the profile, the active one, and what is to be said of them."""
    from dbt_activate.cli.layout import one_line
    from dbt_activate.project.dbt_project import read_dbt_yaml

    try:
        profile = application.profile
        raw = read_dbt_yaml(profile.directory / "profiles.yml", "profiles.yml")[profile.name]["outputs"]
    except ConfigError as error:
        return ("dev",), "dev", f"for the target dev, as the profile cannot be read ({one_line(error)})"
    return tuple(map(str, raw)), profile.target, f"with an output for the target {profile.target}"


def _block(application: "Application", subject: "Subject") -> Step:
    """Write the block where its place is; where there is none, tell it."""
    from dbt_activate.project.proposal import has_block, with_block

    file, proposal = subject.file, subject.proposal(*_destination(application, subject.name))
    if subject.is_active:
        return Step("kept", file, f"{proposal.model} has an activate block")
    path = application.dbt.directory / file
    if not path.exists():
        path.write_text(proposal.file(subject.collection), encoding="utf-8")
        return Step("created", file, f"a commented block for {proposal.model}")
    text = path.read_bytes().decode("utf-8")
    if has_block(text, proposal):
        return Step("kept", file, f"the block for {proposal.model} is there")
    changed = with_block(text, proposal)
    if changed is None:
        return Step("kept", file, f"add this to {proposal.model}", "\n".join(proposal.lines()))
    path.write_bytes(changed.encode("utf-8"))
    return Step("added", file, f"a commented block for {proposal.model}")


def _destination(application: "Application", model: str) -> tuple[str, str | None]:
    """A destination that needs no object, as it takes any row, and None; else the first, and an object of it."""
    try:
        outputs = application.destinations.outputs
    except ConfigError:
        return FIRST_DESTINATION, None
    objects = {name: _object(application, each, model) for name, each in outputs.items()}
    plain_ones = [name for name, wanted in objects.items() if wanted is None]
    name = next(iter([*plain_ones, *objects]), FIRST_DESTINATION)
    return name, objects.get(name)


def _object(application: "Application", outputs: Mapping[str, Mapping[str, Any]], model: str) -> str | None:
    """An object that is known without a network, else the model's name; None where none is needed."""
    from dbt_activate.cli.portrait import stand_in

    kinds = application.kinds
    types = {raw.get("emulate", raw["type"]) for raw in outputs.values()} & set(kinds)
    needing = sorted(kind for kind in types if kinds[kind].object_required)
    return next(iter(stand_in(needing[0], kinds).objects()), model) if needing else None


def _package(application: "Application") -> Step:
    directory = application.dbt.directory
    lines = ["packages:", f"  - git: {_repository()}", f"    revision: v{__version__}"]
    there = [directory / name for name in PACKAGE_FILES if (directory / name).exists()]
    if not there:
        head = "# The SQL side of dbt-activate: hashes, tests. Nothing needs it; `dbt deps` installs it.\n"
        (directory / PACKAGE_FILES[0]).write_text(head + "".join(f"# {line}\n" for line in lines), encoding="utf-8")
        return Step("created", PACKAGE_FILES[0], "the dbt package, commented")
    if any("dbt-activate" in path.read_text("utf-8", "replace").replace("_", "-") for path in there):
        return Step("kept", there[0].name)
    return Step("kept", there[0].name, "for the macros and tests of dbt-activate, add", "\n".join(lines[1:]))


def _repository() -> str:
    """Where this release says that its sources are."""
    try:
        urls = metadata("dbt-activate").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named = {label.strip(): url.strip() for label, _, url in (line.partition(",") for line in urls)}
    return named.get("Repository") or named.get("Source") or "https://example.com/dbt-activate.git # its repository"


def _gitignore(application: "Application") -> Step:
    dbt = application.dbt
    path = dbt.directory / ".gitignore"
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    there = {line.strip().strip("/").removesuffix("/*") for line in text.splitlines()}
    inside = dbt.target_path.is_relative_to(dbt.directory)
    target = [dbt.target_path.relative_to(dbt.directory).as_posix()] if inside else []
    missing = [f"{name}/" for name in (*target, "logs", dbt.packages_path) if name not in there]
    if not missing:
        return Step("kept", path.name)
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if text.endswith("\n") or not text else "\n") + "".join(f"{line}\n" for line in missing))
    return Step("added" if text else "created", path.name, ", ".join(missing))
