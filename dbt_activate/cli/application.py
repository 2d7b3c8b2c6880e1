"""What a command works with: the project it was pointed at, its warehouse, its ledger, its destinations."""

import asyncio
import random
import secrets
import signal
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import click

from dbt_activate import __version__
from dbt_activate.cli.options import Common, Selection, environment
from dbt_activate.contracts import Reporter, Warehouse
from dbt_activate.delivery.dispatch import Stop
from dbt_activate.errors import ConfigError, DestinationError, Problem
from dbt_activate.ledger.lease import acquire
from dbt_activate.ledger.store import Ledger
from dbt_activate.project.checks import check_against, check_columns
from dbt_activate.project.gates import gate_warnings, gates
from dbt_activate.project.loading import Project, ProjectOptions, load_project
from dbt_activate.project.selection import dbt_of, select
from dbt_activate.registry import DestinationKinds, Link, SystemClock, connect, open_warehouse
from dbt_activate.run import Runner, RunOptions
from dbt_activate.values.destination import ObjectSpec
from dbt_activate.values.event import RunEnded, RunStarted, SyncResult, Warned
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.payload import RunFacts
from dbt_activate.values.sync import Sync

ARTIFACTS = "activate"
"""The folder below dbt's target path in which our artifacts go."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over. *results* in the order in which the syncs went."""

    results: tuple[SyncResult, ...]
    exit_code: int
    seconds: float


class Application:
    """Everything between the options of a command and a run. Each part is made when it is first asked for."""

    def __init__(self, common: Common) -> None:
        self.common = common
        self.clock = SystemClock()
        self.kinds = DestinationKinds()
        # Jitter only: nothing that is secret or durable is drawn from it.
        self.random = random.Random()  # noqa: S311

    @cached_property
    def project(self) -> Project:
        """The project, read and checked.

        Raises:
            ConfigError: With every problem of the project.
        """
        return load_project(self.options, self.kinds)

    @cached_property
    def options(self) -> ProjectOptions:
        """Where to look for the project, and what it may see."""
        common = self.common
        return ProjectOptions(
            project_dir=common.project_dir,
            profiles_dir=common.profiles_dir,
            destinations_dir=common.destinations_dir,
            profile=common.profile,
            target=common.target,
            target_path=common.target_path,
            destination_target=common.destination_target,
            environ=environment(),
            variables=common.variables,
        )

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of dbt's active target."""
        return open_warehouse(self.project.profile, self.project.directory, lock_timeout=self.common.lock_timeout)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in it."""
        settings = self.project.settings
        return Ledger(
            warehouse=self.warehouse,
            schema=settings.schema or f"{self.warehouse.schema}_activate",
            stores_values=settings.store == "values",
        )

    @cached_property
    def facts(self) -> RunFacts:
        """Which run this is: one of a process."""
        now = self.clock.now()
        return RunFacts(
            run_id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            run_started_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            invocation_id=str(uuid.uuid4()),
        )

    @property
    def artifacts(self) -> Path:
        """Where our artifacts go."""
        return self.project.target_path / ARTIFACTS

    def syncs(self, selection: Selection) -> tuple[Sync, ...]:
        """The enabled syncs that *selection* names, parents first.

        Raises:
            ConfigError: It names none.
        """
        chosen = select(
            self.project,
            select=selection.select,
            exclude=selection.exclude,
            selector=selection.selector,
            state=selection.state,
            run_dbt=dbt_of(self.project),
        )
        if not chosen:
            raise ConfigError(
                Problem(
                    str(self.project.directory), "the project has no enabled sync", "`dbt-activate init` writes one"
                )
            )
        return chosen

    def one(self, name: str) -> Sync:
        """The sync called *name*.

        Raises:
            ConfigError: There is none.
        """
        for sync in self.project.syncs:
            if sync.name == name:
                return sync
        names = ", ".join(sorted(sync.name for sync in self.project.syncs))
        raise ConfigError(Problem(name, "there is no sync of this name", f"there are: {names}"))

    def links(self, syncs: Iterable[Sync]) -> Mapping[str, Link]:
        """A link for each destination that *syncs* write to."""
        names = sorted({sync.destination for sync in syncs})
        connections = self.project.connections
        return {name: connect(connections[name], self.kinds, self.clock, self.random) for name in names}

    def forget(self, sync: Sync) -> None:
        """Forget what *sync* confirmed, under its lease.

        Raises:
            LockedError: A run of the sync is under way.
        """
        with self.warehouse.session() as session:
            self.ledger.prepare(session, sync.name)
            lease = acquire(self.ledger, session, self.clock, sync=sync.name, run_id="reset")
            self.ledger.drop(session, sync.name)
            lease.release(session)

    def closed_gates(self, sync: Sync) -> tuple[str, ...]:
        """Why dbt's own results keep *sync* from being sent."""
        return gates(self.project, sync, self.clock.now())

    def warnings(self, sync: Sync) -> tuple[str, ...]:
        """What a person should know of dbt's results, though it keeps nothing back."""
        return gate_warnings(self.project, sync, self.clock.now())


