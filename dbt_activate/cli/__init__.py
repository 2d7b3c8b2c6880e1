"""The command line: click, in dbt's idiom. Nothing else in the package knows click.

Commands are imported when they are called, so that ``--help`` answers at once.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from dbt_activate import __version__
from dbt_activate.errors import ActivateError, ConfigError, DestinationError, LedgerError, LockedError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("scaffold", "Add destinations.yml and a commented block to a dbt project."),
    "list": ("inspect", "List the syncs."),
    "validate": ("inspect", "Check everything that needs no network."),
    "debug": ("inspect", "Try the warehouse and every destination."),
    "plan": ("sync", "Show what a sync would do; write nothing."),
    "sync": ("sync", "Deliver what changed."),
    "retry": ("sync", "Send rejects again now."),
    "resolve": ("sync", "Settle rows of which nobody knows whether they arrived."),
    "reset": ("sync", "Forget what was confirmed."),
    "runs": ("history", "Show past runs."),
    "rejects": ("history", "Show the rows that did not get through."),
    "row": ("history", "Show the life of one row."),
    "destinations": ("catalog", "List destination types, objects and fields."),
    "schema": ("catalog", "Print a JSON Schema."),
    "sandbox": ("emulator", "Run the local emulator of destinations."),
}
"""Command to the module of this package that holds it, and its line of help."""

ALIASES = {"ls": "list"}

BROKEN_PIPE = 141


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import the command's module."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"dbt_activate.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Help without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dbt-activate")
def cli() -> None:
    """Activate the data of a dbt project: sync the changed rows of its models to where they are used.

    Exit codes: 0 everything is in step; 1 rows or syncs were left behind; 2 it could not run.
    """


def main() -> None:
    """Run the command line, and end the process with the exit code of the design."""
    # A process may be started without standard output or error: nobody listens then, and nothing else changes.
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    code = invoke(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
    sys.exit(code)


def invoke(arguments: list[str]) -> int:  # noqa: PLR0911 - one arm for each way to end
    """Run the command line with *arguments*; return the exit code. No error leaves as a traceback."""
    debug = "--debug" in arguments
    try:
        code = cli.main(args=arguments, prog_name="dbt-activate", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        return _told("stopped", 130, debug=debug)
    except click.ClickException as error:
        error.show()
        return 2
    except ActivateError as error:
        return _told(str(error), exit_code(error), debug=debug)
    except (BrokenPipeError, SystemExit):
        # click ends the process itself, with 1, where it meets a broken pipe: with us that would be rows left behind.
        _forget_output()
        return BROKEN_PIPE
    except OSError as error:
        return _told(f"{error.filename or 'this machine'}: {error.strerror or error}", 2, debug=debug)
    except Exception as error:  # noqa: BLE001 - the border: a user never sees a traceback
        fault = f"a fault of dbt-activate: {type(error).__name__}; run it with --debug and report what it says"
        return _told(fault, 2, debug=debug)
    return code if isinstance(code, int) else 0


def _forget_output() -> None:
    # Whoever read us has gone; nothing may be written while Python shuts down.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_code(error: ActivateError) -> int:
    """1 for what another run or a destination keeps us from; 2 for what keeps us from running at all."""
    match error:
        case LockedError() | DestinationError():
            return 1
        case ConfigError() | LedgerError() | ActivateError():
            return 2


def _told(message: str, code: int, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    for line in filter(str.strip, message.splitlines()):
        click.echo(click.style("Error: ", fg="red") + line, err=True)
    return code
