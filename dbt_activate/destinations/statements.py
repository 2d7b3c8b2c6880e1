"""The SQL that table destinations share: text from quoted names; values never stand in it.

Rows go into a temporary *stage* first, a copy of the columns they are meant for, so that the engine casts each value
to its column's own type. One statement then moves all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ROW = "_activate_row"
"""The alias of the stage. A plain letter could be taken for a column of the table."""

RECORD = "_activate_record"
"""The alias of the table."""


def quote(name: str) -> str:
    """*name* as a quoted identifier. All the engines here double a quote inside one."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """What differs between engines.

    Attributes:
        types: The engine's types for ``text bigint double numeric boolean json``.
        schema: The schema of a table that is named without one.
        creates: Whether a missing table is made where the connection says nothing.
        shared: Whether others can write at the same time.
        begin: Starts a transaction.
        stage_ending: What the engine adds where a stage is made.
        parameter: What stands before the number of a bound value.
    """

    types: Mapping[str, str]
    schema: str = "main"
    creates: bool = True
    shared: bool = False
    begin: str = "BEGIN"
    stage_ending: str = ""
    parameter: str = "$"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table in its schema."""

    schema: str
    table: str

    @property
    def sql(self) -> str:
        """The name as SQL text."""
        return f"{quote(self.schema)}.{quote(self.table)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table: ``n`` is a row's position in its batch, ``c0``, ``c1`` ... hold the *columns*, in order."""

    name: str
    target: TableName
    columns: tuple[str, ...]
    old: tuple[str, ...] = ()
    """Columns that are held a second time, as ``o0``, ``o1`` ...: the identity that a renamed record had before."""

    def cell(self, column: str) -> str:
        """The stage's copy of *column*."""
        return f"{ROW}.c{self.columns.index(column)}"

    def was(self, column: str) -> str:
        """What a renamed record had in *column*."""
        return f"{ROW}.o{self.old.index(column)}"

    def source(self) -> str:
        """The stage in a FROM clause."""
        return f"{quote(self.name)} AS {ROW}"


def create_stage(stage: Stage, ending: str = "") -> str:
    """Make *stage*; *ending* is the engine's own addition, such as when it is dropped."""
    copies = [f"{RECORD}.{quote(column)} AS c{at}" for at, column in enumerate(stage.columns)]
    copies += [f"{RECORD}.{quote(column)} AS o{at}" for at, column in enumerate(stage.old)]
    return (
        f"CREATE TEMPORARY TABLE {quote(stage.name)}{ending} AS "
        f"SELECT {', '.join(['CAST(0 AS BIGINT) AS n', *copies])} FROM {stage.target.sql} AS {RECORD} WHERE 1 = 0"
    )


def matches(stage: Stage, identifier: Iterable[str], *, record: str = RECORD) -> str:
    """The condition under which a record is the row's."""
    return " AND ".join(f"{record}.{quote(name)} = {stage.cell(name)}" for name in identifier)


def _matched_before(stage: Stage) -> str:
    return " AND ".join(f"{RECORD}.{quote(name)} = {stage.was(name)}" for name in stage.old)


def _recorded(stage: Stage, identifier: Sequence[str], *, record: str = RECORD) -> str:
    condition = matches(stage, identifier, record=record)
    return f"EXISTS (SELECT 1 FROM {stage.target.sql} AS {record} WHERE {condition})"


def _assignments(stage: Stage, columns: Iterable[str]) -> str:
    return ", ".join(f"{quote(column)} = {stage.cell(column)}" for column in columns)


def update(stage: Stage, identifier: Sequence[str], columns: Sequence[str]) -> str:
    """Write *columns* of the rows that have a record."""
    return (
        f"UPDATE {stage.target.sql} AS {RECORD} SET {_assignments(stage, columns)} "
        f"FROM {stage.source()} WHERE {matches(stage, identifier)}"
    )


def insert(
    stage: Stage, *, unless: Sequence[str] = (), conflict: Sequence[str] = (), update: Sequence[str] = ()
) -> str:
    """Make records of the rows in the stage.

    Args:
        stage: Holds the rows.
        unless: The identifier, where rows that have a record are left out.
        conflict: The columns of a unique index; a record that somebody else makes meanwhile is updated.
        update: The columns that such an update writes.
    """
    names = ", ".join(map(quote, stage.columns))
    cells = ", ".join(map(stage.cell, stage.columns))
    text = f"INSERT INTO {stage.target.sql} ({names}) SELECT {cells} FROM {stage.source()}"
    text += f" WHERE NOT {_recorded(stage, unless)}" if unless else ""
    return f"{text} ORDER BY {ROW}.n{_on_conflict(conflict, update)}"


def _on_conflict(conflict: Sequence[str], update: Sequence[str]) -> str:
    if not conflict:
        return ""
    taken = ", ".join(f"{quote(column)} = excluded.{quote(column)}" for column in update)
    action = f"DO UPDATE SET {taken}" if taken else "DO NOTHING"
    return f" ON CONFLICT ({', '.join(map(quote, conflict))}) {action}"


def delete(stage: Stage, identifier: Sequence[str]) -> str:
    """Remove the records of the rows."""
    return (
        f"DELETE FROM {stage.target.sql} AS {RECORD} "
        f"WHERE EXISTS (SELECT 1 FROM {stage.source()} WHERE {matches(stage, identifier)})"
    )


def select_recorded(stage: Stage, identifier: Sequence[str], *, recorded: bool) -> str:
    """The positions of the rows that have a record, or of those that have none."""
    negation = "" if recorded else "NOT "
    return f"SELECT {ROW}.n FROM {stage.source()} WHERE {negation}{_recorded(stage, identifier)}"


def delete_renamed(stage: Stage) -> str:
    """Remove the old records of renamed rows whose new identity has a record already."""
    taken = _recorded(stage, stage.old, record="_activate_other")
    return (
        f"DELETE FROM {stage.target.sql} AS {RECORD} "
        f"WHERE EXISTS (SELECT 1 FROM {stage.source()} WHERE {_matched_before(stage)} AND {taken})"
    )


def rename(stage: Stage) -> str:
    """Give the old records of renamed rows their new identity."""
    return (
        f"UPDATE {stage.target.sql} AS {RECORD} SET {_assignments(stage, stage.old)} "
        f"FROM {stage.source()} WHERE {_matched_before(stage)}"
    )


def create_table(name: TableName, types: Mapping[str, str], key: Sequence[str]) -> str:
    """Make a table; *types* maps column to the engine's type, *key* becomes the primary key where there is one."""
    columns = [f"{quote(column)} {kind}{' NOT NULL' if column in key else ''}" for column, kind in types.items()]
    columns += [f"PRIMARY KEY ({', '.join(map(quote, key))})"] if key else []
    return f"CREATE TABLE {name.sql} ({', '.join(columns)})"


def add_column(name: TableName, column: str, kind: str) -> str:
    """Add *column* of the engine's type *kind*."""
    return f"ALTER TABLE {name.sql} ADD COLUMN {quote(column)} {kind}"
