"""From a sync and what is known to the change set: counted first, then read row by row."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import msgspec

from dbt_activate.contracts import Dialect, Session
from dbt_activate.errors import ConfigError, LedgerError, Problem, WarehouseError
from dbt_activate.planning.diff import FIXED_COLUMNS, Diff, Memory, Scope
from dbt_activate.planning.expressions import FAULT, KEY, Mapped, mapped_fields, model_query
from dbt_activate.planning.fingerprint import fingerprint_basis, fingerprint_sql
from dbt_activate.values.change import Census, Change, Known
from dbt_activate.values.json import JsonObject
from dbt_activate.values.sync import ChangeKind, Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What changed, ready to be read once.

    Attributes:
        forgotten: Keys that only a reject remembers: neither in the model nor at the destination.
        basis: What the fingerprints rest on.
    """

    sync: Sync
    census: Census
    basis: str
    forgotten: tuple[str, ...]
    _session: Session
    _statement: str
    _mapped: tuple[Mapped, ...]

    def read(self) -> Iterator[Change]:
        """Stream the changes that are due: removals last, otherwise in the order of keys.

        Raises:
            ConfigError: An expression of the block fails on some row.
            LedgerError: What is remembered of a row cannot be read.
        """
        with _reading(self.sync):
            for row in self._session.rows(self._statement):
                yield _change(row, self._mapped, self.sync)


def plan(sync: Sync, session: Session, dialect: Dialect, memory: Memory, scope: Scope, limit: int | None) -> ChangeSet:
    """Find what changed in the model of *sync* since it was last confirmed.

    Reads only. To see one state of the warehouse throughout, call it, and read the change set, in one transaction.

    Raises:
        ConfigError: A column or an expression of the block does not fit the model.
        WarehouseError: The model does not exist or cannot be read.
    """
    model = model_query(sync, dialect, memory.lookups)
    types = _types(sync, session, model.sql(dialect=dialect.name))
    with _reading(sync):
        rows, has_faults, null_keys = _profile(session, model.sql(dialect=dialect.name))
    basis = fingerprint_basis(sync, types, dialect, session)
    diff = Diff(
        model=model,
        fingerprint=fingerprint_sql(sync, types, dialect),
        basis=basis,
        memory=memory,
        scope=scope,
        dialect=dialect,
        has_faults=has_faults,
    )
    with _reading(sync):
        numbers = {(str(kind), str(state)): int(str(number)) for kind, state, number in session.rows(diff.counts())}
    census = _census(sync, numbers, rows=rows, null_keys=null_keys)
    mapped = mapped_fields(sync)
    return ChangeSet(
        sync=sync,
        census=_with_confirmed(census, session, memory),
        basis=basis,
        forgotten=_forgotten(session, diff) if ("gone", "due") in numbers else (),
        _session=session,
        _statement=diff.rows(("faulty", *census.changes), _columns(mapped, types, dialect), limit),
        _mapped=mapped,
    )


def _types(sync: Sync, session: Session, query: str) -> Mapping[str, str]:
    try:
        return session.describe(query)
    except WarehouseError as error:
        remedy = f"the warehouse says: {error}; does {sync.model.relation} exist as the block expects it (`dbt run`)?"
        raise ConfigError(Problem(str(sync.at), f"the model '{sync.model.name}' cannot be read", remedy)) from error


@contextmanager
def _reading(sync: Sync) -> Iterator[None]:
    """Name the block whose SQL the warehouse gave up on: values are computed only when they are read."""
    try:
        yield
    except WarehouseError as error:
        remedy = f"the warehouse says: {error}; mend the expression of `sql:` or `where:` that fails on some row"
        raise ConfigError(Problem(str(sync.at), "the model cannot be read with this block's SQL", remedy)) from error


def _columns(mapped: tuple[Mapped, ...], types: Mapping[str, str], dialect: Dialect) -> tuple[str, ...]:
    return tuple(f"{dialect.readable(m.alias, types[m.alias])} AS {m.alias}" for m in mapped)


