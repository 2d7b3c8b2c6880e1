"""What an answer says of each row that was sent: exactly one result for each."""

from collections.abc import Iterable

from dbt_activate.errors import DestinationError
from dbt_activate.values.json import Json
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload

SHORTEST_SECRET = 3
"""Shorter values occur in any message by chance."""

LONGEST_MESSAGE = 500

_WORST_LAST = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.REJECTED)


class ForeignKeysError(DestinationError):
    """An answer names rows that were not sent: a fault of the destination's plug-in."""


def complete(batch: Batch, results: Iterable[RowResult]) -> list[RowResult]:
    """One result for each row of *batch*, in its order. A row that is not mentioned is ``unknown``.

    Raises:
        ForeignKeysError: A result is of a row that was not sent.
    """
    found: dict[str, RowResult] = {}
    for result in results:
        known = found.get(result.key)
        found[result.key] = result if known is None else max(known, result, key=_badness)
    if foreign := found.keys() - set(batch.keys):
        raise ForeignKeysError(f"the answer names {len(foreign)} rows that were not sent", code="contract")
    return [_redacted(found.get(key) or _unmentioned(key), batch) for key in batch.keys]


def all_rows(batch: Batch, outcome: Outcome, error: DestinationError) -> list[RowResult]:
    """Every row of *batch* with the same ending, for the reason that *error* gives."""
    message = redacted(str(error), batch)
    return [
        RowResult(key=key, outcome=outcome, code=error.code, message=message, request_id=error.request_id)
        for key in batch.keys
    ]


def redacted(message: str, batch: Batch) -> str:
    """The destination's words without any value of the rows that were sent."""
    values = [_values(row.payload) for row in batch.rows]
    for text in sorted(_texts(values), key=len, reverse=True):
        message = message.replace(text, "***")
    return message[:LONGEST_MESSAGE]


def _redacted(result: RowResult, batch: Batch) -> RowResult:
    if result.message is None:
        return result
    return result.ended(result.outcome, message=redacted(result.message, batch))


def _values(payload: Payload) -> list[Json]:
    """All that a destination may know of the row and quote: a removed row has no fields, but an identity."""
    known = (payload.fields, payload.create_only, payload.identity, payload.confirmed_identity, payload.before)
    return [part for part in known if part]


def _texts(values: Iterable[Json]) -> set[str]:
    found: set[str] = set()
    for value in values:
        if isinstance(value, dict):
            found |= _texts(list(value.values()))
        elif isinstance(value, list):
            found |= _texts(value)
        elif value is not None and not isinstance(value, bool) and len(str(value)) >= SHORTEST_SECRET:
            found.add(str(value))
    return found


def _unmentioned(key: str) -> RowResult:
    return RowResult(
        key=key, outcome=Outcome.UNKNOWN, code="not_mentioned", message="the answer does not mention this row"
    )


def _badness(result: RowResult) -> int:
    return _WORST_LAST.index(result.outcome) if result.outcome in _WORST_LAST else len(_WORST_LAST)
