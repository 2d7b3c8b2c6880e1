"""``runs``, ``rejects``, ``row``: what the ledger remembers. The warehouse is only read, byte for byte."""

import click

from dbt_activate.cli.options import Common, Selection, output_option, project_options, selection_options, unmask_option
from dbt_activate.values.outcome import Outcome

ENDED_WELL = (Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.ABORTED)
REFUSED = [outcome.value for outcome in Outcome if outcome not in ENDED_WELL]


@click.group("runs", invoke_without_command=True)
@selection_options
@project_options
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most this many, the newest.")
@output_option("table", "json")
@click.pass_context
def runs_command(context: click.Context, common: Common, selection: Selection, limit: int, output: str) -> int:
    """Show past runs and their counts; `runs show RUN` shows one from the inside."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return 0
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text
    from dbt_activate.cli.runhistory import runs_document, runs_page
    from dbt_activate.ledger.history import past_runs

    application = Application(common)
    names = application.names(selection)
    with application.warehouse.session(read_only=True) as session:
        runs = past_runs(application.ledger, session, names, limit)
    click.echo(json_text(runs_document(runs)) if output == "json" else runs_page(runs, color=common.colored))
    return 0


def _refuse_options(context: click.Context) -> None:
    """An option before ``show`` would not reach it, and must not be dropped in silence."""
    source = click.core.ParameterSource.COMMANDLINE
    given = [param for param in context.command.params if context.get_parameter_source(param.name or "") is source]
    if given:
        raise click.UsageError(f"give {given[0].opts[0]} after `show`", context)


@runs_command.command("show")
@click.argument("run")
@project_options
@output_option("table", "json")
def show_command(common: Common, run: str, output: str) -> int:
    """Show one run: its rows by outcome and code, its batches, its times."""
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text
    from dbt_activate.cli.runhistory import run_document, run_page
    from dbt_activate.ledger.history import run_detail

    application = Application(common)
    with application.warehouse.session(read_only=True) as session:
        details = run_detail(application.ledger, session, run)
    if not details:
        click.echo(f"{run}: the ledger knows no such run; `dbt-activate runs` lists them", err=True)
        return 1
    click.echo(json_text(run_document(details)) if output == "json" else run_page(details, color=common.colored))
    return 0


@click.command("rejects")
@selection_options
@project_options
@click.option(
    "--code", "codes", multiple=True, help="Only rows that were refused with this code; several times for several."
)
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(REFUSED), help="Only rows that ended so.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many, the newest.")
@output_option("table", "json", "csv")
@click.option("--show-values", is_flag=True, help="Show the rows' values, too.")
@unmask_option
def rejects_command(
    *,
    common: Common,
    selection: Selection,
    codes: tuple[str, ...],
    outcomes: tuple[str, ...],
    limit: int,
    output: str,
    show_values: bool,
    unmask: bool,
) -> int:
    """Show the rows that did not get through: which, why, since when, and when they are tried again."""
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.rejectlist import listed
    from dbt_activate.ledger.history import rejects

    application = Application(common)
    names = application.names(selection)
    with application.warehouse.session(read_only=True) as session:
        found = rejects(
            application.ledger, session, names, codes=codes or None, outcomes=outcomes or None, limit=limit + 1
        )
        more = len(found) > limit
        shown = listed(application, session, found[:limit], more=more, values=show_values, unmask=unmask)
    click.echo(shown.render(output, color=common.colored))
    return 0


@click.command("row")
@click.argument("sync")
@click.argument("key")
@project_options
@output_option("table", "json")
@unmask_option
def row_command(common: Common, sync: str, key: str, output: str, unmask: bool) -> int:
    """Show the life of the row of SYNC whose primary key is KEY: now, confirmed, and every past outcome.

    A key of several columns is a JSON array of texts, such as '["EU", "42"]'.
    """
    from dbt_activate.cli.application import Application
    from dbt_activate.cli.layout import json_text
    from dbt_activate.cli.rowlife import row_life

    application = Application(common)
    row = row_life(application, application.one(sync), key, unmask=unmask)
    if not row:
        click.echo(f"{sync}: there is no row with the key {key}, neither in the model nor in the ledger", err=True)
        if row.now.fault:
            click.echo(row.now.fault, err=True)
        return 1
    click.echo(json_text(row.document()) if output == "json" else row.page(color=common.colored))
    return 0
