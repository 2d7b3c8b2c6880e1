"""The requests that one batch takes, and what they add up to for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dbt_activate.destinations.classification import Answer
from dbt_activate.destinations.hubspot.answers import (
    TRACE,
    Fault,
    Reading,
    Row,
    additional,
    read_answer,
    read_ids,
    read_refusal,
)
from dbt_activate.destinations.hubspot.api import NOT_FOUND, Api
from dbt_activate.errors import AmbiguousError, BatchRejectedError, DestinationError, RetryableError
from dbt_activate.values.json import JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.sync import Operation

_SUCCESS = range(200, 300)
_NO_CONTENT = 204
_CONFLICT = 409

_ADDRESSING = frozenset({"update", "archive"})
"""The actions that address a record that exists; where others lack something, it is the row's fault."""

_CONFLICTING = "CONFLICT"
"""The category of an error for a value that another record has."""

_OUTCOMES: Mapping[str, Outcome] = {
    "RATE_LIMITS": Outcome.FAILED,
    "RATE_LIMIT": Outcome.FAILED,
    "INTERNAL_ERROR": Outcome.UNKNOWN,
}
"""Categories of row errors that are no verdict on the row; all others are."""


class Exchange:
    """One batch at HubSpot.

    An error of a request is raised as long as nothing of the batch was applied. After that it becomes a result of the
    rows that it concerns, so that what was applied stays known: ``unknown`` where their fate is open, else ``failed``
    with the error's code. The code ``batch_rejected`` asks for these rows to be sent again in smaller parts.

    Attributes:
        results: Key to result, for each row that was spoken of so far.
    """

    def __init__(self, api: Api, object_name: str, operation: Operation) -> None:
        self._api = api
        self._object = object_name
        self._operation = operation
        self.results: dict[str, RowResult] = {}

    async def upsert(self, rows: Sequence[Row], *, split: bool) -> None:
        """Write each row to the record it matches, or to a new one.

        A record that we know is addressed by its id; if it is gone, the row is matched anew. HubSpot has no partial
        upsert by e-mail and does not say before it writes whether a record is new, so *split* looks first.
        """
        known = [row for row in rows if row.record_id and (split or row.spelled.confirmed or not row.spelled.value)]
        gone = [*await self._update(known), *self._reopened(known)]
        traces = {row.trace for row in known} - {row.trace for row in gone}
        rest = self._with_identifier([row for row in rows if row.trace not in traces])
        looked_up = [row for row in rest if split or row.spelled.confirmed]
        await self._match(looked_up)
        await self._write("upsert", [(row, _by_value(row)) for row in rest if row not in looked_up])

    async def create(self, rows: Sequence[Row]) -> None:
        """Make a record for each row."""
        await self._write("create", [(row, _new(row)) for row in rows])

    async def update(self, rows: Sequence[Row]) -> None:
        """Write each row to the record it matches. A record that is gone needs no clearing, and takes no update."""
        gone = await self._update(rows)
        if self._operation is Operation.CLEAR:
            self._settle(gone, Outcome.SUCCEEDED)
            return
        self._settle(gone, Outcome.REJECTED, "not_found", "HubSpot has no such record")

    async def archive(self, rows: Sequence[Row]) -> None:
        """Archive the record of each row; HubSpot keeps it for 90 days. One that is gone already is a success."""
        unknown = [row for row in rows if not row.record_id]
        # Nothing was applied yet, so an error is raised and None cannot come back.
        ids = await self._find(unknown, {row.trace: row.spelled.current for row in unknown}) or {}
        self._settle([row for row in unknown if row.trace not in ids], Outcome.SUCCEEDED)
        found = [replace(row, record_id=ids[row.trace]) for row in unknown if row.trace in ids]
        present = [row for row in rows if row.record_id] + found
        gone = await self._write("archive", [(row, {"id": row.record_id}) for row in present])
        self._settle(gone, Outcome.SUCCEEDED)

    def _reopened(self, rows: Sequence[Row]) -> list[Row]:
        """Take back the conflicts of rows that kept their identifier: another record has it now, so they match that."""
        taken = [row for row in rows if row.spelled.value and not row.spelled.confirmed and self._conflicts(row)]
        for row in taken:
            del self.results[row.payload.key]
        return taken

    def _conflicts(self, row: Row) -> bool:
        told = self.results.get(row.payload.key)
        return told is not None and told.code == _CONFLICTING

    async def _match(self, rows: Sequence[Row]) -> None:
        ids = await self._resolve(rows)
        if ids is None:
            return
        found = self._distinct([replace(row, record_id=ids[row.trace]) for row in rows if row.trace in ids])
        gone = await self._update(found)
        self._settle(gone, Outcome.FAILED, "not_found", "the record vanished between two requests")
        await self.create([row for row in rows if row.trace not in ids])

    async def _resolve(self, rows: Sequence[Row]) -> Mapping[str, str] | None:
        ids = await self._find(rows, {row.trace: row.spelled.current for row in rows})
        renamed = [row for row in rows if ids is not None and row.trace not in ids and row.spelled.confirmed]
        if not renamed or ids is None:
            return ids
        more = await self._find(renamed, {row.trace: row.spelled.value for row in renamed}, waiting=rows)
        return None if more is None else {**ids, **more}

    async def _find(
        self, rows: Sequence[Row], values: Mapping[str, str], *, waiting: Sequence[Row] | None = None
    ) -> Mapping[str, str] | None:
        """Trace to record id of the records that exist; None after an error, by which *waiting* is settled."""
        if not rows:
            return {}
        try:
            found = await self._read(rows[0].spelled.identifier, values)
        except DestinationError as error:
            self._absorb(error, rows if waiting is None else waiting)
            return None
        return {trace: found[value.lower()] for trace, value in values.items() if value.lower() in found}

    async def _read(self, identifier: str, values: Mapping[str, str]) -> Mapping[str, str]:
        more = additional(identifier)
        body: JsonObject = {
            "idProperty": identifier,
            "inputs": [{"id": value} for value in values.values()],
            "properties": [identifier, more] if more else [identifier],
            "propertiesWithHistory": [],
        }
        try:
            answer = await self._api.post(self._object, "read", body)
            if answer.status not in _SUCCESS:
                raise self._api.refusal(answer)
        except AmbiguousError as error:
            # Reading changes nothing.
            raise RetryableError(str(error), code=error.code, request_id=error.request_id) from error
        found = read_ids(answer, identifier)
        if found is None:
            raise RetryableError(f"{self._api.place()}: the answer to batch/read has no results", code="bad_answer")
        return found

    async def _update(self, rows: Sequence[Row]) -> list[Row]:
        return await self._write("update", [(row, _by_id(row) if row.record_id else _by_value(row)) for row in rows])

    async def _write(self, action: str, inputs: Sequence[tuple[Row, JsonObject]]) -> list[Row]:
        """Make one request; settle the rows it speaks of and return those whose record does not exist."""
        if not inputs:
            return []
        rows = [row for row, _ in inputs]
        try:
            answer = await self._api.post(self._object, action, {"inputs": [part for _, part in inputs]})
            reading = self._reading(answer, rows, action)
        except DestinationError as error:
            self._absorb(error, rows)
            return []
        return self._take(reading, rows, answer, action)

    def _reading(self, answer: Answer, rows: Sequence[Row], action: str) -> Reading:
        if answer.status == _NO_CONTENT and action == "archive":
            return Reading({row.trace: {} for row in rows})
        if answer.status in _SUCCESS:
            return read_answer(answer, rows, self._api.place())
        error = self._api.refusal(answer)
        if len(rows) == 1 and isinstance(error, BatchRejectedError):
            fault = read_refusal(answer, rows[0])
            named = replace(fault, category=_CONFLICTING) if answer.status == _CONFLICT else fault
            return Reading({}, {rows[0].trace: named})
        raise error

    def _take(self, reading: Reading, rows: Sequence[Row], answer: Answer, action: str) -> list[Row]:
        gone = []
        for row in rows:
            fault, item = reading.faults.get(row.trace), reading.done.get(row.trace)
            if fault and fault.category == NOT_FOUND and action in _ADDRESSING:
                gone.append(row)
            elif fault:
                self._put(self._refused(row, fault, action), answer)
            elif item is not None:
                self._put(_succeeded(row, item), answer)
        return gone

    def _refused(self, row: Row, fault: Fault, action: str) -> RowResult:
        refused = RowResult(
            key=row.payload.key,
            outcome=_OUTCOMES.get(fault.category, Outcome.REJECTED),
            code=fault.category,
            field=fault.property,
            pointer=f"/{fault.property}" if fault.property else None,
            message=fault.message,
        )
        if action == "create" and fault.category == _CONFLICTING and self._operation is Operation.UPSERT:
            # Somebody made the record after we looked: the next attempt finds it.
            return replace(refused, outcome=Outcome.FAILED, code="conflict")
        return refused

    def _absorb(self, error: DestinationError, rows: Sequence[Row]) -> None:
        if not any(result.outcome is Outcome.SUCCEEDED for result in self.results.values()):
            raise error
        outcome = Outcome.UNKNOWN if isinstance(error, AmbiguousError) else Outcome.FAILED
        code = "batch_rejected" if isinstance(error, BatchRejectedError) else error.code
        self._settle(rows, outcome, code, str(error), error.request_id)

    def _with_identifier(self, rows: Sequence[Row]) -> list[Row]:
        empty = [row for row in rows if not row.spelled.current]
        self._settle(empty, Outcome.REJECTED, "empty_identifier", "the row has no value that could match a record")
        return [row for row in rows if row.spelled.current]

    def _distinct(self, rows: Sequence[Row]) -> list[Row]:
        """One row for each record: two e-mails can be one contact's, and HubSpot refuses a request that has both."""
        first: dict[str | None, Row] = {}
        for row in rows:
            if first.setdefault(row.record_id, row) is not row:
                text = f"another row matches the same record by {row.spelled.identifier}"
                self._settle([row], Outcome.REJECTED, "duplicate_identifier", text)
        return list(first.values())

    def _settle(
        self,
        rows: Sequence[Row],
        outcome: Outcome,
        code: str | None = None,
        message: str | None = None,
        request_id: str | None = None,
    ) -> None:
        for row in rows:
            self.results[row.payload.key] = RowResult(
                key=row.payload.key, outcome=outcome, code=code, message=message, request_id=request_id
            )

    def _put(self, result: RowResult, answer: Answer) -> None:
        self.results[result.key] = replace(result, request_id=answer.request_id)


def _succeeded(row: Row, item: JsonObject) -> RowResult:
    properties = item.get("properties")
    told = properties if isinstance(properties, dict) else {}
    theirs = {name: told[name] for name in row.spelled.properties if name in told}
    record_id = str(item["id"]) if item.get("id") else row.record_id
    return RowResult(key=row.payload.key, outcome=Outcome.SUCCEEDED, record_id=record_id, theirs=theirs or None)


def _by_id(row: Row) -> JsonObject:
    return {"id": row.record_id, "properties": dict(row.spelled.properties), TRACE: row.trace}


def _by_value(row: Row) -> JsonObject:
    spelled = row.spelled
    matched: JsonObject = {"id": spelled.current, "idProperty": spelled.identifier}
    return {**matched, "properties": dict(spelled.properties), TRACE: row.trace}


def _new(row: Row) -> JsonObject:
    properties: JsonObject = {**row.spelled.properties, **row.spelled.on_create}
    return {"properties": properties, "associations": [], TRACE: row.trace}
