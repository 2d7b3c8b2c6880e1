"""What came back: one result for each row that the answer speaks of. Pure."""

from collections.abc import Iterator, Sequence

from dbt_activate.destinations.classification import Answer, redact
from dbt_activate.destinations.http.request import text_of
from dbt_activate.destinations.http.settings import Results, Settings, names_rows_only
from dbt_activate.errors import AmbiguousError
from dbt_activate.values.json import Json
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Encoded

_NO_CONTENT = 204
_TOO_LARGE = 413


class Reader:
    """Reads the answers of one connection.

    Args:
        settings: Say how an answer names rows.
        place: Who answers, for error texts.
        secrets: What must not be shown if a server echoes it.
    """

    def __init__(self, settings: Settings, place: str, secrets: Sequence[str]) -> None:
        self._settings = settings
        self._how: Results = settings.results
        self._place = place
        self._secrets = tuple(secrets)

    def results(self, answer: Answer, rows: Sequence[Encoded]) -> list[RowResult]:
        """One result for each row that a successful answer speaks of. What it does not mention is left out.

        Raises:
            AmbiguousError: The answer cannot be read, or speaks of rows that were not sent.
        """
        if self._how.by == "all" or _removed_one(answer, rows):
            return [self._succeeded(row, answer, answer.json if len(rows) == 1 else None) for row in rows]
        found: dict[str, list[RowResult]] = {}
        for row, item in self._pairs(answer, rows):
            if result := self._result(row, item, answer):
                found.setdefault(result.key, []).append(result)
        # An answer that says both yes and no of a row says nothing of it.
        return [told[0] for told in found.values() if len({result.outcome for result in told}) == 1]

    def refused(self, answer: Answer, row: Encoded) -> RowResult:
        """The result of the only row of a request that was refused for its content."""
        code = "too_large" if answer.status == _TOO_LARGE else f"http_{answer.status}"
        message = self._message(answer.json, row) or f"the destination refused the row with status {answer.status}"
        return self._ended(row, answer, Outcome.REJECTED, code=code, message=message)

    def missing(self, answer: Answer, row: Encoded) -> RowResult:
        """The result of the only row of a request whose URL names a record that does not exist."""
        if names_rows_only(row.payload.operation):
            return self._succeeded(row, answer, None)
        return self._ended(
            row, answer, Outcome.REJECTED, code="not_found", message="the destination has no record at the row's URL"
        )

    def _pairs(self, answer: Answer, rows: Sequence[Encoded]) -> Iterator[tuple[Encoded, Json]]:
        items = self._items(answer)
        if len(items) > len(rows) and self._how.by == "index":
            raise self._breach(answer)
        if self._how.by == "index":
            yield from zip(rows, items, strict=False)
            return
        by_text: dict[str, list[Encoded]] = {}
        for row in rows:
            by_text.setdefault(self._text(row), []).append(row)
        for item in items:
            named = by_text.get(text_of(dig(item, self._how.key)))
            if named is None:
                raise self._breach(answer)
            yield from ((row, item) for row in named)

    def _items(self, answer: Answer) -> Sequence[Json]:
        found = dig(answer.json, self._how.path)
        if isinstance(found, list):
            return found
        if isinstance(found, dict) and self._settings.single:
            return [found]
        path = self._how.path or "the answer itself"
        raise AmbiguousError(
            f"{self._place}: answered {answer.status} without a JSON list of results; check results.path ({path})",
            code="bad_answer",
            request_id=answer.request_id,
        )

    def _breach(self, answer: Answer) -> AmbiguousError:
        return AmbiguousError(
            f"{self._place}: the answer speaks of rows that were not sent; check results.by and results.key",
            code="contract",
            request_id=answer.request_id,
        )

    def _text(self, row: Encoded) -> str:
        identity = row.payload.identity
        if self._settings.envelope or not identity:
            return row.payload.key
        only = next(iter(identity.values())) if len(identity) == 1 else row.payload.key
        return text_of(identity.get(self._how.key, only))

    def _result(self, row: Encoded, item: Json, answer: Answer) -> RowResult | None:
        says = self._how.succeeded
        status = dig(item, says.field) if says else None
        if says is None or (says.values and status is None) or item is None:
            return None
        wanted = {text_of(value) for value in says.values}
        if text_of(status) in wanted or (not wanted and status is not None):
            return self._succeeded(row, answer, item)
        message = self._message(item, row) or "the destination refused the row and gave no reason"
        return self._ended(row, answer, Outcome.REJECTED, code="refused", message=message)

    def _succeeded(self, row: Encoded, answer: Answer, item: Json) -> RowResult:
        record_id = dig(item, self._how.record_id) if self._how.record_id else None
        return RowResult(
            key=row.payload.key,
            outcome=Outcome.SUCCEEDED,
            record_id=text_of(record_id) or row.payload.record_id,
            request_id=answer.request_id,
        )

    def _ended(self, row: Encoded, answer: Answer, outcome: Outcome, *, code: str, message: str) -> RowResult:
        return RowResult(key=row.payload.key, outcome=outcome, code=code, message=message, request_id=answer.request_id)

    def _message(self, item: Json, row: Encoded) -> str:
        found = dig(item, self._how.message) if self._how.message else None
        payload = row.payload
        return redact(
            text_of(found), [payload.fields, payload.create_only, payload.identity, payload.key, *self._secrets]
        )


def dig(json: Json, path: str) -> Json:
    """The value at a dotted *path*; None where there is none. The empty path is *json* itself."""
    for part in path.split(".") if path else ():
        if not isinstance(json, dict):
            return None
        json = json.get(part)
    return json


def _removed_one(answer: Answer, rows: Sequence[Encoded]) -> bool:
    # 204 has no body in which a row could be named, and for the one record of a request it is a positive answer.
    return answer.status == _NO_CONTENT and len(rows) == 1 and names_rows_only(rows[0].payload.operation)
