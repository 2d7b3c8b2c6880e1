"""The rows that did not get through, as a table, as JSON and for a spreadsheet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, cast

import click

from dbt_activate.cli.application import Application
from dbt_activate.cli.layout import Shown, columns, csv_text, json_text, moment, rendered, spelled
from dbt_activate.cli.masks import Masks
from dbt_activate.cli.present import changes_now
from dbt_activate.cli.rowlife import next_attempt, reason
from dbt_activate.contracts import Session
from dbt_activate.errors import ActivateError
from dbt_activate.ledger.history import sent_fields
from dbt_activate.ledger.past import Reject
from dbt_activate.ledger.store import Ledger
from dbt_activate.planning.diff import Scope
from dbt_activate.reporters.phrases import counted
from dbt_activate.values.change import Change
from dbt_activate.values.json import Json
from dbt_activate.values.sync import Sync

MOST_NAMED = 500
"""So many keys stand in one statement; where more rows are wanted, all rejects of the sync are read."""

CSV_COLUMNS = (
    *("sync", "key", "outcome", "operation", "code", "field", "pointer", "message", "attempts"),
    *("first_seen_at", "last_seen_at", "next_attempt_at", "run_id"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A reject that may be shown. *values*: field to value, masked; None where values were not asked for."""

    reject: Reject
    values: Mapping[str, Shown] | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self.reject), **({} if self.values is None else {"values": self.values})}

    def line(self) -> list[str]:
        """For a terminal. Of the values, the one at fault; all of them where no field is."""
        reject, values = self.reject, self.values
        seen = "\n".join(dict.fromkeys((moment(reject.first_seen_at), moment(reject.last_seen_at))))
        line = [reject.sync, reject.key, reject.outcome, reason(reject), str(reject.attempts), seen]
        if values is None:
            return [*line, next_attempt(reject)]
        field = reject.field
        chosen = {field: values[field]} if field is not None and field in values else values
        return [*line, next_attempt(reject), "\n".join(f"{name}: {spelled(value)}" for name, value in chosen.items())]


@dataclass(frozen=True, slots=True)
class Rejects:
    """A list of rejects, the newest first. *more*: there are others beyond the limit."""

    rows: tuple[Listed, ...]
    more: bool
    with_values: bool

    def render(self, output: str, *, color: bool) -> str:
        """The list as *output*: ``table | json | csv``. In CSV no cell is a formula; values are JSON, in one column."""
        if output == "csv":
            header = (*CSV_COLUMNS, *(("values",) if self.with_values else ()))
            return csv_text(header, ([*_cells(row, header)] for row in self.rows))
        if output == "json":
            documents = [row.document() for row in self.rows]
            return json_text({"schema": "dbt-activate/rejects/v1", "rejects": documents, "more": self.more})
        return self.page(color=color)

    def page(self, *, color: bool) -> str:
        """For a terminal."""
        if not self.rows:
            return "no row is held back"
        header = ["sync", "key", "outcome", "reason", "attempts", "seen (UTC)", "tried again"]
        header += ["value"] if self.with_values else []
        table = columns(header, (row.line() for row in self.rows), numbers=("attempts",))
        told = f"the newest {counted(len(self.rows), 'row')}; --limit shows more" if self.more else ""
        return rendered([table, *(["", told] if told else [])], color=color)


def _cells(row: Listed, header: Sequence[str]) -> Iterator[object]:
    document = row.document()
    if row.values is not None:
        document["values"] = json_text(row.values, indent=0)
    for name in header:
        value = document[name]
        yield f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


def listed(
    application: Application, session: Session, rows: Sequence[Reject], *, more: bool, values: bool, unmask: bool
) -> Rejects:
    """What may be shown of *rows*; with their *values*, where the model or the ledger has them."""
    syncs = application.project.syncs
    masks = {sync.name: Masks.of(sync, unmask=unmask) for sync in syncs}
    found: dict[tuple[str, str], Mapping[str, Shown]] = {}
    for sync in syncs if values else ():
        try:
            of_sync = [row for row in rows if row.sync == sync.name]
            fields = values_of(application.ledger, session, sync, of_sync, masks[sync.name])
            found |= {(sync.name, key): shown for key, shown in fields.items()}
        except ActivateError as error:
            click.echo(f"{sync.name}: no values: {error}", err=True)
    stranger = Masks.of_a_stranger(unmask=unmask)
    shown = (
        Listed(
            replace(row, key=masks.get(row.sync, stranger).key(row.key)),
            found.get((row.sync, row.key), {}) if values else None,
        )
        for row in rows
    )
    return Rejects(tuple(shown), more, values)


def values_of(
    ledger: Ledger, session: Session, sync: Sync, rows: Sequence[Reject], masks: Masks
) -> Mapping[str, Mapping[str, Shown]]:
    """Key to the values of the row, masked: what was sent, or else what the model has now.

    Raises:
        ConfigError: The sync does not fit its model.
    """
    wanted = {row.key: row.run_id for row in rows}
    found: dict[str, Mapping[str, Shown]] = {}
    for run_id in dict.fromkeys(wanted.values()):
        for key, fields in sent_fields(ledger, session, sync.name, run_id).items():
            if wanted.get(key) == run_id:
                found[key] = masks.shown(fields)
    missing = tuple(key for key in wanted if key not in found)
    for change in _read(ledger, session, sync, missing):
        if change.key in wanted and change.key not in found:
            found[change.key] = dict(_values(sync, change, masks))
    return found


def _read(ledger: Ledger, session: Session, sync: Sync, keys: tuple[str, ...]) -> tuple[Change, ...]:
    if not keys:
        return ()
    few = len(keys) <= MOST_NAMED
    scope = Scope(keys=keys, full=True) if few else Scope(rejects_only=True, full=True)
    return changes_now(ledger, session, sync, scope)


def _values(sync: Sync, change: Change, masks: Masks) -> Iterator[tuple[str, Shown]]:
    """The columns that go into the fields, as the warehouse has them: before any transform."""
    for field, value in zip(sync.fields, change.values, strict=False):
        if field.from_warehouse and change.fault is None:
            # A value of the driver's: what JSON has no form for is shown as its text.
            yield field.name, masks.seen(field.name, cast("Json", value))