@dataclass(slots=True, kw_only=True)
class Execution:
    """One run of a command, told to *report*."""

    application: Application
    report: Reporter
    options: RunOptions
    runner: Runner = field(init=False)

    def run(self, syncs: Sequence[Sync], look: object = None) -> Finished:
        """Run *syncs*, and stop cleanly where a signal asks for it."""
        application, clock = self.application, self.application.clock
        facts = application.facts
        started = clock.monotonic()
        self.report(RunStarted(run_id=facts.run_id, syncs=tuple(sync.name for sync in syncs), dry=self.options.dry))
        self.runner = Runner(
            warehouse=application.warehouse,
            ledger=application.ledger,
            links=application.links(syncs),
            connections=application.project.connections,
            clock=clock,
            random=application.random,
            report=self.report,
            facts=facts,
            options=self.options,
            check=_refuse_misfits,
            check_columns=lambda sync, columns: check_columns(sync, columns, application.warehouse.dialect),
            closed_gates=application.closed_gates,
            dbt_invocation_id=application.project.manifest.metadata.invocation_id,
            version=__version__,
            look=look,  # type: ignore[arg-type]
        )
        for sync in syncs:
            for warning in application.warnings(sync):
                self.report(Warned(sync=sync.name, message=warning))
        results, signalled = asyncio.run(self._until_signal(syncs))
        code = _exit_code(results, self.runner, signalled)
        seconds = clock.monotonic() - started
        self.report(RunEnded(run_id=facts.run_id, exit_code=code, seconds=seconds))
        for problem in self.runner.misfits:
            # Told on standard output as well, with the sync; whoever reads only errors must not miss it.
            click.echo(f"{click.style('Error: ', fg='red')}{problem}", err=True)
        return Finished(tuple(results), code, seconds)

    async def _until_signal(self, syncs: Sequence[Sync]) -> tuple[list[SyncResult], int]:
        loop = asyncio.get_running_loop()
        received: list[int] = []

        def stop(number: int) -> None:
            if received:
                raise KeyboardInterrupt
            received.append(number)
            reason = DestinationError("stopped by a signal", code="stopped")
            self.runner.stop_soon(Stop(Outcome.ABORTED, reason, "partial"))

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        results = await self.runner.run(syncs)
        return results, received[0] if received else 0


def _exit_code(results: Sequence[SyncResult], runner: Runner, signalled: int) -> int:
    if signalled:
        return 128 + signalled
    return 2 if runner.misfits else int(any(result.left_behind for result in results))


def _refuse_misfits(sync: Sync, spec: ObjectSpec) -> None:
    if problems := check_against(sync, spec):
        raise ConfigError(problems)
