"""The destination class of ``type: hubspot``."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

from dbt_activate.contracts import Destination, Tools
from dbt_activate.destinations.hubspot.answers import Row
from dbt_activate.destinations.hubspot.catalog import (
    API_VERSION,
    BASE_URL,
    CONNECTION_SCHEMA,
    CONTACTS,
    LIMITS,
    OBJECTS,
    ROWS,
    CrmObject,
    crm_object,
    field_specs,
    object_spec,
)
from dbt_activate.destinations.hubspot.spelling import Spelled, spell, spelled
from dbt_activate.errors import ConfigError, FatalError, Problem
from dbt_activate.values.destination import Account, Connection, Limits, ObjectSpec
from dbt_activate.values.json import Schema
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Operation

if TYPE_CHECKING:
    from dbt_activate.destinations.hubspot.api import Api
    from dbt_activate.destinations.hubspot.exchange import Exchange
    from dbt_activate.destinations.rest import Rest


class HubSpot(Destination):
    """HubSpot CRM: contacts, companies, deals and custom objects.

    Rows are matched by a unique property: ``email`` for contacts, elsewhere one that was made with "unique values".

    Attributes:
        limits: What an account may be asked where its connection says nothing.
    """

    connection_schema: ClassVar[Schema] = CONNECTION_SCHEMA
    limits: ClassVar[Limits] = LIMITS

    def __init__(self, connection: Connection, tools: Tools) -> None:
        """Read the settings; connect to nothing."""
        super().__init__(connection, tools)
        self._rest: Rest | None = None

    def objects(self) -> tuple[str, ...]:
        """The standard objects; custom ones go by ``2-<id>`` or ``p_<name>``."""
        return tuple(OBJECTS)

    def describe(self, object_name: str | None) -> ObjectSpec:
        """Say what *object_name* takes. Which properties it has, only :meth:`discover` knows.

        Raises:
            ConfigError: It is neither a standard object nor the name of a custom one.
        """
        name, _ = self._object(object_name)
        return object_spec(name, rows=self._rows)

    async def discover(self, object_name: str | None) -> ObjectSpec:
        """Read the object's properties from the account.

        Raises:
            DestinationError: It cannot be read, for example as the token lacks ``crm.schemas.<object>.read``.
        """
        name, found = self._object(object_name)
        answer = await self._api.get(f"/crm/v3/properties/{name}")
        listed = answer.get("results")
        if not isinstance(listed, list):
            raise FatalError(f"{self._api.place('GET')}: the answer lists no properties", code="bad_answer")
        given = self.connection.settings.get("identifiers")
        more = given.get(name, ()) if isinstance(given, Mapping) else ()
        fields = field_specs(listed, (*found.identifiers, *more))
        return object_spec(name, rows=self._rows, fields=fields)

    async def check(self) -> Account:
        """Ask whose token it is; the id is the account's portal id."""
        details = await self._api.get("/account-info/v3/details")
        portal = details.get("portalId")
        if not isinstance(portal, int | str):
            raise FatalError(
                f"{self._api.place('GET')}: the answer names no portalId; check base_url", code="bad_answer"
            )
        return Account(str(portal), str(details.get("uiDomain") or ""))

    def encode(self, payload: Payload) -> Encoded:
        """Spell one row as properties, all of them strings."""
        return spell(payload)

    async def send(self, batch: Batch) -> Sequence[RowResult]:
        """Make the one to four requests that the batch takes.

        A row whose identifier stands in an earlier row of the batch is ``rejected`` as ``duplicate_identifier``.
        Once something was applied, a refused part is answered row by row: ``failed`` with the code ``batch_rejected``
        asks the engine to send these rows again in smaller parts.
        """
        from dbt_activate.destinations.hubspot.exchange import Exchange

        name, found = self._object(batch.object)
        rows = [_row(str(number), encoded) for number, encoded in enumerate(batch.rows)]
        matches = batch.operation is not Operation.CREATE or bool(found.identifiers)
        admitted, refused = admit(rows, matches=matches, creates=batch.operation is Operation.CREATE)
        exchange = Exchange(self._api, name, batch.operation)
        await _converse(exchange, batch.operation, admitted, contacts=name == CONTACTS)
        return [*refused, *exchange.results.values()]

    async def close(self) -> None:
        """Close the connections."""
        if self._rest:
            await self._rest.close()

    def _object(self, object_name: str | None) -> tuple[str, CrmObject]:
        name = object_name or ""
        if found := crm_object(name):
            return name, found
        meant = get_close_matches(name, OBJECTS, n=1)
        remedy = (
            f"did you mean '{meant[0]}'?" if meant else f"use {', '.join(OBJECTS)}, or a custom object (2-123, p_name)"
        )
        raise ConfigError(Problem(f"destination '{self.connection.name}'", f"HubSpot has no object '{name}'", remedy))

    @property
    def _rows(self) -> int:
        size = self.connection.settings.get("batch_size", ROWS)
        return size if isinstance(size, int) else ROWS

    @property
    def _api(self) -> "Api":
        # Imported here, so that a run without changes does not pay for an HTTP client.
        from dbt_activate.destinations.hubspot.api import Api
        from dbt_activate.destinations.rest import Rest

        settings = self.connection.settings
        if self._rest is None:
            token = settings["token"]
            bearer = token.reveal() if isinstance(token, Secret) else str(token)
            headers = {"Authorization": Secret(f"Bearer {bearer}")}
            self._rest = Rest(self.connection, self.tools, headers=headers)
        return Api(self._rest, str(settings.get("base_url", BASE_URL)), str(settings.get("api_version", API_VERSION)))


