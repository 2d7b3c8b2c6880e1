"""The destination class of ``type: http``."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from dbt_activate.contracts import Destination, Tools
from dbt_activate.destinations.classification import refusal, refuses_content
from dbt_activate.destinations.http.request import (
    ENVELOPE_SIZE,
    address,
    addressed_identity,
    delivery_class,
    misleading,
    placeholders,
    request_body,
    request_headers,
    row_body,
    takes_object,
)
from dbt_activate.destinations.http.results import Reader
from dbt_activate.destinations.http.settings import CONNECTION_SCHEMA, read_settings
from dbt_activate.errors import ConfigError, FatalError, Problem
from dbt_activate.values.destination import Account, Connection, DeliveryClass, ObjectSpec, OperationSpec
from dbt_activate.values.json import Schema
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Operation

if TYPE_CHECKING:
    from dbt_activate.destinations.rest import Rest

_NO_RECORD = frozenset({404, 410})
_REFUSED_US = frozenset({401, 403})


class Http(Destination):
    """A JSON API or webhook, described by its connection's settings.

    Rows travel in one request per batch; ``body: row`` and ``body: form`` make one request per row.
    """

    connection_schema: ClassVar[Schema] = CONNECTION_SCHEMA
    object_required: ClassVar[bool] = False

    def __init__(self, connection: Connection, tools: Tools) -> None:
        """Read the settings; connect to nothing."""
        super().__init__(connection, tools)
        self._settings = read_settings(connection.settings)
        self._opened: Rest | None = None

    @property
    def idempotency_seconds(self) -> float:
        """How long the destination remembers an idempotency key, as the user declared it."""
        return self._settings.idempotency_seconds

    def describe(self, object_name: str | None) -> ObjectSpec:
        """Say what each operation takes. Any object and any field goes.

        Raises:
            ConfigError: The URL takes an object that the sync lacks, or a field of a row where a request has many rows.
        """
        specs = {op: self._operation(op) for op in Operation if self._settings.method(op)}
        if problems := [problem for op in specs for problem in self._problems(op, object_name)]:
            raise ConfigError(list(dict.fromkeys(problems)))
        return ObjectSpec(name=object_name or "", operations=specs, answers=self._settings.results.by)

    async def check(self) -> Account:
        """Ask the server's root with HEAD. Any answer shows that it is there; only 401 and 403 refuse us."""
        from dbt_activate.destinations.rest import origin

        root = origin(self._settings.url)
        answer = await self._rest.call("HEAD", f"{root}/")
        if answer.status in _REFUSED_US:
            raise refusal(answer, self._rest.place("HEAD", root))
        return Account(root)

    def encode(self, payload: Payload) -> Encoded:
        """Spell one row as JSON, or as a form."""
        body = row_body(payload, self._settings)
        envelope = len(payload.key.encode()) + ENVELOPE_SIZE if self._settings.envelope else 0
        return Encoded(payload=payload, body=body, size=len(body) + 1 + envelope)

    async def send(self, batch: Batch) -> Sequence[RowResult]:
        """Make one request for the batch."""
        unfit = {row.payload.key: field for row in batch.rows if (field := self._unfit(row.payload, batch))}
        rows = [row for row in batch.rows if row.payload.key not in unfit]
        refused = [_unaddressable(key, field) for key, field in unfit.items()]
        return [*refused, *await self._send(batch, rows)] if rows else refused

    async def close(self) -> None:
        """Close the connections."""
        if self._opened:
            await self._opened.close()

    async def _send(self, batch: Batch, rows: Sequence[Encoded]) -> Sequence[RowResult]:
        settings, first = self._settings, rows[0]
        method = settings.method(batch.operation) or "POST"
        url = address(settings.address(batch.operation), batch.object, addressed_identity(first.payload))
        body = request_body(batch, rows, settings)
        answer = await self._rest.call(method, url, body=body, headers=request_headers(batch, body, settings))
        place = self._rest.place(method, url)
        reader = Reader(settings, place, self._secrets)
        if settings.succeeds(answer.status):
            return reader.results(answer, rows)
        if answer.status in _NO_RECORD and placeholders(settings.address(batch.operation)):
            return [reader.missing(answer, first)]
        if refuses_content(answer.status) and len(rows) == 1:
            return [reader.refused(answer, first)]
        raise refusal(answer, place)

    def _unfit(self, payload: Payload, batch: Batch) -> str | None:
        identity = addressed_identity(payload)
        for name in placeholders(self._settings.address(batch.operation)):
            if name not in identity:
                known = ", ".join(identity) or "none"
                raise FatalError(
                    f"{self._place}: the URL takes {{{name}}}, which is no identifier of the sync ({known}); "
                    "name an identifier there",
                    code="url_field",
                )
            if misleading(identity[name]):
                return name
        return None

    def _operation(self, operation: Operation) -> OperationSpec:
        delivery = delivery_class(self._settings, operation)
        rows = 1 if self._settings.single else self._settings.batch_size
        # Nobody promised that a refused append left nothing behind.
        return OperationSpec(delivery=delivery, rows=rows, atomic=rows == 1 or delivery is not DeliveryClass.APPEND)

    def _problems(self, operation: Operation, object_name: str | None) -> Iterable[Problem]:
        template = self._settings.address(operation)
        if takes_object(template) and not object_name:
            yield Problem(self._place, "the URL takes {object}", "name an object in the sync")
        if self._settings.body != "row" and (fields := placeholders(template)):
            fault = f"the URL takes {{{fields[0]}}}, and a request has no row of its own"
            yield Problem(self._place, fault, "set body: row, or leave the field out of the URL")

    @property
    def _place(self) -> str:
        return f"destinations.yml, {self.connection.name}.outputs.{self.connection.output}.url"

    @property
    def _rest(self) -> "Rest":
        # Imported here, so that a run without changes does not pay for it.
        from dbt_activate.destinations.rest import Rest

        if self._opened is None:
            self._opened = Rest(self.connection, self.tools, headers=self._settings.headers)
        return self._opened

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        values = [*self._settings.headers.values(), *([self._settings.sign.secret] if self._settings.sign else [])]
        return tuple(word for value in values if isinstance(value, Secret) for word in value.reveal().split())


def _unaddressable(key: str, field: str) -> RowResult:
    return RowResult(
        key=key,
        outcome=Outcome.REJECTED,
        code="bad_identifier",
        field=field,
        pointer=f"/{field}",
        message="the identifier is empty or holds a path (..), so that no URL can name the record; correct the value",
    )
