"""A rule that a row breaks, and the way a row that breaks rules ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dbt_activate.values.outcome import Outcome, RowResult

LISTED = 20
"""How many violations a row's message spells out."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the payload; empty for the payload as a whole.
        code: A short stable word for the rule.
        field: The destination field, dotted where nested; None for the payload as a whole.
        message: What is wrong and what to do, without any value of the row.
    """

    pointer: str
    code: str
    field: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of *path*."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def invalid(key: str, violations: Sequence[Violation]) -> RowResult:
    """The row *key* ends as ``invalid``: the first violation gives code and place, the message lists them all."""
    first = violations[0]
    listed = [str(violation) for violation in violations[:LISTED]]
    if len(violations) > LISTED:
        listed.append(f"and {len(violations) - LISTED} more")
    return RowResult(
        key=key,
        outcome=Outcome.INVALID,
        code=first.code,
        field=first.field,
        pointer=first.pointer,
        message="; ".join(listed),
    )
