"""The life of one row: what would be sent now, what is confirmed, and what every past run did with it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dbt_activate.cli.application import Application
from dbt_activate.cli.layout import Shown, columns, facts_table, moment, rendered, spelled, visible
from dbt_activate.cli.masks import FieldChange, Masks, changes_between
from dbt_activate.cli.present import Now, row_now
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.ledger.history import life_of
from dbt_activate.ledger.past import Confirmed, Life, PastRow, Reject
from dbt_activate.planning.diff import NULL_KEY
from dbt_activate.reporters.phrases import counted
from dbt_activate.values.sync import ChangeKind, Sync

UNREAD = "not read by this version"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLife:
    """All that is shown of a row. *key* is what the user typed, so it is not masked."""

    sync: Sync
    key: str
    life: Life
    now: Now
    masks: Masks

    def __bool__(self) -> bool:
        return bool(self.life) or bool(self.now)

    def document(self) -> dict[str, Any]:
        """As JSON, masked."""
        sync, life = self.sync, self.life
        return {
            "schema": "dbt-activate/row/v1",
            "sync": sync.name,
            "key": self.key,
            "model": sync.model.unique_id,
            "destination": sync.destination,
            "object": sync.object,
            "now": self._now(),
            "confirmed": life.confirmed and self._confirmed(life.confirmed),
            "destination_now": {"read": False, "note": UNREAD},
            "reject": life.reject and _without(life.reject, "sync", "key"),
            "log": [
                {**_without(row, "before", "after"), "fields": [change.document() for change in self.changes(row)]}
                for row in life.log
            ],
        }

    def page(self, *, color: bool) -> str:
        """For a terminal."""
        head = [("now", self.verdict), ("confirmed", _confirmation(self.life.confirmed))]
        head += [("destination", UNREAD), *_held(self.life.reject)]
        title = f"{self.sync.name}  {visible(self.key)}"
        parts = [facts_table(title, head), *self._tables()]
        return rendered(parts, color=color)

    @property
    def verdict(self) -> str:
        """What would become of the row now, in words."""
        now, confirmed = self.now, self.life.confirmed
        if now.fault is not None:
            return f"cannot be looked at: {now.fault}"
        if now.refusal is not None:
            return f"would not be sent: {now.refusal.message}"
        if now.payload is None:
            return self._absence()
        if confirmed and not confirmed.removed_at and confirmed.payload_hash == now.payload.payload_hash:
            return "as confirmed: nothing to send"
        if (held := self.life.reject) is not None and held.fingerprint == now.payload.fingerprint:
            return f"{now.payload.change}: not sent while it is {held.outcome}"
        return f"{now.payload.change}: would be sent ({now.payload.operation})"

    def _absence(self) -> str:
        if self.life.reject is not None and self.life.reject.outcome == "unknown":
            return "would not be sent: the fate of its last delivery is unknown"
        return "not in the model, or this sync does not send such a change"

    def changes(self, row: PastRow) -> tuple[FieldChange, ...]:
        """The fields that a past run changed, as far as the ledger keeps values."""
        return () if row.after is None else changes_between(row.before, row.after, self.masks)

    def fields_now(self) -> Mapping[str, Shown]:
        """The fields as they would be sent now; empty where none would."""
        payload = self.now.payload
        if payload is None:
            return {}
        new = payload.create_only if payload.change is ChangeKind.ADDED else {}
        return self.masks.shown({**new, **payload.fields})

    def _now(self) -> dict[str, Any]:
        if (payload := self.now.payload) is None:
            return {"verdict": self.verdict}
        sent = {"change": payload.change, "operation": payload.operation, "fields": self.fields_now()}
        return {"verdict": self.verdict, **sent}

    def _confirmed(self, confirmed: Confirmed) -> dict[str, Any]:
        seen = {name: self.masks.shown(getattr(confirmed, name)) for name in ("payload", "theirs", "identity")}
        return {**asdict(confirmed), **{name: fields or None for name, fields in seen.items()}}

    def _tables(self) -> Iterator[Any]:
        confirmed = self.life.confirmed
        sides = {
            "now": self.fields_now(),
            "confirmed": self.masks.shown(confirmed.payload if confirmed else None),
            "as the destination told": self.masks.shown(confirmed.theirs if confirmed else None),
        }
        sides = {name: side for name, side in sides.items() if side}
        names = dict.fromkeys(name for side in sides.values() for name in side)
        if names:
            yield ""
            yield columns(
                ("field", *sides), ((name, *(_cell(side, name) for side in sides.values())) for name in names)
            )
        if self.life.log:
            yield ""
            yield columns(("at (UTC)", "run", "change", "outcome", "reason", "fields"), map(self._line, self.life.log))

    def _line(self, row: PastRow) -> tuple[str, ...]:
        fields = "\n".join(map(str, self.changes(row))) or ", ".join(row.changed_fields or ())
        change = f"{row.change}, {row.operation}" if row.operation else row.change
        return (moment(row.logged_at), row.run_id, change, row.outcome, reason(row), fields)


def reason(row: PastRow | Reject) -> str:
    """Why a row did not get through: ``required (email): ...``; empty where it did."""
    place = row.field or row.pointer
    code = f"{row.code} ({place})" if row.code and place else row.code or place
    return ": ".join(filter(None, (code, row.message)))


def _confirmation(confirmed: Confirmed | None) -> str:
    if confirmed is None:
        return "never"
    record = f", record {confirmed.record_id}" if confirmed.record_id else ""
    gone = f"; removed {moment(confirmed.removed_at)} UTC" if confirmed.removed_at else ""
    return f"{moment(confirmed.confirmed_at)} UTC{record}, by run {confirmed.run_id}{gone}"


def _held(reject: Reject | None) -> Iterator[tuple[str, str]]:
    if reject is not None:
        times = f"{counted(reject.attempts, 'attempt')} since {moment(reject.first_seen_at)} UTC"
        yield reject.outcome, f"{reason(reject)}; {times}; tried again {next_attempt(reject)}"


def next_attempt(reject: Reject) -> str:
    """When a row is tried again, in words."""
    if reject.outcome == "failed":
        return f"from {moment(reject.next_attempt_at)} UTC" if reject.next_attempt_at else "by the next run"
    return "never by itself" if reject.outcome == "unknown" else "when it changes"


def _cell(side: Mapping[str, Shown], name: str) -> str:
    return spelled(side[name]) if name in side else ""


def _without(value: Reject | PastRow, *names: str) -> dict[str, Any]:
    return {name: item for name, item in asdict(value).items() if name not in names}


def row_life(application: Application, sync: Sync, key: str, *, unmask: bool) -> RowLife:
    """The row of *sync* with *key*, as a user spells it.

    Raises:
        ConfigError: The primary key has several columns, and *key* is not a JSON array of as many.
    """
    keys = _spellings(sync, key)
    with application.warehouse.session(read_only=True) as session:
        lives = {each: life_of(application.ledger, session, sync.name, each) for each in keys}
    known = next((each for each, life in lives.items() if life), keys[0])
    masks = Masks.of(sync, unmask=unmask)
    return RowLife(sync=sync, key=known, life=lives[known], now=_now(application, sync, keys), masks=masks)


def _now(application: Application, sync: Sync, keys: tuple[str, ...]) -> Now:
    if not sync.enabled:
        return Now(fault="the sync has `enabled: false`")
    destination = application.links([sync])[sync.destination].destination
    return row_now(application.ledger, destination, sync, keys, application.facts)


def _spellings(sync: Sync, key: str) -> tuple[str, ...]:
    """The texts by which the ledger may know *key*, the likeliest first."""
    columns = sync.primary_key
    if len(columns) == 1 or key == NULL_KEY:
        return (key,)
    try:
        parts = json.loads(key)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != len(columns):
        form = json.dumps([f"<{column}>" for column in columns])
        remedy = f"give a JSON array of {len(columns)} texts: '{form}'"
        raise ConfigError(Problem("KEY", f"the primary key of '{sync.name}' is {', '.join(columns)}", remedy))
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    return tuple(dict.fromkeys((json.dumps(texts, ensure_ascii=False, separators=(",", ":")), key)))
