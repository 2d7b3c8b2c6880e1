"""How a row ended."""

from dataclasses import dataclass, replace
from enum import StrEnum

from dbt_activate.values.json import JsonObject


class Outcome(StrEnum):
    """Each planned row of a run ends in exactly one of these. What each means for the ledger: ``docs``, outcomes."""

    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ABORTED = "aborted"


SETTLED = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})
"""The outcomes after which destination and model agree on the row."""

HELD = frozenset({Outcome.INVALID, Outcome.REJECTED, Outcome.CONFLICT})
"""The outcomes that wait for a new row or field map, or for ``retry``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of one row.

    Attributes:
        key: The row's primary key, as in the ledger.
        code: A short stable word for the reason, such as ``required`` or ``http_400``.
        field: The field at fault, dotted where nested.
        pointer: JSON pointer (RFC 6901) into the payload, where the fault is in a value.
        message: For people. Never holds a value of the row.
        record_id: The destination's own id of the record.
        request_id: The destination's own name for the request.
        theirs: The record as the destination reported it back, where it did.
    """

    key: str
    outcome: Outcome
    code: str | None = None
    field: str | None = None
    pointer: str | None = None
    message: str | None = None
    record_id: str | None = None
    request_id: str | None = None
    theirs: JsonObject | None = None

    def ended(self, outcome: Outcome, *, code: str | None = None, message: str | None = None) -> "RowResult":
        """The same row with another ending."""
        return replace(self, outcome=outcome, code=code or self.code, message=message or self.message)
