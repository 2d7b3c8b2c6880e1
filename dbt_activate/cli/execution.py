"""One run of a command: who listens to it, how a signal stops it, and what it leaves in ``target/activate``."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

import click

from dbt_activate import __version__
from dbt_activate.cli.application import Application
from dbt_activate.contracts import Reporter
from dbt_activate.delivery.dispatch import Stop
from dbt_activate.errors import ConfigError, DestinationError
from dbt_activate.project.checks import check_against, check_columns
from dbt_activate.project.gates import gate_warnings, gates
from dbt_activate.reporters.fanout import FanOut
from dbt_activate.reporters.jsonlines import JsonLinesReporter, open_log
from dbt_activate.run import Runner, RunOptions
from dbt_activate.values.destination import ObjectSpec
from dbt_activate.values.event import Event, RunEnded, RunStarted, SyncResult, Warned
from dbt_activate.values.outcome import Outcome
from dbt_activate.values.payload import Payload
from dbt_activate.values.sync import Sync

LOG = "activate.log"
RESULTS = "activate_results.json"


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over. *results* in the order in which the syncs went."""

    results: tuple[SyncResult, ...]
    exit_code: int
    seconds: float


def rehearse(
    application: Application, syncs: Sequence[Sync], options: RunOptions, look: Callable[[Sync, Payload], None]
) -> Finished:
    """Run *syncs* dry and show *look* each payload. Nothing is written, and only warnings are told."""
    return _executed(application, syncs, options, _warn, look)


def execute(application: Application, syncs: Sequence[Sync], options: RunOptions) -> Finished:
    """Run *syncs*, tell screen and log, and stop cleanly where a signal asks for it."""
    common, facts = application.common, application.facts
    with ExitStack() as open_things:
        screen = open_things.enter_context(_screen(application))
        stream = open_log(application.artifacts / LOG)
        open_things.callback(_close, stream)
        log = JsonLinesReporter(stream, application.clock.now, facts.run_id, level=common.log_level)
        return _executed(application, syncs, options, FanOut(screen, log))


@contextmanager
def _screen(application: Application) -> Iterator[Reporter]:
    """A reporter for standard output, in the form that was asked for."""
    common = application.common
    if common.log_format == "json" and not common.quiet:
        yield JsonLinesReporter(sys.stdout, application.clock.now, application.facts.run_id, level=common.log_level)
        return
    from rich.console import Console

    from dbt_activate.reporters.console import ConsoleReporter

    console = Console(no_color=not common.color, highlight=False)
    with ConsoleReporter(console, live=sys.stdout.isatty(), quiet=common.quiet) as reporter:
        yield reporter


def _warn(event: Event) -> None:
    """The reporter of a rehearsal, whose outcome is shown as a plan: tells warnings only, on standard error."""
    if isinstance(event, Warned):
        click.echo(f"{click.style('Warning: ', fg='yellow')}{event.sync}: {event.message}", err=True)


def _close(stream: TextIO) -> None:
    # The log may have met a full disk; what it lost must not keep the results of the run from being written.
    with suppress(OSError):
        stream.close()


def _executed(
    application: Application,
    syncs: Sequence[Sync],
    options: RunOptions,
    report: Reporter,
    look: Callable[[Sync, Payload], None] | None = None,
) -> Finished:
    clock, facts, project = application.clock, application.facts, application.project
    started = clock.monotonic()
    report(RunStarted(run_id=facts.run_id, syncs=tuple(sync.name for sync in syncs), dry=options.dry))
    runner = Runner(
        warehouse=application.warehouse,
        ledger=application.ledger,
        links=application.links(syncs),
        connections=project.connections,
        clock=clock,
        random=application.random,
        report=report,
        facts=facts,
        options=options,
        check=_refuse_misfits,
        check_columns=lambda sync, columns: check_columns(sync, columns, application.warehouse.dialect),
        closed_gates=lambda sync: gates(project, sync, clock.now()),
        dbt_invocation_id=project.manifest.metadata.invocation_id,
        version=__version__,
        look=look,
    )
    for sync in syncs:
        for warning in gate_warnings(project, sync, clock.now()):
            report(Warned(sync=sync.name, message=warning))
    results, signalled = asyncio.run(_until_signal(runner, syncs))
    code = _exit_code(results, runner, signalled)
    seconds = clock.monotonic() - started
    report(RunEnded(run_id=facts.run_id, exit_code=code, seconds=seconds))
    for problem in runner.misfits:
        # Told on standard output as well, with the sync; whoever reads only errors must not miss it.
        click.echo(f"{click.style('Error: ', fg='red')}{problem}", err=True)
    return Finished(tuple(results), code, seconds)


async def _until_signal(runner: Runner, syncs: Sequence[Sync]) -> tuple[list[SyncResult], int]:
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def stop(number: int) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        reason = DestinationError("stopped by a signal", code="stopped")
        runner.stop_soon(Stop(Outcome.ABORTED, reason, "partial"))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    results = await runner.run(syncs)
    return results, received[0] if received else 0


def _exit_code(results: Sequence[SyncResult], runner: Runner, signalled: int) -> int:
    if signalled:
        return 128 + signalled
    return 2 if runner.misfits else int(any(result.left_behind for result in results))


def _refuse_misfits(sync: Sync, spec: ObjectSpec) -> None:
    if problems := check_against(sync, spec):
        raise ConfigError(problems)


def write_artifacts(application: Application, finished: Finished, arguments: Mapping[str, object]) -> None:
    """Write ``activate_results.json``.

    Raises:
        ActivateError: It cannot be written.
    """
    from dbt_activate.reporters.results import ResultsMetadata, write_results

    project, facts = application.project, application.facts
    metadata = ResultsMetadata(
        version=__version__,
        generated_at=application.clock.now(),
        run_id=facts.run_id,
        invocation_id=facts.invocation_id,
        dbt_invocation_id=project.manifest.metadata.invocation_id,
        dbt_version=project.manifest.metadata.dbt_version,
        dbt_target=project.profile.target,
        dbt_schema=project.profile.schema,
    )
    write_results(
        application.artifacts / RESULTS,
        results=finished.results,
        metadata=metadata,
        args=arguments,
        elapsed_seconds=finished.seconds,
    )
