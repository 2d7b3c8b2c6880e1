"""The parts of a project one by one, for commands that go on where another part is broken or not there yet."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from dbt_activate.cli.options import Common, environment
from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.dbt_project import DbtProject, ProjectOptions, Settings, read_dbt_project, read_settings
from dbt_activate.project.destinations import (
    Connector,
    DestinationKind,
    Destinations,
    check_outputs,
    read_destinations,
)
from dbt_activate.project.faults import Faults, choice
from dbt_activate.project.profile import Profile, read_profile
from dbt_activate.project.rendering import Surroundings
from dbt_activate.values.destination import Connection


class Parts:
    """What *common* points at. Each part is read when it is first asked for, and raises ConfigError for itself only."""

    def __init__(self, common: Common, kinds: Mapping[str, DestinationKind]) -> None:
        self._kinds = kinds
        self.options = ProjectOptions(
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
        check_outputs(found, self._kinds, faults)
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
        for name in self.destinations.outputs:
            connection = Faults().attempt(self.connection, name)
            if connection is not None:
                yield connection

    @cached_property
    def _connector(self) -> Connector:
        own = self.dbt.variables.get(self.dbt.name)
        variables = {**self.dbt.variables, **(own if isinstance(own, dict) else {}), **self.options.variables}
        return Connector(
            destinations=self.destinations,
            kinds=self._kinds,
            target=self.options.destination_target or self.profile.target,
            surroundings=Surroundings(self.options.environ, variables),
        )
