"""A plan on a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dbt_activate.cli.layout import grid, rendered, visible, visible_lines
from dbt_activate.cli.planview import PlannedRow, PlannedSync, total
from dbt_activate.reporters.phrases import counted, tally
from dbt_activate.values.sync import ChangeKind

COLOURS: Mapping[ChangeKind, str] = dict(zip(ChangeKind, ("green", "yellow", "red"), strict=True))
SIGNS: Mapping[ChangeKind, str] = dict(zip(ChangeKind, "+~-", strict=True))
DELIVERY: Mapping[str, str] = {
    "U": "a repeated request does no harm",
    "K": "the destination drops a repeated request",
    "R": "looked for before it is repeated",
    "N": "never repeated: a lost answer leaves rows unknown",
    "T": "applied once, in a transaction",
}
"""Delivery class to what it means for a lost answer."""

VERDICTS = {"ready": "green", "nothing to send": "dim"}
"""Verdict to colour; any other one is red: the sync would not go."""

MOST_FIELDS = 8
"""So many fields are named as those that change."""


def plan_page(syncs: Sequence[PlannedSync], *, color: bool) -> str:
    """The plan, sync by sync, and what it comes to."""
    parts: list[Text | Padding] = []
    for sync in syncs:
        parts += [_title(sync), Padding(_facts(sync), (0, 0, 0, 2))]
        if sync.rows:
            parts += [Text(), Padding(_rows(sync), (0, 0, 0, 2))]
        parts.append(Text())
    return rendered([*parts, _sum(syncs)], color=color)


def _title(sync: PlannedSync) -> Text:
    title = Text(sync.result.sync, style="bold")
    title.append(f"  {visible(sync.model)} → {visible(sync.place)}", style="not bold")
    if sync.mode:
        title.append(f"  {sync.mode}", style="not bold dim")
    return title.append(f"  {sync.verdict}", style=f"not bold {VERDICTS.get(sync.verdict, 'red')}")


def _facts(sync: PlannedSync) -> Table:
    table = grid()
    for name, fact in _told(sync):
        table.add_row(Text(name, style="dim"), fact)
    return table


def _told(sync: PlannedSync) -> Iterator[tuple[str, Text]]:
    if sync.counts:
        yield "changes", _changes(sync)
    if sync.left:
        yield "not sent", Text(" · ".join(f"{number} {words}" for words, number in sync.left.items()))
    if sync.fields:
        yield "fields", Text(_fields(sync.fields))
    yield from _hindrances(sync)
    if sync.to_send:
        yield "delivery", Text(_delivery(sync))
    if sync.result.plan_hash:
        yield "plan", Text(sync.result.plan_hash, style="dim")


def _hindrances(sync: PlannedSync) -> Iterator[tuple[str, Text]]:
    for guard in sync.result.guards:
        yield "guard", Text(visible_lines(guard), style="red")
    if sync.override:
        yield "", Text(f"if this is right: {sync.override}")
    elif sync.result.message:
        yield "reason", Text(visible_lines(sync.result.message), style="red")


def _changes(sync: PlannedSync) -> Text:
    """``2 added · 1 changed · 0 removed``; where fewer go than were found, ``2 of 10 added``."""
    text = Text()
    for kind in ChangeKind:
        found, sent = sync.counts[kind.value], sync.changes.get(kind, 0)
        number = f"{sent}" if sent == found else f"{sent} of {found}"
        text.append(f"{' · ' if text else ''}{number} {kind.value}", style=COLOURS[kind] if sent else "dim")
    return text


def _fields(fields: Mapping[str, int]) -> str:
    named = " · ".join(f"{visible(name)} {rows}" for name, rows in list(fields.items())[:MOST_FIELDS])
    more = len(fields) - MOST_FIELDS
    return f"{named} · {more} more" if more > 0 else named


def _delivery(sync: PlannedSync) -> str:
    rows = tally({operation.value: number for operation, number in sync.operations.items()})
    requests = "" if sync.requests is None else f" in up to {counted(sync.requests, 'request')}"
    classes = [f"class {name}: {DELIVERY.get(name, '')}" for name in (sync.result.delivery or "").split(",") if name]
    return "; ".join([f"{rows}{requests}", *classes])


def _rows(sync: PlannedSync) -> Table:
    table = grid()
    table.add_column(overflow="fold")
    for row in sync.rows:
        style = COLOURS[row.change]
        head = Text(f"{SIGNS[row.change]} {visible(row.key)}", style=style)
        table.add_row(head, Text(row.operation.value, style="dim"), _field_lines(row))
    if hidden := sync.to_send - len(sync.rows):
        table.add_row(Text(f"  {hidden} more", style="dim"), "", "")
    return table


def _field_lines(row: PlannedRow) -> Text:
    if not row.fields:
        return Text("" if row.change is ChangeKind.REMOVED else "sent again as it is", style="dim")
    return Text("\n".join(visible(str(field)) for field in row.fields))


def _sum(syncs: Sequence[PlannedSync]) -> Text:
    behind = sum(sync.result.left_behind for sync in syncs)
    refused = f"; {counted(behind, 'sync')} would not go" if behind else ""
    return Text(f"{counted(len(syncs), 'sync')}: {total(syncs)}{refused}. Nothing was written.")
