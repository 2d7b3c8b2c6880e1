"""Webhook receivers: each keeps the records that it is sent, by key."""

import hashlib
import hmac
import itertools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import msgspec

from dbt_activate.sandbox.exchange import Answer, Call, Place
from dbt_activate.sandbox.journal import Change
from dbt_activate.values.secret import Secret

DEFAULT_KEYS = ("id", "customer_id", "email")
IDEMPOTENCY_KEYS_KEPT = 10_000
_PATH = re.compile(r"/hooks/(?P<name>[^/]+)(?P<rest>/.*)?")
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REMOVING = frozenset({"delete", "archive"})
_STATUS = {True: "ok", False: "error"}
_FAILURES = {401: "bad credentials", 429: "too many requests"}

Item = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """How one receiver behaves.

    Attributes:
        key: The field that names a record, or several with commas between; without, the first of
            ``id``, ``customer_id``, ``email`` that an item has.
        secret: Where given, a request needs the HMAC-SHA256 of its body, in hex, in *header*.
        records: The key of a JSON object that holds the list of items.
    """

    key: str | None = None
    secret: Secret | None = None
    header: str = "X-Signature"
    records: str = "records"


class HookRecord(msgspec.Struct, kw_only=True):
    """What a receiver holds under one key. *deliveries* counts how often it was sent."""

    key: str
    fields: Item
    created_at: str
    updated_at: str
    deliveries: int = 0


class _Remembered(msgspec.Struct):
    digest: bytes
    answer: Answer


class BadBodyError(Exception):
    """A body that cannot be read as what its content type says."""


class HookReceiver:
    """Every receiver of a sandbox: one exists as soon as something is sent to ``/hooks/<name>``."""

    def __init__(
        self,
        settings: Mapping[str, HookSettings],
        now: Callable[[], str],
        changed: Callable[[Change], None],
        records: Mapping[str, Sequence[HookRecord]] | None = None,
    ) -> None:
        self.settings = dict(settings)
        self.records = {name: {each.key: each for each in held} for name, held in (records or {}).items()}
        self._now = now
        self._changed = changed
        self._remembered: OrderedDict[tuple[str, str, str], _Remembered] = OrderedDict()

    def state(self) -> dict[str, list[HookRecord]]:
        """Every record, for the state file; settings, which may hold secrets, are not in it."""
        return {name: list(held.values()) for name, held in self.records.items()}

    def place(self, call: Call) -> Place:
        """Every request to one receiver is counted together, by its method."""
        return Place(f"{call.method} /hooks/{self._name(call)}", "write")

    def admit(self, call: Call) -> Answer | None:
        """Refuse a request whose signature is missing or wrong, where the receiver has a secret."""
        settings = self._settings(self._name(call))
        if settings.secret is None:
            return None
        expected = hmac.new(settings.secret.reveal().encode(), call.body, hashlib.sha256).hexdigest()
        given = call.headers.get(settings.header.lower(), "").removeprefix("sha256=")
        if hmac.compare_digest(expected.encode(), given.encode()):
            return None
        return Answer(401, {"error": f"header {settings.header} is not the HMAC-SHA256 of the body"})

    def handle(self, call: Call) -> Answer:
        """Apply *call* and answer row by row; a repeated ``Idempotency-Key`` gets its first answer again."""
        if call.method not in _METHODS or not self._name(call):
            return Answer(405, {"error": f"a receiver takes {', '.join(sorted(_METHODS))} on /hooks/<name>"})
        name = call.headers.get("idempotency-key")
        if name is None:
            return self._apply(call)
        return self._once(call, (call.method, call.path, name))

    def failure(self, status: int) -> Answer:
        """An error that has nothing to do with what was sent."""
        return Answer(status, {"error": _FAILURES.get(status, "internal error")})

    def headers(self) -> dict[str, str]:
        """None."""
        return {}

    def _once(self, call: Call, key: tuple[str, str, str]) -> Answer:
        digest = hashlib.sha256(call.body).digest()
        known = self._remembered.get(key)
        if known is None:
            answer = self._apply(call)
            self._remembered[key] = _Remembered(digest, answer)
            if len(self._remembered) > IDEMPOTENCY_KEYS_KEPT:
                self._remembered.popitem(last=False)
            return answer
        call.note = "repeated Idempotency-Key: not applied again"
        if known.digest != digest:
            return Answer(422, {"error": "this Idempotency-Key was used with another body"})
        return Answer(known.answer.status, known.answer.body, {"Idempotent-Replayed": "true"})

    def _apply(self, call: Call) -> Answer:
        settings = self._settings(self._name(call))
        try:
            items = _items(call, settings.records)
        except BadBodyError as error:
            return Answer(400, {"error": str(error)})
        call.rows = len(items)
        rows = [self._row(call, settings, index, item) for index, item in enumerate(items)]
        return Answer(_status(rows), {"received": len(rows), "results": rows})

    def _row(self, call: Call, settings: HookSettings, index: int, item: Item) -> dict[str, object]:
        fields = _enveloped(item)
        key = _key_of(item, fields, call.parameter("key") or settings.key) or _last_segment(call.path)
        reason = call.refusal(fields)
        if reason is None:
            removes = call.method == "DELETE" or item.get("operation") in _REMOVING
            key = self._remove(self._name(call), key) if removes else self._keep(call, key, fields)
        row: dict[str, object] = {"index": index, "key": key, "status": _STATUS[reason is None]}
        return row if reason is None else row | {"error": reason}

    def _remove(self, name: str, key: str) -> str:
        gone = self.records.get(name, {}).pop(key, None)
        if gone is not None:
            self._tell(name, key, "removed")
        return key

    def _keep(self, call: Call, key: str, fields: Item) -> str:
        name, at = self._name(call), self._now()
        held = self.records.setdefault(name, {})
        key = key or _free_key(held)
        known = held.get(key)
        if known is None:
            held[key] = HookRecord(key=key, fields=fields, created_at=at, updated_at=at, deliveries=1)
            self._tell(name, key, "created")
            return key
        after = fields if call.method == "PUT" else known.fields | fields
        self._tell_fields(name, key, known.fields, after)
        known.fields, known.updated_at, known.deliveries = after, at, known.deliveries + 1
        return key

    def _tell_fields(self, name: str, key: str, before: Item, after: Item) -> None:
        for field in dict.fromkeys((*before, *after)):
            if before.get(field) != after.get(field):
                self._tell(name, key, "changed", (field, before.get(field), after.get(field)))

    def _tell(self, name: str, key: str, action: str, change: tuple[str, object, object] = ("", None, None)) -> None:
        field, old, new = change
        self._changed(
            Change(
                at=self._now(),
                at_object=f"hooks/{name}",
                id=key,
                label=key,
                action=action,
                field=field,
                old=old,
                new=new,
            )
        )

    def _name(self, call: Call) -> str:
        found = _PATH.fullmatch(call.path)
        return unquote(found["name"]) if found else ""

    def _settings(self, name: str) -> HookSettings:
        return self.settings.get(name) or HookSettings()


