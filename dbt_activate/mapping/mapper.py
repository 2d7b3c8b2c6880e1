"""Change in, payload out; or the row's end as ``invalid``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_activate.mapping.canonical import canonical, payload_hash
from dbt_activate.mapping.checking import Checker
from dbt_activate.mapping.coercion import Unsayable
from dbt_activate.mapping.field import ABSENT, Field, compile_field
from dbt_activate.mapping.violation import Violation, invalid
from dbt_activate.values.change import Change, Known
from dbt_activate.values.destination import ObjectSpec
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import RowResult
from dbt_activate.values.payload import Payload, RunFacts
from dbt_activate.values.sync import ChangeKind, Operation, Sync, WritePolicy


@dataclass(frozen=True, slots=True)
class _Part:
    """What one operation does with a field."""

    field: Field
    name: str
    sent: bool
    on_create: bool

    @property
    def decides(self) -> bool:
        return self.sent and self.field.map.decides


class Mapper:
    """Shapes the rows of one sync in one run. Pure: the same change gives the same payload."""

    def __init__(self, sync: Sync, spec: ObjectSpec, facts: RunFacts) -> None:
        """Compile the sync's fields and checks.

        Raises:
            ConfigError: The sync's ``schema`` is no JSON Schema.
        """
        self._sync = sync
        self._checker = Checker(sync, spec)
        fields = _compiled(sync, spec, facts)
        self._shapes = {
            change: _Shape(operation, fields, sync.identifier)
            for change in (ChangeKind.ADDED, ChangeKind.CHANGED)
            if (operation := sync.operation(change)) is not None
        }
        self._cleared = _cleared(sync)

    def shape(self, change: Change) -> Payload | RowResult:
        """Shape one row.

        Returns:
            The payload, or a result with outcome ``invalid`` that lists every rule the row breaks. No message holds a
            value of the row.

        Raises:
            ValueError: The sync does not send changes of this kind; the plan must not hold one.
        """
        if change.fault is not None:
            return invalid(change.key, [_key_fault(self._sync.primary_key, change)])
        if change.kind is ChangeKind.REMOVED:
            return self._removal(change)
        if change.kind not in self._shapes:
            raise ValueError(f"sync {self._sync.name}, mode {self._sync.mode}, does not send {change.kind} rows")
        return self._delivery(change, self._shapes[change.kind])

    def _delivery(self, change: Change, shape: "_Shape") -> Payload | RowResult:
        found, violations = shape.read(change.values)
        whole = shape.whole(found)
        violations += self._checker.violations(whole, shape.operation, [fault.pointer for fault in violations])
        if violations:
            return invalid(change.key, violations)
        identity = {name: found[name] for name in self._sync.identifier}
        fields = shape.sent(found, whole)
        known = change.known
        return Payload(
            key=change.key,
            change=change.kind,
            operation=shape.operation,
            fields=fields,
            identity=identity,
            create_only=shape.create_only(found),
            confirmed_identity=_renamed(known, identity),
            before=known.payload,
            record_id=known.record_id,
            payload_hash=payload_hash(shape.deciding(found, fields)),
            fingerprint=change.fingerprint,
            incarnation=known.incarnation,
            revision=known.revision,
            attempts=known.attempts,
        )

    def _removal(self, change: Change) -> Payload | RowResult:
        known = change.known
        operation = self._sync.operation(ChangeKind.REMOVED)
        if operation is None:
            raise ValueError(f"sync {self._sync.name} has `on_removed: ignore` and does not send removed rows")
        if not known.identity and known.record_id is None:
            return invalid(change.key, [_NO_IDENTITY])
        fields = _nested(self._cleared) if operation is Operation.CLEAR else {}
        return Payload(
            key=change.key,
            change=change.kind,
            operation=operation,
            fields=fields,
            identity=dict(known.identity or {}),
            before=known.payload,
            record_id=known.record_id,
            payload_hash=payload_hash(fields),
            fingerprint=change.fingerprint,
            incarnation=known.incarnation,
            revision=known.revision,
            attempts=known.attempts,
        )


class _Shape:
    """The fields as one operation has them: what is sent, what is for new records only, what decides.

    Where one dict can serve for several of these, it does.
    """

    def __init__(self, operation: Operation, fields: Iterable[Field], identifier: tuple[str, ...]) -> None:
        self.operation = operation
        parts = [_part(field, operation) for field in fields]
        self._parts = tuple(part for part in parts if part.sent or part.on_create or part.name in identifier)
        self._readers = tuple((part.name, part.field.read, part.field) for part in self._parts)
        self._paths = {part.name: part.field.map.path for part in self._parts}
        self._flat = all(len(path) == 1 for path in self._paths.values())
        self._sent = tuple(part.name for part in self._parts if part.sent)
        self._on_create = tuple(part.name for part in self._parts if part.on_create)
        self._deciding = tuple(part.name for part in self._parts if part.decides)
        self._sends_all = len(self._sent) == len(self._parts)
        self._all_decide = len(self._deciding) == len(self._sent)

    def read(self, values: tuple[object, ...]) -> tuple[dict[str, Json], list[Violation]]:
        """Read every field: the values by field name, and what could not be read."""
        found: dict[str, Json] = {}
        violations: list[Violation] = []
        for name, read, field in self._readers:
            try:
                value = read(values)
            except Unsayable as fault:
                violations.append(field.violation(fault))
                continue
            if value is not ABSENT:
                found[name] = value
        return found, violations

    def whole(self, found: dict[str, Json]) -> JsonObject:
        """All that a new record would get: what is checked."""
        return found if self._flat else self._pick(found, self._paths)

    def sent(self, found: dict[str, Json], whole: JsonObject) -> JsonObject:
        return whole if self._sends_all else self._pick(found, self._sent)

    def create_only(self, found: dict[str, Json]) -> JsonObject:
        return self._pick(found, self._on_create) if self._on_create else {}

    def deciding(self, found: dict[str, Json], sent: JsonObject) -> JsonObject:
        return sent if self._all_decide else self._pick(found, self._deciding)

    def _pick(self, found: Mapping[str, Json], names: Iterable[str]) -> JsonObject:
        return _nested((self._paths[name], found[name]) for name in names if name in found)


def _compiled(sync: Sync, spec: ObjectSpec, facts: RunFacts) -> tuple[Field, ...]:
    variables = facts.variables(sync=sync.name, model=sync.model.name)
    return tuple(
        compile_field(
            field,
            index=index,
            identifies=field.name in sync.identifier,
            variables=variables,
            exact_numbers=spec.exact_numbers,
        )
        for index, field in enumerate(sync.fields)
    )


def _part(field: Field, operation: Operation) -> _Part:
    """Where *operation* puts *field*. A create never meets a record that is there, an update always, an upsert may."""
    creates_only = field.map.write is WritePolicy.ON_CREATE
    return _Part(
        field,
        field.map.name,
        sent=not creates_only or operation is Operation.CREATE,
        on_create=creates_only and operation is Operation.UPSERT,
    )


def _cleared(sync: Sync) -> tuple[tuple[tuple[str, ...], None], ...]:
    """What ``clear`` empties: each top-level field; where an identifier is in it, the other fields in it."""
    kept = {field.path[0] for field in sync.fields if field.name in sync.identifier}
    cleared = [field for field in sync.fields if field.decides and field.name not in sync.identifier]
    paths = [field.path if field.path[0] in kept else field.path[:1] for field in cleared]
    return tuple((path, None) for path in dict.fromkeys(paths))


def _nested(items: Iterable[tuple[tuple[str, ...], Json]]) -> JsonObject:
    root: dict[str, Any] = {}
    for path, value in items:
        place = root
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return root


def _renamed(known: Known, identity: JsonObject) -> JsonObject | None:
    """The confirmed identity, where it is another one than *identity*."""
    if known.identity is None or canonical(known.identity) == canonical(identity):
        return None
    return known.identity


_NO_IDENTITY = Violation(
    "",
    "no_identity",
    None,
    "the row left the model, and the ledger holds neither its identifier nor its record id; "
    "remove the record in the destination by hand",
)


def _key_fault(primary_key: tuple[str, ...], change: Change) -> Violation:
    """The fault of a key, for each of its ``copies``."""
    words = _KEY_FAULTS[change.fault or ""]
    key = ", ".join(primary_key)
    rows = "1 row" if change.copies == 1 else f"{change.copies} rows"
    lacks = "has" if change.copies == 1 else "have"
    return Violation("", change.fault or "", key, words.format(rows=rows, have=lacks, key=key))


_KEY_FAULTS = {
    "null_key": "{rows} {have} no {key}; every row of the model needs its primary key",
    "duplicate_key": "{rows} share this {key}; the primary key must be unique in the model",
}
