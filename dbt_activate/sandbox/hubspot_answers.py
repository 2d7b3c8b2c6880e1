"""The shapes of the CRM's answers."""

from collections.abc import Iterable, Mapping, Sequence

from dbt_activate.sandbox.crm import Crm
from dbt_activate.sandbox.exchange import Answer
from dbt_activate.sandbox.records import CrmObject, Record
from dbt_activate.sandbox.writes import Outcome, Written


def account(crm: Crm) -> dict[str, object]:
    """Who the account is."""
    return {
        "portalId": crm.portal_id,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "UTC",
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "eu1",
    }


def shown_properties(crm_object: CrmObject, wanted: Sequence[str]) -> Sequence[str]:
    """What a read gives: those of *wanted* that exist, else the object's own choice; and the system's."""
    known = [name for name in wanted or crm_object.definition.shown if name in crm_object.properties]
    return tuple(dict.fromkeys((*known, *crm_object.system_properties)))


def batch_answer(
    at: str, crm_object: CrmObject, outcome: Outcome, *, status: int = 200, says_new: bool = False
) -> Answer:
    """What became of a batch of writes; *status* where every row was taken, 207 otherwise."""
    written = sorted(outcome.written, key=lambda each: int(each.record.id))
    rows = [after_write(crm_object, each) | ({"new": each.is_new} if says_new else {}) for each in written]
    return completed(at, rows, [fault.body() for fault in outcome.faults], status)


def completed(
    at: str, rows: Sequence[Mapping[str, object]], faults: Sequence[Mapping[str, object]], status: int = 200
) -> Answer:
    """A batch that was worked through; *status* where there are no *faults*, 207 otherwise."""
    body: dict[str, object] = {"status": "COMPLETE", "results": rows, "startedAt": at, "completedAt": at}
    if not faults:
        return Answer(status, body)
    return Answer(207, body | {"numErrors": len(faults), "errors": faults})


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records in order of their ids."""
    # Not the order of the request: the CRM promises none, so a client must not count on one.
    return sorted(records, key=lambda record: int(record.id))


def after_write(crm_object: CrmObject, written: Written) -> dict[str, object]:
    """A record after a write: the properties that were sent and have a value, and the system's."""
    values = written.record.properties
    names = dict.fromkeys((*written.sent, *crm_object.system_properties))
    row = _head(written.record, {name: values[name] for name in names if name in values})
    return row if written.trace is None else row | {"objectWriteTraceId": written.trace}


def as_read(record: Record, names: Sequence[str]) -> dict[str, object]:
    """A record as it is read; a property without a value is null."""
    return _head(record, {name: record.properties.get(name) for name in names})


def _head(record: Record, properties: Mapping[str, str | None]) -> dict[str, object]:
    row: dict[str, object] = {
        "id": record.id,
        "properties": properties,
        "createdAt": record.created_at,
        "updatedAt": record.updated_at,
        "archived": record.archived_at is not None,
    }
    return row if record.archived_at is None else row | {"archivedAt": record.archived_at}


def object_schema(crm: Crm, crm_object: CrmObject) -> dict[str, object]:
    """An object's definition with its properties."""
    known = crm_object.definition
    return {
        "id": known.type_id.removeprefix("2-"),
        "objectTypeId": known.type_id,
        "name": known.name,
        "fullyQualifiedName": crm.qualified_name(crm_object) if known.is_custom else known.name,
        "labels": {"singular": known.singular, "plural": known.plural},
        "description": known.description,
        "primaryDisplayProperty": known.display,
        "requiredProperties": known.required,
        "searchableProperties": known.shown,
        "secondaryDisplayProperties": [],
        "properties": list(crm_object.properties.values()),
        "associations": [],
        "archived": False,
        "createdAt": known.created_at,
        "updatedAt": known.created_at,
    }
