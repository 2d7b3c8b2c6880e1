"""What the sandbox says of itself, and how it is told to misbehave: everything under ``/_sandbox/``."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from dbt_activate.sandbox.emulator import Emulator
from dbt_activate.sandbox.exchange import Answer, Call
from dbt_activate.sandbox.faults import DESCRIPTIONS, Fault
from dbt_activate.sandbox.hooks import HookSettings
from dbt_activate.values.secret import Secret

MOST_ROWS = 1_000
_DEFAULT_ROWS = 100


class Row(msgspec.Struct, rename="camel", kw_only=True):
    """One record, of the CRM or of a receiver, as the page shows it."""

    id: str
    properties: Mapping[str, object]
    created_at: str
    updated_at: str
    archived: bool = False


class HookRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of a receiver, as they are sent; see :class:`~dbt_activate.sandbox.hooks.HookSettings`."""

    key: str | None = None
    secret: str | None = None
    header: str = "X-Signature"
    records: str = "records"


class Control:
    """Serves the control paths of one sandbox."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._matches: dict[tuple[str, str], tuple[int, Sequence[Row]]] = {}

    def state(self, call: Call) -> Answer:
        """Records by object, latest change first; ``object``, ``search``, ``offset``, ``limit`` choose among them."""
        names = list(self._names())
        wanted = call.parameter("object")
        chosen = [name for name in names if wanted in ("", name)]
        search = call.parameter("search").strip().lower()
        offset, limit = _window(call)
        found = {name: self._found(name, search) for name in chosen}
        return Answer(
            200,
            {
                "revision": self._emulator.journal.revision,
                "objects": [{"name": name, "count": self._count(name)} for name in names],
                "matching": {name: len(rows) for name, rows in found.items()},
                "records": {name: rows[offset : offset + limit] for name, rows in found.items()},
            },
        )

    def requests(self, call: Call) -> Answer:
        """The logged requests, latest first, and how many there were in all."""
        offset, limit = _window(call)
        journal = self._emulator.journal
        return Answer(200, {"total": journal.total, "requests": journal.requests(offset, limit)})

    def request(self, number: int) -> Answer:
        """One of the last requests as it came, without its credentials."""
        raw = self._emulator.journal.raw(number)
        return Answer(404, {"error": f"request {number} is not kept"}) if raw is None else Answer(200, raw)

    def counts(self, _call: Call) -> Answer:
        """How many requests there were: by nature, and by kind with data requests apart from discovery."""
        journal = self._emulator.journal
        counts = journal.counts()
        natures = {nature: sum(c.requests for c in counts if c.nature == nature) for nature in _NATURES}
        return Answer(
            200,
            {
                "revision": journal.revision,
                "total": journal.total,
                **natures,
                "data_requests": natures["write"] + natures["read"],
                "rows_written": sum(c.rows for c in counts if c.nature == "write"),
                "failed": sum(c.failed for c in counts),
                "data": {c.kind: c.requests for c in counts if c.nature != "discovery"},
                "other": {c.kind: c.requests for c in counts if c.nature == "discovery"},
                "kinds": counts,
            },
        )

    def changes(self, call: Call) -> Answer:
        """The last changes of records, latest first."""
        return Answer(200, {"changes": self._emulator.journal.changes(_window(call)[1])})

    def faults(self, _call: Call) -> Answer:
        """The faults that are on, and the kinds there are."""
        return Answer(200, {"faults": self._emulator.faults.all(), "kinds": DESCRIPTIONS})

    def add_fault(self, call: Call) -> Answer:
        """Switch a fault on."""
        try:
            fault = msgspec.json.decode(call.body, type=Fault)
        except msgspec.DecodeError as error:
            return Answer(400, {"error": str(error)})
        return Answer(201, self._emulator.faults.add(fault))

    def clear_faults(self, _call: Call) -> Answer:
        """Switch every fault off."""
        self._emulator.faults.clear()
        return Answer(204)

    def remove_fault(self, number: int) -> Answer:
        """Switch one fault off."""
        return Answer(204) if self._emulator.faults.remove(number) else Answer(404, {"error": f"no fault {number}"})

    def reset(self, call: Call) -> Answer:
        """Forget everything; ``only=journal`` forgets the log and the counts and keeps records and faults."""
        if call.parameter("only") == "journal":
            self._emulator.journal.clear()
        else:
            self._emulator.reset()
        return Answer(204)

    def set_hook(self, name: str, call: Call) -> Answer:
        """Set how a receiver behaves."""
        try:
            sent = msgspec.json.decode(call.body, type=HookRequest)
        except msgspec.DecodeError as error:
            return Answer(400, {"error": str(error)})
        secret = None if sent.secret is None else Secret(sent.secret)
        settings = HookSettings(key=sent.key, secret=secret, header=sent.header, records=sent.records)
        self._emulator.hooks.settings[name] = settings
        return Answer(204)

    def _names(self) -> Iterable[str]:
        yield from (each.name for each in self._emulator.crm.objects())
        yield from (f"hooks/{name}" for name in self._emulator.hooks.records)

    def _count(self, name: str) -> int:
        hook = name.removeprefix("hooks/")
        return len(self._emulator.crm.object(name).records if hook == name else self._emulator.hooks.records[hook])

    def _found(self, name: str, search: str) -> Sequence[Row]:
        # Kept until something changes: a page that polls must not sort 23,000 records each second.
        revision = self._emulator.journal.revision
        known = self._matches.get((name, search))
        if known is None or known[0] != revision:
            self._matches = {key: each for key, each in self._matches.items() if each[0] == revision}
            rows = [row for row in self._rows(name) if not search or _contains(row, search)]
            rows.sort(key=lambda row: row.updated_at, reverse=True)
            known = self._matches[name, search] = (revision, rows)
        return known[1]

    def _rows(self, name: str) -> Iterable[Row]:
        hook = name.removeprefix("hooks/")
        if hook != name:
            for held in self._emulator.hooks.records[hook].values():
                yield Row(id=held.key, properties=held.fields, created_at=held.created_at, updated_at=held.updated_at)
            return
        for record in self._emulator.crm.object(name).records.values():
            yield Row(
                id=record.id,
                properties=record.properties,
                created_at=record.created_at,
                updated_at=record.updated_at,
            )


_NATURES = ("write", "read", "discovery")


def _contains(row: Row, search: str) -> bool:
    return search in row.id.lower() or any(search in str(value).lower() for value in row.properties.values())


def _window(call: Call) -> tuple[int, int]:
    offset, limit = call.parameter("offset", "0"), call.parameter("limit", str(_DEFAULT_ROWS))
    return _natural(offset, 0), min(_natural(limit, _DEFAULT_ROWS), MOST_ROWS)


def _natural(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default  # noqa: PLR2004 - no count is longer


GET_PATHS: Mapping[str, Callable[[Control, Call], Answer]] = {
    "/_sandbox/state": Control.state,
    "/_sandbox/requests": Control.requests,
    "/_sandbox/counts": Control.counts,
    "/_sandbox/changes": Control.changes,
    "/_sandbox/faults": Control.faults,
}
