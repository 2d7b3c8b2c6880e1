"""From a sync to its plan: find what changed, shape it, judge the whole. Reads only.

The change set is read at one go into a file of our own, and the warehouse let go of, before the destination is asked
for anything: nobody who needs the warehouse waits for a slow destination.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dbt_activate.contracts import Warehouse
from dbt_activate.delivery.asking import Asker
from dbt_activate.delivery.spool import Spool
from dbt_activate.errors import DestinationError
from dbt_activate.ledger.journal import settled
from dbt_activate.ledger.store import Ledger
from dbt_activate.mapping.canonical import payload_hash
from dbt_activate.mapping.mapper import Mapper
from dbt_activate.planning.diff import Memory
from dbt_activate.planning.fingerprint import config_hash
from dbt_activate.planning.guards import Tripped, tripped
from dbt_activate.planning.planner import plan
from dbt_activate.registry import Link
from dbt_activate.run.options import RunOptions
from dbt_activate.values.change import Census, Change
from dbt_activate.values.destination import ObjectSpec
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Payload, RunFacts, Settled
from dbt_activate.values.sync import Lookup, Sync


@dataclass(slots=True, kw_only=True)
class Plan:
    """What one sync would do: data that a dry run shows and a real run delivers.

    Attributes:
        spec: The destination's object; None where nothing changed, and nobody was asked.
        spool: The payloads that will be sent, in order.
        ended: Rows that end without being sent: invalid ones, and those whose payload is the confirmed one.
        hash: Over the configuration and, row by row, what was confirmed and what will be sent.
        tripped: The guards that refuse it.
        unreachable: Why the destination could not be asked, where it could not.
    """

    sync: Sync
    census: Census
    basis: str
    forgotten: tuple[str, ...]
    spec: ObjectSpec | None = None
    spool: Spool[Payload] = field(default_factory=Spool)
    ended: Spool[Settled] = field(default_factory=Spool)
    hash: str = ""
    tripped: tuple[Tripped, ...] = ()
    unreachable: DestinationError | None = None

    @property
    def planned(self) -> int:
        """The rows that must end in exactly one outcome."""
        return len(self.spool) + len(self.ended)

    def close(self) -> None:
        """Give back what waits on disk."""
        self.spool.close()
        self.ended.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Makes plans.

    Attributes:
        check: Raises :class:`~dbt_activate.errors.ConfigError` where a sync does not fit its destination's object.
        look: Is shown each payload that would be sent.
    """

    warehouse: Warehouse
    ledger: Ledger
    facts: RunFacts
    options: RunOptions
    asker: Asker
    check: Callable[[Sync, ObjectSpec], None]
    look: Callable[[Sync, Payload], None] | None = None

    async def plan(self, sync: Sync, link: Link) -> Plan:
        """Plan *sync* against its destination behind *link*.

        Raises:
            ConfigError: The sync fits its model or its destination's object no longer.
            WarehouseError: The model cannot be read.
        """
        made, changes = self._find_changes(sync)
        digest = Digest(sync, link)
        try:
            if len(changes):
                made.spec = await self._describe(made, link)
                self.check(sync, made.spec)
                self._shape(made, made.spec, changes, digest)
        except BaseException:
            made.close()
            raise
        finally:
            changes.close()
        made.hash = digest.text()
        if not self._adopts(made) and made.hash != self.options.override:
            made.tripped = tripped(made.census, sync.guards)
        return made

    def _find_changes(self, sync: Sync) -> tuple[Plan, Spool[Change]]:
        changes: Spool[Change] = Spool()
        try:
            return self._read_changes(sync, changes), changes
        except BaseException:
            changes.close()
            raise

    def _read_changes(self, sync: Sync, changes: Spool[Change]) -> Plan:
        with self.warehouse.session(read_only=True) as session, session.transaction():
            memory = Memory(
                confirmed=self.ledger.confirmed_query(session, sync.name),
                rejects=self.ledger.rejects_query(session, sync.name),
                lookups={parent: self.ledger.lookup_query(session, parent) for parent in parents(sync)},
            )
            found = plan(sync, session, self.warehouse.dialect, memory, self.options.scope, self.options.limit)
            for change in found.read():
                changes.append(change)
            census = replace(found.census, first=self.ledger.is_empty(session, sync.name))
        return Plan(sync=sync, census=census, basis=found.basis, forgotten=found.forgotten)

    async def _describe(self, made: Plan, link: Link) -> ObjectSpec:
        """The object as the live system describes it; as we know it without a network where that cannot be reached."""
        try:
            spec: ObjectSpec = await self.asker.ask(link.destination.discover, made.sync.object)
        except DestinationError as error:
            made.unreachable = error
            return link.destination.describe(made.sync.object)
        return spec

    def _shape(self, made: Plan, spec: ObjectSpec, changes: Spool[Change], digest: "Digest") -> None:
        mapper = Mapper(made.sync, spec, self.facts)
        volatile = {field.path[0] for field in made.sync.fields if field.volatile}
        for change in changes:
            shaped = mapper.shape(change)
            if isinstance(shaped, RowResult):
                made.ended.append(_invalid(change, shaped))
                digest.add(change.key, "invalid", shaped.code)
                continue
            if self._is_confirmed(made, change, shaped):
                made.ended.append(settled(shaped, RowResult(key=change.key, outcome=Outcome.UNCHANGED)))
                digest.add(change.key, "unchanged", shaped.payload_hash)
                continue
            known = change.known.payload_hash
            for_new = payload_hash({k: v for k, v in shaped.create_only.items() if k not in volatile})
            digest.add(change.key, shaped.operation, known, shaped.payload_hash, for_new)
            made.spool.append(shaped)
            if self.look is not None:
                self.look(made.sync, shaped)

    def _is_confirmed(self, made: Plan, change: Change, payload: Payload) -> bool:
        if self._adopts(made):
            return True
        same = change.known.present and change.known.payload_hash == payload.payload_hash
        return same and not self.options.scope.full

    def _adopts(self, made: Plan) -> bool:
        return self.options.adopt or (made.sync.adopt and made.census.first)


class Digest:
    """The hash of a plan: over where it goes and, row by row, what was confirmed and what becomes of it."""

    def __init__(self, sync: Sync, link: Link) -> None:
        connection = link.destination.connection
        self._digest = hashlib.sha256()
        self.add(config_hash(sync), connection.name, connection.output, connection.type)

    def add(self, *facts: str | None) -> None:
        """Take one line of *facts*."""
        self._digest.update(repr(facts).encode("utf-8", "backslashreplace"))

    def text(self) -> str:
        """What was added so far."""
        return self._digest.hexdigest()[:32]


def parents(sync: Sync) -> tuple[str, ...]:
    """The syncs whose records *sync* looks up."""
    return tuple(dict.fromkeys(f.source.sync for f in sync.fields if isinstance(f.source, Lookup)))


def _invalid(change: Change, result: RowResult) -> Settled:
    return Settled(
        change=change.kind,
        result=result,
        fingerprint=change.fingerprint,
        incarnation=change.known.incarnation,
        attempts=change.known.attempts + 1,
    )
