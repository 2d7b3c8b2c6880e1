"""Checks a sync against what it meets: the columns of its model, and the object of its destination."""

from collections.abc import Iterable, Iterator, Mapping

from dbt_activate.contracts import Dialect
from dbt_activate.errors import Problem
from dbt_activate.project.expressions import read_expression
from dbt_activate.project.faults import Faults, choice, did_you_mean
from dbt_activate.project.field_maps import columns_of, field_place
from dbt_activate.values.destination import FieldSpec, ObjectSpec
from dbt_activate.values.sync import (
    REMOVALS,
    Constant,
    FieldMap,
    Location,
    Operation,
    Sql,
    Sync,
    SyncMode,
    WritePolicy,
)

_EXACT = frozenset({"postgres", "redshift", "materialize", "risingwave"})
_WORDS_OF_NO_TRUTH = ("char", "text", "string", "date", "time", "double", "decimal", "numeric", "float", "real", "json")


def check_columns(sync: Sync, columns: Mapping[str, str], dialect: Dialect | str) -> tuple[Problem, ...]:
    """Check that all of *sync* can be asked of a model with *columns*, name to the engine's type.

    Every column that the primary key, the fields, ``where`` or a lookup uses must exist, in the case that the engine
    tells apart; SQL must be one expression over the row. *dialect*, or its name in sqlglot, is the warehouse's.
    """
    engine = dialect if isinstance(dialect, str) else dialect.name
    faults = Faults()
    seen = _Columns(tuple(columns), engine)
    for name in sync.primary_key:
        seen.check(name, sync.at.at("primary_key"), faults)
    for field in sync.fields:
        place = field_place(sync.at, field.path)
        for name in columns_of(field.source):
            seen.check(name, place, faults)
        if isinstance(field.source, Sql):
            _check_sql(field.source.text, place.at("sql"), seen, faults)
    if sync.where is not None:
        _check_where(sync.where, sync.at.at("where"), seen, columns, faults)
    return faults.problems


class _Columns:
    """The columns of a model, as its engine tells names apart."""

    def __init__(self, names: tuple[str, ...], engine: str) -> None:
        self.names = names
        self.engine = engine
        self._exact = engine in _EXACT
        self._known = {self._key(name) for name in names}

    def _key(self, name: str) -> str:
        return name if self._exact else name.casefold()

    def check(self, name: str, place: Location, faults: Faults) -> None:
        """Note *name*, which is spelled as in quotes, where there is no such column."""
        if self._key(name) not in self._known:
            faults.add(place, f"no column '{name}'", choice(name, self.names, what="the columns are"))

    def check_in_sql(self, name: str, place: Location, faults: Faults, *, quoted: bool) -> None:
        """Note *name* where there is no such column; an unquoted one is folded first, as the engine does."""
        self.check(name if quoted or not self._exact else name.lower(), place, faults)


def _check_sql(text: str, place: Location, seen: _Columns, faults: Faults) -> bool | None:
    """Note what is wrong with *text*; return whether it can be a condition, None where it is no expression."""
    expression = faults.attempt(read_expression, text, seen.engine, place)
    if expression is None:
        return None
    for name, quoted in expression.columns:
        seen.check_in_sql(name, place, faults, quoted=quoted)
    return expression.condition


def _check_where(text: str, place: Location, seen: _Columns, columns: Mapping[str, str], faults: Faults) -> None:
    types = {name.casefold(): kind.lower() for name, kind in columns.items()}
    kind = types.get(text.strip().strip('"').casefold(), "")
    if _check_sql(text, place, seen, faults) is False or any(word in kind for word in _WORDS_OF_NO_TRUTH):
        faults.add(place, "this is neither true nor false", "write a condition, such as is_active or score > 0")


def check_against(sync: Sync, spec: ObjectSpec) -> tuple[Problem, ...]:
    """Check that the object *spec* takes what *sync* would write: its operations, its identifier and its fields."""
    faults = Faults()
    _check_operations(sync, spec, faults)
    if any(field.write is WritePolicy.ON_CREATE for field in sync.fields) and not spec.tells_creates:
        _refuse_on_create(sync, spec, faults)
    if spec.fields is not None:
        _check_identifier(sync, spec, faults)
        _check_required(sync, spec.fields, faults)
        for field in sync.fields:
            if not spec.open or field.path[0] in spec.fields:
                _check_field(sync, field, spec.fields, faults)
    return faults.problems


