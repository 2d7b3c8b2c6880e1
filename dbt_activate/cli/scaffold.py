"""``init``: the files that a dbt project needs to activate its data. What exists keeps its meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbt_activate.cli.options import Common, project_options
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.proposal import Proposal, has_block, spelled, sync_name, with_block

if TYPE_CHECKING:
    from dbt_activate.cli.application import Application
    from dbt_activate.project.manifest import Manifest, Node
    from dbt_activate.registry import DestinationKinds

PACKAGE_FILES = ("packages.yml", "dependencies.yml")
COLLECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}
FIRST_DESTINATION = "webhook"


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
    from dbt_activate.registry import DestinationKinds

    kinds = DestinationKinds()
    parts = Application(common)
    # Before anything is written: a wrong --project-dir or --model leaves no trace.
    _ = parts.dbt
    block = _Block(parts, kinds, model) if model else None
    steps = [_destinations(parts), *([block.write()] if block else []), _package(parts), _gitignore(parts)]
    for step in steps:
        click.echo(f"{step.did:<8} {step.file}{f': {step.note}' if step.note else ''}")
        if step.rest:
            click.echo(f"\n{step.rest}\n")
    click.echo(_next(model))
    return 0


def _next(model: str | None) -> str:
    block = (
        "take the '# ' away from the block" if model else "run `dbt-activate init --model MODEL` for a block, edit it"
    )
    return "\n".join(
        [
            "",
            "Next:",
            "  1. dbt-activate sandbox     in another terminal: a destination to try things with",
            f"  2. {block}, then run `dbt parse`",
            "  3. dbt-activate validate    is all of it right?",
            "  4. dbt-activate plan        what would be sent; nothing is written",
        ]
    )


def _destinations(parts: "Application") -> Step:
    from dbt_activate.project.destinations import FILE, read_destinations
    from dbt_activate.project.faults import Faults

    found = read_destinations(parts.options, Faults())
    if found.found:
        return Step("kept", found.place)
    targets, active, note = _targets(parts)
    found.file.parent.mkdir(parents=True, exist_ok=True)
    found.file.write_text(_destinations_text(targets, active), encoding="utf-8")
    return Step("created", found.place or FILE, note)


def _targets(parts: "Application") -> tuple[tuple[str, ...], str, str]:
    """The targets of the profile, the active one, and what is to be said of them."""
    from dbt_activate.cli.layout import one_line
    from dbt_activate.project.dbt_project import read_dbt_yaml

    try:
        profile = parts.profile
        raw = read_dbt_yaml(profile.directory / "profiles.yml", "profiles.yml")[profile.name]["outputs"]
    except ConfigError as error:
        return ("dev",), "dev", f"for the target dev, as the profile cannot be read ({one_line(error)})"
    return tuple(map(str, raw)), profile.target, f"with an output for the target {profile.target}"


def _destinations_text(targets: tuple[str, ...], active: str) -> str:
    others = "".join(_OTHER.replace("TARGET", spelled(target)) for target in targets if target != active)
    return _DESTINATIONS.replace("ACTIVE", spelled(active)).replace("OTHERS", others)


_DESTINATIONS = """\
# Where the data goes. `dbt-activate destinations` lists the types and their settings.
#
# The output is the one named like dbt's target, so that development cannot reach what only production has.
# Secrets come from the environment: "{{ env_var('DBT_ENV_SECRET_NAME') }}".

# Any JSON API. This one is the sandbox that `dbt-activate sandbox` runs on this machine: it takes any field.
webhook:
  outputs:
    ACTIVE:
      type: http
      url: "{{ env_var('DBT_ACTIVATE_SANDBOX_URL', 'http://127.0.0.1:8765') }}/hooks/first"
      allow_private_addresses: true # the sandbox runs on this machine
      operations: {delete: {method: DELETE}}
    # prod:
    #   type: http
    #   url: https://api.example.com/v1/customers
    #   headers: {Authorization: "Bearer {{ env_var('DBT_ENV_SECRET_API') }}"}

# A CRM. In development the sandbox acts as it.
crm:
  outputs:
    ACTIVE:
      type: sandbox
      emulate: hubspot
OTHERS"""

_OTHER = """\
    # TARGET:
    #   type: hubspot
    #   token: "{{ env_var('DBT_ENV_SECRET_HUBSPOT_TOKEN') }}"