def _free_key(held: Mapping[str, HookRecord]) -> str:
    numbers = itertools.count(len(held) + 1)
    return next(key for key in map("#{}".format, numbers) if key not in held)


def _status(rows: Sequence[Mapping[str, object]]) -> int:
    refused = sum(row["status"] != _STATUS[True] for row in rows)
    if not refused:
        return 200
    return 422 if refused == len(rows) else 207


def _items(call: Call, records_key: str) -> list[Item]:
    if not call.body.strip():
        # A record named by the path needs no body to be deleted.
        return [{}] if call.method == "DELETE" and _last_segment(call.path) else []
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return [dict(parse_qsl(call.body.decode(errors="replace"), keep_blank_values=True))]
    if kind in {"application/x-ndjson", "application/jsonl", "application/ndjson"}:
        return _mappings([_decoded(line) for line in call.body.splitlines() if line.strip()])
    return _mappings(_unwrapped(_decoded(call.body), records_key))


def _decoded(text: bytes) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBodyError(f"the body is not JSON: {error}") from error


def _unwrapped(body: object, records_key: str) -> list[object]:
    if isinstance(body, dict) and isinstance(body.get(records_key), list):
        return list(body[records_key])
    return body if isinstance(body, list) else [body]


def _mappings(items: Sequence[object]) -> list[Item]:
    wrong = [each for each in items if not isinstance(each, dict)]
    if wrong:
        raise BadBodyError(f"each item must be a JSON object, not {msgspec.json.encode(wrong[0]).decode()}")
    return [each for each in items if isinstance(each, dict)]


def _enveloped(item: Item) -> Item:
    fields = item.get("fields")
    return fields if "operation" in item and isinstance(fields, dict) else item


def _key_of(item: Item, fields: Item, names: str | None) -> str:
    # An envelope names its record itself; how depends on how many fields name one.
    named = item.get("key") if fields is not item and names is None else None
    if isinstance(named, dict):
        named = list(named.values())
    if isinstance(named, list):
        return "|".join(map(_text, named))
    if named is not None:
        return _text(named)
    if names:
        joined = "|".join(_text(fields.get(name.strip())) for name in names.split(","))
        return joined if joined.strip("|") else ""
    return next((_text(fields[name]) for name in DEFAULT_KEYS if fields.get(name) is not None), "")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _last_segment(path: str) -> str:
    found = _PATH.fullmatch(path)
    rest = (found["rest"] or "" if found else "").strip("/")
    return unquote(rest.rpartition("/")[2])
