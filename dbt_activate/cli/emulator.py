"""``sandbox``: the local emulator of destinations."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from dbt_activate.cli.options import FILE, READ_FILE
from dbt_activate.errors import ConfigError, Problem

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port; 0 for a free one."
)
@click.option("--state", type=FILE, help="A file that keeps the records.")
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=190,
    show_default=True,
    help="Requests to the CRM in ten seconds; 0 for no limit.",
)
@click.option(
    "--properties",
    type=READ_FILE,
    help="JSON: properties to define, a list for contacts, or a list for each object.",
)
def sandbox_command(host: str, port: int, state: Path | None, rate_limit: int, properties: Path | None) -> int:
    """Run the local emulator of destinations, until Ctrl-C. Its page shows the records, the requests, and faults.

    A destination of `type: sandbox` in destinations.yml sends to it.
    """
    from dbt_activate.sandbox.options import SandboxOptions
    from dbt_activate.sandbox.server import serve

    options = SandboxOptions(
        state=state, rate_limit=rate_limit, properties=_read(properties) if properties else {}, hosts=_hosts(host)
    )

    def announce(url: str) -> None:
        click.echo(url)
        if options.hosts is None:
            click.echo("Everybody who can reach this machine can read and change the records.", err=True)
        kept = f"the records are kept in {state}" if state else "the records are gone when it ends"
        click.echo(f"Open it in a browser. Ctrl-C stops it; {kept}.", err=True)

    serve(options, port, host, on_ready=announce)
    return 0


def _hosts(host: str) -> tuple[str, ...] | None:
    """The names by which *host* is called; None for any: which names lead to a machine, only its owner knows."""
    from dbt_activate.sandbox.options import SandboxOptions

    if host in EVERY_ADDRESS:
        return None
    return (*(SandboxOptions().hosts or ()), f"[{host}]" if ":" in host else host)


def _read(path: Path) -> Mapping[str, Sequence[Mapping[str, object]]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(Problem(str(path), f"cannot be read as JSON: {error}")) from error
    by_object = {"contacts": found} if isinstance(found, list) else found
    if not isinstance(by_object, dict) or not all(map(_is_list_of_objects, by_object.values())):
        remedy = 'write [{"name": …}] for contacts, or {"companies": [{"name": …}]}'
        raise ConfigError(Problem(str(path), "holds no properties", remedy))
    return by_object


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
