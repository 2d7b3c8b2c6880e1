"""What a command asks of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbt_activate.planning.diff import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a command asks of a run.

    Attributes:
        dry: Plan only; write nothing anywhere.
        scope: Which rows are looked at, and what is forced.
        adopt: Remember every row as confirmed, and send nothing.
        limit: Most rows of each sync; None for all.
        threads: Most requests in flight for one destination; None for the connection's own bound.
        fail_fast: Stop at the first row that does not get through.
        override: The hash of a plan whose guards are not to refuse it.
        expected: Sync to plan hash: a sync whose plan has another hash is refused.
    """

    dry: bool = False
    scope: Scope = field(default_factory=Scope)
    adopt: bool = False
    limit: int | None = None
    threads: int | None = None
    fail_fast: bool = False
    override: str | None = None
    expected: Mapping[str, str] | None = None
