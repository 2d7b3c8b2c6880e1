"""What the conformance suite asks of a system under test, and how it drives a destination: the engine in small."""

import asyncio
import inspect
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast

from dbt_activate.contracts import Destination
from dbt_activate.errors import BatchRejectedError
from dbt_activate.testing.fakes import make_tools
from dbt_activate.values.destination import Connection
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Batch, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import ChangeKind, Operation

T = TypeVar("T")


class NotOffered(Exception):  # noqa: N818 - no error: the case is skipped, with this text as its reason
    """Raised by a system that has nothing to offer for a case."""


class Trouble(Enum):
    """What goes wrong with the next request that writes."""

    TOO_MANY_REQUESTS = "429, nothing applied"
    ERROR_BEFORE = "500, nothing applied"
    ERROR_AFTER = "500, although it was applied"
    RESET_BEFORE = "the connection breaks, nothing applied"
    RESET_AFTER = "the connection breaks after it was applied"
    EMPTY_ANSWER = "a 2xx without a body, after it was applied"
    GARBLED_ANSWER = "a 2xx with a web page for a body, after it was applied"
    UNAUTHORIZED = "the credentials are refused"
    ROWS_MISSING = "the answer leaves the last row out"
    ROWS_REORDERED = "the answer has the rows in another order"
    ROWS_EXTRA = "the answer has a row more, which was not sent"
    ROWS_TWICE = "the answer has its first row twice"


class System(ABC):
    """A fake of the system, or a real one to be thrown away, for the time of one case."""

    @property
    @abstractmethod
    def connection(self) -> Connection:
        """How the destination reaches it."""

    @abstractmethod
    def records(self) -> Sequence[JsonObject]:
        """Every record of the object. An empty field is None or left out; fields that the system adds do no harm."""

    def as_stored(self, value: Json) -> Json:
        """How the system gives *value* back, where it keeps it in a spelling of its own."""
        return value

    def refused_fields(self) -> JsonObject:
        """Fields of a row that the system refuses for what is in them."""
        raise NotOffered("the system has no value that it refuses")

    def trouble(self, kind: Trouble, *, retry_after: str | None = None) -> None:  # noqa: ARG002 - for those that can
        """Let the next request that writes meet with *kind*; *retry_after* is a header of a 429, as text."""
        raise NotOffered(f"the system cannot be made to do this: {kind.value}")


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the rows of one batch: the results of every part that it was cut into."""

    results: Mapping[str, RowResult]

    def outcome(self, key: str) -> Outcome:
        """A row's outcome; a row that was not mentioned is unknown."""
        return self.results[key].outcome if key in self.results else Outcome.UNKNOWN

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Key to outcome, of the rows that were mentioned."""
        return {key: result.outcome for key, result in self.results.items()}


def make_payload(
    key: str,
    operation: Operation,
    fields: JsonObject,
    identifier: str,
    *,
    confirmed: Json = None,
) -> Payload:
    """A row whose identity is the field *identifier*; *confirmed* is its value before, where it was renamed."""
    removed = operation in {Operation.CLEAR, Operation.ARCHIVE, Operation.DELETE}
    return Payload(
        key=key,
        change=ChangeKind.REMOVED if removed else ChangeKind.ADDED,
        operation=operation,
        fields=fields,
        identity={identifier: fields[identifier]},
        confirmed_identity=None if confirmed is None else {identifier: confirmed},
        payload_hash=uuid.uuid5(uuid.NAMESPACE_OID, repr(fields)).hex,
    )


class Trial:
    """A destination at work on one object. Sends as the engine does, and bisects what is refused whole."""

    def __init__(self, kind: type[Destination], connection: Connection, object_name: str | None) -> None:
        self.destination = kind(connection, make_tools())
        self._object = object_name
        self._number = 0

    async def send(self, *payloads: Payload, key: str | None = None) -> Answered:
        """Send *payloads* as one batch, under the idempotency key *key* where one is given."""
        rows = tuple(self.destination.encode(payload) for payload in payloads)
        self._number += 1
        batch = Batch(
            number=self._number,
            operation=payloads[0].operation,
            object=self._object,
            rows=rows,
            idempotency_key=key or uuid.uuid4().hex,
            sync="conformance",
            run_id="run1",
        )
        try:
            results = list(await call(self.destination.send, batch))
        except BatchRejectedError as error:
            return await self._bisect(payloads, error)
        self._judge(batch, results)
        answered = Answered({result.key: result for result in results})
        again = [payload for payload in payloads if answered.outcome(payload.key) is Outcome.FAILED]
        if not again or len(payloads) == 1:
            return answered
        # The destination says that these are surely not applied, so they go again, in smaller parts.
        parts = [again] if len(again) < len(payloads) else [again[: len(again) // 2], again[len(again) // 2 :]]
        for part in parts:
            answered = Answered({**answered.results, **(await self.send(*part)).results})
        return answered

    async def check(self) -> str:
        """Return the account's id."""
        return (await call(self.destination.check)).id

    def _judge(self, batch: Batch, results: Sequence[RowResult]) -> None:
        named = [result.key for result in results]
        if len(set(named)) < len(named) or not set(named) <= set(batch.keys):
            raise AssertionError(f"results for {named}, where {list(batch.keys)} were sent")

    async def _bisect(self, payloads: Sequence[Payload], error: BatchRejectedError) -> Answered:
        if len(payloads) == 1:
            result = RowResult(key=payloads[0].key, outcome=Outcome.REJECTED, code=error.code, message=str(error))
            return Answered({result.key: result})
        half = len(payloads) // 2
        first, second = await self.send(*payloads[:half]), await self.send(*payloads[half:])
        return Answered({**first.results, **second.results})


def on_trial(
    kind: type[Destination],
    connection: Connection,
    object_name: str | None,
    act: Callable[[Trial], Coroutine[Any, Any, T]],
) -> T:
    """Make a destination, let *act* use it, close it; return what *act* returned."""

    async def run() -> T:
        trial = Trial(kind, connection, object_name)
        try:
            return await act(trial)
        finally:
            await call(trial.destination.close)

    return asyncio.run(run())


async def call(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Call a method of a destination as the engine does: a plain one in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    return cast("T", await asyncio.to_thread(function, *arguments))


def secrets_of(connection: Connection) -> list[str]:
    """The secrets in a connection's settings, in clear."""
    return [text for value in connection.settings.values() for text in _secrets(value)]


def _secrets(value: object) -> list[str]:
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _secrets(part)]
    return []


def words_of(error: BaseException) -> str:
    """All that a report could show of *error*: its text, its attributes, its causes."""
    parts: list[str] = []
    shown: BaseException | None = error
    while shown is not None:
        parts += [str(shown), repr(shown), repr(vars(shown))]
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "\n".join(parts)
