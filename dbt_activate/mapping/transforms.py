"""The named normalisers of ``transform``. They run in order; NULL passes through all of them as NULL.

Each takes what the warehouse gave, or what the one before it made, and refuses what it cannot take: nothing is rounded,
guessed or cut. Those that work on text take text only; ``string`` before them makes text of anything.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from dbt_activate.mapping.canonical import canonical_text
from dbt_activate.mapping.coercion import Unsayable, in_utc, spell_datetime, to_json

Transform: TypeAlias = Callable[[Any], object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
_PHONE_MARKS = re.compile(r"[\s().\-/\u2010-\u2015]")
_PHONE = re.compile(r"(?:\+|00)([1-9][0-9]{7,14})")
_TRUTH = {
    word: truth
    for words, truth in (("true t yes y on 1", True), ("false f no n off 0", False))
    for word in words.split()
}


def _refuse(message: str) -> NoReturn:
    raise Unsayable("transform", message)


def _named(name: str, transform: Transform) -> Transform:
    def run(value: object) -> object:
        try:
            return transform(value)
        except Unsayable as error:
            raise Unsayable("transform", f"{name}: {error.message}") from None

    return run


def _on_text(transform: Callable[[str], object]) -> Transform:
    def run(value: object) -> object:
        if not isinstance(value, str):
            _refuse("needs text; put `string` before it")
        return transform(value)

    return run


def _utf8(text: str) -> bytes:
    to_json(text)
    return text.encode()


def _sha256(text: str) -> str:
    return hashlib.sha256(_utf8(text)).hexdigest()


def _md5(text: str) -> str:
    return hashlib.md5(_utf8(text), usedforsecurity=False).hexdigest()


def _digits(text: str) -> str:
    """The decimal digits of *text*, of whatever script, as 0 to 9."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def _e164(text: str) -> str:
    """``+`` and 8 to 15 digits. A country is never guessed: the number must bring its ``+`` or ``00``."""
    # "+44 (0)20 …" would keep a zero that is not dialled from abroad.
    found = None if "(0)" in text else _PHONE.fullmatch(_PHONE_MARKS.sub("", text))
    if found is None:
        _refuse("not an international phone number (a + or 00, then 8 to 15 digits with the country first)")
    return "+" + found[1]


def _moment(value: object) -> date:
    """A date, or a datetime, from itself or from ISO 8601 text."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        _refuse("needs a date, a timestamp or ISO 8601 text")
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            return parse(value.strip())
        except ValueError:
            continue
    _refuse("not a date or time in ISO 8601")


def _datetime(value: object) -> datetime:
    """The moment in UTC; a date stands for its first instant."""
    moment = _moment(value)
    if isinstance(moment, datetime):
        return in_utc(moment)
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _iso_date(value: object) -> str:
    moment = _moment(value)
    return (in_utc(moment).date() if isinstance(moment, datetime) else moment).isoformat()


def _iso_datetime(value: object) -> str:
    return spell_datetime(_datetime(value))


def _epoch(unit: timedelta) -> Transform:
    # Floor division: a part of a unit is dropped downwards, before 1970 as after.
    return lambda value: (_datetime(value) - _EPOCH) // unit


def _string(value: object) -> str:
    """Text as it is; anything else in its normal form: ``1.50`` is ``1.5``, an object is its JSON."""
    said = to_json(value)
    return said if isinstance(said, str) else canonical_text(said)


def _number(value: object) -> object:
    if isinstance(value, str):
        text = value.strip()
        value = (
            Decimal(text) if _NUMBER.fullmatch(text) else _refuse("not a number (digits, with a point for decimals)")
        )
    if not isinstance(value, int | float | Decimal):
        _refuse("needs a number, a boolean or text")
    return to_json(int(value) if isinstance(value, bool) else value)


def _integer(value: object) -> int:
    number = _number(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if not isinstance(number, int):
        _refuse("the number has a fraction; round it in the model")
    return number


def _boolean(value: object) -> bool:
    said = to_json(value)
    if isinstance(said, str):
        truth = _TRUTH.get(said.strip().lower())
    else:
        truth = bool(said) if isinstance(said, bool | int | float) and said in (0, 1) else None
    return _refuse("neither true nor false (true, t, yes, y, on, 1 and their opposites)") if truth is None else truth


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _refuse("an object has one name twice")


def _json(value: object) -> object:
    """Text is parsed, exactly; what the driver has parsed already stays."""
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float | list | dict) else _refuse("needs JSON text")
    try:
        return json.loads(
            value, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_without_duplicates
        )
    except (ValueError, RecursionError, ArithmeticError):
        _refuse("not JSON")


def _no_constant(_: str) -> NoReturn:
    _refuse("not JSON: NaN and Infinity are no JSON numbers")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _join(value: object) -> str:
    """The items' text with commas between; NULL items are left out."""
    if not isinstance(value, list | tuple):
        _refuse("needs a list")
    if any(isinstance(item, list | tuple | dict) for item in value):
        _refuse("needs a list of plain values, not of lists or objects")
    return ",".join(_string(item) for item in value if item is not None)


TRANSFORMS: Mapping[str, Transform] = {
    name: _named(name, transform)
    for name, transform in {
        "trim": _on_text(str.strip),
        "lower": _on_text(str.lower),
        "upper": _on_text(str.upper),
        "digits": _on_text(_digits),
        "e164": _on_text(_e164),
        "sha256": _on_text(_sha256),
        "md5": _on_text(_md5),
        "iso_date": _iso_date,
        "iso_datetime": _iso_datetime,
        "epoch_s": _epoch(timedelta(seconds=1)),
        "epoch_ms": _epoch(timedelta(milliseconds=1)),
        "string": _string,
        "integer": _integer,
        "number": _number,
        "boolean": _boolean,
        "json": _json,
        "split": _on_text(_split),
        "join": _join,
    }.items()
}
"""Name to function. A function raises :class:`Unsayable`, code ``transform``, with its name in the message."""
