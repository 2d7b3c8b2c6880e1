"""What became of a sync, told from the rows' outcomes."""

from collections import Counter
from collections.abc import Mapping

from dbt_activate.delivery.dispatch import Stop
from dbt_activate.run.preparation import Plan
from dbt_activate.values.event import SyncResult
from dbt_activate.values.outcome import SETTLED
from dbt_activate.values.sync import Sync

Counts = Mapping[str, Mapping[str, int]]


def result_of(
    sync: Sync, status: str, *, plan: Plan | None = None, counts: Counts | None = None, message: str = ""
) -> SyncResult:
    """The result of *sync*; what only a delivery knows is filled in by whoever delivered."""
    spec = plan.spec if plan is not None else None
    used = {op: spec.operations[op] for op in sync.operations if op in spec.operations} if spec is not None else {}
    return SyncResult(
        sync=sync.name,
        model=sync.model.unique_id,
        destination=sync.destination,
        object=sync.object,
        status=status,
        message=message,
        counts=counts or {},
        census=plan.census if plan else None,
        guards=tuple(map(str, plan.tripped)) if plan else (),
        error_classes=Counter(row.result.code for row in plan.ended if row.result.code) if plan else {},
        plan_hash=plan.hash if plan else None,
        delivery=",".join(sorted({operation.delivery.value for operation in used.values()})) or None,
        stages={},
        mode=sync.mode.value,
        batch_rows={op.value: min(spec.rows, sync.batch_size or spec.rows) for op, spec in used.items()},
        batch_requests={op.value: spec.requests for op, spec in used.items()},
    )


def expected(plan: Plan) -> Counts:
    """The outcomes that are known before anything is sent: those of the rows that will not be."""
    counts: dict[str, Counter[str]] = {}
    for row in plan.ended:
        counts.setdefault(row.change.value, Counter())[row.result.outcome.value] += 1
    return counts


def status_of(plan: Plan, counts: Counts, stop: Stop | None) -> str:
    """``success | partial | failed``, or what stopped the sync."""
    if stop is not None and stop.status in ("blocked", "deferred"):
        return stop.status
    outcomes = {outcome for by_outcome in counts.values() for outcome in by_outcome}
    through = outcomes & {outcome.value for outcome in SETTLED}
    census = plan.census
    behind = census.waiting or census.unknown or census.withheld
    if outcomes == through and not behind and stop is None:
        return "success"
    return "partial" if through or not outcomes else "failed"
