"""What happened to the rows of a model since they were last confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt_activate.values.json import JsonObject
from dbt_activate.values.sync import ChangeKind


# Without slots: these wait on disk, and pickle takes an instance dictionary four times as fast.
@dataclass(frozen=True, kw_only=True)
class Known:
    """What the ledger holds of a row: what the destination last confirmed.

    *payload* is None under ``store: fingerprints``. *present*: the record is at the destination now. *incarnation*
    counts how often the row came back after a removal, *revision* how often anything was confirmed of it.
    """

    payload_hash: str | None = None
    payload: JsonObject | None = None
    identity: JsonObject | None = None
    record_id: str | None = None
    present: bool = False
    incarnation: int = 0
    revision: int = 0
    attempts: int = 0


@dataclass(frozen=True, kw_only=True)
class Change:
    """One row that differs from what was last confirmed.

    Attributes:
        key: The primary key as text; a JSON array of texts where it has several columns.
        values: One warehouse value for each field of the sync, in its order; None for fields that are not the
            warehouse's. Empty for a removed row.
        fingerprint: The engine's hash of the mapped columns; None for a removed row.
        fault: Why the row cannot be shaped: ``null_key`` or ``duplicate_key``; None for a sound row.
        copies: How many rows of the model have this key.
    """

    kind: ChangeKind
    key: str
    values: tuple[object, ...] = ()
    fingerprint: int | None = None
    known: Known = field(default_factory=Known)
    fault: str | None = None
    copies: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many rows of a model are in which state, before any of them is read.

    Attributes:
        rows: Rows of the model that match the sync's ``where``.
        confirmed: Keys the ledger holds as present at the destination.
        changes: Keys by kind of change, among those that the sync sends.
        ignored: Keys by kind of change, among those that the sync does not send (its mode, or ``on_removed``).
        unchanged: Keys whose fingerprint is the confirmed one.
        held: Rejects that wait for a new row or field map.
        waiting: Failures that wait for their next attempt.
        unknown: Rows of which nobody knows whether they arrived; never sent by themselves.
        faulty: Keys that are null or occur more than once.
        withheld: Removals not made because null keys hide which rows are meant.
        first: Whether no row of this sync was ever confirmed.
    """

    rows: int = 0
    confirmed: int = 0
    changes: Mapping[ChangeKind, int] = field(default_factory=dict)
    ignored: Mapping[ChangeKind, int] = field(default_factory=dict)
    unchanged: int = 0
    held: int = 0
    waiting: int = 0
    unknown: int = 0
    faulty: int = 0
    withheld: int = 0
    first: bool = False

    @property
    def planned(self) -> int:
        """The keys that this run must give an outcome."""
        return sum(self.changes.values()) + self.faulty
