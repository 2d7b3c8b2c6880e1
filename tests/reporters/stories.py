"""Runs as they are told: sequences of events for the reporters' tests."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dbt_activate.values.change import Census
from dbt_activate.values.event import (
    BatchSettled,
    Event,
    PhaseEntered,
    RetryScheduled,
    RunEnded,
    RunStarted,
    SyncEnded,
    SyncPlanned,
    SyncResult,
    SyncStarted,
    Throttled,
    Warned,
)
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import ChangeKind

CENSUS = Census(
    rows=23600,
    confirmed=23500,
    changes={ChangeKind.ADDED: 100, ChangeKind.CHANGED: 4},
    ignored={ChangeKind.REMOVED: 5},
    unchanged=23496,
)

SUCCESS = SyncResult(
    sync="crm_contacts",
    model="model.shop.customer_scores",
    destination="crm",
    object="contacts",
    status="success",
    counts={"added": {"succeeded": 100}, "changed": {"succeeded": 3, "unchanged": 1}},
    census=CENSUS,
    requests=2,
    retries=1,
    throttled_seconds=1.5,
    seconds=12.3,
    error_classes={},
    plan_hash="0123abcd",
    epoch=4,
    delivery="U",
    stages={"plan": 0.4, "deliver": 11.0},
    mode="upsert",
    batch_rows={"upsert": 100},
    batch_requests={"upsert": 3},
)

PARTIAL = replace(
    SUCCESS,
    sync="crm_companies",
    object="companies",
    status="partial",
    counts={"added": {"succeeded": 6970, "rejected": 28, "invalid": 2, "unknown": 4}},
    error_classes={"http_400": 28, "required": 2, "timeout": 4},
    seconds=75.2,
)

BLOCKED = replace(
    SUCCESS,
    sync="crm_orders",
    object="orders",
    status="blocked",
    message="max_removed: 300 of 1000 confirmed rows would be removed; the bound is 1%."
    " If this is right: --override-guards 0123abcd",
    guards=("max_removed: 300 of 1000 confirmed rows would be removed; the bound is 1%",),
    counts={},
    requests=0,
    seconds=0.42,
)

LOCKED = replace(
    BLOCKED,
    sync="crm_deals",
    object="deals",
    status="locked",
    message="crm_deals: run 17 holds the lease; wait for it, or: dbt-activate unlock crm_deals --epoch 3",
    guards=(),
    census=None,
)

FAILED = replace(
    LOCKED, sync="pages", object=None, status="failed", message="destination 'crm': the token was refused; renew it"
)

SKIPPED = replace(FAILED, sync="tickets", status="skipped", message="not tried", seconds=0.0)

ENDINGS = (SUCCESS, PARTIAL, BLOCKED, LOCKED, FAILED, SKIPPED)

EXAMPLES: tuple[Event, ...] = (
    RunStarted(run_id="r1", syncs=("crm_contacts",), dry=False),
    SyncStarted(sync="crm_contacts", model="customer_scores", destination="crm", output="prod", object="contacts"),
    PhaseEntered(sync="crm_contacts", phase="plan"),
    SyncPlanned(sync="crm_contacts", census=CENSUS, to_send=103, plan_hash="0123abcd"),
    PhaseEntered(sync="crm_contacts", phase="deliver"),
    BatchSettled(sync="crm_contacts", number=1, outcomes={Outcome.SUCCEEDED: 50}, requests=1, seconds=0.5),
    RetryScheduled(sync="crm_contacts", number=2, attempt=1, seconds=1.0, code="http_503"),
    Throttled(sync="crm_contacts", seconds=1.5),
    BatchSettled(sync="crm_contacts", number=2, outcomes={Outcome.SUCCEEDED: 53}, requests=2, seconds=1.5),
    Warned(sync="crm_contacts", message="planned without asking the destination: no answer"),
    PhaseEntered(sync="crm_contacts", phase="record"),
    SyncEnded(sync="crm_contacts", result=SUCCESS),
    RunEnded(run_id="r1", exit_code=0, seconds=13.0),
)
"""One run of one sync; every kind of event is in it."""


def run_of(
    results: Iterable[SyncResult], *, exit_code: int = 0, dry: bool = False, seconds: float = 21.5
) -> list[Event]:
    """A run whose syncs end with *results*, at once."""
    told = tuple(results)
    started = RunStarted(run_id="r1", syncs=tuple(result.sync for result in told), dry=dry)
    ends = [event for result in told for event in _sync(result)]
    return [started, *ends, RunEnded(run_id="r1", exit_code=exit_code, seconds=seconds)]


def _sync(result: SyncResult) -> Iterator[Event]:
    if result.status != "skipped":
        model = result.model.rpartition(".")[2]
        yield SyncStarted(
            sync=result.sync, model=model, destination=result.destination, output="prod", object=result.object
        )
    if result.census is not None:
        to_send = sum(result.outcomes.values()) - result.outcomes.get("invalid", 0)
        yield SyncPlanned(sync=result.sync, census=result.census, to_send=to_send, plan_hash=result.plan_hash or "")
    yield SyncEnded(sync=result.sync, result=result)
