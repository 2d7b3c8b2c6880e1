"""The seams: what a destination, a warehouse, a reporter and a clock must be.

A plug-in author reads this module, ``values`` and ``errors``, and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, ClassVar, Protocol

from dbt_activate.values.destination import Account, Connection, DeliveryClass, Limits, ObjectSpec
from dbt_activate.values.json import Schema
from dbt_activate.values.outcome import RowResult
from dbt_activate.values.payload import Batch, Encoded, Payload

if TYPE_CHECKING:
    import httpx

    from dbt_activate.values.event import Event


class Clock(Protocol):
    """Time, as the run sees it. Nothing else in the package asks what time it is."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds*; return at once where they are not positive."""
        ...


class Reporter(Protocol):
    """Listens to a run. Must not raise."""

    def __call__(self, event: "Event") -> None:
        """Take *event*."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the engine lends to a destination.

    Attributes:
        transport: Makes the httpx transport for a connection; its argument is ``allow_private_addresses``. Destinations
            never build one of their own: the engine's counts requests, and refuses private addresses and redirects.
    """

    clock: Clock
    transport: "Callable[[bool], httpx.AsyncBaseTransport]"
    random: Random = field(default_factory=Random)


class Destination(ABC):
    """A system that takes rows. Made once per run, by name, from its connection.

    The engine owns batching, pacing, retries, bisecting, time-outs, the ledger, redaction and counting. A destination
    only knows its API. ``check``, ``discover``, ``send`` and ``close`` may be ``async def`` or plain; the engine runs
    plain ones in a thread.

    Attributes:
        connection_schema: JSON Schema of the settings in ``destinations.yml`` beyond those that every connection takes;
            a property with ``"x-secret": true`` arrives as a :class:`~dbt_activate.values.secret.Secret`.
        object_required: Whether a sync must name an object.
        local: Whether it writes to this machine only, so that no private address needs permission.
        limits: The documented limits of an account, for connections that set none.
    """

    limits: ClassVar[Limits] = Limits()
    connection_schema: ClassVar[Schema]
    object_required: ClassVar[bool] = True
    local: ClassVar[bool] = False

    def __init__(self, connection: Connection, tools: Tools) -> None:
        """Take the connection; open nothing yet."""
        self.connection = connection
        self.tools = tools

    @abstractmethod
    def describe(self, object_name: str | None) -> ObjectSpec:
        """Say what *object_name* takes, without I/O.

        Raises:
            ConfigError: There is no such object.
        """

    def objects(self) -> tuple[str, ...]:
        """The objects that are known without I/O; empty where any name goes."""
        return ()

    async def discover(self, object_name: str | None) -> ObjectSpec:
        """Say what *object_name* takes, as the live system describes it. One or a few cheap calls."""
        return self.describe(object_name)

    @abstractmethod
    async def check(self) -> Account:
        """Make one cheap authenticated call and return whose account this is.

        Raises:
            DestinationError: It cannot be reached or refuses us; the text says what to do.
        """

    @abstractmethod
    def encode(self, payload: Payload) -> Encoded:
        """Spell one row as the API has it. Pure and deterministic; never raises for a checked payload."""

    @abstractmethod
    async def send(self, batch: Batch) -> Sequence[RowResult]:
        """Send *batch* once: no sleep, no retry, no logging. Return one result for each row, in any order.

        A row's outcome is ``succeeded``, ``rejected``, ``failed`` (surely not applied: the engine may repeat it) or
        ``unknown`` (no answer for it). A row that is not mentioned is taken as ``unknown``.

        Raises:
            RetryableError: Surely not applied, or harmless to repeat.
            AmbiguousError: Sent, and no usable answer.
            BatchRejectedError: Refused whole; nothing was applied.
            FatalError: No later batch can succeed.
        """

    async def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of connections. Called once, also after errors."""


class Dialect(Protocol):
    """What varies between SQL engines, as fragments of SQL text. Arguments are SQL text, too, unless said."""

    @property
    def name(self) -> str:
        """The engine's name in sqlglot."""
        ...

    @property
    def types(self) -> Mapping[str, str]:
        """The engine's types for ``text bigint integer double timestamp boolean``."""
        ...

    @property
    def now(self) -> str:
        """The warehouse's clock, as a UTC timestamp without zone, to the microsecond."""
        ...

    @property
    def probe(self) -> str:
        """A constant expression whose value changes when the engine's fingerprint function does."""
        ...

    def quote(self, identifier: str) -> str:
        """An identifier given as plain text, quoted."""
        ...

    def text(self, expression: str) -> str:
        """The text form of a key column."""
        ...

    def json_string(self, expression: str) -> str:
        """The JSON string literal of a text expression, as text."""
        ...

    def fingerprint(self, columns: Sequence[tuple[str, str]]) -> str:
        """A 64-bit hash of *columns*, each an expression and its type as the engine names it. NULL differs from ''."""
        ...

    def readable(self, expression: str, kind: str) -> str:
        """The expression of type *kind*, as the engine names it, in a form that its driver hands over truly.

        A date or a timestamp that is infinite, or outside the years 1 to 9999, must arrive as an infinite float.
        """
        ...


class Session(Protocol):
    """An open connection to the warehouse. Values are bound: a statement has one ``?`` for each parameter."""

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Iterator[tuple[object, ...]]:
        """Stream the rows of a query, in its order. Read them to the end before the next statement."""
        ...

    def describe(self, query: str) -> Mapping[str, str]:
        """The columns of a query's answer, name to the engine's type, in order. Runs nothing.

        Raises:
            WarehouseError: The query is wrong, or names what does not exist.
        """
        ...

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; return how many rows it touched, -1 where the engine does not say."""
        ...

    def append(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> None:
        """Insert *rows* in bulk into *table* (SQL text). *columns* maps column name to logical type, in row order."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end of the block, roll back where it raises."""
        ...


class Warehouse(Protocol):
    """The engine that dbt builds in: where the models are, and the ledger."""

    @property
    def dialect(self) -> Dialect:
        """Its fragments."""
        ...

    @property
    def identity(self) -> str:
        """Which database this is; the same for every run against it. A part of the ledger's binding."""
        ...

    @property
    def schema(self) -> str:
        """The schema that dbt's target builds in."""
        ...

    def session(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Connect, for as long as the block lasts; *read_only* leaves the database as it is, byte for byte.

        Others may be shut out while a session is open (a DuckDB file has one user), so it is never kept while a
        destination is waited for.

        Raises:
            WarehouseError: It cannot be reached, or a file stays locked; the text names who holds it.
        """
        ...

    def refusals(self, session: Session, schema: str) -> tuple[str, ...]:
        """What keeps us from making *schema* or writing its tables, each with its way out. Asks, and writes nothing.

        Empty where nothing does, or the engine cannot tell.
        """
        ...


class Journal(Protocol):
    """Where delivery writes down what it is about to do, and what came of it. The ledger's; a fake in tests."""

    def intend(self, batches: Sequence[Batch], delivery: DeliveryClass) -> None:
        """Make durable that *batches* are about to be sent, together with every outcome settled so far.

        Raises:
            FencedError: Another run holds the lease: send nothing more.
        """
        ...

    def settle(self, batch: Batch, results: Sequence[RowResult]) -> None:
        """Take the outcome of every row of *batch*; durable at the next :meth:`intend`, or at the end of the run."""
        ...

    def covers(self, seconds: float) -> bool:
        """Whether a request that takes *seconds* ends while the lease is surely held."""
        ...
