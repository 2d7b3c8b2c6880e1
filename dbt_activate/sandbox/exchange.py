"""One request and its answer, as values: the emulated systems know nothing of sockets."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Nature = Literal["write", "read", "discovery"]
"""What a request is about: records written, records read, or what there is to write to."""

Refusal = Callable[[Mapping[str, object]], str | None]
"""Says why a record with these fields must be refused, or None. Asked once per record: a counted fault is used up."""


def no_refusal(_fields: Mapping[str, object]) -> None:
    """Refuse nothing."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A request, read to its end.

    Attributes:
        path: As it came: percent-encoded, without the query.
        query: Each parameter with its values, in the order given.
        headers: Names in lower case.
        rows: Records that the request spoke of; the emulated system fills it in.
        note: A remark for the log, where the request was accepted with a reservation.
    """

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    refusal: Refusal = no_refusal
    rows: int = 0
    note: str = ""

    def parameter(self, name: str, default: str = "") -> str:
        """The first value of the query parameter *name*."""
        return self.query.get(name, (default,))[0]


@dataclass(slots=True)
class Answer:
    """What goes back. *body* is encoded as JSON, sent as it is where it is bytes, and left out where it is None."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """What a request is counted under: *kind* is the method with the path, single records written as ``{id}``."""

    kind: str
    nature: Nature


class System(Protocol):
    """An emulated system: everything below one path."""

    def place(self, call: Call) -> Place:
        """Say what *call* is counted under, whether or not it will be served."""
        ...

    def admit(self, call: Call) -> Answer | None:
        """Refuse *call* for its credentials or its rate; None lets it in."""
        ...

    def handle(self, call: Call) -> Answer:
        """Apply *call* and answer it. Every fault of the caller's is an answer, none an exception."""
        ...

    def failure(self, status: int) -> Answer:
        """An error in this system's own spelling."""
        ...

    def headers(self) -> dict[str, str]:
        """What stands in the head of every answer, refusals included."""
        ...


def new_id() -> str:
    """A name for one request, as the CRM puts into its errors."""
    return str(uuid.uuid4())
