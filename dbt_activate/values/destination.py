"""What a destination says of itself, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dbt_activate.values.sync import Operation


class DeliveryClass(StrEnum):
    """What a second send of the same rows does; decides what a retry, a crash and a lost answer may lead to."""

    UPSERT = "U"
    """One record however often it is sent: resend."""
    IDEMPOTENCY_KEY = "K"
    """The destination drops a second request with the same key: resend the same bytes inside the key's life."""
    READ_BACK = "R"
    """An append that can be found again by a marker of ours: look before resending."""
    APPEND = "N"
    """A blind append: never resend; a lost answer is ``unknown``."""
    TRANSACTION = "T"
    """SQL in one transaction with a marker row of ours: applied once."""


HARMLESS_TO_REPEAT = frozenset({DeliveryClass.UPSERT, DeliveryClass.IDEMPOTENCY_KEY, DeliveryClass.TRANSACTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field of an object.

    *type* is one of ``string number integer boolean date datetime enumeration object array any``.
    """

    name: str
    type: str = "any"
    label: str = ""
    required: bool = False
    createable: bool = True
    updateable: bool = True
    identifier: bool = False
    max_length: int | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec:
    """How one operation travels.

    Attributes:
        rows: Most rows in one request.
        bytes: Most bytes in one request; None where only rows count.
        atomic: Whether a refusal of the whole request means that nothing of it was applied.
        requests: Most requests that one batch takes as a rule; what is sent again comes on top.
    """

    delivery: DeliveryClass
    rows: int
    bytes: int | None = None
    atomic: bool = True
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """One thing that can be written.

    Attributes:
        operations: What it takes, and how.
        fields: Its fields; None where any field goes.
        exact_numbers: Whether integers beyond 2**53 and decimals beyond a double arrive unharmed.
        tells_creates: Whether it can write ``on_create`` fields to new records only.
        answers: How an answer names rows: ``trace_id | index | key | all``.
        open: Whether fields that are not listed are added by the destination.
    """

    name: str
    operations: Mapping[Operation, OperationSpec]
    fields: Mapping[str, FieldSpec] | None = None
    exact_numbers: bool = False
    tells_creates: bool = False
    answers: str = "all"
    open: bool = False

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The fields by which a record can be matched, where the object limits them."""
        return tuple(name for name, spec in (self.fields or {}).items() if spec.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast one account may be used; shared by all syncs of a run that write to it.

    Attributes:
        max_requests_per_second: None where only concurrency bounds it.
        timeout_seconds: For one whole request, from the first byte sent to the last one read.
        daily_request_budget: Most requests of one run; None for no bound.
    """

    max_requests_per_second: float | None = None
    max_concurrency: int = 4
    timeout_seconds: float = 90.0
    daily_request_budget: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One output of ``destinations.yml``, checked: the settings of a destination and the limits on it.

    Secret settings are :class:`~dbt_activate.values.secret.Secret`. *directory* is what relative paths start from.
    """

    name: str
    output: str
    type: str
    settings: Mapping[str, object] = field(default_factory=dict)
    limits: Limits = Limits()
    allow_private_addresses: bool = False
    directory: str = "."


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are at the destination, as it reports it: *id* is part of the ledger's binding."""

    id: str
    label: str = ""
