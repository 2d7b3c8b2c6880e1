"""What a sandbox is started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dbt_activate.contracts import Clock
from dbt_activate.sandbox.clock import SystemClock
from dbt_activate.sandbox.hooks import HookSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How a sandbox behaves.

    Attributes:
        state: File that keeps the records between two starts; without it they live in memory only.
        save_seconds: Least time between two writes of that file; it is also written at the end.
        rate_limit: Requests to the CRM in any ten seconds; 0 for no limit.
        portal_id: The CRM account's id. A ledger that was made against another id is refused by the engine.
        properties: Properties to define at the start, by object, each as ``POST /crm/v3/properties/<object>`` takes it.
        schemas: Custom objects to define at the start, each as ``POST /crm/v3/schemas`` takes it.
        hooks: Settings of webhook receivers, by name.
        hosts: Names that a browser may use for it; None allows any. A web page of somebody else must not reach the
            records of a sandbox on the user's machine.
        seed: Of the dice behind the faults that have a probability.
    """

    state: Path | None = None
    save_seconds: float = 1.0
    rate_limit: int = 190
    portal_id: int = 4_711_000
    properties: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    schemas: Sequence[Mapping[str, object]] = ()
    hooks: Mapping[str, HookSettings] = field(default_factory=dict)
    hosts: tuple[str, ...] | None = ("127.0.0.1", "localhost", "[::1]")
    seed: int = 0
    clock: Clock = field(default_factory=SystemClock)
