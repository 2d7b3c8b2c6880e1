"""One run, whole: lease, recover, plan, guard, shape, deliver, record, release.

This page names the order; the stages do not know each other. A dry run walks the same way and turns back before
anything is written: no lease, no ledger, no row sent.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from dbt_activate.contracts import Clock, Destination, Reporter, Warehouse
from dbt_activate.delivery.batching import Cutter
from dbt_activate.delivery.dispatch import Dispatcher, Stop
from dbt_activate.delivery.spool import Spool
from dbt_activate.errors import (
    ActivateError,
    ConfigError,
    DestinationError,
    FencedError,
    LockedError,
    Problem,
    WarehouseError,
)
from dbt_activate.ledger.journal import RunJournal, settled
from dbt_activate.ledger.lease import Lease, acquire
from dbt_activate.ledger.recovery import recover
from dbt_activate.ledger.store import Ledger
from dbt_activate.mapping.canonical import field_hashes
from dbt_activate.mapping.mapper import Mapper
from dbt_activate.planning.diff import Memory, Scope
from dbt_activate.planning.fingerprint import config_hash
from dbt_activate.planning.guards import Tripped, tripped
from dbt_activate.planning.planner import plan
from dbt_activate.registry import Link
from dbt_activate.values.change import Census, Change
from dbt_activate.values.destination import Connection, ObjectSpec
from dbt_activate.values.event import PhaseEntered, SyncEnded, SyncPlanned, SyncResult, SyncStarted, Warned
from dbt_activate.values.outcome import SETTLED, Outcome, RowResult
from dbt_activate.values.payload import Payload, RunFacts, Settled
from dbt_activate.values.sync import Lookup, Sync


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a command asks of a run.

    Attributes:
        dry: Plan only; write nothing anywhere.
        adopt: Remember every row as confirmed, and send nothing.
        limit: Most rows of each sync; None for all.
        threads: Most requests in flight for one destination; None for the connection's own bound.
        override: The hash of a plan whose guards are not to refuse it.
        expected: Sync to plan hash: a sync whose plan has another hash is refused.
        show: So many rows of each plan are handed to *look*.
    """

    dry: bool = False
    scope: Scope = field(default_factory=Scope)
    adopt: bool = False
    limit: int | None = None
    threads: int | None = None
    fail_fast: bool = False
    override: str | None = None
    expected: Mapping[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """What one sync would do: data that a dry run shows and a real run delivers.

    Attributes:
        spool: The payloads that will be sent, in order.
        ended: Rows that end without being sent: invalid ones, and those whose payload is the confirmed one.
        hash: Over the configuration and, row by row, what was confirmed and what will be sent.
    """

    sync: Sync
    census: Census
    basis: str
    forgotten: tuple[str, ...]
    spec: ObjectSpec | None = None
    spool: Spool = field(default_factory=Spool)
    ended: list[Settled] = field(default_factory=list)
    hash: str = ""
    tripped: tuple[Tripped, ...] = ()

    @property
    def planned(self) -> int:
        """The rows that must end in exactly one outcome."""
        return len(self.spool) + len(self.ended)


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs syncs, one after the other. Everything from outside comes in here.

    Attributes:
        links: Destination name to its link.
        check: Raises where a sync does not fit its destination's object.
        check_columns: Says what in a sync does not fit the columns of its model.
        closed_gates: Says why dbt's own results keep a sync from being sent.
        look: Is shown each planned payload, for ``plan --show``.
        stop: Why to stop after the batches in flight; set by a signal.
        misfits: What was wrong with syncs that could not run because of what a user wrote.
    """

    warehouse: Warehouse
    ledger: Ledger
    links: Mapping[str, Link]
    connections: Mapping[str, Connection]
    clock: Clock
    random: random.Random
    report: Reporter
    facts: RunFacts
    options: RunOptions
    check: Callable[[Sync, ObjectSpec], None]
    check_columns: Callable[[Sync, Mapping[str, str]], tuple[Problem, ...]] = lambda _sync, _columns: ()
    closed_gates: Callable[[Sync], tuple[str, ...]] = lambda _: ()
    dbt_invocation_id: str | None = None
    version: str = ""
    look: Callable[[Sync, Payload], None] | None = None
    stop: Stop | None = None
    misfits: list[Problem] = field(default_factory=list)
    _dispatcher: Dispatcher | None = None

    async def run(self, syncs: Iterable[Sync]) -> list[SyncResult]:
        """Bring the destinations of *syncs* in step with their models, in this order; parents before children.

        Raises:
            ConfigError: A sync does not fit its model. Nothing was done then.
        """
        syncs = list(syncs)
        self._check_models(syncs)
        results: list[SyncResult] = []
        behind = False
        try:
            for sync in syncs:
                skipped = self.stop is not None or (behind and self.options.fail_fast)
                result = _result(sync, "skipped", message="not tried") if skipped else await self._sync(sync)
                results.append(result)
                behind = behind or result.left_behind
                self.report(SyncEnded(sync=sync.name, result=result))
        finally:
            for link in self.links.values():
                await _call(link.destination.close)
        return results

    def stop_soon(self, stop: Stop) -> None:
        """Send no further batch; those in flight end."""
        self.stop = self.stop or stop
        if self._dispatcher is not None:
            self._dispatcher.stopped = self._dispatcher.stopped or stop

    def _check_models(self, syncs: Sequence[Sync]) -> None:
        problems: list[Problem] = []
        with self.warehouse.session(read_only=True) as session:
            for sync in syncs:
                try:
                    columns = session.describe(f"SELECT * FROM {sync.model.relation}")
                except WarehouseError as error:
                    fault = f"the model's relation {sync.model.relation} cannot be read: {error}"
                    problems.append(Problem(str(sync.at), fault, f"run `dbt run --select {sync.model.name}`"))
                    continue
                problems += self.check_columns(sync, columns)
        if problems:
            raise ConfigError(problems)

    async def _sync(self, sync: Sync) -> SyncResult:
        """One sync, from lease to release. What ends a sync ends this one only."""
        started = self.clock.monotonic()
        connection = self.connections[sync.destination]
        self.report(
            SyncStarted(
                sync=sync.name,
                model=sync.model.name,
                destination=sync.destination,
                output=connection.output,
                object=sync.object,
            )
        )
        try:
            if closed := self.closed_gates(sync):
                return _result(sync, "blocked", message="; ".join(closed))
            result = await (self._rehearse(sync) if self.options.dry else self._perform(sync))
        except LockedError as error:
            result = _result(sync, "locked", message=str(error))
        except FencedError as error:
            result = _result(sync, "failed", message=str(error))
        except ConfigError as error:
            self.misfits += error.problems
            result = _result(sync, "failed", message=str(error))
        except DestinationError as error:
            result = _result(sync, "failed", message=f"destination '{sync.destination}': {error}")
        return replace(result, seconds=self.clock.monotonic() - started)

    async def _rehearse(self, sync: Sync) -> SyncResult:
        plan = await self._plan(sync)
        plan.spool.close()
        counts = _counted(plan)
        status = "blocked" if plan.tripped else "success"
        return _result(sync, status, plan=plan, counts=counts)

    async def _perform(self, sync: Sync) -> SyncResult:
        lease = self._take_lease(sync)
        journal = RunJournal(
            ledger=self.ledger,
            lease=lease,
            clock=self.clock,
            run_id=self.facts.run_id,
            hash_fields=self._field_hasher(),
        )
        try:
            plan = await self._plan(sync)
            try:
                return await self._deliver(plan, journal)
            finally:
                plan.spool.close()
        except BaseException:
            self._give_back(lease)
            raise

    def _take_lease(self, sync: Sync) -> Lease:
        self._enter(sync, "lease")
        with self.warehouse.session() as session:
            self.ledger.prepare(session, sync.name, renamed_from=sync.renamed_from)
            lease = acquire(self.ledger, session, self.clock, sync=sync.name, run_id=self.facts.run_id)
            self._enter(sync, "recover")
            if doubtful := recover(self.ledger, session, lease):
                self._warn(sync, f"an earlier run ended in the middle: the fate of {doubtful} rows is unknown")
        return lease

    def _give_back(self, lease: Lease) -> None:
        # What went wrong before is what a user must hear of; a lease that cannot be given back runs out.
        with suppress(ActivateError), self.warehouse.session() as session:
            lease.release(session)

    async def _plan(self, sync: Sync) -> Plan:
        """Find what changed, shape it, and judge the whole. Reads only."""
        self._enter(sync, "plan")
        plan, changes = self._find_changes(sync)
        if len(changes):
            plan.spec = await self._describe(sync)
            self.check(sync, plan.spec)
        self._shape(plan, changes)
        changes.close()
        if not self._adopts(plan):
            plan.tripped = tripped(plan.census, sync.guards) if plan.hash != self.options.override else ()
        self.report(SyncPlanned(sync=sync.name, census=plan.census, to_send=len(plan.spool), plan_hash=plan.hash))
        return plan

    def _find_changes(self, sync: Sync) -> tuple[Plan, "Spool[Change]"]:
        """Read the change set and let go of the warehouse: nobody waits for our destination."""
        changes: Spool[Change] = Spool()
        with self.warehouse.session(read_only=True) as session, session.transaction():
            memory = Memory(
                confirmed=self.ledger.confirmed_query(session, sync.name),
                rejects=self.ledger.rejects_query(session, sync.name),
                lookups={parent: self.ledger.lookup_query(session, parent) for parent in _parents(sync)},
            )
            found = plan(sync, session, self.warehouse.dialect, memory, self.options.scope, self.options.limit)
            for change in found.read():
                changes.append(change)
            census = replace(found.census, first=self.ledger.is_empty(session, sync.name))
        return Plan(sync=sync, census=census, basis=found.basis, forgotten=found.forgotten), changes

    async def _describe(self, sync: Sync) -> ObjectSpec:
        """The destination's object as it is now; a rehearsal makes do with what is known without a network."""
        destination = self.links[sync.destination].destination
        try:
            return await _call(destination.discover, sync.object)
        except DestinationError as error:
            if not self.options.dry:
                raise
            self._warn(sync, f"planned without asking the destination: {error}")
            return destination.describe(sync.object)

    def _shape(self, plan: Plan, changes: "Spool[Change]") -> None:
        digest = hashlib.sha256(config_hash(plan.sync).encode())
        mapper = Mapper(plan.sync, plan.spec, self.facts) if plan.spec is not None else None
        for change in changes:
            assert mapper is not None  # noqa: S101 - there are changes, so there is a spec
            shaped = mapper.shape(change)
            if isinstance(shaped, RowResult):
                plan.ended.append(_invalid(change, shaped))
                continue
            digest.update(
                f"{change.known.payload_hash} {shaped.operation} {change.key!r} {shaped.payload_hash}\n".encode()
            )
            if self._is_confirmed(plan, change, shaped):
                plan.ended.append(settled(shaped, RowResult(key=change.key, outcome=Outcome.UNCHANGED)))
                continue
            plan.spool.append(shaped)
            if self.look is not None:
                self.look(plan.sync, shaped)
        plan.hash = digest.hexdigest()[:32]

    def _is_confirmed(self, plan: Plan, change: Change, payload: Payload) -> bool:
        if self._adopts(plan):
            return True
        same = change.known.payload_hash == payload.payload_hash and change.known.present
        return same and not self.options.scope.full

    def _adopts(self, plan: Plan) -> bool:
        return self.options.adopt or (plan.sync.adopt and plan.census.first)

    async def _deliver(self, plan: Plan, journal: RunJournal) -> SyncResult:
        sync, link = plan.sync, self.links[plan.sync.destination]
        requests, waited = link.pacer.requests, link.pacer.waited
        self._begin(plan, journal)
        if refusal := self._refusal(plan):
            journal.finish(planned=0, forgotten=(), end={"status": "blocked", "message": refusal})
            return _result(sync, "blocked", plan=plan, message=refusal, epoch=journal.lease.epoch)
        journal.record(plan.ended)
        dispatcher = None
        if len(plan.spool) and plan.spec is not None:
            binding = await self._bind(sync, link.destination, journal)
            self._enter(sync, "deliver")
            dispatcher = self._dispatcher = self._make_dispatcher(plan, plan.spec, link, journal, binding)
            await dispatcher.deliver(plan.spool)
        self._enter(sync, "record")
        used = link.pacer.requests - requests
        stop = dispatcher.stopped if dispatcher else None
        counts = journal.finish(
            planned=plan.planned,
            forgotten=plan.forgotten,
            end={"status": "finished", "message": str(stop.error) if stop else None, "requests": used},
        )
        return replace(
            _result(
                sync, _status(plan, counts, stop), plan=plan, counts=counts, message=str(stop.error) if stop else ""
            ),
            requests=used,
            retries=dispatcher.retries if dispatcher else 0,
            throttled_seconds=link.pacer.waited - waited,
            epoch=journal.lease.epoch,
        )

    def _begin(self, plan: Plan, journal: RunJournal) -> None:
        sync = plan.sync
        facts = {
            "model": sync.model.unique_id,
            "destination": sync.destination,
            "object": sync.object,
            "basis": plan.basis,
            "invocation_id": self.facts.invocation_id,
            "dbt_invocation_id": self.dbt_invocation_id,
            "plan_hash": plan.hash,
            "config_hash": config_hash(sync),
            "version": self.version,
        }
        with self.warehouse.session() as session:
            journal.begin(session, facts)

    def _refusal(self, plan: Plan) -> str:
        """Why nothing of *plan* may be sent; empty where it may."""
        if plan.tripped:
            reasons = "; ".join(map(str, plan.tripped))
            return f"{reasons}. If this is right: --override-guards {plan.hash}"
        expected = (self.options.expected or {}).get(plan.sync.name, plan.hash)
        if expected != plan.hash:
            return f"the plan that was approved has the hash {expected}, this one {plan.hash}: plan again"
        return ""

    async def _bind(self, sync: Sync, destination: Destination, journal: RunJournal) -> str:
        """Make sure that the ledger speaks of this very account, object and key."""
        account = await _call(destination.check)
        binding = "|".join((self.warehouse.identity, account.id, sync.object or "", ",".join(sync.primary_key)))
        with self.warehouse.session() as session:
            other = journal.lease.bind(session, binding)
        if other is not None:
            raise DestinationError(
                f"the ledger of '{sync.name}' speaks of {other}, this run would write to {binding};"
                f" if that is right, forget the old ledger: dbt-activate reset {sync.name}",
                code="binding",
            )
        return binding

    def _make_dispatcher(
        self, plan: Plan, spec: ObjectSpec, link: Link, journal: RunJournal, binding: str
    ) -> Dispatcher:
        sync = plan.sync
        # Only what this sync can ask for: an operation it never uses must not slow down its journal.
        used = {operation: spec.operations[operation] for operation in sync.operations}
        limits = replace(link.limits, max_concurrency=self.options.threads or link.limits.max_concurrency)
        return Dispatcher(
            destination=link.destination,
            spec=replace(spec, operations=used),
            limits=limits,
            cutter=Cutter.starting(
                sync=sync.name,
                run_id=self.facts.run_id,
                object=sync.object,
                binding=binding,
                operations=used,
                rows=sync.batch_size,
            ),
            journal=journal,
            clock=self.clock,
            pacer=link.pacer,
            report=self.report,
            random=self.random,
            fail_fast=self.options.fail_fast,
            max_rejected=sync.guards.max_rejected.share if sync.guards.max_rejected else None,
            stopped=self.stop,
        )

    def _field_hasher(self) -> Callable[[Mapping[str, object]], Mapping[str, str]] | None:
        if self.ledger.stores_values:
            return None
        with self.warehouse.session(read_only=True) as session:
            key = bytes.fromhex(self.ledger.fact(session, "hash_key") or "")
        return lambda fields: field_hashes(dict(fields), key)  # type: ignore[arg-type]

    def _enter(self, sync: Sync, phase: str) -> None:
        self.report(PhaseEntered(sync=sync.name, phase=phase))

    def _warn(self, sync: Sync, message: str) -> None:
        self.report(Warned(sync=sync.name, message=message))


def _parents(sync: Sync) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.source.sync for f in sync.fields if isinstance(f.source, Lookup)))


