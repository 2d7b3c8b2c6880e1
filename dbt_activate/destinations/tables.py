"""What every table destination does; the engines' modules hold what differs.

All rows of a batch are written in one transaction. Updates, upserts and removals may be repeated without harm. A
repeated ``create`` would make a second record: it sets a marker for each row, in a table of ours, in the same
transaction, and a row whose marker is set is not written again.
"""

import difflib
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import ClassVar

from dbt_activate.contracts import Destination, Tools
from dbt_activate.destinations import statements
from dbt_activate.destinations.columns import Column, Table, UnspellableError, as_text, json_text, kind_of
from dbt_activate.destinations.markers import Markers, marker
from dbt_activate.destinations.statements import Fragments, TableName
from dbt_activate.destinations.writing import Link, Row, write
from dbt_activate.errors import (
    AmbiguousError,
    BatchRejectedError,
    ConfigError,
    DestinationError,
    FatalError,
    Problem,
    RetryableError,
)
from dbt_activate.values.destination import Account, Connection, DeliveryClass, ObjectSpec, OperationSpec
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.sync import Operation

TABLE_SETTINGS: Mapping[str, object] = {
    "create_table": {
        "type": "boolean",
        "description": "Make a missing table from the first batch, and add columns for fields it lacks.",
    },
    "archive_column": {
        "type": "string",
        "minLength": 1,
        "description": "A timestamp column that `on_removed: archive` sets.",
    },
}
"""The settings that every table destination takes."""

_MAKES = {Operation.CREATE, Operation.UPSERT}
_REFUSALS = {
    "not_found": "the table has no record with this identity",
    "duplicate": "the table has a record with this identity already",
}


class Blame(Enum):
    """What a database's error means for the batch."""

    ROW = "a row is at fault"
    BUSY = "surely not applied; a later try may do better"
    LOST = "the connection is gone"
    HOPELESS = "no later batch can succeed"


@dataclass(frozen=True, slots=True)
class Fault:
    """A database's error, sorted. *message* never holds a value of a row; *field* is the column at fault."""

    blame: Blame
    code: str
    message: str
    field: str | None = None


