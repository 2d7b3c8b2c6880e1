"""What a command works with: the project it was pointed at, its warehouse, its ledger, its destinations."""

import random
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from dbt_activate.cli.options import Common, Selection, environment
from dbt_activate.contracts import Warehouse
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.ledger.lease import acquire
from dbt_activate.ledger.store import Ledger
from dbt_activate.project.dbt_project import DbtProject, read_dbt_project, read_settings
from dbt_activate.project.destinations import Connector, Destinations, check_outputs, read_destinations
from dbt_activate.project.faults import Faults, choice
from dbt_activate.project.loading import Profile, Project, ProjectOptions, Settings, load_project
from dbt_activate.project.profile import read_profile
from dbt_activate.project.rendering import Surroundings
from dbt_activate.project.selection import select
from dbt_activate.registry import DestinationKinds, Link, SystemClock, connect, open_warehouse
from dbt_activate.values.destination import Connection
from dbt_activate.values.payload import RunFacts
from dbt_activate.values.sync import Sync

ARTIFACTS = "activate"
"""The folder below dbt's target path in which our artifacts go."""


class Application:
    """Everything between the options of a command and a run.

    Each part is made when it is first asked for, and raises ConfigError for itself only: where one is broken or not
    there yet, the others can be had.
    """

    def __init__(self, common: Common) -> None:
        self.common = common
        self.clock = SystemClock()
        self.kinds = DestinationKinds()
        # Jitter only: nothing that is secret or durable is drawn from it.
        self.random = random.Random()  # noqa: S311

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
    def project(self) -> Project:
        """The project, read and checked.

        Raises:
            ConfigError: With every problem of the project.
        """
        return load_project(self.options, self.kinds)

    @cached_property
    def dbt(self) -> DbtProject:
        """``dbt_project.yml``."""
        return read_dbt_project(self.options)

    @cached_property
    def profile(self) -> Profile:
        """The active target."""
        return read_profile(self.options, self.dbt)

    @cached_property
    def settings(self) -> Settings:
        """The project-wide settings."""
        return read_settings(self.dbt, self.options)

    @cached_property
    def destinations(self) -> Destinations:
        """``destinations.yml`` as it stands.

        Raises:
            ConfigError: It is not there, or something in it is wrong.
        """
        faults = Faults()
        found = read_destinations(self.options, faults)
        if not found.found:
            faults.add(found.place, "there is no such file", "`dbt-activate init` makes one")
        check_outputs(found, self.kinds, faults)
        faults.settle()
        return found

    def connection(self, name: str) -> Connection:
        """The connection of destination *name*, whether or not a sync uses it.

        Raises:
            ConfigError: There is none, none for the active target, or it is wrong.
        """
        destinations = self.destinations
        if name not in destinations.outputs:
            remedy = choice(name, destinations.outputs)
            raise ConfigError(Problem(destinations.place, f"there is no destination '{name}'", remedy))
        made = self._connector.connect(name)
        if made is None:
            fault = f"the type of '{name}' is not known"
            raise ConfigError(Problem(destinations.place, fault, "`dbt-activate destinations` lists the types"))
        return made

    def connections(self) -> Iterator[Connection]:
        """The connections that can be made; what keeps others from being made is not told."""
        found = (Faults().attempt(self.connection, name) for name in self.destinations.outputs)
        return (connection for connection in found if connection is not None)

    @cached_property
    def _connector(self) -> Connector:
        own = self.dbt.variables.get(self.dbt.name)
        variables = {**self.dbt.variables, **(own if isinstance(own, dict) else {}), **self.options.variables}
        return Connector(
            destinations=self.destinations,
            kinds=self.kinds,
            target=self.options.destination_target or self.profile.target,
            surroundings=Surroundings(self.options.environ, variables),
        )

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of dbt's active target."""
        return open_warehouse(self.project.profile, self.project.directory, lock_timeout=self.common.lock_timeout)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in it."""
        settings = self.project.settings
        schema = settings.schema or f"{self.warehouse.schema}_activate"
        return Ledger(warehouse=self.warehouse, schema=schema, stores_values=settings.store == "values")

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
        )
        if not chosen:
            place = str(self.project.directory)
            raise ConfigError(Problem(place, "the project has no enabled sync", "`dbt-activate init` writes one"))
        return chosen

    def names(self, selection: Selection) -> list[str] | None:
        """The names of :meth:`syncs`; None, for all that the ledger knows, where nothing is selected."""
        return [sync.name for sync in self.syncs(selection)] if selection else None

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
        return {name: self.link(self.project.connections[name]) for name in names}

    def link(self, connection: Connection) -> Link:
        """The destination of *connection*. Opens nothing.

        Raises:
            ConfigError: Its type needs a library that is not installed.
        """
        return connect(connection, self.kinds, self.clock, self.random)

    def forget(self, sync: Sync) -> None:
        """Forget what *sync* confirmed, under its lease.

        Raises:
            LockedError: A run of the sync is under way.
        """
        with self.warehouse.session() as session:
            self.ledger.prepare(session, sync.name, anew=True)
            lease = acquire(self.ledger, session, self.clock, sync=sync.name, run_id="reset")
            self.ledger.drop(session, sync.name)
            lease.release(session)


def below(path: Path, directory: Path) -> str:
    """*path* as a user knows it: from *directory* on, where it is in there."""
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)
