"""``plan``, ``sync``, ``retry``, ``reset``: the commands that look for changes."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbt_activate.cli.options import (
    FILE,
    READ_FILE,
    Common,
    Selection,
    output_option,
    project_options,
    selection_options,
    unmask_option,
    yes_option,
)
from dbt_activate.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.execution import Finished
    from dbt_activate.run import RunOptions
    from dbt_activate.values.sync import Sync


@click.command("plan")
@selection_options
@project_options
@click.option("--show", type=click.IntRange(0), default=0, help="Show this many rows of each sync, old and new values.")
@unmask_option
@output_option("table", "json", "markdown")
@click.option("--out", type=FILE, help="Save the plan, for `sync --plan`.")
@click.option("--full-resync", is_flag=True, help="Plan as if every row had to be sent again.")
@click.option("--limit", type=click.IntRange(1), help="At most this many rows of each sync.")
def plan_command(
    common: Common,
    selection: Selection,
    show: int,
    unmask: bool,
    output: str,
    out: Path | None,
    full_resync: bool,
    limit: int | None,
) -> int:
    """Show what a sync would do, row by row and field by field. Writes to no destination and to no ledger."""
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.execution import rehearse
    from dbt_activate.cli.planview import PlanView
    from dbt_activate.planning.diff import Scope
    from dbt_activate.reporters.planfile import write_plan
    from dbt_activate.run import RunOptions

    application = Application(common)
    syncs = application.syncs(selection)
    view = PlanView(show=show, unmask=unmask)
    options = RunOptions(dry=True, scope=Scope(full=full_resync), limit=limit)
    finished = rehearse(application, syncs, options, view.look)
    click.echo(view.render(finished.results, output, color=common.colored))
    for path in filter(None, (application.artifacts / "plan.json", out)):
        write_plan(path, finished.results)
    return finished.exit_code


@click.command("sync")
@selection_options
@project_options
@click.option("--plan", "plan_file", type=READ_FILE, help="Do exactly this plan, or nothing.")
@click.option("--dry-run", is_flag=True, help="Plan only; write nothing.")
@click.option("--full-resync", is_flag=True, help="Send every row again, equal or not.")
@click.option("--limit", type=click.IntRange(1), help="At most this many rows of each sync.")
@click.option("--threads", type=click.IntRange(1, 64), help="Requests in flight for one destination.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first row that does not get through.")
@click.option("--override-guards", metavar="PLAN_HASH", help="Let this very plan pass its guards.")
@click.option("--test-row", metavar="KEY", help="Send this one row, changed or not.")
@yes_option
def sync_command(
    common: Common,
    selection: Selection,
    plan_file: Path | None,
    dry_run: bool,
    full_resync: bool,
    limit: int | None,
    threads: int | None,
    fail_fast: bool,
    override_guards: str | None,
    test_row: str | None,
    yes: bool,
) -> int:
    """Deliver what changed since it was last confirmed, and remember what is confirmed now."""
    from dbt_activate.cli.application import Application
    from dbt_activate.planning.diff import Scope
    from dbt_activate.reporters.planfile import read_plan
    from dbt_activate.run import RunOptions

    application = Application(common)
    syncs = application.syncs(selection)
    expected = read_plan(plan_file) if plan_file is not None else None
    if plan_file is not None and expected is not None:
        syncs = _planned(syncs, expected, plan_file)
    options = RunOptions(
        dry=dry_run,
        scope=Scope(full=full_resync or test_row is not None, keys=(test_row,) if test_row is not None else ()),
        limit=limit,
        threads=threads,
        fail_fast=fail_fast,
        override=override_guards,
        expected=expected,
    )
    finished = _run(application, syncs, options, "sync", yes=yes)
    if test_row is not None and not any(result.census and result.census.planned for result in finished.results):
        click.echo(f"there is no row with the key {test_row}", err=True)
        return finished.exit_code or 1
    return finished.exit_code


@click.command("retry")
@selection_options
@project_options
@click.option("--key", "keys", multiple=True, help="Only the row with this key; may be given several times.")
@click.option("--code", help="Only rows that were refused with this code.")
@yes_option
def retry_command(common: Common, selection: Selection, keys: tuple[str, ...], code: str | None, yes: bool) -> int:
    """Send rejects again now, though neither their row nor the field map changed."""
    from dbt_activate.cli.application import Application
    from dbt_activate.planning.diff import Scope
    from dbt_activate.run import RunOptions

    application = Application(common)
    options = RunOptions(scope=Scope(rejects_only=True, keys=keys, code=code))
    return _run(application, application.syncs(selection), options, "retry", yes=yes).exit_code


@click.command("resolve")
@selection_options
@project_options
@click.option(
    "--assume",
    type=click.Choice(["sent", "not-sent"]),
    required=True,
    help="sent: remember the rows as confirmed; not-sent: send them again.",
)
@click.option("--key", "keys", multiple=True, help="Only the row with this key; may be given several times.")
@yes_option
def resolve_command(common: Common, selection: Selection, assume: str, keys: tuple[str, ...], yes: bool) -> int:
    """Settle rows whose fate is unknown: look at the destination, then say what you found."""
    from dbt_activate.cli.application import Application
    from dbt_activate.planning.diff import Scope
    from dbt_activate.run import RunOptions

    application = Application(common)
    options = RunOptions(scope=Scope(unknown=True, keys=keys), adopt=assume == "sent")
    return _run(application, application.syncs(selection), options, "resolve", yes=yes).exit_code


@click.command("reset")
@click.argument("sync")
@project_options
@click.option("--mark-synced", is_flag=True, help="Remember the model as it is now as confirmed, and send nothing.")
@yes_option
def reset_command(common: Common, sync: str, mark_synced: bool, yes: bool) -> int:
    """Forget what SYNC has confirmed: the next run takes every row for a new one."""
    from dbt_activate.cli.application import Application
    from dbt_activate.run import RunOptions

    application = Application(common)
    chosen = application.one(sync)
    _confirm(chosen, mark_synced=mark_synced, yes=yes)
    application.forget(chosen)
    if not mark_synced:
        click.echo(f"{sync}: forgotten")
        return 0
    return _run(application, (chosen,), RunOptions(adopt=True), "reset", yes=True).exit_code


def _planned(syncs: "tuple[Sync, ...]", expected: Mapping[str, str], plan_file: Path) -> "tuple[Sync, ...]":
    """The syncs of the plan, all of them."""
    if missing := sorted(expected.keys() - {sync.name for sync in syncs}):
        fault = f"plans {', '.join(missing)}, which the project or the selection does not have"
        raise ConfigError(Problem(str(plan_file), fault, "plan again"))
    return tuple(sync for sync in syncs if sync.name in expected)


def _confirm(sync: "Sync", *, mark_synced: bool, yes: bool) -> None:
    then = "take the model as confirmed, and send nothing" if mark_synced else "send every row again"
    if not yes and sys.stdin.isatty():
        click.confirm(f"Forget what '{sync.destination}' confirmed for '{sync.name}', and {then}?", abort=True)


def _run(
    application: "Application", syncs: "tuple[Sync, ...]", options: "RunOptions", command: str, *, yes: bool
) -> "Finished":
    from dbt_activate.cli.execution import execute, write_artifacts

    if not yes and not options.dry and sys.stdin.isatty() and sys.stdout.isatty():
        _ask(application, syncs, options)
    finished = execute(application, syncs, options)
    arguments = {"command": command, "syncs": [sync.name for sync in syncs], "dry_run": options.dry}
    write_artifacts(application, finished, arguments)
    return finished


def _ask(application: "Application", syncs: "tuple[Sync, ...]", options: "RunOptions") -> None:
    """Show what would be sent, and ask a person for leave."""
    from dbt_activate.cli.execution import rehearse
    from dbt_activate.cli.planview import PlanView

    view = PlanView()
    results = rehearse(application, syncs, replace(options, dry=True), view.look).results
    if any(result.census is not None and result.census.planned for result in results):
        click.echo(view.render(results, "table", color=application.common.color))
        click.confirm("Send this?", abort=True)