class TableDestination(Destination):
    """A table of a database. *fragments* is what the engine spells in its own way."""

    fragments: ClassVar[Fragments]

    def __init__(self, connection: Connection, tools: Tools) -> None:
        super().__init__(connection, tools)
        settings = connection.settings
        self._schema = str(settings.get("schema") or self.fragments.schema)
        self._create_table = bool(settings.get("create_table", self.fragments.creates))
        self._archive_column = str(settings.get("archive_column") or "")
        self._tables: dict[TableName, Table] = {}
        self._markers: dict[str, Markers] = {}
        self._preparing = threading.Lock()
        self._turn: AbstractContextManager[object] = nullcontext() if self.fragments.shared else threading.Lock()

    @abstractmethod
    def _link(self) -> AbstractContextManager[Link]:
        """Connect, for as long as the block lasts. Raises a DestinationError where that fails."""

    @abstractmethod
    def _foreign(self) -> tuple[type[Exception], ...]:
        """The errors that the engine's driver raises."""

    @abstractmethod
    def _blame(self, error: Exception) -> Fault:
        """Sort an error of the driver."""

    @abstractmethod
    def _read(self, link: Link, name: TableName) -> Table | None:
        """Read a table's columns; None where there is no such table."""

    @abstractmethod
    def _account(self, link: Link) -> Account:
        """Say which database this is."""

    @property
    def _new_file(self) -> Path | None:
        """The file that the first write will make; None where it is there, or the table is on a server."""
        return None

    def _account_of_new(self, path: Path) -> Account:
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise FatalError(f"{self._place()}: no file can be made in {path.parent}; correct `path`", code="path")
        return Account(str(path), label=path.name)

    def _spell(self, value: Json, column: Column) -> object:
        """A value as ``load`` takes it. Raises an UnspellableError where the column would harm it."""
        return as_text(value, column)

    def describe(self, object_name: str | None) -> ObjectSpec:
        """Any field goes: the table itself is looked at by ``discover``."""
        self._name(object_name)
        specs = {op: OperationSpec(delivery=DeliveryClass.UPSERT, rows=1000) for op in Operation}
        specs[Operation.CREATE] = OperationSpec(delivery=DeliveryClass.TRANSACTION, rows=1000)
        if not self._archive_column:
            del specs[Operation.ARCHIVE]
        return ObjectSpec(name=str(object_name), operations=specs, exact_numbers=True, tells_creates=True)

    def discover(self, object_name: str | None) -> ObjectSpec:  # type: ignore[override]  # runs in a thread
        """Read the table's columns. Where ``create_table`` is on, fields may be added, and a missing table takes any.

        Raises:
            FatalError: There is no such table, and ``create_table`` is off.
        """
        name = self._name(object_name)
        if self._new_file is not None:
            return self.describe(object_name)
        with self._guarded(name), self._turn, self._link() as link:
            table = self._read(link, name)
        if table is None and not self._create_table:
            raise self._missing(name)
        fields = {column.name: column.spec for column in table.columns.values()} if table else None
        return replace(self.describe(object_name), fields=fields, open=self._create_table)

    def check(self) -> Account:  # type: ignore[override]  # runs in a thread
        """Connect, and say which database this is. A file that is not there yet is not made: only a write does that."""
        if (path := self._new_file) is not None:
            return self._account_of_new(path)
        with self._guarded(None), self._turn, self._link() as link:
            link.query("SELECT 1")
            return self._account(link)

    def encode(self, payload: Payload) -> Encoded:
        """Name the columns that the row writes. The values are spelled when the columns' types are known."""
        cells = self._cells(payload)
        return Encoded(payload=payload, body=cells, size=len(json_text(cells).encode(errors="replace")))

    def send(self, batch: Batch) -> Sequence[RowResult]:  # type: ignore[override]  # runs in a thread
        """Write all rows in one transaction."""
        name = self._name(batch.object)
        try:
            with self._turn, self._link() as link:
                return self._deliver(link, self._prepare(link, name, batch), batch)
        except self._foreign() as error:
            fault = self._blame(error)
            if fault.blame is not Blame.ROW:
                raise self._error(name, fault) from error
            if len(batch.rows) == 1:
                return [_rejected(batch.rows[0].payload.key, fault.code, fault.field, fault.message)]
            # Without its cause: the database's own words quote the row's values.
            raise BatchRejectedError(f"{self._place(name)}: {fault.message}", code=fault.code) from None

    def _cells(self, payload: Payload) -> JsonObject:
        if payload.operation in {Operation.DELETE, Operation.ARCHIVE}:
            return dict(payload.identity)
        if payload.operation is Operation.CLEAR:
            return {**dict.fromkeys(payload.fields), **payload.identity}
        extra = payload.create_only if payload.operation in _MAKES else {}
        return {**extra, **payload.fields, **payload.identity}

    def _deliver(self, link: Link, table: Table, batch: Batch) -> list[RowResult]:
        rows, results = self._spelled(table, batch)
        with self._transaction(link, table.name):
            refused = self._write(link, table, batch, rows)
        return results + [_result(row, refused.get(row.at)) for row in rows]

    def _write(self, link: Link, table: Table, batch: Batch, rows: Sequence[Row]) -> dict[int, str]:
        if batch.operation is not Operation.CREATE:
            return write(link, self.fragments, table, batch.operation, rows)
        markers = self._markers[table.name.schema]
        names = {row.at: marker(batch, batch.rows[row.at].payload) for row in rows}
        new = markers.claim(link, list(names.values()), self.tools.clock.now())
        unwritten = [row for row in rows if names[row.at] in new]
        refused = write(link, self.fragments, table, batch.operation, unwritten)
        markers.give_back(link, [names[at] for at in refused])
        return refused

    def _spelled(self, table: Table, batch: Batch) -> tuple[list[Row], list[RowResult]]:
        stamp: JsonObject = {}
        if batch.operation is Operation.ARCHIVE:
            stamp = {self._archive_column: self.tools.clock.now().isoformat()}
        rows: list[Row] = []
        results: list[RowResult] = []
        for at, encoded in enumerate(batch.rows):
            try:
                rows.append(self._row(table, at, encoded.payload, stamp))
            except _CellError as error:
                results.append(_rejected(encoded.payload.key, error.code, error.field, str(error)))
        return rows, results

    def _row(self, table: Table, at: int, payload: Payload, stamp: JsonObject) -> Row:
        cells = self._spell_all(table, {**self._cells(payload), **stamp}, payload.identity)
        before = payload.confirmed_identity
        renamed = before is not None and before != payload.identity
        was = self._spell_all(table, before, payload.identity) if before is not None and renamed else None
        return Row(
            at=at,
            key=payload.key,
            cells=cells,
            identifier=tuple(payload.identity),
            kept=frozenset(payload.create_only) - frozenset(payload.fields),
            before=tuple(was[name] for name in payload.identity) if was else None,
        )

    def _spell_all(self, table: Table, cells: JsonObject, identity: JsonObject) -> dict[str, object]:
        spelled: dict[str, object] = {}
        for field, value in cells.items():
            if value is None and field in identity:
                raise _CellError("required", field, "the identifier is empty")
            try:
                spelled[field] = self._spell(value, table.columns[field])
            except UnspellableError as error:
                raise _CellError(error.code, field, str(error)) from None
        return spelled

    @contextmanager
    def _transaction(self, link: Link, name: TableName) -> Iterator[None]:
        link.query(self.fragments.begin)
        try:
            yield
        except BaseException:
            self._roll_back(link)
            raise
        try:
            link.query("COMMIT")
        except self._foreign() as error:
            self._roll_back(link)
            if self._blame(error).blame is not Blame.LOST:
                raise
            raise AmbiguousError(f"{self._place(name)}: the connection broke at the commit", code="commit") from error

    def _roll_back(self, link: Link) -> None:
        with suppress(*self._foreign()):
            link.query("ROLLBACK")

    def _name(self, object_name: str | None) -> TableName:
        schema, dot, table = (object_name or "").partition(".")
        name = TableName(schema, table) if dot else TableName(self._schema, schema)
        if not name.schema or not name.table or "\0" in str(name):
            fault = f"{object_name!r} names no table"
            raise ConfigError(Problem(self._place(), fault, "write `object: table` or `object: schema.table`"))
        return name

    def _prepare(self, link: Link, name: TableName, batch: Batch) -> Table:
        with self._preparing:
            table = self._tables.get(name) or self._read(link, name)
            wanted = self._wanted(batch)
            lacking = {field: values for field, values in wanted.items() if not table or field not in table.columns}
            if table is None or lacking:
                table = self._make(link, name, table, lacking, batch)
            self._tables[name] = table
            if batch.operation is Operation.CREATE and name.schema not in self._markers:
                markers = Markers(name.schema, self.fragments.parameter)
                markers.prepare(link, self.tools.clock.now())
                self._markers[name.schema] = markers
            return table

    def _wanted(self, batch: Batch) -> dict[str, list[Json]]:
        wanted: dict[str, list[Json]] = {}
        for row in batch.rows:
            for field, value in self._cells(row.payload).items():
                wanted.setdefault(field, []).append(value)
        if batch.operation is Operation.ARCHIVE:
            wanted[self._archive_column] = [""]
        return wanted

    def _make(
        self, link: Link, name: TableName, table: Table | None, lacking: Mapping[str, Sequence[Json]], batch: Batch
    ) -> Table:
        if not self._create_table:
            raise self._missing(name) if table is None else self._lacks(table, lacking)
        types = {field: self.fragments.types[kind_of(values)] for field, values in lacking.items()}
        # A table that starts with `create` gets no key: `mode: append` writes several records of one identity.
        key = () if batch.operation is Operation.CREATE else tuple(batch.rows[0].payload.identity)
        made = [statements.create_table(name, types, key)]
        if table is not None:
            made = [statements.add_column(name, field, kind) for field, kind in types.items()]
        for statement in made:
            link.query(statement)
        found = self._read(link, name)
        if found is None or not set(lacking) <= set(found.columns):
            raise FatalError(f"{self._place(name)}: the database cut a name short; use shorter ones", code="name")
        return found

    def _place(self, name: TableName | None = None) -> str:
        place = f"destination {self.connection.name}"
        return f"{place}, table {name}" if name else place

    @contextmanager
    def _guarded(self, name: TableName | None) -> Iterator[None]:
        try:
            yield
        except self._foreign() as error:
            raise self._error(name, self._blame(error)) from error

    def _error(self, name: TableName | None, fault: Fault) -> DestinationError:
        kinds: Mapping[Blame, Callable[..., DestinationError]] = {
            Blame.BUSY: RetryableError,
            Blame.LOST: RetryableError,
        }
        return kinds.get(fault.blame, FatalError)(f"{self._place(name)}: {fault.message}", code=fault.code)

    def _missing(self, name: TableName) -> FatalError:
        remedy = "create it, or set `create_table: true` in the connection"
        return FatalError(f"{self._place(name)}: there is no such table; {remedy}", code="no_table")

    def _lacks(self, table: Table, lacking: Mapping[str, object]) -> FatalError:
        field = next(iter(lacking))
        near = difflib.get_close_matches(field, table.columns, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "add it, or set `create_table: true` in the connection"
        return FatalError(f"{self._place(table.name)}: there is no column {field!r}; {remedy}", code="no_column")


class FileDatabase(TableDestination):
    """A table of a database that is one file of this machine."""

    local = True

    @property
    def _path(self) -> Path:
        return Path(self.connection.directory, str(self.connection.settings["path"])).absolute()

    @property
    def _new_file(self) -> Path | None:
        return self._path if self._create_table and not self._path.exists() else None

    def _refuse_no_file(self) -> None:
        if not self._create_table and not self._path.exists():
            raise FatalError(f"{self._place()}: {self._path} does not exist; correct `path`", code="path")


class _CellError(Exception):
    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


def _result(row: Row, refusal: str | None) -> RowResult:
    if refusal is None:
        return RowResult(key=row.key, outcome=Outcome.SUCCEEDED)
    return _rejected(row.key, refusal, None, _REFUSALS[refusal])


def _rejected(key: str, code: str, field: str | None, message: str) -> RowResult:
    pointer = None if field is None else "/" + field.replace("~", "~0").replace("/", "~1")
    return RowResult(key=key, outcome=Outcome.REJECTED, code=code, field=field, pointer=pointer, message=message)
