"""What the warehouse's driver hands over, as JSON.

========================================  =====================================================================
from the driver                            in the payload
========================================  =====================================================================
NULL, booleans, text                      as they are; a character NUL stays
integers of any size                      as they are
floats                                    as they are; NaN and the infinities cannot be said. Warehouses hand over a
                                          date that is infinite, or outside the years 1 to 9999, as an infinite float
decimals                                  an integer where they have no fraction, a double where it spells the same
                                          number, else the exact decimal
bytes                                     base64 text
dates                                     ``2026-01-02``
timestamps                                ``2026-01-02T03:04:05.000006Z``: in UTC, the fraction only where there is
                                          one. A timestamp without a zone is taken as UTC, as dbt projects use it
times of day                              ``03:04:05``, with the offset where there is one
intervals                                 ISO 8601: ``P1DT2H3.5S``, ``-PT1S``. Drivers turn months into days
UUIDs, network addresses                  their text
lists, arrays, tuples                     arrays
structs, maps                             objects; names that are no text are spelled by these same rules
ranges, multiranges                       PostgreSQL's text: ``[1,5)``, ``{[1,3),[5,6)}``
enumerations                              their value
========================================  =====================================================================

A JSON column is text with DuckDB and already parsed with PostgreSQL; ``transform: [json]`` makes both the same.
"""

import base64
import ipaddress
import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite, nan
from typing import Any
from uuid import UUID

from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.values.json import Json

MAX_DEPTH = 100
"""How deep arrays and objects may nest."""

MAX_DIGITS = 4000
"""How many places a number may have; Python itself refuses to spell longer ones."""

EXACT_INTEGERS = 2**53
"""Every integer below this, but not every one above, is a double."""

_HUGE = 10**MAX_DIGITS
_IN_RANGE_TEXT = re.compile(r'[\s,"\\()\[\]]')


class Unsayable(Exception):  # noqa: N818 - a finding about one value, caught within this package and told as a RowResult
    """A value that cannot be sent. *code* is a short stable word; *message* is for people and never holds the value."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def to_json(value: object) -> Json:
    """Say *value* in JSON. Only exact JSON types come back, also where *value* is of a subclass.

    Raises:
        Unsayable: ``not_a_number``, ``bad_unicode``, ``number_too_long``, ``date_out_of_range``, ``duplicate_name``,
            ``too_deep`` or ``unsupported_type``.
    """
    leaf = _LEAVES.get(type(value))
    return _other(value, MAX_DEPTH) if leaf is None else leaf(value)


def in_utc(value: datetime) -> datetime:
    """The same moment in UTC; one without a zone is taken as UTC.

    Raises:
        Unsayable: It is before year 1 or after year 9999 there.
    """
    # A zone may decline to give an offset; astimezone() would then take the machine's own.
    if value.utcoffset() is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Unsayable("date_out_of_range", "in UTC it is outside the years 1 to 9999") from None


def spell_datetime(value: datetime) -> str:
    """RFC 3339 in UTC, with a ``Z``."""
    if value.tzinfo is None:
        return value.isoformat() + "Z"
    return in_utc(value).replace(tzinfo=None).isoformat() + "Z"


def _convert(value: object, depth: int) -> Json:
    leaf = _LEAVES.get(type(value))
    return _other(value, depth) if leaf is None else leaf(value)


def _other(value: object, depth: int) -> Json:
    if depth == 0:
        raise Unsayable("too_deep", f"arrays and objects are nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return _object(value.items(), depth - 1)
    if isinstance(value, list | tuple | array):
        return [_convert(item, depth - 1) for item in value]
    for kind, leaf in _LEAVES.items():
        if isinstance(value, kind):
            return leaf(value)
    return _range_text(value)


def _object(items: Iterable[tuple[object, object]], depth: int) -> Json:
    found: dict[str, Json] = {}
    for key, item in items:
        name = _name(key)
        if name in found:
            raise Unsayable("duplicate_name", "two names of an object become the same text")
        found[name] = _convert(item, depth)
    return found


def _name(key: object) -> str:
    said = to_json(key)
    if said is None:
        raise Unsayable("unsupported_type", "a name in an object is NULL")
    return said if isinstance(said, str) else canonical_text(said)


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unsayable("bad_unicode", "the text holds half of a surrogate pair, which is no character") from None
    return str.__str__(value)


def _integer(value: int) -> int:
    if -_HUGE < value < _HUGE:
        return int(value)
    raise Unsayable("number_too_long", f"the number has more than {MAX_DIGITS} digits")


def _float(value: float) -> float:
    if isfinite(value):
        return float(value)
    raise Unsayable(
        "not_a_number",
        "it is NaN or infinite, or a date outside the years 1 to 9999, which JSON cannot say; make it NULL in the"
        " model, or a value that can be sent",
    )


def _decimal(value: Decimal) -> int | float | Decimal:
    if not value.is_finite():
        return _float(nan)
    double = float(value)
    if abs(double) < EXACT_INTEGERS and Decimal(repr(double)) == value:
        return int(double) if double.is_integer() else double
    if abs(value.adjusted()) > MAX_DIGITS or len(value.as_tuple().digits) > MAX_DIGITS:
        raise Unsayable("number_too_long", f"the number has more than {MAX_DIGITS} digits")
    return int(value) if value == value.to_integral_value() else Decimal(value)


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(bytes(value)).decode("ascii")


def _duration(value: timedelta) -> str:
    span = abs(value)
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{span.microseconds:06d}".rstrip("0") if span.microseconds else ""
    parts = ((hours, "H"), (minutes, "M"), (f"{seconds}{fraction}" if seconds or fraction else 0, "S"))
    clock = "".join(f"{amount}{unit}" for amount, unit in parts if amount)
    if not span:
        return "PT0S"
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}P{f'{span.days}D' if span.days else ''}{f'T{clock}' if clock else ''}"


def _range_text(value: Any) -> str:
    """PostgreSQL's text of a range; by shape, since each driver has a class of its own."""
    if type(value).__name__ == "Multirange":
        return "{" + ",".join(map(_range_text, value)) + "}"
    if not all(hasattr(value, part) for part in ("lower", "upper", "lower_inc", "upper_inc", "isempty")):
        name = type(value).__qualname__
        raise Unsayable(
            "unsupported_type", f"values of type {name} cannot be sent; cast the column to text in the model"
        )
    if value.isempty:
        return "empty"
    opening, closing = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
    return f"{opening}{_bound(value.lower)},{_bound(value.upper)}{closing}"


def _bound(value: object) -> str:
    if value is None:
        return ""
    text = _name(value)
    if text and not _IN_RANGE_TEXT.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Read from the top for a subclass: an enumeration may be a str, a bool is an int, a datetime is a date.
_LEAVES: Mapping[type, Callable[[Any], Json]] = {
    Enum: lambda value: to_json(value.value),
    str: _text,
    type(None): lambda _: None,
    bool: bool,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    datetime: spell_datetime,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    UUID: str,
    ipaddress.IPv4Address: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Network: str,
}