def _profile(session: Session, query: str) -> tuple[int, bool, bool]:
    """Rows of the model; whether a key is null or occurs twice; whether a key is null."""
    statement = f"SELECT COUNT(*), COUNT(DISTINCT {KEY}), COUNT({FAULT}) FROM ({query}) AS model"
    counted = next(iter(list(session.rows(statement))))
    rows, distinct, nulls = (int(str(number)) for number in counted)
    return rows, nulls > 0 or distinct < rows, nulls > 0


def _census(sync: Sync, numbers: Mapping[tuple[str, str], int], *, rows: int, null_keys: bool) -> Census:
    due: dict[ChangeKind, int] = {}
    ignored: dict[ChangeKind, int] = {}
    for kind in ChangeKind:
        target = due if sync.operation(kind) is not None else ignored
        if number := numbers.get((kind.value, "due"), 0):
            target[kind] = number
    withheld = due.pop(ChangeKind.REMOVED, 0) if null_keys else 0
    states: dict[str, int] = defaultdict(int)
    for (kind_name, state), number in numbers.items():
        # A key that only a reject remembers, or that the mode does not send, holds nothing back.
        if kind_name not in ("gone", "unchanged"):
            states[state] += number
    return Census(
        rows=rows,
        changes=due,
        ignored=ignored,
        unchanged=numbers.get(("unchanged", "due"), 0),
        held=states["held"],
        waiting=states["waiting"],
        unknown=states["unknown"],
        faulty=numbers.get(("faulty", "due"), 0),
        withheld=withheld,
    )


def _with_confirmed(census: Census, session: Session, memory: Memory) -> Census:
    statement = f"SELECT COUNT(*) FROM ({memory.confirmed}) AS confirmed WHERE present"
    return replace(census, confirmed=int(str(next(iter(list(session.rows(statement))))[0])))


def _forgotten(session: Session, diff: Diff) -> tuple[str, ...]:
    return tuple(str(row[1]) for row in session.rows(diff.rows(("gone",), (), None)))


def _change(row: tuple[Any, ...], mapped: tuple[Mapped, ...], sync: Sync) -> Change:
    kind, key, fault, copies, fingerprint, *known = row[: len(FIXED_COLUMNS)]
    values: list[object] = [None] * len(sync.fields)
    for column, value in zip(mapped, row[len(FIXED_COLUMNS) :], strict=True):
        values[column.position] = value
    return Change(
        kind=ChangeKind.ADDED if kind == "faulty" else ChangeKind(kind),
        key=key,
        values=tuple(values) if kind != ChangeKind.REMOVED else (),
        fingerprint=fingerprint,
        known=_remembered(sync, key, known),
        fault=fault,
        copies=copies or 1,
    )


def _remembered(sync: Sync, key: str, columns: list[Any]) -> Known:
    try:
        return _known(*columns)
    except msgspec.DecodeError as error:
        raise LedgerError(
            f"ledger of '{sync.name}': what it holds of the row {key!r} is not JSON; delete that row from its table"
            f" ledger__{sync.name}, or start anew: dbt-activate reset {sync.name}"
        ) from error


def _known(payload_hash: Any, payload: Any, identity: Any, record_id: Any, present: Any, *counters: Any) -> Known:
    incarnation, revision, attempts = counters
    return Known(
        payload_hash=payload_hash,
        payload=_object(payload),
        identity=_object(identity),
        record_id=record_id,
        present=present,
        incarnation=incarnation,
        revision=revision,
        attempts=attempts,
    )


def _object(text: str | None) -> JsonObject | None:
    return None if text is None else cast("JsonObject", _decoder.decode(text))


def _number(text: str) -> float | Decimal:
    """A double where it holds the number exactly, as the field map has it; else the number itself."""
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else Decimal(text)


_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
