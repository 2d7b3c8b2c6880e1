"""``sandbox``: the local emulator of destinations."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbt_activate.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dbt_activate.sandbox.options import SandboxOptions

CONTACTS = "contacts"
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port; 0 for a free one."
)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="A file that keeps the records.")
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=190,
    show_default=True,
    help="Requests to the CRM in ten seconds; 0 for no limit.",
)
@click.option(
    "--properties",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON: properties to define, a list for contacts, or a list for each object.",
)
def sandbox_command(host: str, port: int, state: Path | None, rate_limit: int, properties: Path | None) -> int:
    """Run the local emulator of destinations, until Ctrl-C. Its page shows the records, the requests, and faults.

    A destination of `type: sandbox` in destinations.yml sends to it.
    """
    from dbt_activate.sandbox.server import serve

    options = _options(host, state, rate_limit, _read(properties) if properties else {})
    serve(options, port, host, on_ready=_announced(host, options))
    return 0


def _options(
    host: str, state: Path | None, rate_limit: int, properties: Mapping[str, Sequence[Mapping[str, object]]]
) -> "SandboxOptions":
    from dbt_activate.sandbox.options import SandboxOptions

    options = SandboxOptions(state=state, rate_limit=rate_limit, properties=properties)
    if host in EVERY_ADDRESS:
        # Every name of the machine leads here; which ones there are, only its owner knows.
        return SandboxOptions(state=state, rate_limit=rate_limit, properties=properties, hosts=None)
    name = f"[{host}]" if ":" in host else host
    hosts = (*(options.hosts or ()), name)
    return SandboxOptions(state=state, rate_limit=rate_limit, properties=properties, hosts=hosts)


def _announced(host: str, options: "SandboxOptions") -> Any:
    def announce(url: str) -> None:
        click.echo(url)
        if host in EVERY_ADDRESS:
            click.echo("Everybody who can reach this machine can read and change the records.", err=True)
        kept = f"the records are kept in {options.state}" if options.state else "the records are gone when it ends"
        click.echo(f"Open it in a browser. Ctrl-C stops it; {kept}.", err=True)

    return announce


def _read(path: Path) -> Mapping[str, Sequence[Mapping[str, object]]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(Problem(str(path), f"cannot be read as JSON: {error}")) from error
    by_object = {CONTACTS: found} if isinstance(found, list) else found
    if not isinstance(by_object, dict) or not all(_is_list_of_objects(value) for value in by_object.values()):
        remedy = 'write [{"name": …}] for contacts, or {"companies": [{"name": …}]}'
        raise ConfigError(Problem(str(path), "holds no properties", remedy))
    return by_object


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
