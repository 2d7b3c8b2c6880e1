"""What a user wants: one model kept in step with one object of a destination."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from dbt_activate.values.json import Json, Schema


class SyncMode(StrEnum):
    """What a sync does with added, changed and removed rows; see :data:`OPERATIONS`."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"
    MIRROR = "mirror"
    APPEND = "append"


class ChangeKind(StrEnum):
    """What happened to a row of the model since the destination last confirmed it."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Operation(StrEnum):
    """What is asked of the destination for one row."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    CLEAR = "clear"
    ARCHIVE = "archive"
    DELETE = "delete"


class OnRemoved(StrEnum):
    """What to do at the destination when a row leaves the model."""

    IGNORE = "ignore"
    CLEAR = "clear"
    ARCHIVE = "archive"
    DELETE = "delete"


OPERATIONS: Mapping[SyncMode, Mapping[ChangeKind, Operation]] = {
    SyncMode.INSERT: {ChangeKind.ADDED: Operation.CREATE},
    SyncMode.UPDATE: {ChangeKind.ADDED: Operation.UPDATE, ChangeKind.CHANGED: Operation.UPDATE},
    SyncMode.UPSERT: {ChangeKind.ADDED: Operation.UPSERT, ChangeKind.CHANGED: Operation.UPSERT},
    SyncMode.MIRROR: {
        ChangeKind.ADDED: Operation.UPSERT,
        ChangeKind.CHANGED: Operation.UPSERT,
        ChangeKind.REMOVED: Operation.DELETE,
    },
    SyncMode.APPEND: {ChangeKind.ADDED: Operation.CREATE, ChangeKind.CHANGED: Operation.CREATE},
}
"""The meaning of the modes, whole. A change that is not listed is counted and not sent."""

REMOVALS = frozenset({Operation.CLEAR, Operation.ARCHIVE, Operation.DELETE})


@dataclass(frozen=True, slots=True)
class Location:
    """Where in the user's project something stands: a file and the YAML path in it."""

    file: str
    path: tuple[str, ...] = ()

    def at(self, *path: str) -> "Location":
        """Return the place below this one."""
        return Location(self.file, (*self.path, *path))

    def __str__(self) -> str:
        return f"{self.file}, {'.'.join(self.path)}" if self.path else self.file


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the model."""

    name: str


@dataclass(frozen=True, slots=True)
class Sql:
    """An SQL expression over the model's columns, in the warehouse's dialect."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the block itself."""

    value: Json


@dataclass(frozen=True, slots=True)
class Variable:
    """A fact of the run: ``run_id | run_started_at | sync | model | invocation_id``."""

    name: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """The record id that the sync *sync* was given for the row whose primary key stands in *columns*."""

    sync: str
    columns: tuple[str, ...]


Source: TypeAlias = Column | Sql | Constant | Variable | Lookup

VOLATILE = frozenset({"run_id", "run_started_at", "invocation_id"})
"""Variables that differ in every run. A new value of one is no reason to send a row."""


class NullPolicy(StrEnum):
    """Whether a NULL is sent, or its field left out."""

    SEND = "send"
    SKIP = "skip"


class WritePolicy(StrEnum):
    """When a field is written."""

    ALWAYS = "always"
    IF_EMPTY = "if_empty"
    ON_CREATE = "on_create"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """What goes into one field. *path* has more than one part for a field of a nested object."""

    path: tuple[str, ...]
    source: Source
    transform: tuple[str, ...] = ()
    null: NullPolicy = NullPolicy.SEND
    write: WritePolicy = WritePolicy.ALWAYS

    @property
    def name(self) -> str:
        """The field as a user writes it: ``address.city``."""
        return ".".join(self.path)

    @property
    def from_warehouse(self) -> bool:
        """Whether the value is a column of the plan's query."""
        return isinstance(self.source, Column | Sql | Lookup)

    @property
    def volatile(self) -> bool:
        """Whether its value is another one in every run."""
        return isinstance(self.source, Variable) and self.source.name in VOLATILE

    @property
    def decides(self) -> bool:
        """Whether a new value is a reason to send the row."""
        return self.write is not WritePolicy.ON_CREATE and not self.volatile


@dataclass(frozen=True, slots=True)
class Share:
    """A bound given as a number of rows, or as a share of them in ``0..1``."""

    rows: int | None = None
    share: float | None = None

    def of(self, total: int) -> float:
        """The bound in rows, where there are *total* of them."""
        return float(self.rows) if self.rows is not None else (self.share or 0.0) * total

    def __str__(self) -> str:
        return str(self.rows) if self.rows is not None else f"{(self.share or 0) * 100:g}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Bounds on a whole plan; one that is crossed refuses the plan. None switches a guard off."""

    max_removed: Share | None = Share(share=0.01)
    max_changed: Share | None = Share(share=0.5)
    max_rejected: Share | None = Share(share=0.2)
    min_rows: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """The gates of a sync: what dbt must have found before anything is sent."""

    tests: str = "pass"
    freshness: str = "ignore"
    contract: str = "ignore"
    max_artifact_age_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The dbt node that a sync reads: a model, a snapshot or a seed.

    *columns* maps each documented column to its declared type, which is empty where YAML says none. *purposes* holds
    the columns that are tagged as personal data, with the purposes they may serve; *pii* the columns to be masked.
    """

    unique_id: str
    name: str
    relation: str
    file: str
    kind: str = "model"
    version: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    pii: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One entry of an ``activate`` block, checked. Its name is the identity of its ledger."""

    name: str
    model: Model
    destination: str
    object: str | None
    mode: SyncMode
    primary_key: tuple[str, ...]
    identifier: tuple[str, ...]
    fields: tuple[FieldMap, ...]
    at: Location
    where: str | None = None
    on_removed: OnRemoved = OnRemoved.IGNORE
    adopt: bool = False
    schema: Schema | None = None
    guards: Guards = Guards()
    requires: Requires = Requires()
    batch_size: int | None = None
    max_requests_per_second: float | None = None
    enabled: bool = True
    tags: tuple[str, ...] = ()
    owner: str | None = None
    renamed_from: str | None = None

    def operation(self, change: ChangeKind) -> Operation | None:
        """What a change of kind *change* asks of the destination; None where it is not sent."""
        if change is not ChangeKind.REMOVED:
            return OPERATIONS[self.mode].get(change)
        return None if self.on_removed is OnRemoved.IGNORE else Operation(self.on_removed.value)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation this sync can ask for, once each."""
        asked = (self.operation(change) for change in ChangeKind)
        return tuple(dict.fromkeys(op for op in asked if op is not None))
