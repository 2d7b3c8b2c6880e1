"""A small world for whole runs: a real warehouse with one model, the real engine, a fake destination."""

import asyncio
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from dbt_activate.contracts import Warehouse
from dbt_activate.delivery.pacing import Pacer
from dbt_activate.ledger.store import Ledger
from dbt_activate.planning.diff import Scope
from dbt_activate.registry import Link
from dbt_activate.run import Runner, RunOptions
from dbt_activate.testing.fakes import FakeClock, FakeDestination
from dbt_activate.values.destination import Connection, Limits
from dbt_activate.values.event import Event, SyncResult
from dbt_activate.values.payload import RunFacts
from dbt_activate.values.sync import Column, FieldMap, Guards, Location, Model, OnRemoved, Sync, SyncMode
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from dbt_activate.warehouses.postgres import PostgresWarehouse

NO_GUARDS = Guards(max_removed=None, max_changed=None, max_rejected=None, min_rows=0)
ROWS = ((1, "ann@example.com", 0.5), (2, "bob@example.com", 0.7), (3, "cy@example.com", None))


def make_sync(schema: str = "main", **changes: object) -> Sync:
    """A sync of ``people`` by id, matched by e-mail."""
    sync = Sync(
        name="people",
        model=Model(
            unique_id="model.shop.people", name="people", relation=f'"{schema}"."people"', file="models/people.yml"
        ),
        destination="crm",
        object="contacts",
        mode=SyncMode.UPSERT,
        primary_key=("id",),
        identifier=("email",),
        fields=(
            FieldMap(path=("email",), source=Column("email")),
            FieldMap(path=("score",), source=Column("score")),
        ),
        at=Location("models/people.yml", ("people", "activate", "people")),
        guards=NO_GUARDS,
    )
    return replace(sync, **changes)  # type: ignore[arg-type]


MIRROR = {"mode": SyncMode.MIRROR, "on_removed": OnRemoved.DELETE}


@dataclass
class World:
    """A warehouse with a model ``people``, and everything a run needs."""

    warehouse: Warehouse
    schema: str
    destination: FakeDestination = field(default_factory=FakeDestination)
    # The warehouse has a clock of its own, which is not fake: back-off is judged by it.
    clock: FakeClock = field(default_factory=lambda: FakeClock(datetime.now(UTC)))
    events: list[Event] = field(default_factory=list)
    stores_values: bool = True
    limits: Limits = field(default_factory=Limits)

    @property
    def ledger(self) -> Ledger:
        return Ledger(warehouse=self.warehouse, schema=f"{self.schema}_activate", stores_values=self.stores_values)

    def sync(self, **changes: object) -> Sync:
        return make_sync(self.schema, **changes)

    def sql(self, statement: str, parameters: Sequence[object] = ()) -> None:
        with self.warehouse.session() as session:
            session.execute(statement.replace("people", f'"{self.schema}"."people"'), parameters)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a statement in which ``{table}`` stands for a ledger table."""
        with self.warehouse.session() as session:
            return list(session.rows(statement))

    def ledger_rows(self, table: str, columns: str = "*", order: str = "key") -> list[tuple[object, ...]]:
        return self.query(f"SELECT {columns} FROM {self.ledger.table(table)} ORDER BY {order}")

    def fill(self, rows: Sequence[Sequence[object]] = ROWS, *, id_type: str = "INTEGER") -> None:
        types = self.warehouse.dialect.types
        with self.warehouse.session() as session:
            session.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
            session.execute(f'DROP TABLE IF EXISTS "{self.schema}"."people"')
            session.execute(
                f'CREATE TABLE "{self.schema}"."people" (id {id_type}, email {types["text"]}, score {types["double"]})'
            )
            columns = {"id": "bigint", "email": "text", "score": "double"}
            session.append(f'"{self.schema}"."people"', columns, rows)

    def runner(self, options: RunOptions, check: object = None) -> Runner:
        run_id = uuid.uuid4().hex
        link = Link(
            destination=self.destination,
            pacer=Pacer(self.clock, self.limits.max_requests_per_second),
            limits=self.limits,
        )
        return Runner(
            warehouse=self.warehouse,
            ledger=self.ledger,
            links={"crm": link},
            connections={"crm": Connection(name="crm", output="dev", type="fake")},
            clock=self.clock,
            random=random.Random(3),
            report=self.hear,
            facts=RunFacts(run_id=run_id, run_started_at=self.clock.now().isoformat(), invocation_id=run_id),
            options=options,
            check=lambda _sync, _spec: None,
        )

    def run(self, sync: Sync | None = None, **options: object) -> SyncResult:
        """Run one sync; return what became of it."""
        [result] = asyncio.run(self.runner(RunOptions(**options)).run([sync or self.sync()]))  # type: ignore[arg-type]
        return result

    def hear(self, event: Event) -> None:
        self.events.append(event)

    @property
    def sent_keys(self) -> list[str]:
        """The keys of every row that reached the destination, in order."""
        return [key for batch in self.destination.sent for key in batch.keys]


@contextmanager
def duckdb_world(directory: Path) -> Iterator[World]:
    yield World(DuckDbWarehouse({"path": "w.duckdb"}, directory, schema="main"), "main")


@contextmanager
def postgres_world(settings: Mapping[str, object]) -> Iterator[World]:
    schema = f"t_{uuid.uuid4().hex[:12]}"
    warehouse = PostgresWarehouse(settings, schema=schema)
    try:
        yield World(warehouse, schema)
    finally:
        with warehouse.session() as session:
            session.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
            session.execute(f'DROP SCHEMA IF EXISTS "{schema}_activate" CASCADE')


RETRY = Scope(rejects_only=True)
