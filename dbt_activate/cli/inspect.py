"""``list``, ``validate``, ``debug``: what there is, and whether it is in order. None of them writes anything."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from dbt_activate.cli.layout import as_json, counted, plain, table
from dbt_activate.cli.options import Common, Selection, project_options, selection_options
from dbt_activate.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.diagnosis import Finding
    from dbt_activate.cli.validation import Validation
    from dbt_activate.values.sync import Sync

HEADERS = ("sync", "model", "destination", "type", "object", "mode", "primary key", "enabled", "tags")


@click.command("list")
@selection_options
@project_options
@click.option(
    "--output", type=click.Choice(["table", "json", "name"]), default="table", show_default=True, help="The form."
)
def list_command(common: Common, selection: Selection, output: str) -> int:
    """List the syncs: what each of them reads, and where it writes. Needs no warehouse and no network.

    Without a selection, syncs that are switched off are listed, too.
    """
    from dbt_activate.cli.application import Application

    application = Application(common)
    syncs = _chosen(application, selection)
    match output:
        case "json":
            click.echo(as_json([_facts(application, sync) for sync in syncs]))
        case "name":
            click.echo("".join(f"{sync.name}\n" for sync in syncs), nl=False)
        case _ if syncs:
            click.echo(table(HEADERS, (_row(application, sync) for sync in syncs)))
        case _:
            click.echo("the project has no syncs; `dbt-activate init --model MODEL` writes a first one", err=True)
    return 0


def _chosen(application: "Application", selection: Selection) -> "tuple[Sync, ...]":
    if not (selection.select or selection.exclude or selection.selector):
        return application.project.syncs
    from dbt_activate.project.selection import select

    return select(
        application.project,
        select=selection.select,
        exclude=selection.exclude,
        selector=selection.selector,
        state=selection.state,
    )


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
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The form.")
def validate_command(common: Common, online: bool, output: str) -> int:
    """Check everything that needs no network, and tell every problem at once. Nothing is written anywhere.

    Exit codes: 0 all is sound; 1 a destination did not answer (with --online only); 2 something has to be corrected.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.validation import Validation

    validation = Validation(Application(common))
    if output == "json":
        return _validated_as_json(validation, online=online)
    _validate(validation, online=online)
    for name, fault in validation.unreachable.items():
        click.echo(f"{click.style('Error: ', fg='red')}destination '{name}': {plain(fault)}", err=True)
    if problems := validation.faults.problems:
        raise ConfigError([_on_one_line(problem) for problem in problems])
    if not validation.unreachable:
        click.echo(_sound(len(validation.project.syncs)))
    return validation.exit_code


def _validate(validation: "Validation", *, online: bool) -> None:
    validation.offline()
    if online:
        validation.online()


def _sound(number: int) -> str:
    return f"{counted(number, 'sync')} {'is' if number == 1 else 'are'} valid"


def _on_one_line(problem: Problem) -> Problem:
    return Problem(plain(problem.place), plain(problem.fault), plain(problem.remedy))


def _validated_as_json(validation: "Validation", *, online: bool) -> int:
    try:
        _validate(validation, online=online)
    except ConfigError as error:
        validation.faults.extend(error.problems)
    code = validation.exit_code
    answer = {
        "valid": code == 0,
        "syncs": [sync.name for sync in validation.project.syncs] if code == 0 else [],
        "problems": [
            {"place": one.place, "fault": one.fault, "remedy": one.remedy} for one in validation.faults.problems
        ],
        "unreachable": validation.unreachable,
    }
    click.echo(as_json(answer))
    return code


@click.command("debug")
@project_options
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The form.")
def debug_command(common: Common, output: str) -> int:
    """Try everything that a run needs: project, warehouse, ledger, each destination. One line each.

    Exit codes: 0 all is well; 1 a destination cannot be reached or refuses us; 2 something else has to be corrected.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.diagnosis import Diagnosis

    findings = Diagnosis(Application(common)).findings()
    seen = list(findings) if output == "json" else list(_told(findings, colored=common.color))
    code = max(finding.exit_code for finding in seen)
    if output == "json":
        checks = [{"subject": one.subject, "ok": one.ok, "message": one.text} for one in seen]
        click.echo(as_json({"ok": code == 0, "exit_code": code, "checks": checks}))
    return code


def _told(findings: "Iterable[Finding]", *, colored: bool) -> "Iterable[Finding]":
    for finding in findings:
        mark, color = ("OK   ", "green") if finding.ok else ("ERROR", "red")
        shown = click.style(mark, fg=color) if colored else mark
        click.echo(f"{shown}  {finding.subject:<14} {plain(finding.text)}")
        yield finding
