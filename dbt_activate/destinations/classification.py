"""What an HTTP answer means, decided without I/O: one table for statuses, one parser for ``Retry-After``."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from dbt_activate.errors import AmbiguousError, BatchRejectedError, DestinationError, FatalError, RetryableError
from dbt_activate.values.json import Json

LONGEST_MESSAGE = 300
"""Characters of a vendor's message that are kept."""

LONGEST_SHORT_VALUE = 3
"""Characters of a value that may well be a part of an ordinary word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered, read to the end.

    Attributes:
        json: The parsed body; None where it is empty or no JSON.
        headers: Names in lower case.
        request_id: The server's own name for the request, where it gave one.
    """

    status: int
    json: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The error that a status becomes, and the *remedy*, the way out that its text names."""

    error: type[DestinationError]
    remedy: str


_LATER = Verdict(RetryableError, "nothing was applied, and it may be sent again later")
_LOST = Verdict(AmbiguousError, "the rows may have been applied or not")
_CONTENT = Verdict(BatchRejectedError, "the rows are looked at in smaller parts")
_GONE = Verdict(FatalError, "check the URL and the object's name")

VERDICTS: Mapping[int, Verdict] = {
    **dict.fromkeys((408, 423, 425, 429, 477), _LATER),
    **dict.fromkeys((500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526), _LOST),
    **dict.fromkeys((400, 409, 412, 413, 414, 422), _CONTENT),
    **dict.fromkeys((404, 410), _GONE),
    401: Verdict(FatalError, "the credentials are not accepted; renew them in destinations.yml's environment variable"),
    403: Verdict(FatalError, "the credentials lack a permission; grant it at the destination"),
    405: Verdict(FatalError, "the URL does not take this method; check url and method"),
    415: Verdict(FatalError, "the body's kind is not taken; check the setting body"),
    451: Verdict(FatalError, "the destination may not take it for legal reasons"),
    501: Verdict(FatalError, "the destination does not know this request; check url and method"),
    505: Verdict(FatalError, "the destination does not speak HTTP/1.1"),
    511: Verdict(FatalError, "the network asks for a log-in; check proxies and firewalls"),
}
"""What a status without an answer for single rows means. A destination may only override it by listed code."""

_BY_HUNDREDS: Mapping[int, Verdict] = {
    3: Verdict(FatalError, "redirects are not followed; write the final address"),
    4: Verdict(FatalError, "check the URL, the headers and the destination's documentation"),
}

_LEAST_WAIT: Mapping[int, float] = {423: 2.0}
"""Seconds to wait at least: HubSpot documents two seconds for a lock."""

_SECONDS = re.compile(r"(-?)([0-9]{1,15}(?:\.[0-9]{1,15})?)")


def verdict(status: int) -> Verdict:
    """What *status* means for a whole request. A status nobody listed is ambiguous, unless it is 3xx or 4xx."""
    return VERDICTS.get(status) or _BY_HUNDREDS.get(status // 100, _LOST)


def refuses_content(status: int) -> bool:
    """Whether *status* is a verdict on what was sent, not on who sent it or when."""
    return verdict(status).error is BatchRejectedError


def refusal(answer: Answer, where: str, *, wait: float | None = None) -> DestinationError:
    """Make the error for an answer that speaks of no single row. Its text holds nothing that the server wrote.

    Args:
        answer: What came back.
        where: Who answered what, for the text.
        wait: Seconds to wait where the answer has no usable ``Retry-After``.
    """
    found = verdict(answer.status)
    text, code = f"{where}: answered {_words(answer.status)}; {found.remedy}", f"http_{answer.status}"
    if found.error is not RetryableError:
        return found.error(text, code=code, request_id=answer.request_id)
    asked = retry_after(answer.headers)
    waits = [seconds for seconds in (wait if asked is None else asked, _LEAST_WAIT.get(answer.status)) if seconds]
    return RetryableError(text, retry_after=max(waits, default=asked), code=code, request_id=answer.request_id)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Whole seconds that ``Retry-After`` asks to wait; None where it is missing or makes no sense.

    A date is measured against the answer's own ``Date``, not against our clock. Header names are in lower case.
    """
    value = headers.get("retry-after", "").strip()
    if number := _SECONDS.fullmatch(value):
        return 0.0 if number[1] else float(math.ceil(float(number[2])))
    until, since = _http_date(value), _http_date(headers.get("date", ""))
    return max(0.0, (until - since).total_seconds()) if until and since else None


def redact(text: str, values: Iterable[Json]) -> str:
    """Return *text* on one line, cut to :data:`LONGEST_MESSAGE`, with each of *values* replaced by ``***``.

    Values of a row come back in vendors' messages; a report must not show them.
    """
    spelled = {leaf for value in values for leaf in _leaves(value) if leaf.strip()}
    for leaf in sorted(spelled, key=len, reverse=True):
        # A short value is replaced as a whole word only, so that "a" leaves the rest readable.
        pattern = re.escape(leaf) if len(leaf) > LONGEST_SHORT_VALUE else rf"(?<!\w){re.escape(leaf)}(?!\w)"
        text = re.sub(pattern, "***", text, flags=re.IGNORECASE)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_MESSAGE]


def _leaves(value: Json) -> Iterable[str]:
    match value:
        case dict():
            return (leaf for part in value.values() for leaf in _leaves(part))
        case list():
            return (leaf for part in value for leaf in _leaves(part))
        case None | bool():
            return ()
        case _:
            return (str(value),)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text.strip())
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
