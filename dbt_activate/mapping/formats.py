"""The text formats that are checked, by their names in JSON Schema. The same on every machine."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+", re.ASCII)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")


def is_date(text: str) -> bool:
    """Whether *text* is like ``2026-01-02``, and such a day exists."""
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def is_datetime(text: str) -> bool:
    """Whether *text* is a moment as RFC 3339 has it, with an offset, and such a moment exists."""
    return _DATETIME.fullmatch(text) is not None and _parses(datetime.fromisoformat, _to_microseconds(text))


def is_time(text: str) -> bool:
    """Whether *text* is a time of day; the offset may be missing, as warehouses seldom have one."""
    return _TIME.fullmatch(text) is not None and _parses(time.fromisoformat, _to_microseconds(text))


def _to_microseconds(text: str) -> str:
    return _LONG_FRACTION.sub(r"\1", text).upper()


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": is_date,
    "date-time": is_datetime,
    "time": is_time,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "ipv4": lambda text: _parses(ipaddress.IPv4Address, text),
    "ipv6": lambda text: _parses(ipaddress.IPv6Address, text),
}
"""Format to what says whether a text has it. Formats that are not listed are not checked."""
