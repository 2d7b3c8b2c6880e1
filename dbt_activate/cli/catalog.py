"""``destinations``, ``schema``: what can be written to, and how the files are written."""

import json
from importlib.resources import files
from typing import Any

import click

from dbt_activate.cli.options import Common, output_option, project_options

SCHEMA_NAMES = ("activate", "destinations", "plan", "results")


@click.command("destinations")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.argument("object_name", metavar="[OBJECT]", required=False)
@project_options
@click.option(
    "--online", is_flag=True, help="TYPE is the NAME of a destination of the project: ask it for OBJECT's fields."
)
@output_option("table", "json")
def destinations_command(
    common: Common, type_name: str | None, object_name: str | None, online: bool, output: str
) -> int:
    """List the types of destination; the settings and objects of a TYPE; what an OBJECT of it takes.

    With --online, give the NAME of a destination in place of the TYPE: the live system is asked for OBJECT's fields.
    """
    from dbt_activate.cli import portrait
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text

    application = Application(common)
    if online:
        facts, text = portrait.live_object(application, type_name, object_name)
    elif type_name is None:
        facts, text = portrait.all_types(application.kinds)
    elif object_name is None:
        facts, text = portrait.one_type(application.kinds, type_name)
    else:
        facts, text = portrait.one_object(application.kinds, type_name, object_name)
    click.echo(json_text(facts) if output == "json" else text)
    return 0


@click.command("schema")
@click.argument("name", type=click.Choice(SCHEMA_NAMES))
def schema_command(name: str) -> int:
    """Print a JSON Schema, for editors and for checks.

    activate: the block in a model's YAML. destinations: destinations.yml, with the types that are installed.
    plan: what `plan --out` writes. results: target/activate/activate_results.json.
    """
    from dbt_activate.cli.layout import json_text

    click.echo(json_text(published(name)))
    return 0


def published(name: str) -> dict[str, Any]:
    """The JSON Schema called *name*: one of :data:`SCHEMA_NAMES`."""
    if name == "destinations":
        from dbt_activate.project.publication import destinations_schema
        from dbt_activate.registry import DestinationKinds

        return destinations_schema(DestinationKinds())
    package = "dbt_activate.project" if name == "activate" else "dbt_activate.reporters"
    text = files(package).joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
