"""A row on its way: shaped, checked, cut into batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import RowResult
from dbt_activate.values.sync import ChangeKind, Operation


# Without slots: see Change.
@dataclass(frozen=True, kw_only=True)
class Payload:
    """One row, shaped for its destination.

    Attributes:
        fields: What is sent: destination field to value, nested objects as dicts.
        create_only: Fields of ``write: on_create``: added by the destination where it makes a new record.
        identity: The identifier fields and their values, which match the record.
        confirmed_identity: The identity that was last confirmed, where it is another one: the record is renamed.
        before: The fields as last confirmed; None where they are not stored or there are none.
        record_id: The destination's own id of the record, where it is known.
        payload_hash: 128 bits as hex, over the canonical JSON of the fields that decide.
        incarnation: How often the row came back after a removal.
        revision: How often anything was confirmed of the row. A part of its idempotency key: a value that comes back
            (A, B, A) is another request, a repeated one is not.
    """

    key: str
    change: ChangeKind
    operation: Operation
    fields: JsonObject
    identity: JsonObject
    create_only: JsonObject = field(default_factory=dict)
    confirmed_identity: JsonObject | None = None
    before: JsonObject | None = None
    record_id: str | None = None
    payload_hash: str
    fingerprint: int | None = None
    incarnation: int = 0
    revision: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A payload in the destination's own spelling.

    Attributes:
        body: What the destination's ``send`` puts on the wire for this row; its type is the destination's affair.
        size: Bytes that the row takes in a request.
    """

    payload: Payload
    body: object
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of one operation that travel in one request.

    Attributes:
        number: Counts from 1 within a run of a sync; a part of a refused batch gets a number of its own.
        idempotency_key: The same for the same rows with the same values, over retries, crashes and runs.
    """

    number: int
    operation: Operation
    object: str | None
    rows: tuple[Encoded, ...]
    idempotency_key: str
    sync: str = ""
    run_id: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The rows' keys, in order."""
        return tuple(row.payload.key for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A planned row with its outcome: one line of the row log.

    Attributes:
        payload: What was, or would have been, sent; None where the row could not be shaped.
        batch: Number of the batch it travelled in; None where it was never sent.
        attempts: Runs in a row in which it did not get through, this one included; 0 where it did.
    """

    change: ChangeKind
    result: RowResult
    payload: Payload | None = None
    fingerprint: int | None = None
    incarnation: int = 0
    batch: int | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What the variables of a field map stand for."""

    run_id: str
    run_started_at: str
    invocation_id: str

    def variables(self, *, sync: str, model: str) -> Mapping[str, Json]:
        """Variable to value, for one sync."""
        return {
            "run_id": self.run_id,
            "run_started_at": self.run_started_at,
            "invocation_id": self.invocation_id,
            "sync": sync,
            "model": model,
        }
