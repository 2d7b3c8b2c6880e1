"""Looks at the addresses in the settings of a connection: host and port, before anything is sent."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from dbt_activate.errors import Problem
from dbt_activate.values.sync import Location

_NAMES = frozenset({"url", "base_url"})
_SCHEMES = frozenset({"http", "https"})
_REMEDY = "write a URL such as https://api.example.com:8443/v1"
_LOOPBACK = re.compile(r"localhost|::1|127(\.\d+){3}")


def address_problems(settings: object, at: Location) -> tuple[Problem, ...]:
    """What is wrong with host and port of each http(s) URL at a key ``url`` or ``base_url``, at any depth."""
    return tuple(_problems(settings, at))


def is_loopback(url: str) -> bool:
    """Whether *url* leads to this machine; False where it cannot be read."""
    parts = _parts(url)
    return parts is not None and _LOOPBACK.fullmatch(parts.hostname or "") is not None


def _problems(value: object, at: Location) -> Iterator[Problem]:
    for key, one in value.items() if isinstance(value, Mapping) else ():
        yield from _problems(one, at.at(str(key)))
        if key in _NAMES and isinstance(one, str) and (fault := _fault(one)):
            yield Problem(str(at.at(str(key))), fault, _REMEDY)


def _fault(url: str) -> str | None:
    parts = _parts(url)
    if parts is None:
        return "the host of this URL cannot be read"
    if parts.scheme not in _SCHEMES:
        return None
    if not _has_port(parts):
        return "the port of this URL is no number from 1 to 65535"
    return None if _is_host(parts.hostname or "") else "the host of this URL is no name and no address"


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket that is not closed, or no IPv6 address in a pair of them
        return None


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:  # a part of it is empty, or longer than 63 characters
        return False
