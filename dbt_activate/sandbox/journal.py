"""What happened: a bounded log of requests, counts of all of them, and the last changes of records."""

from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from dbt_activate.sandbox.exchange import Nature, Place

REQUESTS_KEPT = 1_000
CHANGES_KEPT = 500
RAW_KEPT = 100
BODY_BYTES_KEPT = 65_536
_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_FIRST_ERROR = 400


class Entry(msgspec.Struct, kw_only=True):
    """One request. *status* 0 means that the connection was closed with no answer; *rows* are records it spoke of."""

    number: int
    at: str
    method: str
    path: str
    kind: str
    nature: Nature
    status: int
    rows: int
    milliseconds: float
    fault: str = ""
    note: str = ""


class Raw(msgspec.Struct, kw_only=True):
    """A request as it came; credentials are left out and a long body is cut."""

    number: int
    headers: Mapping[str, str]
    body: str
    cut: bool


class Change(msgspec.Struct, kw_only=True):
    """One field of one record, before and after; for a record that came or went *field* is empty."""

    at: str
    at_object: str = msgspec.field(name="object")
    id: str
    label: str
    action: str
    field: str = ""
    old: object = None
    new: object = None


class Count(msgspec.Struct, kw_only=True):
    """How often one kind of request came; *failed* counts answers of 400 and above, and none at all."""

    kind: str
    nature: Nature
    requests: int = 0
    rows: int = 0
    failed: int = 0


class Journal:
    """The log of one sandbox.

    Attributes:
        revision: Grows with everything that is noted, so that a reader knows whether to read again.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.clear()

    def clear(self) -> None:
        """Forget all; :attr:`revision` grows on."""
        self.revision += 1
        self.total = 0
        self._entries: deque[Entry] = deque(maxlen=REQUESTS_KEPT)
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._raw: deque[Raw] = deque(maxlen=RAW_KEPT)
        self._counts: dict[Place, Count] = {}

    def note(self, entry: Entry, headers: Mapping[str, str], body: bytes) -> None:
        """Add a request to the log and the counts. Its number is given here."""
        self.revision += 1
        self.total += 1
        entry.number = self.total
        self._entries.append(entry)
        self._raw.append(_raw(entry.number, headers, body))
        self._count(entry)

    def changed(self, change: Change) -> None:
        """Add a change of a record."""
        self.revision += 1
        self._changes.append(change)

    def requests(self, offset: int, limit: int) -> Sequence[Entry]:
        """Logged requests, latest first."""
        return tuple(reversed(self._entries))[offset : offset + limit]

    def raw(self, number: int) -> Raw | None:
        """One of the last requests as it came, or None where it is no longer kept."""
        return next((raw for raw in self._raw if raw.number == number), None)

    def changes(self, limit: int) -> Sequence[Change]:
        """The last changes, latest first."""
        return tuple(reversed(self._changes))[:limit]

    def counts(self) -> Sequence[Count]:
        """Every kind of request that came, in the order of the first one."""
        return tuple(self._counts.values())

    def _count(self, entry: Entry) -> None:
        place = Place(entry.kind, entry.nature)
        count = self._counts.setdefault(place, Count(kind=entry.kind, nature=entry.nature))
        count.requests += 1
        count.rows += entry.rows
        count.failed += not 0 < entry.status < _FIRST_ERROR


def _raw(number: int, headers: Mapping[str, str], body: bytes) -> Raw:
    shown = {name: "***" if name in _HIDDEN_HEADERS else value for name, value in headers.items()}
    text = body[:BODY_BYTES_KEPT].decode(errors="replace")
    return Raw(number=number, headers=shown, body=text, cut=len(body) > BODY_BYTES_KEPT)
