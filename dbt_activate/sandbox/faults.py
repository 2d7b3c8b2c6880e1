"""Faults that can be switched on: what to do wrong, where, how often."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

Kind = Literal[
    "too_many_requests",
    "error_before",
    "error_after",
    "slow",
    "reset_before",
    "reset_after",
    "drop_rows",
    "empty_answer",
    "unauthorized",
    "reject",
]

DESCRIPTIONS: Mapping[Kind, str] = {
    "too_many_requests": "429, nothing applied",
    "error_before": "500, nothing applied",
    "error_after": "500, although it was applied",
    "slow": "answers late",
    "reset_before": "closes the connection, nothing applied",
    "reset_after": "closes the connection after it was applied",
    "drop_rows": "leaves rows out of the answer",
    "empty_answer": "a 2xx with no body, after it was applied",
    "unauthorized": "401, nothing applied",
    "reject": "refuses the record whose field has this value",
}

BEFORE: frozenset[Kind] = frozenset({"slow", "too_many_requests", "error_before", "reset_before", "unauthorized"})
AFTER: frozenset[Kind] = frozenset({"error_after", "reset_after", "drop_rows", "empty_answer"})


class Reject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which record is refused: the one whose *property* is *value*, letter case and outer blanks aside."""

    property: str
    value: str
    message: str = "refused by a fault that was switched on"


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One switched-on fault.

    Attributes:
        path: Prefix of the paths that it holds for; those of the sandbox itself never fail.
        method: Holds for this method only, where given.
        count: How often it still happens; None for always.
        probability: Between 0 and 1.
        retry_after: Text of the ``Retry-After`` header of a 429, sent as it is; none where None.
        status: Instead of 500, for the two errors.
        seconds: How late, for ``slow``.
        rows: How many rows are left out, from the end of the answer.
        hits: How often it happened; counted by the sandbox.
    """

    kind: Kind
    path: str = "/"
    method: str | None = None
    count: int | None = None
    probability: float = 1.0
    retry_after: str | None = None
    status: int = 500
    seconds: float = 1.0
    rows: int = 1
    reject: Reject | None = None
    id: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        if (self.kind == "reject") is (self.reject is None):
            raise ValueError("'reject: {property, value}' belongs to kind 'reject', and only there")
        if not 400 <= self.status <= 599:  # noqa: PLR2004 - the error statuses of HTTP
            raise ValueError("status is the status of an error, 400 to 599")
        if self.retry_after is not None and not (self.retry_after.isascii() and self.retry_after.isprintable()):
            raise ValueError("retry_after is the text of a header: printable ASCII")

    def holds_for(self, method: str, path: str) -> bool:
        """Whether a request is within its reach and it is not used up."""
        return self.count != 0 and path.startswith(self.path) and self.method in {None, method}

    def happen(self) -> None:
        """Count one time that it happened."""
        self.hits += 1
        if self.count is not None:
            self.count -= 1


class Faults:
    """The faults that are on, oldest first. A fault that is used up stays listed until it is switched off."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._numbers = itertools.count(1)
        self._faults: dict[int, Fault] = {}

    def add(self, fault: Fault) -> Fault:
        """Switch *fault* on under a number of its own; gives back what is kept."""
        kept = msgspec.structs.replace(fault, id=next(self._numbers), hits=0)
        self._faults[kept.id] = kept
        return kept

    def remove(self, number: int) -> bool:
        """Switch one off; False where there is none with this number."""
        return self._faults.pop(number, None) is not None

    def clear(self) -> None:
        """Switch all off."""
        self._faults.clear()

    def all(self) -> Sequence[Fault]:
        """Every fault that is on, oldest first."""
        return tuple(self._faults.values())

    def take(self, kinds: frozenset[Kind], method: str, path: str) -> list[Fault]:
        """The faults of these kinds that strike this request: delays, then at most one that ends it."""
        struck: list[Fault] = []
        for fault in self._faults.values():
            if fault.kind in kinds and fault.holds_for(method, path) and self._dice.random() < fault.probability:
                fault.happen()
                struck.append(fault)
                if fault.kind != "slow":
                    break
        return struck

    def refusal(self, method: str, path: str, fields: Mapping[str, object]) -> str | None:
        """Why the record with these *fields* is refused, or None."""
        for fault in self._faults.values():
            reject = fault.reject
            if reject is None or not fault.holds_for(method, path) or reject.property not in fields:
                continue
            if _plain(fields[reject.property]) == _plain(reject.value) and self._dice.random() < fault.probability:
                fault.happen()
                return reject.message
        return None


def _plain(value: object) -> str:
    return str(value).strip().lower()
