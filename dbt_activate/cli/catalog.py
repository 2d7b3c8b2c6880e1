"""``destinations``, ``schema``: what can be written to, and how the files are written."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dbt_activate.cli.layout import as_json, plain, table
from dbt_activate.cli.options import Common, project_options
from dbt_activate.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dbt_activate.cli.portrait import Setting
    from dbt_activate.registry import DestinationKinds
    from dbt_activate.values.destination import ObjectSpec

SCHEMA_NAMES = ("activate", "destinations", "plan", "results")


@click.command("destinations")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.argument("object_name", metavar="[OBJECT]", required=False)
@project_options
@click.option(
    "--online", is_flag=True, help="TYPE is the NAME of a destination of the project: ask it for OBJECT's fields."
)
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="The form.")
def destinations_command(
    common: Common, type_name: str | None, object_name: str | None, online: bool, output: str
) -> int:
    """List the types of destination; the settings and objects of a TYPE; what an OBJECT of it takes.

    With --online, give the NAME of a destination in place of the TYPE: the live system is asked for OBJECT's fields.
    """
    from dbt_activate.registry import DestinationKinds

    kinds = DestinationKinds()
    if online:
        facts, text = _live(common, kinds, type_name, object_name)
    elif type_name is None:
        facts, text = _all_types(kinds)
    elif object_name is None:
        facts, text = _one_type(kinds, type_name)
    else:
        facts, text = _one_object(kinds, type_name, object_name)
    click.echo(as_json(facts) if output == "json" else text)
    return 0


def _all_types(kinds: "DestinationKinds") -> tuple[Any, str]:
    from dbt_activate.cli.portrait import about, needs

    facts: list[dict[str, Any]] = []
    for name in kinds:
        try:
            kind = kinds.load(name)
        except ConfigError as error:
            facts.append({"type": name, "installed": False, "needs": "", "about": plain(error)})
            continue
        facts.append({"type": name, "installed": True, "needs": needs(kind.connection_schema), "about": about(kind)})
    facts.append({"type": "sandbox", "installed": True, "needs": "emulate", "about": _SANDBOX})
    rows = [(fact["type"], fact["needs"], fact["about"]) for fact in facts]
    more = "`dbt-activate destinations TYPE` lists the settings and objects of a type."
    return facts, f"{table(('type', 'needs', 'what it is'), rows)}\n\n{more}"


_SANDBOX = "The local emulator, `dbt-activate sandbox`, acting as another type."


def _one_type(kinds: "DestinationKinds", name: str) -> tuple[Any, str]:
    from dbt_activate.cli.portrait import about, common_settings, named, sandbox_settings, settings_of, stand_in

    settings, text = sandbox_settings(), _SANDBOX
    objects: tuple[str, ...] = ()
    if named(name, kinds) != "sandbox":
        kind = kinds.load(name)
        settings, objects, text = settings_of(kind.connection_schema), stand_in(name, kinds).objects(), about(kind)
    facts = {
        "type": name,
        "about": text,
        "settings": [asdict(setting) for setting in settings],
        "common_settings": [asdict(setting) for setting in common_settings()],
        "object_required": name != "sandbox" and kinds[name].object_required,
        "objects": list(objects),
    }
    parts = [
        f"{name}: {text}",
        f"Settings\n{_settings_table(settings)}",
        f"Settings of every type\n{_settings_table(common_settings())}",
        _objects_line(facts),
    ]
    return facts, "\n\n".join(parts)


def _settings_table(settings: "tuple[Setting, ...]") -> str:
    rows = [(one.name, one.type, one.required, one.secret, one.description) for one in settings]
    return table(("name", "type", "required", "secret", "description"), rows)


def _objects_line(facts: dict[str, Any]) -> str:
    if facts["type"] == "sandbox":
        return "Objects: those of the type that it acts as."
    if facts["objects"]:
        return f"Objects: {', '.join(facts['objects'])}. `dbt-activate destinations {facts['type']} OBJECT` says more."
    return f"Objects: any name{'' if facts['object_required'] else ', or none'}."


def _one_object(kinds: "DestinationKinds", name: str, object_name: str) -> tuple[Any, str]:
    from dbt_activate.cli.portrait import described, named, stand_in

    if named(name, kinds) == "sandbox":
        raise ConfigError(
            Problem("destinations sandbox", "has the objects of the type that it acts as", "name that type")
        )
    spec = stand_in(name, kinds).describe(object_name)
    facts = {"type": name, "object": described(spec)}
    return facts, f"{name}, {object_name}\n\n{_spec_text(spec)}"


def _live(common: Common, kinds: "DestinationKinds", name: str | None, object_name: str | None) -> tuple[Any, str]:
    import random

    from dbt_activate.cli.inquiry import ask
    from dbt_activate.cli.parts import Parts
    from dbt_activate.cli.portrait import described
    from dbt_activate.registry import SystemClock, connect

    if name is None:
        raise ConfigError(Problem("--online", "names no destination", "write `--online NAME OBJECT`"))
    clock = SystemClock()
    link = connect(Parts(common, kinds).connection(name), kinds, clock, random.Random())  # noqa: S311 - jitter only
    [reply] = ask({name: link}, [(link.destination.discover, (object_name,))], clock)
    if reply.error is not None:
        raise reply.error
    spec: ObjectSpec = reply.value
    facts = {"destination": name, "type": link.destination.connection.type, "object": described(spec)}
    return facts, f"{name}, {spec.name or 'its only object'}\n\n{_spec_text(spec)}"


def _spec_text(spec: "ObjectSpec") -> str:
    from dbt_activate.cli.portrait import MEANING

    rows = [
        (operation, one.delivery, one.rows, one.bytes or "any", one.atomic, MEANING[one.delivery])
        for operation, one in spec.operations.items()
    ]
    headers = ("operation", "class", "rows", "bytes", "whole", "after a lost answer")
    return f"Operations, with the most rows and bytes of a request\n{table(headers, rows)}\n\n{_fields_text(spec)}"


def _fields_text(spec: "ObjectSpec") -> str:
    if spec.fields is None:
        return "Fields: any; or only the live system knows, and `--online NAME OBJECT` asks it."
    rows = [
        (one.name, one.type, one.required, one.identifier, _writable(one), one.max_length, len(one.options) or None)
        for one in spec.fields.values()
    ]
    headers = ("field", "type", "required", "identifier", "written", "longest", "options")
    return f"Fields\n{table(headers, rows)}"


def _writable(field: Any) -> str:
    ways = {(True, True): "always", (True, False): "on create", (False, True): "on update"}
    return ways.get((field.createable, field.updateable), "never")


@click.command("schema")
@click.argument("name", type=click.Choice(SCHEMA_NAMES))
def schema_command(name: str) -> int:
    """Print a JSON Schema, for editors and for checks.

    activate: the block in a model's YAML. destinations: destinations.yml, with the types that are installed.
    plan: what `plan --out` writes. results: target/activate/activate_results.json.
    """
    from dbt_activate.cli.publication import published

    click.echo(as_json(published(name)))
    return 0
