"""How HubSpot spells values: every property is a string (CRM objects API description)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from dbt_activate.values.json import Json, JsonObject
from dbt_activate.values.payload import Encoded, Payload
from dbt_activate.values.sync import Operation

_INPUT_SIZE = 120
"""Bytes of an input beside its properties: id, idProperty, trace id, brackets; rounded up."""

_JSON = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """One row in HubSpot's spelling.

    Attributes:
        properties: What is written in any case.
        on_create: What is added where a record is made.
        identifier: The unique property that matches the record; empty where the sync has none.
        value: Its value; empty where the row has none.
        confirmed: Its value at HubSpot, where the row's is a new one.
    """

    properties: Mapping[str, str]
    on_create: Mapping[str, str]
    identifier: str = ""
    value: str = ""
    confirmed: str = ""

    @property
    def current(self) -> str:
        """The identifier's value under which HubSpot has the record, as far as we know."""
        return self.confirmed or self.value


def spell(payload: Payload) -> Encoded:
    """Spell a row for the wire, and measure it."""
    body = spelled(payload)
    size = len(_JSON.encode((body.properties, body.on_create))) + len(body.value.encode()) + _INPUT_SIZE
    return Encoded(payload=payload, body=body, size=size)


def spelled(payload: Payload) -> Spelled:
    """A row in HubSpot's spelling. Of several identifier fields the first one matches."""
    return Spelled(
        properties=_properties(payload),
        on_create=_spelled(payload.create_only),
        identifier=next(iter(payload.identity), ""),
        value=_identifier(payload.identity),
        confirmed=_identifier(payload.confirmed_identity or {}),
    )


def text_of(value: Json) -> str:
    """One value as HubSpot reads it: ``""`` clears, lists are joined by semicolons, numbers have no exponent."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value)
        case float() | Decimal():
            return _number(value)
        case list():
            return ";".join(text_of(part) for part in value)
        case _:
            return _JSON.encode(value).decode()


def _properties(payload: Payload) -> Mapping[str, str]:
    if payload.operation is Operation.CLEAR:
        return dict.fromkeys((name for name in payload.fields if name not in payload.identity), "")
    return _spelled(payload.fields)


def _spelled(fields: JsonObject) -> Mapping[str, str]:
    return {name: text_of(value) for name, value in fields.items()}


def _identifier(identity: JsonObject) -> str:
    return text_of(next(iter(identity.values()), None)).strip()


def _number(value: float | Decimal) -> str:
    # repr of a float is the shortest text that reads back as the same float.
    text = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text
