"""Tells texts that look like a secret, by their known prefixes and by how random they look."""

import re
from collections.abc import Iterator
from itertools import pairwise

from dbt_activate.values.sync import Location

_KNOWN = (
    ("a private key", r"-----BEGIN [A-Z ]+"),
    ("a bearer token", r"\bBearer\s+[A-Za-z0-9._~+/=-]{6,}"),
    ("basic credentials", r"\bBasic\s+[A-Za-z0-9+/]{8,}={0,2}"),
    ("a HubSpot token", r"\bpat-[a-z0-9]+-[A-Za-z0-9-]{4,}"),
    ("a Stripe key", r"\b[sr]k_(?:live|test)_\w+"),
    ("a Slack token", r"\bxox[abeoprs]-[\w-]+"),
    ("a GitHub token", r"\b(?:gh[oprsu]_\w{6,}|github_pat_\w+)"),
    ("a GitLab token", r"\bglpat-[\w-]{6,}"),
    ("an AWS key", r"\b(?:AKIA|ASIA)[0-9A-Z]{8,}"),
    ("a Google key", r"\bAIza[\w-]{20,}"),
    ("a SendGrid key", r"\bSG\.[\w-]{6,}"),
    ("a JSON web token", r"\beyJ[\w-]{8,}\.?"),
    ("a password in a URL", r"://[^/\s:@{}]+:[^/\s@{}]+@(?!localhost|127\.|\[::1\])"),
)
_PREFIXES = tuple((kind, re.compile(pattern)) for kind, pattern in _KNOWN)
_RUN = re.compile(r"[A-Za-z0-9+/]{24,}")
_HEX = re.compile(r"(?<![0-9a-f-])[0-9a-f]{32,}(?![0-9a-f-])")
_CHANGES_OF_RANDOM_TEXT = 0.42


def token_like(text: str) -> str | None:
    """What kind of secret *text* seems to hold, in words; None where it seems to hold none."""
    for kind, pattern in _PREFIXES:
        if pattern.search(text):
            return kind
    return "a token" if _HEX.search(text) or any(map(_random, _RUN.findall(text))) else None


def tokens_in(value: object, at: Location) -> Iterator[tuple[Location, str]]:
    """Where in *value*, a tree of mappings and lists, something looks like a secret, and like which kind."""
    match value:
        case str():
            kind = token_like(value)
            if kind is not None:
                yield at, kind
        case dict():
            for key, item in value.items():
                yield from tokens_in(item, at.at(str(key)))
        case list():
            for index, item in enumerate(value):
                yield from tokens_in(item, at.at(str(index)))
        case _:
            return


def _random(run: str) -> bool:
    # Words in camel case change between kinds of letters at word starts only; a random text does so most of the time.
    kinds = [_kind(letter) for letter in run]
    changes = sum(left != right for left, right in pairwise(kinds))
    return len(set(kinds) - {"sign"}) == 3 and changes / len(run) >= _CHANGES_OF_RANDOM_TEXT  # noqa: PLR2004


def _kind(letter: str) -> str:
    if letter.isdigit():
        return "digit"
    if letter.isalpha():
        return "upper" if letter.isupper() else "lower"
    return "sign"