def _check_operations(sync: Sync, spec: ObjectSpec, faults: Faults) -> None:
    taken = ", ".join(operation.value for operation in spec.operations)
    implied = {Operation.DELETE} if sync.mode is SyncMode.MIRROR else set()
    for operation in sync.operations:
        if operation not in spec.operations:
            key = "on_removed" if operation in REMOVALS - implied else "mode"
            faults.add(sync.at.at(key), f"{spec.name} takes no {operation}", f"it takes: {taken}")


def _refuse_on_create(sync: Sync, spec: ObjectSpec, faults: Faults) -> None:
    for field in sync.fields:
        if field.write is WritePolicy.ON_CREATE:
            fault = f"{spec.name} does not tell new records from old ones, so that `on_create` cannot be kept"
            faults.add(field_place(sync.at, field.path).at("write"), fault, "leave `write` out, or leave the field out")


def _check_identifier(sync: Sync, spec: ObjectSpec, faults: Faults) -> None:
    known = spec.identifiers
    for name in sync.identifier if known else ():
        if name not in known:
            fault = f"'{name}' does not match records of {spec.name}"
            faults.add(sync.at.at("identifier"), fault, choice(name, known))


def _check_required(sync: Sync, fields: Mapping[str, FieldSpec], faults: Faults) -> None:
    if not {Operation.CREATE, Operation.UPSERT} & set(sync.operations):
        return
    mapped = {field.path[0] for field in sync.fields}
    for name, field in fields.items():
        if field.required and field.createable and name not in mapped:
            faults.add(sync.at.at("fields"), f"the required field '{name}' is missing", "say what goes into it")


def _check_field(sync: Sync, field: FieldMap, fields: Mapping[str, FieldSpec], faults: Faults) -> None:
    spec = fields.get(field.path[0])
    place = field_place(sync.at, field.path)
    if spec is None:
        there = did_you_mean(field.path[0], fields) or "`dbt-activate destinations` lists the fields"
        faults.add(sync.at.at("fields", field.path[0]), f"there is no field '{field.path[0]}'", there)
        return
    if len(field.path) > 1 and spec.type not in {"object", "any"}:
        faults.add(place, f"'{spec.name}' is of type {spec.type}, and has no fields of its own", "write one value")
    for reason, remedy in _refusals(sync, field, spec):
        faults.add(place, reason, remedy)


def _refusals(sync: Sync, field: FieldMap, spec: FieldSpec) -> Iterator[tuple[str, str]]:
    if spec.name not in sync.identifier:
        yield from _read_only(set(sync.operations), field, spec)
    value = field.source.value if isinstance(field.source, Constant) else None
    if spec.options and isinstance(value, str) and value not in spec.options:
        yield f"'{value}' is no value of '{spec.name}'", choice(value, spec.options)


def _read_only(operations: set[Operation], field: FieldMap, spec: FieldSpec) -> Iterator[tuple[str, str]]:
    creates = operations & {Operation.CREATE, Operation.UPSERT}
    updates = operations & {Operation.UPDATE, Operation.UPSERT} and field.write is WritePolicy.ALWAYS
    if not spec.createable and not spec.updateable:
        yield f"'{spec.name}' is read-only", "leave it out"
    elif creates and not spec.createable:
        yield f"'{spec.name}' cannot be set on a new record", "leave it out, or write `mode: update`"
    elif updates and not spec.updateable:
        yield f"'{spec.name}' cannot be changed on a record", "write `write: on_create`, or leave it out"


def check_overlaps(syncs: Iterable[Sync]) -> tuple[Problem, ...]:
    """Tell where two enabled syncs write one field of one object: where they meet in a record, the later run wins."""
    faults = Faults()
    writers: dict[tuple[str, str | None, str], Sync] = {}
    for sync in syncs:
        for field in sync.fields if sync.enabled else ():
            other = writers.setdefault((sync.destination, sync.object, field.name), sync)
            if other is not sync and field.name not in sync.identifier:
                fault = f"the sync '{other.name}' writes this field of the same records, too"
                faults.add(field_place(sync.at, field.path), fault, "leave it to one of them")
    return faults.problems
