"""Every error that dbt-activate raises, as a tree.

::

    ActivateError                     a message with place, fault and way out; never a traceback for a user
    ├── ConfigError                   the project, a block, ``destinations.yml`` or the command is wrong (exit 2)
    ├── WarehouseError                the warehouse refused, or cannot be reached (exit 2)
    ├── LedgerError                   the ledger cannot be used as it is (exit 2)
    │   ├── LockedError               another run holds the lease (exit 1)
    │   └── FencedError               this run lost its lease: stop at once (exit 1)
    └── DestinationError              what a destination raises for a whole batch
        ├── RetryableError            surely not applied, or harmless to repeat
        ├── AmbiguousError            sent, and no usable answer came back
        ├── BatchRejectedError        refused whole; the rows are looked at one by one (bisected)
        └── FatalError                no later batch of this run can succeed

A row is never an exception: it is a :class:`~dbt_activate.values.outcome.RowResult`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ActivateError(Exception):
    """The root of the tree. Its text is shown to a user as it is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in what a user wrote: *place*, then *fault*, then the *remedy*, the way out.

    *place* is a file, with the YAML path after a comma where there is one.
    """

    place: str
    fault: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}" + (f"; {self.remedy}" if self.remedy else "")


class ConfigError(ActivateError):
    """Something a user wrote is wrong. Holds every problem that was found, not the first one only."""

    def __init__(self, problems: Sequence[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class WarehouseError(ActivateError):
    """The warehouse refused a statement, or cannot be reached."""


class LedgerError(ActivateError):
    """The ledger cannot be used as it is."""


class LockedError(LedgerError):
    """Another run holds the lease of the sync."""


class FencedError(LedgerError):
    """The lease was taken by another run: nothing more may be sent or recorded under the old epoch."""


class DestinationError(ActivateError):
    """A destination failed for a whole batch.

    Attributes:
        code: A short stable word for the class of the fault, such as ``connect`` or ``http_500``.
        request_id: The destination's own name for the request, if it gave one.
    """

    def __init__(self, message: str, *, code: str = "error", request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class RetryableError(DestinationError):
    """Surely not applied, or harmless to repeat.

    Attributes:
        retry_after: Seconds the destination asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        code: str = "retryable",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, request_id=request_id)
        self.retry_after = retry_after


class AmbiguousError(DestinationError):
    """Sent, and no usable answer came back: it may have been applied, or not."""


class BatchRejectedError(DestinationError):
    """Refused whole because of what is in it, and nothing of it was applied: smaller parts may pass."""


class FatalError(DestinationError):
    """No later batch of this run can succeed: bad credentials, a missing object, a spent quota."""