async def _call(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a destination's method; a plain one in a thread, so that the run goes on meanwhile."""
    if asyncio.iscoroutinefunction(function):
        return await function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def _invalid(change: Change, result: RowResult) -> Settled:
    return Settled(
        change=change.kind,
        result=result,
        fingerprint=change.fingerprint,
        incarnation=change.known.incarnation,
        attempts=change.known.attempts + 1,
    )


def _counted(plan: Plan) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in plan.ended:
        by_outcome = counts.setdefault(row.change.value, {})
        by_outcome[row.result.outcome.value] = by_outcome.get(row.result.outcome.value, 0) + 1
    return counts


def _status(plan: Plan, counts: Mapping[str, Mapping[str, int]], stop: Stop | None) -> str:
    if stop is not None and stop.status in ("blocked", "deferred"):
        return stop.status
    outcomes = {outcome for by_outcome in counts.values() for outcome in by_outcome}
    left = outcomes - {outcome.value for outcome in SETTLED}
    if not left and not plan.census.waiting and stop is None:
        return "success"
    return "partial" if outcomes - left or not outcomes else "failed"


def _result(
    sync: Sync,
    status: str,
    *,
    plan: Plan | None = None,
    counts: Mapping[str, Mapping[str, int]] | None = None,
    message: str = "",
    epoch: int | None = None,
) -> SyncResult:
    delivery = None
    if plan is not None and plan.spec is not None:
        delivery = ",".join(sorted({plan.spec.operations[op].delivery.value for op in sync.operations}))
    return SyncResult(
        sync=sync.name,
        model=sync.model.unique_id,
        destination=sync.destination,
        object=sync.object,
        status=status,
        message=message,
        counts=counts or {},
        census=plan.census if plan else None,
        guards=tuple(map(str, plan.tripped)) if plan else (),
        error_classes={},
        plan_hash=plan.hash if plan else None,
        epoch=epoch,
        delivery=delivery,
        stages={},
    )
