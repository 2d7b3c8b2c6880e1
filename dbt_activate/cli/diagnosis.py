"""What ``debug`` looks at, from the ground up: each finding is one line, and none keeps the next from being made."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dbt_activate import __version__
from dbt_activate.cli.application import Application
from dbt_activate.cli.inquiry import Reply, ask
from dbt_activate.cli.layout import counted
from dbt_activate.cli.parts import Parts
from dbt_activate.cli.permissions import refusals
from dbt_activate.contracts import Session, Warehouse
from dbt_activate.errors import ActivateError, ConfigError, DestinationError, Problem
from dbt_activate.ledger.store import Ledger
from dbt_activate.project.loading import Project
from dbt_activate.project.manifest import read_manifest
from dbt_activate.registry import SANDBOX, connect, open_warehouse
from dbt_activate.values.destination import Account, Connection

BROKEN = 2
UNREACHABLE = 1
ADAPTERS = ("dbt-duckdb", "dbt-postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. *exit_code* is 0 where it is in order; *text* then says what is there."""

    subject: str
    text: str
    exit_code: int = 0

    @property
    def ok(self) -> bool:
        """Whether it is in order."""
        return self.exit_code == 0


class Diagnosis:
    """Looks at everything that a run needs. Writes nothing; a destination of files may make its directory or file."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._parts = Parts(application.common, application.kinds)
        self._told: set[Problem] = set()
        self._project: Project | None = None

    def findings(self) -> Iterator[Finding]:
        """Each as soon as it is known."""
        yield Finding(subject="versions", text=_versions())
        for subject, look in (
            ("project", self._directory),
            ("profile", self._profile),
            ("manifest", self._manifest),
            ("syncs", self._syncs),
        ):
            yield from self._looked(subject, look)
        yield from self._warehouse()
        yield from self._destinations()

    def _looked(self, subject: str, look: Callable[[], str]) -> Iterator[Finding]:
        try:
            yield Finding(subject=subject, text=look())
        except ConfigError as error:
            yield from self._problems(subject, error)

    def _problems(self, subject: str, error: ConfigError) -> Iterator[Finding]:
        """Each problem once in all: what is wrong with a profile is wrong with all that needs one."""
        new = [problem for problem in error.problems if problem not in self._told]
        self._told.update(new)
        for problem in new:
            yield Finding(subject=subject, text=str(problem), exit_code=BROKEN)
        if not new:
            yield Finding(subject=subject, text="cannot be looked at: see above", exit_code=BROKEN)

    def _directory(self) -> str:
        return f"{self._parts.dbt.name} in {self._parts.dbt.directory.absolute()}"

    def _profile(self) -> str:
        profile = self._parts.profile
        return f"{profile.name}, target {profile.target}, {profile.adapter_type}, from {profile.directory.absolute()}"

    def _manifest(self) -> str:
        path = self._parts.dbt.target_path / "manifest.json"
        metadata = read_manifest(path, _below(path, self._parts.dbt.directory)).metadata
        return f"{_below(path, self._parts.dbt.directory)}, dbt {metadata.dbt_version}, made {metadata.generated_at}"

    def _syncs(self) -> str:
        self._project = project = self._application.project
        off = sum(not sync.enabled for sync in project.syncs)
        switched = f", {off} of them switched off" if off else ""
        return f"{counted(len(project.syncs), 'sync')}{switched}; `dbt-activate validate` checks them"

    def _warehouse(self) -> Iterator[Finding]:
        with ExitStack() as stack:
            try:
                warehouse, session, seconds = self._connected(stack)
            except ConfigError as error:
                yield from self._problems("warehouse", error)
                return
            except ActivateError as error:
                output = f"the output '{self._parts.profile.target}' of profiles.yml"
                yield Finding(subject="warehouse", text=f"{error}; check {output}", exit_code=BROKEN)
                return
            text = f"{warehouse.identity}, schema {warehouse.schema}, connected in {seconds * 1000:.0f} ms"
            yield Finding(subject="warehouse", text=text)
            yield from self._ledger(warehouse, session)

    def _connected(self, stack: ExitStack) -> tuple[Warehouse, Session, float]:
        clock, timeout = self._application.clock, self._application.common.lock_timeout
        warehouse = open_warehouse(self._parts.profile, self._parts.dbt.directory, lock_timeout=timeout)
        started = clock.monotonic()
        session = stack.enter_context(warehouse.session(read_only=True))
        list(session.rows("SELECT 1"))
        return warehouse, session, clock.monotonic() - started

    def _ledger(self, warehouse: Warehouse, session: Session) -> Iterator[Finding]:
        try:
            settings = self._parts.settings
            ledger = Ledger(warehouse=warehouse, schema=settings.schema or f"{warehouse.schema}_activate")
            found = ledger.version(session)
            closed = refusals(ledger, session)
        except ConfigError as error:
            yield from self._problems("ledger", error)
            return
        except ActivateError as error:
            yield Finding(subject="ledger", text=str(error), exit_code=BROKEN)
            return
        for refusal in closed:
            yield Finding(subject="ledger", text=f"schema {ledger.schema}: {refusal}", exit_code=BROKEN)
        if not closed:
            state = "not there yet: the first sync makes it" if found is None else f"layout {found}, may be written"
            yield Finding(subject="ledger", text=f"schema {ledger.schema}: {state}")

    def _destinations(self) -> Iterator[Finding]:
        try:
            connections = self._connections()
        except ConfigError as error:
            yield from self._problems("destinations", error)
            return
        application = self._application
        links = {}
        for name, connection in connections.items():
            try:
                links[name] = connect(connection, application.kinds, application.clock, application.random)
            except ConfigError as error:
                yield from self._problems(name, error)
        replies = ask(links, [(link.destination.check, ()) for link in links.values()], application.clock)
        for name, reply in zip(links, replies, strict=True):
            yield from self._destination(connections[name], reply)
        if not connections:
            yield Finding(subject="destinations", text="no enabled sync uses one")

    def _connections(self) -> dict[str, Connection]:
        if self._project is not None:
            return dict(self._project.connections)
        return {connection.name: connection for connection in self._parts.connections()}

    def _destination(self, connection: Connection, reply: Reply) -> Iterator[Finding]:
        match reply.error:
            case None:
                yield Finding(subject=connection.name, text=_reached(connection, reply.value, reply.seconds))
            case ConfigError() as error:
                yield from self._problems(connection.name, error)
            case error:
                remedy = _remedy(connection, error)
                yield Finding(subject=connection.name, text=f"{error}{remedy}", exit_code=UNREACHABLE)


def _reached(connection: Connection, account: Account, seconds: float) -> str:
    acts = connection.settings.get("emulate")
    kind = f"{connection.type} as {acts}" if acts else connection.type
    label = f" ({account.label})" if account.label else ""
    return f"{kind}, output {connection.output}, account {account.id}{label}, answered in {seconds * 1000:.0f} ms"


def _remedy(connection: Connection, error: ActivateError) -> str:
    unreachable = isinstance(error, DestinationError) and error.code == "connect"
    return "; `dbt-activate sandbox` starts it" if unreachable and connection.type == SANDBOX else ""


def _versions() -> str:
    python = ".".join(map(str, sys.version_info[:3]))
    packages = [f"{name} {found}" for name in ("dbt-core", *ADAPTERS) if (found := _version(name))]
    return ", ".join([f"dbt-activate {__version__}", f"Python {python}", *packages])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _below(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)
