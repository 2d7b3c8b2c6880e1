"""A plan as the comment on a pull request: Markdown that shows what is in it, whatever is in it."""

from collections.abc import Iterator, Sequence

from dbt_activate.cli.layout import Mark, fenced, inline_code, spelled, visible
from dbt_activate.cli.planview import PlannedRow, PlannedSync, total
from dbt_activate.reporters.phrases import counted
from dbt_activate.values.sync import ChangeKind

HEADER = ("sync", "model → destination", "mode", "verdict", "added", "changed", "removed", "not sent", "requests")
FOOTER = "<sub>Nothing was written. `dbt-activate sync --plan` executes a saved plan exactly, or refuses.</sub>"
ALIGNED = ("---",) * 4 + ("---:",) * 3 + ("---", "---:")


def plan_comment(syncs: Sequence[PlannedSync]) -> str:
    """One table for all syncs, then what folds out: rows, guards and hashes of each."""
    parts = [
        f"### dbt-activate plan: {counted(len(syncs), 'sync')}, {total(syncs)}",
        "\n".join(map(_line, (HEADER, ALIGNED, *map(_cells, syncs)))),
        *(text for sync in syncs for text in _details(sync)),
        FOOTER,
    ]
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(sync: PlannedSync) -> tuple[str, ...]:
    return (
        inline_code(sync.result.sync),
        f"{inline_code(sync.model)} → {inline_code(sync.place)}",
        sync.mode or "",
        f"**{sync.verdict}**" if sync.result.left_behind else sync.verdict,
        *(str(sync.changes.get(kind, 0)) if sync.counts else "" for kind in ChangeKind),
        ", ".join(f"{number} {words}" for words, number in sync.left.items()),
        "" if sync.requests is None or not sync.to_send else f"up to {sync.requests}",
    )


def _details(sync: PlannedSync) -> Iterator[str]:
    result = sync.result
    for text in result.guards or filter(None, [result.message]):
        yield f"> **{result.sync}** {inline_code(text)}"
    if sync.override:
        yield f"> If this is right: {inline_code(sync.override)}"
    if not sync.counts:
        return
    summary = f"<summary><b>{result.sync}</b>: {_summary(sync)}</summary>"
    yield "\n\n".join(["<details>" + summary, *_folded(sync), "</details>"])


def _summary(sync: PlannedSync) -> str:
    changes = ", ".join(f"{number} {kind.value}" for kind in ChangeKind if (number := sync.changes.get(kind, 0)))
    return changes or "nothing to send"


def _folded(sync: PlannedSync) -> Iterator[str]:
    if sync.fields:
        yield "Fields that change: " + ", ".join(
            f"{inline_code(name)} in {counted(rows, 'row')}" for name, rows in sync.fields.items()
        )
    if sync.rows:
        yield fenced((line for row in sync.rows for line in _diff(row)), "diff")
    if (hidden := sync.to_send - len(sync.rows)) and sync.rows:
        yield f"{counted(hidden, 'more row')}."
    delivery = f"Delivery class {sync.result.delivery}, plan" if sync.result.delivery else "Plan"
    yield f"{delivery} {inline_code(sync.result.plan_hash or '')}"


def _diff(row: PlannedRow) -> Iterator[str]:
    """One row in the manner of ``diff``: what it is, then the values that go and those that come."""
    yield f"@@ {visible(row.key)} · {row.operation.value} @@"
    for field in row.fields:
        name = visible(field.field)
        if field.old is not Mark.ABSENT:
            yield f"- {name}: {spelled(field.old)}"
        if field.new is not Mark.ABSENT:
            yield f"+ {name}: {spelled(field.new)}"
