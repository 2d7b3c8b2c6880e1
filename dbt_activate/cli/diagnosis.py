"""What ``debug`` looks at, from the ground up: each finding is one line, and none keeps the next from being made."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from dbt_activate import __version__
from dbt_activate.cli.application import Application, below
from dbt_activate.cli.inquiry import Reply, ask
from dbt_activate.contracts import Session, Warehouse
from dbt_activate.errors import ActivateError, ConfigError, DestinationError, Problem, WarehouseError
from dbt_activate.ledger.store import Ledger
from dbt_activate.project.loading import Project
from dbt_activate.project.manifest import read_manifest
from dbt_activate.registry import SANDBOX, open_warehouse
from dbt_activate.reporters.phrases import counted
from dbt_activate.values.destination import Account, Connection

BROKEN = 2
UNREACHABLE = 1
PACKAGES = ("dbt-core", "dbt-duckdb", "dbt-postgres")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. *exit_code* is 0 where it is in order; *text* then says what is there."""

    subject: str
    text: str
    exit_code: int = 0


class Diagnosis:
    """Looks at everything that a run needs. Writes nothing."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._told: set[Problem] = set()
        self._project: Project | None = None
        self._connected: tuple[Warehouse, Session] | None = None

    def findings(self) -> Iterator[Finding]:
        """Each as soon as it is known."""
        yield Finding("versions", _versions())
        yield from self._looked("project", self._directory)
        yield from self._looked("profile", self._profile)
        yield from self._looked("manifest", self._manifest)
        yield from self._looked("syncs", self._syncs)
        with ExitStack() as stack:
            yield from self._looked("warehouse", lambda: self._warehouse(stack))
            if self._connected:
                warehouse, session = self._connected
                yield from self._looked("ledger", lambda: self._ledger(warehouse, session))
        yield from self._destinations()

    def _looked(self, subject: str, look: Callable[[], str]) -> Iterator[Finding]:
        try:
            yield Finding(subject, look())
        except ConfigError as error:
            yield from self._problems(subject, error.problems)
        except ActivateError as error:
            yield Finding(subject, str(error), BROKEN)

    def _problems(self, subject: str, problems: Iterable[Problem]) -> Iterator[Finding]:
        """Each problem once in all: what is wrong with a profile is wrong with all that needs one."""
        new = [problem for problem in problems if problem not in self._told]
        self._told.update(new)
        for text in map(str, new) if new else ("cannot be looked at: see above",):
            yield Finding(subject, text, BROKEN)

    def _directory(self) -> str:
        dbt = self._application.dbt
        return f"{dbt.name} in {dbt.directory.absolute()}"

    def _profile(self) -> str:
        profile = self._application.profile
        return f"{profile.name}, target {profile.target}, {profile.adapter_type}, from {profile.directory.absolute()}"

    def _manifest(self) -> str:
        dbt = self._application.dbt
        place = below(dbt.target_path / "manifest.json", dbt.directory)
        metadata = read_manifest(dbt.target_path / "manifest.json", place).metadata
        return f"{place}, dbt {metadata.dbt_version}, made {metadata.generated_at}"

    def _syncs(self) -> str:
        self._project = project = self._application.project
        off = sum(not sync.enabled for sync in project.syncs)
        switched = f", {off} of them switched off" if off else ""
        return f"{counted(len(project.syncs), 'sync')}{switched}; `dbt-activate validate` checks them"

    def _warehouse(self, stack: ExitStack) -> str:
        application, profile = self._application, self._application.profile
        warehouse = open_warehouse(profile, application.dbt.directory, lock_timeout=application.common.lock_timeout)
        started = application.clock.monotonic()
        try:
            session = stack.enter_context(warehouse.session(read_only=True))
            list(session.rows("SELECT 1"))
        except WarehouseError as error:
            raise WarehouseError(f"{error}; check the output '{profile.target}' of profiles.yml") from error
        self._connected = (warehouse, session)
        milliseconds = (application.clock.monotonic() - started) * 1000
        return f"{warehouse.identity}, schema {warehouse.schema}, connected in {milliseconds:.0f} ms"

    def _ledger(self, warehouse: Warehouse, session: Session) -> str:
        schema = self._application.settings.schema or f"{warehouse.schema}_activate"
        found = Ledger(warehouse=warehouse, schema=schema).version(session)
        if closed := warehouse.refusals(session, schema):
            raise ConfigError([Problem(f"schema {schema}", refusal) for refusal in closed])
        state = "not there yet: the first sync makes it" if found is None else f"layout {found}, may be written"
        return f"schema {schema}: {state}"

    def _destinations(self) -> Iterator[Finding]:
        application = self._application
        try:
            known = self._project.connections.values() if self._project else application.connections()
            connections = {connection.name: connection for connection in known}
        except ConfigError as error:
            yield from self._problems("destinations", error.problems)
            return
        links = {}
        for name, connection in connections.items():
            try:
                links[name] = application.link(connection)
            except ConfigError as error:
                yield from self._problems(name, error.problems)
        replies = ask(links, [(link.destination.check, ()) for link in links.values()], application.clock)
        for name, reply in zip(links, replies, strict=True):
            yield from self._destination(connections[name], reply)
        if not connections:
            yield Finding("destinations", "no enabled sync uses one")

    def _destination(self, connection: Connection, reply: Reply) -> Iterator[Finding]:
        match reply.error:
            case None:
                yield Finding(connection.name, _reached(connection, reply.value, reply.seconds))
            case ConfigError() as error:
                yield from self._problems(connection.name, error.problems)
            case error:
                yield Finding(connection.name, f"{error}{_remedy(connection, error)}", UNREACHABLE)


def _reached(connection: Connection, account: Account, seconds: float) -> str:
    acts = connection.settings.get("emulate")
    kind = f"{connection.type} as {acts}" if acts else connection.type
    label = f" ({account.label})" if account.label else ""
    return f"{kind}, output {connection.output}, account {account.id}{label}, answered in {seconds * 1000:.0f} ms"


def _remedy(connection: Connection, error: ActivateError) -> str:
    unreachable = isinstance(error, DestinationError) and error.code == "connect"
    return "; `dbt-activate sandbox` starts it" if unreachable and connection.type == SANDBOX else ""


def _versions() -> str:
    found = [f"dbt-activate {__version__}", f"Python {'.'.join(map(str, sys.version_info[:3]))}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
