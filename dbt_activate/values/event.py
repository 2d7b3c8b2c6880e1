"""What a run tells while it goes on. Stages tell events; reporters choose the words. No event holds a row's value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from dbt_activate.values.change import Census
from dbt_activate.values.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run began, with these syncs in the order in which they will go."""

    run_id: str
    syncs: tuple[str, ...]
    dry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStarted:
    """A sync's turn came. *destination* is its name, *output* the connection, *object* what is written."""

    sync: str
    model: str
    destination: str
    output: str
    object: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntered:
    """The sync does something else now: ``lease | recover | plan | deliver | record``."""

    sync: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlanned:
    """What is to be done is known. *to_send* rows will be sent."""

    sync: str
    census: Census
    to_send: int
    plan_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettled:
    """Every row of a batch has its outcome. *requests* since the last such event; *seconds* it took."""

    sync: str
    number: int
    outcomes: Mapping[Outcome, int]
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """A request will be repeated after *seconds*; *code* says why."""

    sync: str
    number: int
    attempt: int
    seconds: float
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Requests wait *seconds* for the rate limit of the destination's account."""

    sync: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something a person should know, and that stops nothing."""

    sync: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEnded:
    """A sync is over. *status*: ``success | partial | failed | blocked | locked | deferred | skipped``."""

    sync: str
    result: "SyncResult"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over."""

    run_id: str
    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What became of one sync in a run; one entry of ``activate_results.json``.

    Attributes:
        counts: Change kind (``added | changed | removed | faulty``) to outcome to number of rows, from the row log.
        census: What the plan found; None where the sync did not come so far.
        guards: The guards that refused the plan, in words.
        error_classes: Code to number of rows.
        stages: Seconds by phase.
        batch_rows: Operation to most rows in one request, where a plan came so far.
        batch_requests: Operation to most requests that one batch takes as a rule; one where it is not there.
    """

    sync: str
    model: str
    destination: str
    object: str | None
    status: str
    message: str = ""
    counts: Mapping[str, Mapping[str, int]]
    census: Census | None = None
    requests: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0
    seconds: float = 0.0
    guards: tuple[str, ...] = ()
    error_classes: Mapping[str, int]
    plan_hash: str | None = None
    epoch: int | None = None
    delivery: str | None = None
    stages: Mapping[str, float]
    mode: str | None = None
    batch_rows: Mapping[str, int] = field(default_factory=dict)
    batch_requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Outcome to number of rows, over all changes."""
        totals: dict[str, int] = {}
        for by_outcome in self.counts.values():
            for outcome, rows in by_outcome.items():
                totals[outcome] = totals.get(outcome, 0) + rows
        return totals

    @property
    def left_behind(self) -> bool:
        """Whether something was not delivered: the reason for exit code 1."""
        return self.status not in {"success", "skipped"}


Event: TypeAlias = (
    RunStarted
    | SyncStarted
    | PhaseEntered
    | SyncPlanned
    | BatchSettled
    | RetryScheduled
    | Throttled
    | Warned
    | SyncEnded
    | RunEnded
)
