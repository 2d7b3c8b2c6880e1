"""Reads a whole project and tells everything that is wrong with it at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dbt_activate.project.dbt_project import DbtProject, ProjectOptions, Settings, read_dbt_project, read_settings
from dbt_activate.project.destinations import (
    Connector,
    DestinationKind,
    Destinations,
    check_outputs,
    kind_of,
    read_destinations,
)
from dbt_activate.project.faults import Faults
from dbt_activate.project.lookups import check_lookups, check_names, in_order
from dbt_activate.project.manifest import Manifest, Wanted, check_manifest, read_manifest
from dbt_activate.project.misplaced import check_age, project_files, refuse_misplaced
from dbt_activate.project.placement import Placement, find_entries
from dbt_activate.project.profile import Profile, read_profile
from dbt_activate.project.rendering import Surroundings
from dbt_activate.values.destination import Connection
from dbt_activate.values.sync import Sync

if TYPE_CHECKING:
    from dbt_activate.project.blocks import BlockReader

__all__ = ["DestinationKind", "Profile", "Project", "ProjectOptions", "Settings", "load_project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A dbt project, read and checked.

    Attributes:
        target_path: dbt's target directory.
        syncs: All of them, disabled ones too, by name, but each after those that it looks up.
        connections: Destination name to its connection for the active target, of the destinations that enabled syncs
            name.
        destinations_file: Where ``destinations.yml`` is, or would be.
    """

    directory: Path
    name: str
    target_path: Path
    profile: Profile
    manifest: Manifest = field(repr=False)
    syncs: tuple[Sync, ...]
    connections: Mapping[str, Connection]
    settings: Settings
    destinations_file: Path
    options: ProjectOptions = field(repr=False)


def load_project(options: ProjectOptions, schemas: Mapping[str, DestinationKind]) -> Project:
    """Read the project. *schemas* maps each type of destination to what must be known of it; only used ones are read.

    Raises:
        ConfigError: With every problem of the project.
    """
    return _Loading(options, read_dbt_project(options), schemas, Faults()).project()


@dataclass(frozen=True, slots=True)
class _Loading:
    options: ProjectOptions
    dbt: DbtProject
    kinds: Mapping[str, DestinationKind]
    faults: Faults

    def project(self) -> Project:
        profile = self.faults.attempt(read_profile, self.options, self.dbt)
        settings = self.faults.attempt(read_settings, self.dbt, self.options)
        destinations = read_destinations(self.options, self.faults)
        check_outputs(destinations, self.kinds, self.faults)
        manifest = self._manifest(profile)
        syncs, connections = self._activated(manifest, profile, destinations)
        if profile is None or settings is None or manifest is None:
            raise self.faults.error()
        self.faults.settle()
        return Project(
            directory=self.dbt.directory,
            name=self.dbt.name,
            target_path=self.dbt.target_path,
            profile=profile,
            manifest=manifest,
            syncs=in_order(syncs),
            connections=connections,
            settings=settings,
            destinations_file=destinations.file,
            options=self.options,
        )

    def _manifest(self, profile: Profile | None) -> Manifest | None:
        path = self.dbt.target_path / "manifest.json"
        place = (
            path.relative_to(self.dbt.directory).as_posix() if path.is_relative_to(self.dbt.directory) else str(path)
        )
        files = project_files(self.dbt)
        manifest = self.faults.attempt(read_manifest, path, place)
        refuse_misplaced(files, manifest, self.faults)
        if manifest is None:
            return None
        doubts = Faults()
        check_age(manifest, path, files, place, doubts)
        if profile is not None:
            wanted = Wanted(
                project=self.dbt.name, adapter=profile.adapter_type, schema=profile.schema, target=profile.target
            )
            doubts.attempt(check_manifest, manifest, place, wanted)
        self.faults.extend(doubts.problems)
        # The blocks of a manifest of another time or project would only add faults that are not there.
        return None if doubts else manifest

    def _activated(
        self, manifest: Manifest | None, profile: Profile | None, destinations: Destinations
    ) -> tuple[tuple[Sync, ...], dict[str, Connection]]:
        placement = Placement(self.dbt.name, self.dbt.packages_path)
        entries = find_entries(manifest, placement, self.faults) if manifest else []
        if manifest is None or not entries:
            return (), {}
        target = self.options.destination_target or (profile.target if profile else "")
        adapter_type = profile.adapter_type if profile else manifest.metadata.adapter_type or ""
        syncs = self._reader(manifest, adapter_type, destinations, target).read(entries, self.faults)
        check_names(syncs, self.faults)
        check_lookups(syncs, self.faults)
        wanted = tuple(dict.fromkeys(sync.destination for sync in syncs if sync.enabled and sync.destination))
        if wanted and not destinations.found:
            self.faults.add(destinations.place, "there is no such file", "`dbt-activate init` makes one")
        return syncs, self._connections(wanted, destinations, target) if target else {}

    def _reader(self, manifest: Manifest, adapter_type: str, destinations: Destinations, target: str) -> "BlockReader":
        from dbt_activate.project.blocks import BlockReader

        names = destinations.names or ()
        return BlockReader(
            manifest=manifest,
            directory=self.dbt.directory,
            adapter_type=adapter_type,
            destinations=destinations.names if destinations.found else None,
            objectless=frozenset(name for name in names if not self._needs_object(destinations, name, target)),
        )

    def _needs_object(self, destinations: Destinations, name: str, target: str) -> bool:
        kind = kind_of(destinations, name, target, self.kinds)
        return kind is not None and self.kinds[kind].object_required

    def _connections(self, names: tuple[str, ...], destinations: Destinations, target: str) -> dict[str, Connection]:
        variables = {**self.dbt.variables, **self._own_variables(), **self.options.variables}
        surroundings = Surroundings(self.options.environ, variables)
        connector = Connector(destinations=destinations, kinds=self.kinds, target=target, surroundings=surroundings)
        made = ((name, self.faults.attempt(connector.connect, name)) for name in names)
        return {name: connection for name, connection in made if connection is not None}

    def _own_variables(self) -> Mapping[str, object]:
        own = self.dbt.variables.get(self.dbt.name)
        return own if isinstance(own, dict) else {}
