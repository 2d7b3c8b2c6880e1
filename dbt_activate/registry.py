"""The composition root: names to plug-ins, a dbt profile to its warehouse, and the real clock and transport."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from dbt_activate.contracts import Clock, Destination, Tools, Warehouse
from dbt_activate.delivery.pacing import Pacer
from dbt_activate.errors import ConfigError, Problem, WarehouseError
from dbt_activate.project.destinations import DestinationKind
from dbt_activate.project.profile import Profile
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.secret import Secret

GROUP = "dbt_activate.destinations"
"""The entry-point group of destination types; ours are registered through it like anybody's."""

SANDBOX = "sandbox"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for *seconds*."""
        if seconds > 0:
            await asyncio.sleep(seconds)


class DestinationKinds(Mapping[str, DestinationKind]):
    """The destination types that are installed, each loaded when it is asked for."""

    def __init__(self) -> None:
        self._entries: Mapping[str, EntryPoint] = {entry.name: entry for entry in entry_points(group=GROUP)}

    def __getitem__(self, name: str) -> DestinationKind:
        kind = self.load(name)
        return DestinationKind(
            connection_schema=kind.connection_schema, object_required=kind.object_required, local=kind.local
        )

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, name: str) -> type[Destination]:
        """Import the class of a type.

        Raises:
            ConfigError: It needs a library that is not installed, or is not where its package says.
        """
        try:
            loaded: type[Destination] = self._entries[name].load()
        except (ImportError, AttributeError) as error:
            remedy = f"install it with `pip install 'dbt-activate[{name}]'`"
            raise ConfigError(Problem(f"destination type '{name}'", f"cannot be loaded: {error}", remedy)) from error
        return loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A destination, ready to be used by every sync of a run that writes to it."""

    destination: Destination
    pacer: Pacer
    limits: Limits


def connect(connection: Connection, kinds: DestinationKinds, clock: Clock, rng: random.Random) -> Link:
    """Make the destination of *connection*. Opens nothing."""
    emulated = _emulated(connection) if connection.type == SANDBOX else connection
    kind = kinds.load(emulated.type)
    limits = _limits(emulated.limits, kind.limits)
    pacer = Pacer(clock, limits.max_requests_per_second, limits.daily_request_budget)

    def transport(allow_private: bool) -> Any:  # noqa: FBT001 - the contract's form; httpx is imported where it is used
        from dbt_activate.delivery.transport import transport_factory

        return transport_factory(pacer)(allow_private)

    ready = replace(emulated, limits=limits)
    return Link(
        destination=kind(ready, Tools(clock=clock, transport=transport, random=rng)), pacer=pacer, limits=limits
    )


def _emulated(connection: Connection) -> Connection:
    """The connection of the type that the sandbox stands in for."""
    settings = {
        "base_url": connection.settings["url"],
        "token": Secret("sandbox"),
        **{k: v for k, v in connection.settings.items() if k not in ("emulate", "url")},
    }
    return replace(
        connection, type=str(connection.settings["emulate"]), settings=settings, allow_private_addresses=True
    )


def _limits(chosen: Limits, documented: Limits) -> Limits:
    """What the user set; what the vendor documents where the user set nothing."""
    if chosen.max_requests_per_second is not None:
        return chosen
    return replace(chosen, max_requests_per_second=documented.max_requests_per_second)


def open_warehouse(profile: Profile, directory: Path, *, lock_timeout: float = 60.0) -> Warehouse:
    """The warehouse that dbt's profile names. A relative path starts from *directory*, the project's, as dbt has it.

    Raises:
        ConfigError: There is no support for the adapter, or its driver is not installed.
    """
    place = f"profiles.yml, {profile.name}.outputs.{profile.target}"
    try:
        match profile.adapter_type:
            case "duckdb":
                import duckdb as _duckdb  # noqa: F401 - its absence is to be told here

                from dbt_activate.warehouses.duckdb import DuckDbWarehouse

                return DuckDbWarehouse(
                    profile.output, directory, schema=profile.schema or "main", lock_timeout=lock_timeout
                )
            case "postgres":
                import psycopg as _psycopg  # noqa: F401 - its absence is to be told here

                from dbt_activate.warehouses.postgres import PostgresWarehouse

                return PostgresWarehouse(profile.output, schema=profile.schema)
            case other:
                raise ConfigError(Problem(place, f"no support for the adapter '{other}' yet", "use duckdb or postgres"))
    except ImportError as error:
        remedy = f"run `pip install 'dbt-activate[{profile.adapter_type}]'`"
        raise ConfigError(Problem(place, f"the driver is not installed: {error}", remedy)) from error
    except WarehouseError as error:
        raise ConfigError(Problem(place, str(error))) from error
