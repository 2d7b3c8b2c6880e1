"""How the rows of one batch are written, inside its transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbt_activate.destinations import statements
from dbt_activate.destinations.columns import Table
from dbt_activate.destinations.statements import Fragments, Stage
from dbt_activate.errors import BatchRejectedError
from dbt_activate.values.sync import Operation


class Link(Protocol):
    """An open connection."""

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement with *values* bound; return its rows, if it has any."""
        ...

    def load(self, stage: Stage, rows: Sequence[Sequence[object]]) -> None:
        """Fill *stage* with rows of a position and spelled cells."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row whose values are spelled for the engine.

    Attributes:
        at: Its position in the batch.
        cells: Column to spelled value.
        identifier: The columns that match its record.
        kept: Columns that are written to a new record only.
        before: The spelled identity of its record, where that is another one, in the order of *identifier*.
    """

    at: int
    key: str
    cells: Mapping[str, object]
    identifier: tuple[str, ...]
    kept: frozenset[str] = frozenset()
    before: tuple[object, ...] | None = None


def write(link: Link, fragments: Fragments, table: Table, operation: Operation, rows: Sequence[Row]) -> dict[int, str]:
    """Write *rows*; return code by position of those that are refused, ``not_found`` or ``duplicate``.

    Raises:
        BatchRejectedError: Two rows are meant for one record.
    """
    if operation in {Operation.UPDATE, Operation.UPSERT}:
        _refuse_twins(rows)
        _rename(link, fragments, table, [row for row in rows if row.before is not None])
    refused: dict[int, str] = {}
    for number, group in enumerate(_groups(rows)):
        stage = Stage(f"_dbt_activate_stage_{number}", table.name, tuple(group[0].cells))
        _fill(link, fragments, stage, [[row.at, *row.cells.values()] for row in group])
        refused |= _Group(link, fragments, table, stage, group[0]).write(operation)
    return refused


def _refuse_twins(rows: Sequence[Row]) -> None:
    if len({tuple(row.cells[name] for name in row.identifier) for row in rows}) < len(rows):
        raise BatchRejectedError("two rows of the batch have one identity", code="twins")


def _rename(link: Link, fragments: Fragments, table: Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    columns = rows[0].identifier
    stage = Stage("_dbt_activate_renamed", table.name, columns, old=columns)
    cells = [[row.at, *(row.cells[name] for name in columns), *(row.before or ())] for row in rows]
    _fill(link, fragments, stage, cells)
    # First the records that make room. Renaming them one into another would break on a swap of two identities.
    link.query(statements.delete_renamed(stage))
    link.query(statements.rename(stage))


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((*row.cells, row.kept), []).append(row)
    return list(groups.values())


def _fill(link: Link, fragments: Fragments, stage: Stage, rows: Sequence[Sequence[object]]) -> None:
    link.query(statements.create_stage(stage, fragments.stage_ending))
    link.load(stage, rows)


class _Group:
    """The rows of one stage: they have the same columns as *like*."""

    def __init__(self, link: Link, fragments: Fragments, table: Table, stage: Stage, like: Row) -> None:
        self._link = link
        self._stage = stage
        self._identifier = like.identifier
        self._unique = frozenset(like.identifier) in table.keys
        self._conflict = like.identifier if self._unique and fragments.shared else ()
        self._updated = [column for column in like.cells if column not in {*like.identifier, *like.kept}]

    def write(self, operation: Operation) -> dict[int, str]:
        actions: Mapping[Operation, Callable[[], dict[int, str]]] = {
            Operation.CREATE: self._create,
            Operation.UPDATE: self._update,
            Operation.UPSERT: self._upsert,
            Operation.DELETE: self._delete,
            Operation.CLEAR: self._change,
            Operation.ARCHIVE: self._change,
        }
        return actions[operation]()

    def _positions(self, code: str, *, recorded: bool) -> dict[int, str]:
        query = statements.select_recorded(self._stage, self._identifier, recorded=recorded)
        return {int(at): code for (at,) in self._link.query(query)}

    def _create(self) -> dict[int, str]:
        refused = self._positions("duplicate", recorded=True) if self._unique else {}
        self._link.query(statements.insert(self._stage, unless=self._identifier if self._unique else ()))
        return refused

    def _update(self) -> dict[int, str]:
        self._change()
        return self._positions("not_found", recorded=False)

    def _upsert(self) -> dict[int, str]:
        # Not an INSERT with ON CONFLICT alone: that fails on a NOT NULL column which the sync does not write, though
        # the record is there and has it.
        self._change()
        self._link.query(
            statements.insert(self._stage, unless=self._identifier, conflict=self._conflict, update=self._updated)
        )
        return {}

    def _delete(self) -> dict[int, str]:
        self._link.query(statements.delete(self._stage, self._identifier))
        return {}

    def _change(self) -> dict[int, str]:
        if self._updated:
            self._link.query(statements.update(self._stage, self._identifier, self._updated))
        return {}
