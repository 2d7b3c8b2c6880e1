"""Who listens to a run, by the options of the command; and what it leaves in ``target/activate``."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

import click

from dbt_activate import __version__
from dbt_activate.cli.application import Application, Finished
from dbt_activate.contracts import Reporter
from dbt_activate.reporters.fanout import FanOut
from dbt_activate.reporters.jsonlines import JsonLinesReporter, open_log
from dbt_activate.values.event import Event, Warned

LOG = "activate.log"
RESULTS = "activate_results.json"


@contextmanager
def reporting(application: Application, *, quiet: bool) -> Iterator[Reporter]:
    """Reporters for one run: the screen in the form that was asked for, and the log file."""
    common, clock, run_id = application.common, application.clock, application.facts.run_id
    with ExitStack() as open_things:
        reporters: list[Reporter] = []
        if common.log_format == "json" and not quiet:
            reporters.append(JsonLinesReporter(sys.stdout, clock.now, run_id, level=common.log_level))
        else:
            reporters.append(open_things.enter_context(_console(application, quiet=quiet)))
        stream = open_log(application.artifacts / LOG)
        open_things.callback(_close, stream)
        reporters.append(JsonLinesReporter(stream, clock.now, run_id, level=common.log_level))
        yield FanOut(*reporters)


def warn(event: Event) -> None:
    """The reporter of a rehearsal, whose outcome is shown as a plan: tells warnings only, on standard error."""
    if isinstance(event, Warned):
        click.echo(f"{click.style('Warning: ', fg='yellow')}{event.sync}: {event.message}", err=True)


def _close(stream: TextIO) -> None:
    # The log may have met a full disk; what it lost must not keep the results of the run from being written.
    with suppress(OSError):
        stream.close()


@contextmanager
def _console(application: Application, *, quiet: bool) -> Iterator[Reporter]:
    from rich.console import Console

    from dbt_activate.reporters.console import ConsoleReporter

    console = Console(no_color=not application.common.color, highlight=False)
    with ConsoleReporter(console, live=sys.stdout.isatty(), quiet=quiet) as reporter:
        yield reporter


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
