"""Rows as the warehouse has them now: read, and shaped as they would be sent, without sending or writing anything."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from dbt_activate.contracts import Destination, Session
from dbt_activate.delivery.asking import call
from dbt_activate.errors import ActivateError, DestinationError
from dbt_activate.ledger.store import Ledger
from dbt_activate.mapping.mapper import Mapper
from dbt_activate.planning.diff import Memory, Scope
from dbt_activate.planning.planner import plan
from dbt_activate.run.preparation import parents
from dbt_activate.values.change import Change
from dbt_activate.values.destination import ObjectSpec
from dbt_activate.values.outcome import RowResult
from dbt_activate.values.payload import Payload, RunFacts
from dbt_activate.values.sync import Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """A row as it would be sent now.

    Attributes:
        payload: None where it would not be sent, or is not there.
        refusal: Why it could not be shaped.
        fault: Why it could not be looked at.
    """

    payload: Payload | None = None
    refusal: RowResult | None = None
    fault: str | None = None

    def __bool__(self) -> bool:
        return self.payload is not None or self.refusal is not None


def changes_now(ledger: Ledger, session: Session, sync: Sync, scope: Scope) -> tuple[Change, ...]:
    """The rows of *scope* that *sync* would send, read from the model.

    Raises:
        ConfigError: The sync does not fit its model.
    """
    memory = Memory(
        confirmed=ledger.confirmed_query(session, sync.name),
        rejects=ledger.rejects_query(session, sync.name),
        lookups={parent: ledger.lookup_query(session, parent) for parent in parents(sync)},
    )
    return tuple(plan(sync, session, ledger.warehouse.dialect, memory, scope, None).read())


def row_now(ledger: Ledger, destination: Destination, sync: Sync, keys: Sequence[str], facts: RunFacts) -> Now:
    """The row with one of *keys*, as it would be sent now. Closes *destination*."""
    try:
        with ledger.warehouse.session(read_only=True) as session:
            changes = changes_now(ledger, session, sync, Scope(keys=tuple(keys), full=True))
        spec = asyncio.run(_described(destination, sync.object))
        shaped = [Mapper(sync, spec, facts).shape(change) for change in changes]
    except ActivateError as error:
        return Now(fault=str(error))
    for one in shaped:
        return Now(refusal=one) if isinstance(one, RowResult) else Now(payload=one)
    return Now()


async def _described(destination: Destination, object_name: str | None) -> ObjectSpec:
    """The object as it is now, or as it is documented where the destination cannot be asked."""
    try:
        spec: ObjectSpec = await call(destination.discover, object_name)
    except DestinationError:
        return destination.describe(object_name)
    finally:
        await call(destination.close)
    return spec
