"""Past runs: a list of them, and one of them from the inside."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from dbt_activate.cli.layout import columns, facts_table, moment, rendered
from dbt_activate.ledger.past import PastBatch, PastRun, RunDetail
from dbt_activate.reporters.phrases import counted, duration, outcomes

MOST_BATCHES = 20
"""So many batches of a sync are shown to a person; JSON has all of them."""


def runs_document(runs: Sequence[PastRun]) -> dict[str, Any]:
    """A list of runs as JSON."""
    return {"schema": "dbt-activate/runs/v1", "runs": [_run(run) for run in runs]}


def runs_page(runs: Sequence[PastRun], *, color: bool) -> str:
    """A list of runs for a terminal."""
    if not runs:
        return "no sync has run yet"
    header = ("run", "sync", "status", "started (UTC)", "took", "requests", "rows")
    rows = (
        (run.run_id, run.sync, run.status, moment(run.started_at), _took(run), _number(run.requests), _rows(run))
        for run in runs
    )
    return rendered([columns(header, rows, numbers=("took", "requests"))], color=color)


def run_document(details: Sequence[RunDetail]) -> dict[str, Any]:
    """A run from the inside as JSON."""
    syncs = [
        {**_run(detail.run), "rows": list(map(asdict, detail.tallies)), "batches": list(map(asdict, detail.batches))}
        for detail in details
    ]
    return {"schema": "dbt-activate/run/v1", "run_id": details[0].run.run_id, "syncs": syncs}


def run_page(details: Sequence[RunDetail], *, color: bool) -> str:
    """A run from the inside for a terminal."""
    parts = [part for detail in details for part in (*_parts(detail), "")]
    return rendered(parts[:-1], color=color)


def _run(run: PastRun) -> dict[str, Any]:
    return {**asdict(run), "seconds": run.seconds, "outcomes": run.outcomes}


def _parts(detail: RunDetail) -> Iterator[Any]:
    run = detail.run
    facts = {
        "run": run.run_id,
        "status": run.status,
        "reason": run.message,
        "to": " / ".join(filter(None, (run.destination, run.object))),
        "started": f"{moment(run.started_at)} UTC",
        "took": _took(run),
        "rows": _rows(run),
        "requests": _number(run.requests),
        "plan": run.plan_hash,
        "dbt run": run.dbt_invocation_id,
    }
    yield facts_table(run.sync, ((name, text) for name, text in facts.items() if text))
    if detail.tallies:
        rows = ((tally.change, tally.outcome, tally.code or "", str(tally.rows)) for tally in detail.tallies)
        yield ""
        yield columns(("change", "outcome", "code", "rows"), rows, numbers=("rows",))
    if detail.batches:
        header = ("batch", "operation", "class", "state", "sent (UTC)", "took", "rows")
        yield ""
        yield columns(header, map(_batch, detail.batches[:MOST_BATCHES]), numbers=("batch", "took"))
    if (more := len(detail.batches) - MOST_BATCHES) > 0:
        yield f"and {more} more: --output json has them"


def _batch(batch: PastBatch) -> tuple[str, ...]:
    sent, settled = batch.first_sent_at, batch.settled_at
    took = duration((settled - sent).total_seconds()) if sent and settled else ""
    rows = outcomes(batch.outcomes) or counted(batch.rows, "row")
    return str(batch.number), batch.operation or "", batch.delivery or "", batch.state, moment(sent), took, rows


def _took(run: PastRun) -> str:
    return "" if run.seconds is None else duration(run.seconds)


def _rows(run: PastRun) -> str:
    return outcomes(run.outcomes) or ("nothing to send" if run.status == "success" else "")


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
