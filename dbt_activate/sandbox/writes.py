"""Batches of writes to one CRM object: which rows are taken, which are refused, what then changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dbt_activate.sandbox.crm import Crm
from dbt_activate.sandbox.exchange import Refusal, no_refusal
from dbt_activate.sandbox.hubspot_errors import (
    RefusedError,
    RowFault,
    details_of,
    invalid,
    missing_objects,
    values_message,
    values_refused,
)
from dbt_activate.sandbox.hubspot_messages import CreateInput, UpdateInput
from dbt_activate.sandbox.journal import Change
from dbt_activate.sandbox.properties import ValueFault
from dbt_activate.sandbox.records import CrmObject, Record

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A record after a write, the names of the properties that were sent, and whether the record is new."""

    record: Record
    sent: Sequence[str]
    is_new: bool
    trace: str | None = None


@dataclass(slots=True)
class Outcome:
    """What became of a batch: the rows written and the rows refused."""

    written: list[Written] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)


class Writer:
    """Writes one request's rows to *crm_object*. Whatever changes is told to *changed*, record by record."""

    def __init__(
        self, crm: Crm, crm_object: CrmObject, changed: Callable[[Change], None], refusal: Refusal = no_refusal
    ) -> None:
        self._crm = crm
        self._object = crm_object
        self._changed = changed
        self._refusal = refusal
        self._at = crm.now()

    def create(self, inputs: Sequence[CreateInput]) -> Outcome:
        """Make records. Rows are judged one by one where each has a trace id; without, the first fault refuses all."""
        if inputs and all(each.object_write_trace_id is not None for each in inputs):
            return self._create_each(inputs)
        parsed = self._parse_all([each.properties for each in inputs])
        for values in parsed:
            self._check_new(values)
        self._check_distinct([key for values in parsed for key in self._object.unique_values(values)])
        return Outcome([self._insert(values) for values in parsed])

    def update(self, inputs: Sequence[UpdateInput]) -> Outcome:
        """Write to records that there are. A refused value refuses all; a record that is missing refuses its row."""
        for each in inputs:
            self._check_id_property(each.id_property)
        self._check_distinct([(each.id_property or "", each.id) for each in inputs])
        parsed = self._parse_all([each.properties for each in inputs])
        found = [self._object.find(each.id, each.id_property) for each in inputs]
        self._check_free(parsed, found)
        outcome = Outcome()
        for each, values, record in zip(inputs, parsed, found, strict=True):
            if record is None:
                outcome.faults.append(
                    missing_objects(self._object.definition.singular, [each.id], each.object_write_trace_id)
                )
            else:
                outcome.written.append(self._write(record, values, each.object_write_trace_id))
        return outcome

    def upsert(self, inputs: Sequence[UpdateInput]) -> Outcome:
        """Write to the records that the unique property names, and make those missing. One fault refuses all."""
        for each in inputs:
            if each.id_property is None:
                raise invalid("idProperty is required for upsert")
            self._check_id_property(each.id_property)
        self._check_distinct([(each.id_property or "", each.id) for each in inputs])
        parsed = self._parse_all([{each.id_property or "": each.id} | each.properties for each in inputs])
        found = [self._object.find(each.id, each.id_property) for each in inputs]
        self._check_free(parsed, found)
        for values, record in zip(parsed, found, strict=True):
            if record is None:
                self._check_new(values)
        rows = zip(inputs, parsed, found, strict=True)
        return Outcome([self._upsert(values, record, each.object_write_trace_id) for each, values, record in rows])

    def archive(self, ids: Sequence[str]) -> None:
        """Archive the records that there are; ids of others are passed over."""
        for each in ids:
            record = self._object.find(each)
            if record is not None:
                self._object.archive(record, self._at)
                self._tell(record, "archived")

    def erase(self, record: Record) -> None:
        """Take a record away for good."""
        self._object.erase(record)
        self._tell(record, "erased")

    def _create_each(self, inputs: Sequence[CreateInput]) -> Outcome:
        outcome = Outcome()
        for each in inputs:
            trace = {"objectWriteTraceId": [each.object_write_trace_id or ""]}
            values, faults = self._parse(each.properties)
            if faults:
                message = values_message(faults, self._crm.portal_id)
                outcome.faults.append(RowFault("VALIDATION_ERROR", message, trace, details_of(faults)))
                continue
            try:
                self._check_new(values)
            except RefusedError as error:
                outcome.faults.append(RowFault(error.category, str(error), trace, error.errors))
            else:
                outcome.written.append(self._insert(values, each.object_write_trace_id))
        return outcome

    def _parse(self, properties: Mapping[str, str]) -> tuple[Values, list[ValueFault]]:
        values, faults = self._object.parse(properties)
        reason = self._refusal(properties)
        if reason is not None:
            faults.append(ValueFault("", "REFUSED", reason))
        return values, faults

    def _parse_all(self, rows: Sequence[Mapping[str, str]]) -> list[Values]:
        parsed = [self._parse(row) for row in rows]
        faults = [fault for _values, row_faults in parsed for fault in row_faults]
        if faults:
            raise values_refused(faults, self._crm.portal_id)
        return [values for values, _faults in parsed]

    def _check_new(self, values: Values) -> None:
        missing = [name for name in self._object.definition.required if not values.get(name)]
        if missing:
            singular = self._object.definition.singular
            raise invalid(f"Error creating {singular}. Some required properties were not set: {', '.join(missing)}.")
        clash = self._object.clash(values)
        if clash is not None:
            raise self._taken(*clash, values)

    def _taken(self, name: str, holder: str, values: Values) -> RefusedError:
        if (self._object.name, name) == ("contacts", "email"):
            return RefusedError(409, "CONFLICT", f"Contact already exists. Existing ID: {holder}")
        fault = ValueFault(name, "CONFLICTING_UNIQUE_VALUE", f"{holder} already has that value.", values[name])
        return RefusedError(
            400, "VALIDATION_ERROR", values_message([fault], self._crm.portal_id), errors=details_of([fault])
        )

    def _check_free(self, parsed: Sequence[Values], found: Sequence[Record | None]) -> None:
        self._check_distinct([("", record.id) for record in found if record])
        claimed: list[tuple[str, str]] = []
        for values, record in zip(parsed, found, strict=True):
            clash = self._object.clash(values, record.id if record else "")
            if clash is not None:
                raise self._taken(*clash, values)
            claimed.extend(self._object.unique_values(values))
        self._check_distinct(claimed)

    def _check_distinct(self, keys: Sequence[tuple[str, str]]) -> None:
        if len(set(keys)) < len(keys):
            twice = sorted({value for name, value in keys if keys.count((name, value)) > 1})
            raise invalid(f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique")

    def _check_id_property(self, name: str | None) -> None:
        if name is not None and not self._object.is_unique(name):
            type_id = self._object.definition.type_id
            raise invalid(
                f"Unable to perform update/upsert by non-unique {type_id} property {name} in portal ID "
                f"{self._crm.portal_id}"
            )

    def _upsert(self, values: Values, record: Record | None, trace: str | None) -> Written:
        if record is None:
            return self._insert(values, trace)
        return self._write(record, values, trace)

    def _insert(self, values: Values, trace: str | None = None) -> Written:
        record = self._object.insert(self._crm.new_record_id(), values, self._at)
        self._tell(record, "created")
        return Written(record, tuple(values), is_new=True, trace=trace)

    def _write(self, record: Record, values: Values, trace: str | None) -> Written:
        for name, old, new in self._object.write(record, values, self._at):
            self._tell(record, "changed", (name, old, new))
        return Written(record, tuple(values), is_new=False, trace=trace)

    def _tell(self, record: Record, action: str, change: tuple[str, str | None, str | None] = ("", None, None)) -> None:
        label = record.properties.get(self._object.definition.display) or record.id
        name, old, new = change
        self._changed(
            Change(
                at=self._at,
                at_object=self._object.name,
                id=record.id,
                label=label,
                action=action,
                field=name,
                old=old,
                new=new,
            )
        )
