"""``list``, ``validate``, ``debug``: what there is, and whether it is in order. None of them writes anything."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dbt_activate.cli.options import Common, Selection, output_option, project_options, selection_options
from dbt_activate.errors import ConfigError

if TYPE_CHECKING:
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.diagnosis import Finding
    from dbt_activate.values.sync import Sync

HEADERS = ("sync", "model", "destination", "type", "object", "mode", "primary key", "enabled", "tags")


@click.command("list")
@selection_options
@project_options
@output_option("table", "json", "name")
def list_command(common: Common, selection: Selection, output: str) -> int:
    """List the syncs: what each of them reads, and where it writes. Needs no warehouse and no network.

    Without a selection, syncs that are switched off are listed, too.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text, table

    application = Application(common)
    syncs = application.syncs(selection) if selection else application.project.syncs
    match output:
        case "json":
            click.echo(json_text([_facts(application, sync) for sync in syncs]))
        case "name":
            click.echo("".join(f"{sync.name}\n" for sync in syncs), nl=False)
        case _ if syncs:
            click.echo(table(HEADERS, (_row(application, sync) for sync in syncs)))
        case _:
            click.echo("the project has no syncs; `dbt-activate init --model MODEL` writes a first one", err=True)
    return 0


def _row(application: "Application", sync: "Sync") -> tuple[object, ...]:
    connection = application.project.connections.get(sync.destination)
    kind = connection.type if connection else None
    key, tags = ", ".join(sync.primary_key), ", ".join(sync.tags)
    return sync.name, sync.model.name, sync.destination, kind, sync.object, sync.mode, key, sync.enabled, tags


def _facts(application: "Application", sync: "Sync") -> dict[str, Any]:
    connection = application.project.connections.get(sync.destination)
    return {
        "name": sync.name,
        "model": sync.model.name,
        "unique_id": sync.model.unique_id,
        "relation": sync.model.relation,
        "file": sync.at.file,
        "destination": sync.destination,
        "type": connection.type if connection else None,
        "output": connection.output if connection else None,
        "object": sync.object,
        "mode": sync.mode,
        "on_removed": sync.on_removed,
        "operations": list(sync.operations),
        "primary_key": list(sync.primary_key),
        "identifier": list(sync.identifier),
        "fields": [field.name for field in sync.fields],
        "enabled": sync.enabled,
        "tags": list(sync.tags),
        "owner": sync.owner,
    }


@click.command("validate")
@project_options
@click.option("--online", is_flag=True, help="Also look at the models as they are built, and ask the destinations.")
@output_option("text", "json")
def validate_command(common: Common, online: bool, output: str) -> int:
    """Check everything that needs no network, and tell every problem at once. Nothing is written anywhere.

    Exit codes: 0 all is sound; 1 a destination did not answer (with --online only); 2 something has to be corrected.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text
    from dbt_activate.cli.validation import Validation
    from dbt_activate.reporters.phrases import counted

    validation = Validation(Application(common))
    try:
        validation.check(online=online)
    except ConfigError as error:
        validation.faults.extend(error.problems)
    code, problems = validation.exit_code, validation.faults.problems
    names = [sync.name for sync in validation.project.syncs] if code == 0 else []
    if output == "json":
        told = [asdict(problem) for problem in problems]
        click.echo(
            json_text({"valid": code == 0, "syncs": names, "problems": told, "unreachable": validation.unreachable})
        )
        return code
    for name, fault in validation.unreachable.items():
        _tell_error(f"destination '{name}': {fault}")
    for problem in problems:
        _tell_error(str(problem))
    if code == 0:
        click.echo(f"{counted(len(names), 'sync')} {'is' if len(names) == 1 else 'are'} valid")
    return code


def _tell_error(text: str) -> None:
    from dbt_activate.cli.layout import one_line

    click.echo(f"{click.style('Error: ', fg='red')}{one_line(text)}", err=True)


@click.command("debug")
@project_options
@output_option("text", "json")
def debug_command(common: Common, output: str) -> int:
    """Try everything that a run needs: project, warehouse, ledger, each destination. One line each.

    Exit codes: 0 all is well; 1 a destination cannot be reached or refuses us; 2 something else has to be corrected.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.diagnosis import Diagnosis
    from dbt_activate.cli.layout import json_text

    findings = Diagnosis(Application(common)).findings()
    seen = list(findings) if output == "json" else list(_told(findings, colored=common.color))
    code = max(finding.exit_code for finding in seen)
    if output == "json":
        checks = [{"subject": one.subject, "ok": not one.exit_code, "message": one.text} for one in seen]
        click.echo(json_text({"ok": code == 0, "exit_code": code, "checks": checks}))
    return code


def _told(findings: "Iterable[Finding]", *, colored: bool) -> "Iterable[Finding]":
    from dbt_activate.cli.layout import one_line

    for finding in findings:
        mark, color = ("OK   ", "green") if not finding.exit_code else ("ERROR", "red")
        shown = click.style(mark, fg=color) if colored else mark
        click.echo(f"{shown}  {finding.subject:<14} {one_line(finding.text)}")
        yield finding