"""


class _Block:
    """The block of one model: found and checked when it is made, written by :meth:`write`."""

    def __init__(self, parts: "Application", kinds: "DestinationKinds", model: str) -> None:
        from dbt_activate.project.manifest import read_manifest

        self._parts = parts
        self._kinds = kinds
        self._manifest = read_manifest(parts.dbt.target_path / "manifest.json")
        self._node = _node(self._manifest, parts.dbt.name, model)

    def write(self) -> Step:
        """Write it where its place is; where there is none, tell it."""
        file, proposal = self._file, self._proposal()
        if self._node.activate is not None:
            return Step("kept", file, f"{proposal.model} has an activate block")
        path = self._parts.dbt.directory / file
        if not path.exists():
            path.write_text(proposal.file(COLLECTIONS[self._node.resource_type]), encoding="utf-8")
            return Step("created", file, f"a commented block for {proposal.model}")
        text = path.read_bytes().decode("utf-8")
        if has_block(text, proposal):
            return Step("kept", file, f"the block for {proposal.model} is there")
        changed = with_block(text, proposal)
        if changed is None:
            return Step("kept", file, f"add this to {proposal.model}", "\n".join(proposal.lines()))
        path.write_bytes(changed.encode("utf-8"))
        return Step("added", file, f"a commented block for {proposal.model}")

    @property
    def _file(self) -> str:
        """The YAML that documents the model, else one beside the model's own file."""
        documented = (self._node.patch_path or "").partition("://")[2]
        own = Path(self._node.original_file_path)
        return documented or (own if own.suffix in {".yml", ".yaml"} else own.with_suffix(".yml")).as_posix()

    def _proposal(self) -> Proposal:
        from dbt_activate.project.keys import declared_key
        from dbt_activate.project.manifest import meta_of

        node = self._node
        columns = node.columns or {}
        open_to_all = tuple(name for name, column in columns.items() if "activate_field" not in meta_of(column))
        destination, wanted = self._destination()
        declared = declared_key(self._manifest, node)
        return Proposal(
            sync=sync_name(node.name, list(_taken(self._manifest))),
            model=node.name,
            destination=destination,
            object=wanted,
            key=declared or self._likely_key(open_to_all),
            sure=bool(declared),
            columns=open_to_all,
            kept_back=tuple(name for name in columns if name not in open_to_all),
        )

    def _likely_key(self, columns: tuple[str, ...]) -> tuple[str]:
        from dbt_activate.project.keys import tested_keys

        tested = [name for name in tested_keys(self._manifest, self._node) if name in columns]
        return (next(iter([*tested, *columns]), "id"),)

    def _destination(self) -> tuple[str, str | None]:
        """A destination that needs no object, as it takes any row, and None; else the first, and an object of it."""
        try:
            outputs = self._parts.destinations.outputs
        except ConfigError:
            return FIRST_DESTINATION, None
        objects = {name: self._object(each) for name, each in outputs.items()}
        plain_ones = [name for name, wanted in objects.items() if wanted is None]
        name = next(iter([*plain_ones, *objects]), FIRST_DESTINATION)
        return name, objects.get(name)

    def _object(self, outputs: Mapping[str, Mapping[str, Any]]) -> str | None:
        """An object that is known without a network, else the model's name; None where none is needed."""
        from dbt_activate.cli.portrait import stand_in

        types = {raw.get("emulate", raw["type"]) for raw in outputs.values()} & set(self._kinds)
        needing = sorted(kind for kind in types if self._kinds[kind].object_required)
        if not needing:
            return None
        return next(iter(stand_in(needing[0], self._kinds).objects()), self._node.name)


def _node(manifest: "Manifest", project: str, name: str) -> "Node":
    from dbt_activate.project.faults import choice

    nodes = {
        node.name: node
        for node in manifest.nodes.values()
        if node.resource_type in COLLECTIONS and node.package_name == project
    }
    if name not in nodes:
        raise ConfigError(Problem(f"--model {name}", "the project has no such model", choice(name, sorted(nodes))))
    return nodes[name]


def _taken(manifest: "Manifest") -> Iterator[str]:
    for node in manifest.nodes.values():
        if isinstance(node.activate, dict):
            yield from map(str, node.activate)


def _package(parts: "Application") -> Step:
    directory = parts.dbt.directory
    lines = ["packages:", f"  - git: {_repository()}", f"    revision: {_revision()}"]
    there = [directory / name for name in PACKAGE_FILES if (directory / name).exists()]
    if not there:
        head = "# The SQL side of dbt-activate: hashes, tests. Nothing needs it; `dbt deps` installs it.\n"
        (directory / PACKAGE_FILES[0]).write_text(head + "".join(f"# {line}\n" for line in lines), encoding="utf-8")
        return Step("created", PACKAGE_FILES[0], "the dbt package, commented")
    if any("dbt-activate" in path.read_text("utf-8", "replace").replace("_", "-") for path in there):
        return Step("kept", there[0].name)
    return Step("kept", there[0].name, "for the macros and tests of dbt-activate, add", "\n".join(lines[1:]))


def _revision() -> str:
    from dbt_activate import __version__

    return f"v{__version__}"


def _repository() -> str:
    """Where this release says that its sources are."""
    try:
        urls = metadata("dbt-activate").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    named = {label.strip(): url.strip() for label, _, url in (line.partition(",") for line in urls)}
    return named.get("Repository") or named.get("Source") or "https://example.com/dbt-activate.git # its repository"


def _gitignore(parts: "Application") -> Step:
    path = parts.dbt.directory / ".gitignore"
    text = path.read_text("utf-8", "replace") if path.exists() else ""
    there = {line.strip().strip("/").removesuffix("/*") for line in text.splitlines()}
    missing = [f"{name}/" for name in _ignored(parts) if name not in there]
    if not missing:
        return Step("kept", path.name)
    with path.open("a", encoding="utf-8") as file:
        file.write(("" if text.endswith("\n") or not text else "\n") + "".join(f"{line}\n" for line in missing))
    return Step("added" if text else "created", path.name, ", ".join(missing))


def _ignored(parts: "Application") -> list[str]:
    directory = parts.dbt.directory
    target = parts.dbt.target_path
    inside = [target.relative_to(directory).as_posix()] if target.is_relative_to(directory) else []
    return [*inside, "logs", parts.dbt.packages_path]
