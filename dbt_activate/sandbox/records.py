"""The records of one CRM object, found by id or by a unique property."""

from collections.abc import Mapping, Sequence

import msgspec

from dbt_activate.sandbox.properties import Property, ValueFault, combined


class Definition(msgspec.Struct, kw_only=True):
    """What an object is called, and which of its properties play a part.

    Attributes:
        shown: Properties that a read gives where none are asked for, beside the system's own.
        required: Properties that a new record must have.
    """

    name: str
    singular: str
    plural: str
    type_id: str
    aliases: tuple[str, ...]
    created: str
    modified: str
    shown: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    display: str = ""
    description: str = ""
    is_custom: bool = False
    created_at: str = ""


class Record(msgspec.Struct, kw_only=True):
    """One record. *properties* holds what has a value, the system's own included, in the CRM's spelling."""

    id: str
    properties: dict[str, str]
    created_at: str
    updated_at: str
    archived_at: str | None = None


class ObjectState(msgspec.Struct, kw_only=True):
    """All there is of one object, for the state file."""

    definition: Definition
    properties: list[Property]
    records: list[Record]
    archived: list[Record] = []


class CrmObject:
    """One object: its properties, its records in order of their ids, and who holds which unique value."""

    def __init__(self, state: ObjectState) -> None:
        self.definition = state.definition
        self.properties = {each.name: each for each in state.properties}
        self.records = {each.id: each for each in state.records}
        self.archived = {each.id: each for each in state.archived}
        self._holders: dict[str, dict[str, str]] = {}
        for name, known in self.properties.items():
            if known.has_unique_value:
                self._index(name)

    @property
    def name(self) -> str:
        """Its name in paths."""
        return self.definition.name

    @property
    def system_properties(self) -> tuple[str, str, str]:
        """Id, time made, time last changed: a part of every answer."""
        return ("hs_object_id", self.definition.created, self.definition.modified)

    def state(self) -> ObjectState:
        """All there is, for the state file."""
        return ObjectState(
            definition=self.definition,
            properties=list(self.properties.values()),
            records=list(self.records.values()),
            archived=list(self.archived.values()),
        )

    def add_property(self, definition: Property) -> None:
        """Define a property. Its name must be new."""
        self.properties[definition.name] = definition
        if definition.has_unique_value:
            self._index(definition.name)

    def is_unique(self, name: str) -> bool:
        """Whether records can be found by the property *name*."""
        return name in self._holders

    def find(self, value: str, id_property: str | None = None) -> Record | None:
        """The record with this id, or with this value of a unique property."""
        if id_property is None:
            return self.records.get(value)
        return self.records.get(self._holders[id_property].get(_folded(id_property, value), ""))

    def clash(self, values: Mapping[str, str], own_id: str = "") -> tuple[str, str] | None:
        """The first unique property of *values* that another record holds, and that record's id; None where free."""
        for name, holders in self._holders.items():
            holder = holders.get(_folded(name, values[name]), own_id) if values.get(name) else own_id
            if holder != own_id:
                return name, holder
        return None

    def unique_values(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Each unique property in *values* with its value as it is compared."""
        return [(name, _folded(name, values[name])) for name in self._holders if values.get(name)]

    def parse(self, values: Mapping[str, str]) -> tuple[dict[str, str], list[ValueFault]]:
        """Spell *values* as they are stored, and say which are refused and why."""
        parsed: dict[str, str] = {}
        faults: list[ValueFault] = []
        for name, value in values.items():
            known = self.properties.get(name)
            result = _unknown(name, value) if known is None else known.parse(value)
            if isinstance(result, str):
                parsed[name] = result
            else:
                faults.append(result)
        return parsed, faults

    def insert(self, record_id: str, values: Mapping[str, str], at: str) -> Record:
        """Make a record of parsed *values*; its id must be the highest so far."""
        properties = {name: value for name, value in values.items() if value != ""}
        system = dict(zip(self.system_properties, (record_id, at, at), strict=True))
        record = Record(id=record_id, properties=properties | system, created_at=at, updated_at=at)
        self.records[record_id] = record
        self._hold(record)
        return record

    def write(self, record: Record, values: Mapping[str, str], at: str) -> Sequence[tuple[str, str | None, str | None]]:
        """Write parsed *values* over *record*; gives name, old and new value of what differs. Times move only then."""
        changed = []
        for name, value in values.items():
            old = record.properties.get(name)
            new = combined(self.properties[name], old or "", value) or None
            if new != old:
                changed.append((name, old, new))
        self._release(record)
        for name, _old, new in changed:
            _set(record.properties, name, new)
        self._hold(record)
        if changed:
            record.updated_at = record.properties[self.definition.modified] = at
        return changed

    def archive(self, record: Record, at: str) -> None:
        """Take *record* away from reads and let go of its unique values."""
        self._release(record)
        del self.records[record.id]
        record.archived_at = at
        self.archived[record.id] = record

    def erase(self, record: Record) -> None:
        """Take *record* away for good."""
        self._release(record)
        self.records.pop(record.id, None)
        self.archived.pop(record.id, None)

    def _index(self, name: str) -> None:
        held = ((each.properties.get(name), each.id) for each in self.records.values())
        self._holders[name] = {_folded(name, value): record_id for value, record_id in held if value}

    def _hold(self, record: Record) -> None:
        for name, value in self.unique_values(record.properties):
            self._holders[name][value] = record.id

    def _release(self, record: Record) -> None:
        for name, value in self.unique_values(record.properties):
            self._holders[name].pop(value, None)


def _folded(name: str, value: str) -> str:
    return value.strip().lower() if name == "email" else value


def _set(properties: dict[str, str], name: str, value: str | None) -> None:
    if value is None:
        properties.pop(name, None)
    else:
        properties[name] = value


def _unknown(name: str, value: str) -> ValueFault:
    return ValueFault(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist', value)