def admit(rows: Sequence[Row], *, matches: bool, creates: bool) -> tuple[list[Row], list[RowResult]]:
    """Part the rows that can travel in one batch from those that cannot, which are rejected.

    Args:
        rows: In order; of two that mean the same record the first one travels.
        matches: Whether the identifier's value is unique at HubSpot.
        creates: Whether records are made only, so that a row needs no identifier.
    """
    admitted: list[Row] = []
    refused: list[RowResult] = []
    seen: set[str] = set()
    for row in rows:
        names = _names(row) if matches else set()
        if not names and not creates:
            refused.append(_reject(row, "empty_identifier", "the row has no value that could match a record"))
        elif names & seen:
            refused.append(
                _reject(row, "duplicate_identifier", f"an earlier row has the same {row.spelled.identifier}")
            )
        else:
            admitted.append(row)
            seen |= names
    return admitted, refused


async def _converse(exchange: "Exchange", operation: Operation, rows: Sequence[Row], *, contacts: bool) -> None:
    match operation:
        case Operation.UPSERT:
            await exchange.upsert(rows, split=contacts or any(row.spelled.on_create for row in rows))
        case Operation.CREATE:
            await exchange.create(rows)
        case Operation.UPDATE | Operation.CLEAR:
            await exchange.update(rows)
        case Operation.ARCHIVE | Operation.DELETE:
            await exchange.archive(rows)


def _row(trace: str, encoded: Encoded) -> Row:
    payload = encoded.payload
    body = encoded.body if isinstance(encoded.body, Spelled) else spelled(payload)
    return Row(trace=trace, payload=payload, spelled=body, record_id=payload.record_id)


def _names(row: Row) -> set[str]:
    value = row.spelled.value or row.spelled.confirmed
    told = value.lower() if row.spelled.identifier == "email" else value
    return {f"{kind}:{name}" for kind, name in (("id", row.record_id), ("value", told)) if name}


def _reject(row: Row, code: str, message: str) -> RowResult:
    field = row.spelled.identifier or None
    pointer = f"/{field}" if field else None
    return RowResult(
        key=row.payload.key, outcome=Outcome.REJECTED, code=code, field=field, pointer=pointer, message=message
    )
