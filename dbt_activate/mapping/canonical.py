"""One text for each JSON value, and the hashes that are taken of it.

The normal form: names sorted by code point, no spaces, numbers in plain decimal notation without needless zeros, so
that ``1``, ``1.0``, ``1e0`` and ``Decimal('1.00')`` are one number and ``-0.0`` is ``0``. A float stands for its
shortest decimal text, which is what goes over the wire. ``true`` is not ``1``, and a number is not its text.

Strings stay as they are. They are not brought to NFC, though ``é`` has two spellings: the destination gets the bytes as
the warehouse has them, so a row that changes from one spelling to the other has changed for the destination, too.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring as _quote
from typing import Any, NoReturn

from dbt_activate.values.json import Json

HASH_BYTES = 16


def canonical(value: Json) -> bytes:
    """The normal form of *value* as UTF-8: equal for two values exactly where they are the same value.

    Raises:
        TypeError: *value* is not JSON.
    """
    # Lone surrogates never come this far from a row; "surrogatepass" keeps the function total for other callers.
    return canonical_text(value).encode("utf-8", "surrogatepass")


def canonical_text(value: Json) -> str:
    """The normal form of *value* as text; see :func:`canonical`."""
    return _WRITERS[type(value)](value)


def payload_hash(fields: Mapping[str, Json]) -> str:
    """128 bits, as hex, of the normal form of *fields*."""
    return hashlib.blake2b(_object(fields).encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).hexdigest()


def field_hashes(fields: Mapping[str, Json], key: bytes) -> dict[str, str]:
    """A keyed hash (HMAC, 128 bits, hex) for each top-level field: what ``store: fingerprints`` keeps of a row.

    The field's name is part of what is hashed, so equal values of two fields cannot be told from the hashes.
    """
    return {name: _keyed(key, canonical({name: value})) for name, value in fields.items()}


def _keyed(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256")[:HASH_BYTES].hex()


def _object(value: Mapping[str, Json]) -> str:
    pairs = [f"{_quote(name)}:{_WRITERS[type(item := value[name])](item)}" for name in sorted(value)]
    return "{" + ",".join(pairs) + "}"


def _array(value: list[Json]) -> str:
    return "[" + ",".join(map(canonical_text, value)) + "]"


def _float(value: float) -> str:
    text = repr(value)
    if "e" in text:
        return _decimal(Decimal(text))
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def _decimal(value: Decimal) -> str:
    text = format(value, "f")  # not normalize(), which rounds to the context's 28 digits
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if not value else text


class _Writers(dict[type, Callable[[Any], str]]):
    def __missing__(self, kind: type) -> NoReturn:
        raise TypeError(f"{kind.__qualname__} is not a JSON type")


_WRITERS = _Writers(
    {
        str: _quote,
        int: int.__repr__,
        type(None): lambda _: "null",
        bool: lambda value: "true" if value else "false",
        float: _float,
        Decimal: _decimal,
        list: _array,
        dict: _object,
    }
)
