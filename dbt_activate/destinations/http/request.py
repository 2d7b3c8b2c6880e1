"""What goes out: the address, the body and the headers of one request. Pure."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from dbt_activate.destinations.http.settings import Settings, Sign, names_rows_only
from dbt_activate.values.destination import DeliveryClass
from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.payload import Batch, Encoded, Payload
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import Operation

JSON = msgspec.json.Encoder(decimal_format="number")

ENVELOPE_SIZE = 200
"""Bytes that an envelope adds to a row, beside its key; rounded up."""

CONTENT_TYPES: Mapping[str, str] = {
    "array": "application/json",
    "object": "application/json",
    "row": "application/json",
    "ndjson": "application/x-ndjson",
    "form": "application/x-www-form-urlencoded",
}

DELIVERY: Mapping[str, DeliveryClass] = {
    "upsert": DeliveryClass.UPSERT,
    "idempotency_key": DeliveryClass.IDEMPOTENCY_KEY,
    "append": DeliveryClass.APPEND,
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_OBJECT = "object"


def delivery_class(settings: Settings, operation: Operation) -> DeliveryClass:
    """What a second send of the same request does, as far as the user declared it."""
    if settings.delivery:
        return DELIVERY[settings.delivery]
    return DeliveryClass.APPEND if operation is Operation.CREATE else DeliveryClass.UPSERT


def row_body(payload: Payload, settings: Settings) -> bytes:
    """One row in the body's spelling, without an envelope."""
    content = _content(payload)
    if settings.body == "form" and not settings.envelope:
        return urlencode({name: text_of(value) for name, value in content.items()}).encode()
    return JSON.encode(content)


def request_body(batch: Batch, rows: Sequence[Encoded], settings: Settings) -> bytes | None:
    """The bytes of the whole body; None where the URL alone says which row is meant."""
    # A DELETE without a body to an address that names no row would mean all of them.
    in_url = settings.body == "row" and bool(placeholders(settings.address(batch.operation)))
    if in_url and names_rows_only(batch.operation) and not settings.envelope:
        return None
    return _joined([_wrapped(row, batch, settings) for row in rows], settings)


def request_headers(batch: Batch, body: bytes | None, settings: Settings) -> Mapping[str, str | Secret]:
    """The headers that differ by request: what the body is, its idempotency key, its signature."""
    headers: dict[str, str | Secret] = {}
    if body is not None and "content-type" not in {name.lower() for name in settings.headers}:
        headers["Content-Type"] = CONTENT_TYPES[settings.body]
    if delivery_class(settings, batch.operation) is not DeliveryClass.APPEND:
        headers[settings.idempotency_header] = batch.idempotency_key
    if settings.sign:
        headers[settings.sign.header] = signature(settings.sign, body or b"")
    return headers


def signature(sign: Sign, body: bytes) -> str:
    """HMAC-SHA256 of exactly the bytes sent, as hex."""
    secret = sign.secret.reveal() if isinstance(sign.secret, Secret) else sign.secret
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def placeholders(template: str) -> tuple[str, ...]:
    """The fields that *template* takes; ``{object}`` is none."""
    return tuple(name for name in _PLACEHOLDER.findall(template) if name != _OBJECT)


def takes_object(template: str) -> bool:
    """Whether *template* names the sync's object."""
    return _OBJECT in _PLACEHOLDER.findall(template)


def address(template: str, object_name: str | None, identity: Mapping[str, Json]) -> str:
    """Fill *template*. Each value becomes one percent-encoded part; it cannot leave its place in the path."""
    values = {**{name: text_of(value) for name, value in identity.items()}, _OBJECT: object_name or ""}
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)


def misleading(value: Json) -> bool:
    """Whether *value* in a URL would address something else than one record: it is empty, or climbs with ``..``."""
    parts = set(re.split(r"[/\\]", text_of(value)))
    return parts == {""} or bool(parts & {".", ".."})


def addressed_identity(payload: Payload) -> JsonObject:
    """The identity under which the destination has the record now."""
    if payload.operation in {Operation.UPSERT, Operation.CREATE}:
        return payload.identity
    return payload.confirmed_identity or payload.identity


def text_of(value: Json) -> str:
    """A value as text: strings as they are, NULL as nothing, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else JSON.encode(value).decode()


def _content(payload: Payload) -> JsonObject:
    if names_rows_only(payload.operation):
        return dict(addressed_identity(payload))
    if payload.operation is Operation.CLEAR:
        return {**dict.fromkeys(payload.fields), **addressed_identity(payload)}
    if payload.operation is Operation.CREATE:
        return _merged(payload.fields, payload.create_only)
    return payload.fields


def _merged(below: JsonObject, above: JsonObject) -> JsonObject:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _wrapped(row: Encoded, batch: Batch, settings: Settings) -> bytes:
    body = row.body if isinstance(row.body, bytes) else row_body(row.payload, settings)
    if not settings.envelope:
        return body
    facts = {"operation": batch.operation.value, "key": row.payload.key}
    origin = {"sync": batch.sync, "run_id": batch.run_id}
    if settings.body == "form":
        return urlencode({**facts, "fields": body.decode(), **origin}).encode()
    return JSON.encode({**facts, "fields": msgspec.Raw(body), **origin})


def _joined(rows: Sequence[bytes], settings: Settings) -> bytes:
    match settings.body:
        case "array":
            return b"[" + b",".join(rows) + b"]"
        case "object":
            return JSON.encode({settings.records_key: [msgspec.Raw(row) for row in rows]})
        case "ndjson":
            return b"".join(row + b"\n" for row in rows)
        case _:
            return b"".join(rows)
