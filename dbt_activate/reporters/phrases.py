"""Numbers and events as phrases. Plain text, no colour; the same on a terminal and in a log."""

from collections.abc import Mapping

from dbt_activate.reporters.progress import Progress
from dbt_activate.values.change import Census
from dbt_activate.values.event import SyncStarted
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.sync import ChangeKind

MINUTE, HOUR = 60, 3600

CENSUS: Mapping[str, str] = {
    "unchanged": "{} unchanged",
    "faulty": "{} with a null or repeated key",
    "held": "{} held as rejects",
    "waiting": "{} waiting for a later attempt",
    "unknown": "{} of unknown fate",
    "withheld": "{} removals withheld",
}
"""Attribute of a census to how it is told; what is zero is not told."""


def duration(seconds: float) -> str:
    """Seconds as ``0.4s``, ``12.3s``, ``2m 05s`` or ``1h 02m``."""
    if seconds < MINUTE:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02d}s"
    return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tally(counts: Mapping[str, int]) -> str:
    """``30 http_400, 2 required``: what is not zero, largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {name}" for name, number in ordered if number)


def outcomes(counts: Mapping[str, int]) -> str:
    """``6970 succeeded, 30 rejected``: what is not zero, in the order of the glossary."""
    known = {outcome.value: counts.get(outcome.value, 0) for outcome in Outcome}
    return ", ".join(f"{rows} {outcome}" for outcome, rows in known.items() if rows)


def way(event: SyncStarted) -> str:
    """From where to where: ``customer_scores to contacts of crm (prod)``."""
    place = f"{event.object} of {event.destination}" if event.object else event.destination
    return f"{event.model} to {place} ({event.output})"


def planned(census: Census, to_send: int) -> str:
    """What the plan found: ``120 added, 4 changed, 23446 unchanged; 124 rows to send``."""
    changes = {kind.value: census.changes.get(kind, 0) for kind in ChangeKind}
    found = [f"{rows} {kind}" for kind, rows in changes.items() if rows]
    told = [phrase.format(rows) for name, phrase in CENSUS.items() if (rows := getattr(census, name))]
    ignored = [f"{rows} {kind}, left alone" for kind in ChangeKind if (rows := census.ignored.get(kind))]
    parts = [
        ", ".join([*found, *told]),
        *ignored,
        f"{counted(to_send, 'row')} to send" if to_send else "nothing to send",
    ]
    return ("first run; " if census.first else "") + "; ".join(part for part in parts if part)


def progress(line: Progress, now: float) -> str:
    """How far a delivery is: ``5000 of 23570 rows (21%), 420 rows/s, 44s left, 50 requests``."""
    share = f" ({line.done * 100 // line.to_send}%)" if line.to_send else ""
    parts = (
        f"{line.done} of {counted(line.to_send or 0, 'row')}{share}",
        speed(line, now),
        remaining(line, now),
        counted(line.requests, "request"),
        trouble(line),
        outcomes({**line.outcomes, Outcome.SUCCEEDED: 0}),
    )
    return ", ".join(part for part in parts if part)


def speed(line: Progress, now: float) -> str:
    """``420 rows/s``; empty until it can be said."""
    rate = line.rate(now)
    if rate is None:
        return ""
    return f"{rate:.0f} rows/s" if rate >= 1 else f"{rate * MINUTE:.1f} rows/min"


def remaining(line: Progress, now: float) -> str:
    """``44s left``; empty until it can be said, and when nothing is."""
    seconds = line.seconds_left(now)
    if not seconds:
        return ""
    return f"{round(seconds)}s left" if seconds < MINUTE else f"{duration(seconds)} left"


def trouble(line: Progress) -> str:
    """``3 retries (2 http_503, 1 connect), throttled 12.0s``; empty where nothing held the delivery up."""
    reasons = tally(line.retries) if len(line.retries) > 1 else "".join(line.retries)
    repeated = f"{retried(line)} ({reasons})" if reasons else ""
    return ", ".join(part for part in (repeated, throttled(line)) if part)


def retried(line: Progress) -> str:
    """``3 retries``; empty where nothing was repeated."""
    repeated = sum(line.retries.values())
    return f"{repeated} {'retry' if repeated == 1 else 'retries'}" if repeated else ""


def throttled(line: Progress) -> str:
    """``throttled 12.0s``; empty where nothing waited for the rate limit."""
    return f"throttled {duration(line.throttled)}" if line.throttled else ""
