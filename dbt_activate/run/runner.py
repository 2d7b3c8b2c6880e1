"""The order of a run: lease, recover, plan, guard, deliver, record, release.

A dry run walks the same way and turns back before anything is written: no lease, no ledger, no row sent.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dbt_activate.contracts import Clock, Reporter, Warehouse
from dbt_activate.delivery.asking import Asker, call
from dbt_activate.delivery.batching import Cutter
from dbt_activate.delivery.dispatch import Dispatcher, Stop
from dbt_activate.errors import (
    ActivateError,
    ConfigError,
    DestinationError,
    FencedError,
    LedgerError,
    LockedError,
    Problem,
    WarehouseError,
)
from dbt_activate.ledger.journal import RunJournal, settled
from dbt_activate.ledger.lease import Lease, acquire
from dbt_activate.ledger.recovery import recover
from dbt_activate.ledger.store import Ledger
from dbt_activate.mapping.canonical import field_hashes
from dbt_activate.planning.fingerprint import config_hash
from dbt_activate.registry import Link
from dbt_activate.run.options import RunOptions
from dbt_activate.run.preparation import Plan, Preparation
from dbt_activate.run.results import expected, result_of, status_of
from dbt_activate.values.destination import Connection, ObjectSpec
from dbt_activate.values.event import PhaseEntered, SyncEnded, SyncPlanned, SyncResult, SyncStarted, Warned
from dbt_activate.values.json import JsonObject
from dbt_activate.values.outcome import Outcome, RowResult
from dbt_activate.values.payload import Payload, RunFacts
from dbt_activate.values.sync import Sync


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs syncs, one after the other. Everything from outside comes in here.

    Attributes:
        links: Destination name to its link.
        check: Raises where a sync does not fit its destination's object.
        check_columns: Says what in a sync does not fit the columns of its model.
        closed_gates: Says why dbt's own results keep a sync from being sent.
        look: Is shown each payload that would be sent, for ``plan --show``.
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
    closed_gates: Callable[[Sync], tuple[str, ...]] = lambda _sync: ()
    dbt_invocation_id: str | None = None
    version: str = ""
    look: Callable[[Sync, Payload], None] | None = None
    stop: Stop | None = None
    misfits: list[Problem] = field(default_factory=list)
    _dispatcher: Dispatcher | None = None
    _stages: dict[str, float] = field(default_factory=dict)
    _entered: tuple[str, float] = ("", 0.0)

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
                result = result_of(sync, "skipped", message="not tried") if skipped else await self._sync(sync)
                results.append(result)
                behind = behind or result.left_behind
                self.report(SyncEnded(sync=sync.name, result=result))
        finally:
            for link in self.links.values():
                await call(link.destination.close)
        return results

    @property
    def _asker(self) -> Asker:
        return Asker(clock=self.clock, random=self.random)

    def stop_soon(self, stop: Stop) -> None:
        """Send no further batch; those in flight end."""
        self.stop = self.stop or stop
        if self._dispatcher is not None:
            self._dispatcher.stopped = self._dispatcher.stopped or stop

    def _check_models(self, syncs: Sequence[Sync]) -> None:
        problems = [problem for sync in syncs for problem in self._unknown_object(sync)]
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

    def _unknown_object(self, sync: Sync) -> Sequence[Problem]:
        """What is wrong with the object of *sync*, as far as that is known without asking anybody."""
        try:
            self.check(sync, self.links[sync.destination].destination.describe(sync.object))
        except ConfigError as error:
            return error.problems
        return ()

    async def _sync(self, sync: Sync) -> SyncResult:
        """One sync, from lease to release. What ends a sync ends this one only."""
        started = self.clock.monotonic()
        self._stages = {}
        self._tell_start(sync)
        try:
            result = await self._attempt(sync)
        except LockedError as error:
            result = result_of(sync, "locked", message=str(error))
        except FencedError as error:
            result = result_of(sync, "failed", message=str(error))
        except ConfigError as error:
            self.misfits += error.problems
            result = result_of(sync, "failed", message=str(error))
        except (LedgerError, WarehouseError) as error:
            self.misfits.append(Problem(str(sync.at), str(error)))
            result = result_of(sync, "failed", message=str(error))
        self._enter(sync, "")
        return replace(result, seconds=self.clock.monotonic() - started, stages=self._stages)

    async def _attempt(self, sync: Sync) -> SyncResult:
        if closed := self.closed_gates(sync):
            return result_of(sync, "blocked", message="; ".join(closed))
        return await (self._rehearse(sync) if self.options.dry else self._perform(sync))

    async def _rehearse(self, sync: Sync) -> SyncResult:
        plan = await self._plan(sync)
        if plan.unreachable is not None:
            self._warn(sync, f"planned without asking the destination: {plan.unreachable}")
        result = result_of(sync, "blocked" if plan.tripped else "success", plan=plan, counts=expected(plan))
        plan.close()
        return result

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
                plan.close()
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
        self._enter(sync, "plan")
        preparation = Preparation(
            warehouse=self.warehouse,
            ledger=self.ledger,
            facts=self.facts,
            options=self.options,
            asker=self._asker,
            check=self.check,
            look=self.look,
        )
        plan = await preparation.plan(sync, self.links[sync.destination])
        self.report(SyncPlanned(sync=sync.name, census=plan.census, to_send=len(plan.spool), plan_hash=plan.hash))
        return plan

    async def _deliver(self, plan: Plan, journal: RunJournal) -> SyncResult:
        """Send what the plan holds, and write down how every row ended."""
        sync, pacer = plan.sync, self.links[plan.sync.destination].pacer
        pacer.rate = _slower(self.links[sync.destination].limits.max_requests_per_second, sync.max_requests_per_second)
        requests, waited = pacer.requests, pacer.waited
        self._begin(plan, journal)
        binding, refusal = await self._bind(plan, journal)
        if refusal := self._refusal(plan) or refusal:
            journal.finish(planned=0, forgotten=(), end={"message": refusal}, judge=lambda _: "blocked")
            return replace(result_of(sync, "blocked", plan=plan, message=refusal), epoch=journal.lease.epoch)
        journal.record(plan.ended)
        stop, retries = await self._send(plan, journal, binding)
        self._enter(sync, "record")
        used, reason = pacer.requests - requests, str(stop.error) if stop else ""
        counts, codes = journal.finish(
            planned=plan.planned,
            forgotten=plan.forgotten,
            end={"message": reason or None, "requests": used},
            judge=lambda counts: status_of(plan, counts, stop),
        )
        return replace(
            result_of(sync, status_of(plan, counts, stop), plan=plan, counts=counts, message=reason),
            requests=used,
            retries=retries,
            throttled_seconds=pacer.waited - waited,
            error_classes=codes,
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

    async def _bind(self, plan: Plan, journal: RunJournal) -> tuple[str, str]:
        """What the ledger is tied to, and why this run must not write: it would speak of another account."""
        sync = plan.sync
        if not len(plan.spool) or plan.unreachable is not None or plan.tripped:
            return "", ""
        try:
            account = await self._asker.ask(self.links[sync.destination].destination.check)
        except DestinationError as error:
            plan.unreachable = error
            return "", ""
        binding = "|".join((self.warehouse.identity, account.id, sync.object or "", ",".join(sync.primary_key)))
        with self.warehouse.session() as session:
            other = journal.lease.bind(session, binding)
        if other is None:
            return binding, ""
        return binding, (
            f"the ledger of '{sync.name}' speaks of {other}, this run would write to {binding};"
            f" if that is right, forget the old ledger: dbt-activate reset {sync.name}"
        )

    def _refusal(self, plan: Plan) -> str:
        """Why nothing of *plan* may be sent; empty where it may."""
        if plan.tripped:
            reasons = "; ".join(map(str, plan.tripped))
            return f"{reasons}. If this is right: --override-guards {plan.hash}"
        wanted = (self.options.expected or {}).get(plan.sync.name, plan.hash)
        if wanted != plan.hash:
            return f"the plan that was approved has the hash {wanted}, this one {plan.hash}: plan again"
        return ""

    async def _send(self, plan: Plan, journal: RunJournal, binding: str) -> tuple[Stop | None, int]:
        """Deliver the plan's payloads; return why it stopped early, if it did, and how many requests were repeated."""
        if plan.unreachable is not None:
            # Nothing was sent: every row failed, and is planned again by the next run.
            error = plan.unreachable
            down = {"outcome": Outcome.FAILED, "code": error.code, "message": str(error)}
            journal.record(settled(p, RowResult(key=p.key, **down)) for p in plan.spool)  # type: ignore[arg-type]
            return Stop(Outcome.FAILED, error, "failed"), 0
        if not len(plan.spool) or plan.spec is None:
            return None, 0
        self._enter(plan.sync, "deliver")
        self._dispatcher = self._make_dispatcher(plan, plan.spec, journal, binding)
        try:
            await self._dispatcher.deliver(plan.spool)
        finally:
            dispatcher, self._dispatcher = self._dispatcher, None
        return dispatcher.stopped, dispatcher.retries

    def _make_dispatcher(self, plan: Plan, spec: ObjectSpec, journal: RunJournal, binding: str) -> Dispatcher:
        sync, link = plan.sync, self.links[plan.sync.destination]
        # Only what this sync can ask for: an operation it never uses must not slow down its journal.
        used = {operation: spec.operations[operation] for operation in sync.operations}
        return Dispatcher(
            destination=link.destination,
            spec=replace(spec, operations=used),
            limits=replace(link.limits, max_concurrency=self.options.threads or link.limits.max_concurrency),
            cutter=Cutter(
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
            max_rejected=sync.guards.max_rejected,
            stopped=self.stop,
        )

    def _field_hasher(self) -> Callable[[JsonObject], Mapping[str, str]] | None:
        if self.ledger.stores_values:
            return None
        with self.warehouse.session(read_only=True) as session:
            key = bytes.fromhex(self.ledger.fact(session, "hash_key") or "")
        return lambda fields: field_hashes(fields, key)

    def _tell_start(self, sync: Sync) -> None:
        self.report(
            SyncStarted(
                sync=sync.name,
                model=sync.model.name,
                destination=sync.destination,
                output=self.connections[sync.destination].output,
                object=sync.object,
            )
        )

    def _enter(self, sync: Sync, phase: str) -> None:
        """Begin *phase*, and note how long the one before took."""
        before, since = self._entered
        now = self.clock.monotonic()
        if before:
            self._stages[before] = self._stages.get(before, 0.0) + now - since
        self._entered = (phase, now)
        if phase:
            self.report(PhaseEntered(sync=sync.name, phase=phase))

    def _warn(self, sync: Sync, message: str) -> None:
        self.report(Warned(sync=sync.name, message=message))


def _slower(*rates: float | None) -> float | None:
    """The lowest of the *rates* that are set."""
    return min((rate for rate in rates if rate is not None), default=None)
