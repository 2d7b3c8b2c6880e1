"""``runs``, ``rejects``, ``row``: what the ledger remembers. The warehouse is only read, byte for byte."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace

import click

from dbt_activate.cli.application import Application
from dbt_activate.cli.masks import Masks, Shown
from dbt_activate.cli.options import Common, Selection, project_options, selection_options
from dbt_activate.cli.present import Now, row_now
from dbt_activate.cli.rejectlist import Listed, Rejects, values_of
from dbt_activate.cli.rowlife import RowLife
from dbt_activate.cli.runhistory import run_document, run_page, runs_document, runs_page
from dbt_activate.cli.spelling import json_text
from dbt_activate.contracts import Session
from dbt_activate.errors import ActivateError, ConfigError, Problem
from dbt_activate.ledger.history import life_of, past_runs, rejects, run_detail
from dbt_activate.ledger.past import Reject
from dbt_activate.planning.diff import NULL_KEY
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import Sync

OUTPUT = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="The form."
)
UNMASK = click.option("--unmask", is_flag=True, help="Show columns that are tagged as personal data, too.")
REFUSED = [
    outcome.value for outcome in Outcome if outcome not in (Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.ABORTED)
]


@click.group("runs", invoke_without_command=True)
@selection_options
@project_options
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most this many, the newest.")
@OUTPUT
@click.pass_context
def runs_command(context: click.Context, common: Common, selection: Selection, limit: int, output: str) -> int:
    """Show past runs and their counts; `runs show RUN` shows one from the inside."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return 0
    application = Application(common)
    syncs = _named(application, selection)
    with application.warehouse.session(read_only=True) as session:
        runs = past_runs(application.ledger, session, syncs, limit)
    text = json_text(runs_document(runs)) if output == "json" else runs_page(runs, color=_colored(common))
    click.echo(text)
    return 0


@runs_command.command("show")
@click.argument("run")
@project_options
@OUTPUT
def show_command(common: Common, run: str, output: str) -> int:
    """Show one run: its rows by outcome and code, its batches, its times."""
    application = Application(common)
    with application.warehouse.session(read_only=True) as session:
        details = run_detail(application.ledger, session, run)
    if not details:
        return _missing(f"{run}: the ledger knows no such run; `dbt-activate runs` lists them")
    text = json_text(run_document(details)) if output == "json" else run_page(details, color=_colored(common))
    click.echo(text)
    return 0


@click.command("rejects")
@selection_options
@project_options
@click.option(
    "--code", "codes", multiple=True, help="Only rows that were refused with this code; several times for several."
)
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(REFUSED), help="Only rows that ended so.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many, the newest.")
@click.option(
    "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="The form."
)
@click.option("--show-values", is_flag=True, help="Show the rows' values, too.")
@UNMASK
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
    application = Application(common)
    syncs = _named(application, selection)
    masks = {sync.name: Masks.of(sync, unmask=unmask) for sync in application.project.syncs}
    with application.warehouse.session(read_only=True) as session:
        found = rejects(
            application.ledger, session, syncs, codes=codes or None, outcomes=outcomes or None, limit=limit + 1
        )
        values = _values(application, session, found[:limit], masks) if show_values else {}
    stranger = Masks.of_a_stranger(unmask=unmask)
    listed = tuple(
        Listed(
            replace(row, key=masks.get(row.sync, stranger).key(row.key)),
            values.get((row.sync, row.key), {}) if show_values else None,
        )
        for row in found[:limit]
    )
    click.echo(Rejects(listed, len(found) > limit, show_values).render(output, color=_colored(common)))
    return 0


@click.command("row")
@click.argument("sync")
@click.argument("key")
@project_options
@OUTPUT
@UNMASK
def row_command(common: Common, sync: str, key: str, output: str, unmask: bool) -> int:
    """Show the life of the row of SYNC whose primary key is KEY: now, confirmed, and every past outcome.

    A key of several columns is a JSON array of texts, such as '["EU", "42"]'.
    """
    application = Application(common)
    chosen = application.one(sync)
    row = _row(application, chosen, key_spellings(chosen, key), Masks.of(chosen, unmask=unmask))
    if not row:
        _missing(f"{sync}: there is no row with the key {key}, neither in the model nor in the ledger")
        return _missing(row.now.fault) if row.now.fault else 1
    click.echo(json_text(row.document()) if output == "json" else row.page(color=_colored(common)))
    return 0


def key_spellings(sync: Sync, key: str) -> tuple[str, ...]:
    """The texts by which the ledger may know *key*, the likeliest first.

    Raises:
        ConfigError: The primary key has several columns, and *key* is not a JSON array of as many.
    """
    columns = sync.primary_key
    if len(columns) == 1 or key == NULL_KEY:
        return (key,)
    try:
        parts = json.loads(key)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != len(columns):
        form = json.dumps([f"<{column}>" for column in columns])
        remedy = f"give a JSON array of {len(columns)} texts: '{form}'"
        raise ConfigError(Problem("KEY", f"the primary key of '{sync.name}' is {', '.join(columns)}", remedy))
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    return tuple(dict.fromkeys((json.dumps(texts, ensure_ascii=False, separators=(",", ":")), key)))


def _row(application: Application, sync: Sync, keys: tuple[str, ...], masks: Masks) -> RowLife:
    with application.warehouse.session(read_only=True) as session:
        lives = {key: life_of(application.ledger, session, sync.name, key) for key in keys}
    key = next((key for key, life in lives.items() if life), keys[0])
    return RowLife(sync=sync, key=key, life=lives[key], now=_now(application, sync, keys), masks=masks)


def _now(application: Application, sync: Sync, keys: tuple[str, ...]) -> Now:
    if not sync.enabled:
        return Now(fault="the sync has `enabled: false`")
    destination = application.links([sync])[sync.destination].destination
    return row_now(application.ledger, destination, sync, keys, application.facts)


def _values(
    application: Application, session: Session, rows: tuple[Reject, ...], masks: Mapping[str, Masks]
) -> Mapping[tuple[str, str], Mapping[str, Shown]]:
    """Sync and key to the row's values. A sync whose model cannot be read is told, and left without."""
    found: dict[tuple[str, str], Mapping[str, Shown]] = {}
    for sync in application.project.syncs:
        if not (of_sync := [row for row in rows if row.sync == sync.name]):
            continue
        try:
            values = values_of(application.ledger, session, sync, of_sync, masks[sync.name])
        except ActivateError as error:
            _missing(f"{sync.name}: no values: {error}")
            continue
        found |= {(sync.name, key): fields for key, fields in values.items()}
    return found


def _named(application: Application, selection: Selection) -> list[str] | None:
    """The names of the selected syncs; None, for all that the ledger knows, where nothing is selected."""
    if not (selection.select or selection.exclude or selection.selector):
        return None
    return [sync.name for sync in application.syncs(selection)]


def _refuse_options(context: click.Context) -> None:
    """An option before ``show`` would not reach it, and must not be dropped in silence."""
    source = click.core.ParameterSource.COMMANDLINE
    given = [param for param in context.command.params if context.get_parameter_source(param.name or "") is source]
    if given:
        raise click.UsageError(f"give {given[0].opts[0]} after `show`", context)


def _missing(message: str) -> int:
    click.echo(message, err=True)
    return 1


def _colored(common: Common) -> bool:
    return common.color and sys.stdout.isatty()
