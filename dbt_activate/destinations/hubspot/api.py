"""HubSpot's HTTP surface: paths, headers, and what a refusal of a whole request means (error handling guide)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from dbt_activate.destinations.classification import Answer, refusal
from dbt_activate.destinations.hubspot.catalog import INTERVAL_HEADER, SPENT, WAITS, object_path
from dbt_activate.destinations.rest import Rest
from dbt_activate.errors import BatchRejectedError, DestinationError, FatalError
from dbt_activate.values.json import Json, JsonObject

NOT_FOUND = "OBJECT_NOT_FOUND"
"""The category of an error for records that do not exist."""

_OK = 200
_THROTTLED, _FORBIDDEN, _MISSING = 429, 403, 404
_SCOPE = re.compile(r"[a-z][a-z0-9._-]{1,80}")


class Api:
    """Makes requests, and turns refusals into our errors.

    Args:
        rest: The client, which holds the token.
        base_url: Where the API is, without a slash at the end.
        version: ``v3`` or a date version.
    """

    def __init__(self, rest: Rest, base_url: str, version: str) -> None:
        self._rest = rest
        self._base = base_url.rstrip("/")
        self._version = version

    async def get(self, path: str) -> JsonObject:
        """Read *path*.

        Raises:
            DestinationError: Any answer but 200 with an object in it.
        """
        answer = _named(await self._rest.call("GET", self._base + path))
        if answer.status != _OK:
            error = self.refusal(answer, "GET")
            # There are no rows to look at in smaller parts.
            rejected = isinstance(error, BatchRejectedError)
            raise FatalError(f"{error}", code=error.code, request_id=error.request_id) if rejected else error
        if not isinstance(answer.json, dict):
            raise FatalError(f"{self.place('GET')}: the answer is no JSON object; check base_url", code="bad_answer")
        return answer.json

    async def post(self, object_name: str, action: str, body: JsonObject) -> Answer:
        """Make one batch request and return its answer, whatever it says."""
        url = f"{self._base}{object_path(self._version, object_name)}/batch/{action}"
        headers = {"Content-Type": "application/json"}
        return _named(await self._rest.call("POST", url, body=msgspec.json.encode(body), headers=headers))

    def refusal(self, answer: Answer, method: str = "POST") -> DestinationError:
        """The error for an answer that speaks of no single row."""
        body = answer.json if isinstance(answer.json, dict) else {}
        place, name = self.place(method), answer.request_id
        if answer.status == _THROTTLED:
            return self._throttled(answer, str(body.get("policyName")), place)
        if answer.status == _MISSING and body.get("category") == NOT_FOUND:
            text = f"{place}: some of the records do not exist; the rows are looked at in smaller parts"
            return BatchRejectedError(text, code="not_found", request_id=name)
        if answer.status == _FORBIDDEN and (scopes := sorted(set(_scopes(body)))):
            text = f"{place}: the token lacks a scope; grant one of {', '.join(scopes)} in HubSpot's private app"
            return FatalError(text, code="http_403", request_id=name)
        return refusal(answer, place)

    def place(self, method: str = "POST") -> str:
        """Who is asked, for error texts."""
        return self._rest.place(method, self._base)

    def _throttled(self, answer: Answer, policy: str, place: str) -> DestinationError:
        if policy == SPENT:
            text = f"{place}: the account's requests of the day are spent; run again tomorrow, or raise the limit"
            return FatalError(text, code="quota", request_id=answer.request_id)
        interval = answer.headers.get(INTERVAL_HEADER, "")
        told = int(interval) / 1000 if re.fullmatch("[0-9]{1,9}", interval) else None
        return refusal(answer, place, wait=told or WAITS.get(policy))


def _named(answer: Answer) -> Answer:
    body = answer.json if isinstance(answer.json, dict) else {}
    given = body.get("correlationId")
    named = isinstance(given, str) and given.isprintable()
    return replace(answer, request_id=str(given)[:128]) if named else answer


def _scopes(body: JsonObject) -> Iterator[str]:
    for error in _list(body.get("errors")):
        context = error.get("context") if isinstance(error, dict) else None
        for names in context.values() if isinstance(context, dict) else ():
            yield from (name for name in _list(names) if isinstance(name, str) and _SCOPE.fullmatch(name))


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []
