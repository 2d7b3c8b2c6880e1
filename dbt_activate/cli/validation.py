"""Everything about a project that can be checked before a run: without a network, or with one."""

from dataclasses import dataclass, field, replace

from dbt_activate.cli.application import Application, below
from dbt_activate.cli.inquiry import ask
from dbt_activate.errors import ConfigError, Problem, WarehouseError
from dbt_activate.project.catalog import FILE, RENEW, Catalog, read_catalog
from dbt_activate.project.checks import check_against, check_columns, check_overlaps
from dbt_activate.project.expressions import engine_of, read_expression
from dbt_activate.project.faults import Faults
from dbt_activate.project.field_maps import field_place
from dbt_activate.project.loading import Project
from dbt_activate.values.sync import Sql, Sync


@dataclass(slots=True)
class Validation:
    """The checks of one project, and what they found.

    Attributes:
        unreachable: Destination to why it could not be asked.
    """

    application: Application
    faults: Faults = field(default_factory=Faults)
    unreachable: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        """The project, sound as far as loading tells."""
        return self.application.project

    @property
    def exit_code(self) -> int:
        """2 for what a user has to correct, 1 for a destination that did not answer."""
        return 2 if len(self.faults) else int(bool(self.unreachable))

    def check(self, *, online: bool) -> None:
        """Check all that needs no network, and where *online* all that does.

        Raises:
            ConfigError: The project cannot be loaded: with everything that is wrong in it.
        """
        self._offline()
        if online:
            self._online()

    def _offline(self) -> None:
        path = self.project.target_path / FILE
        catalog = self.faults.attempt(read_catalog, path, self._catalog_place) or Catalog()
        for sync in self.project.syncs:
            self._check_columns(sync, catalog)
        self.faults.extend(check_overlaps(self.project.syncs))
        self._check_objects()

    def _online(self) -> None:
        """Check enabled syncs against their models as they are built, and against their destinations as they are."""
        enabled = [sync for sync in self.project.syncs if sync.enabled]
        try:
            self._check_relations(enabled)
        except WarehouseError as error:
            profile = self.project.profile
            self.faults.add(f"profiles.yml, {profile.name}.outputs.{profile.target}", str(error))
        self._check_live_objects(enabled)

    @property
    def _catalog_place(self) -> str:
        return below(self.project.target_path / FILE, self.project.directory)

    @property
    def _engine(self) -> str:
        return engine_of(self.project.profile.adapter_type)

    def _check_columns(self, sync: Sync, catalog: Catalog) -> None:
        found = catalog.columns(sync.model.unique_id)
        node = self.project.manifest.nodes.get(sync.model.unique_id)
        if not found and not (node and node.contracted):
            # Documented columns need not be all columns: only a contract says so.
            self._check_sql(sync)
            return
        problems = check_columns(sync, {**sync.model.columns, **found}, self._engine)
        doubtful = bool(found) and catalog.is_older_than(self.project.directory / sync.model.file)
        self.faults.extend(self._doubted(problem, sync) if doubtful else problem for problem in problems)

    def _doubted(self, problem: Problem, sync: Sync) -> Problem:
        note = f"if {sync.model.file} has changed since {self._catalog_place} was made, {RENEW}"
        return replace(problem, remedy=f"{problem.remedy}; {note}" if problem.remedy else note)

    def _check_sql(self, sync: Sync) -> None:
        texts = [
            (one.source.text, field_place(sync.at, one.path).at("sql"))
            for one in sync.fields
            if isinstance(one.source, Sql)
        ]
        if sync.where is not None:
            texts.append((sync.where, sync.at.at("where")))
        for text, place in texts:
            self.faults.attempt(read_expression, text, self._engine, place)

    def _check_objects(self) -> None:
        known = [sync for sync in self.project.syncs if sync.destination in self.project.connections]
        links = self.application.links(known)
        for sync in known:
            spec = self.faults.attempt(links[sync.destination].destination.describe, sync.object)
            if spec is not None:
                self.faults.extend(check_against(sync, spec))

    def _check_relations(self, syncs: list[Sync]) -> None:
        with self.application.warehouse.session(read_only=True) as session:
            for sync in syncs:
                try:
                    columns = session.describe(f"SELECT * FROM {sync.model.relation}")
                except WarehouseError as error:
                    fault = f"the model's relation {sync.model.relation} cannot be read: {error}"
                    self.faults.add(sync.at, fault, f"run `dbt run --select {sync.model.name}`")
                    continue
                self.faults.extend(check_columns(sync, columns, self._engine))

    def _check_live_objects(self, syncs: list[Sync]) -> None:
        links = self.application.links(syncs)
        questions = [(links[sync.destination].destination.discover, (sync.object,)) for sync in syncs]
        for sync, reply in zip(syncs, ask(links, questions, self.application.clock), strict=True):
            match reply.error:
                case None:
                    self.faults.extend(check_against(sync, reply.value))
                case ConfigError() as error:
                    self.faults.extend(error.problems)
                case error:
                    self.unreachable[sync.destination] = str(error)
