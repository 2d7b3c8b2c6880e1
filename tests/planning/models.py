"""Models to plan against, and memories of what was confirmed, on an open session."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dbt_activate.contracts import Dialect, Session
from dbt_activate.ledger.store import CONFIRMED, REJECTS
from dbt_activate.planning.diff import Memory, Scope
from dbt_activate.planning.planner import ChangeSet, plan
from dbt_activate.values.change import Change
from dbt_activate.values.sync import Column, FieldMap, Location, Model, Source, Sync, SyncMode

ALL = Scope()


def make_sync(
    relation: str, fields: Mapping[str, Source | str], *, key: Sequence[str] = ("id",), **changes: object
) -> Sync:
    """A sync of *relation*; *fields* maps field to source, or to a column's name."""
    made = Sync(
        name="s",
        model=Model(unique_id="model.p.m", name="m", relation=relation, file="models/m.yml"),
        destination="d",
        object=None,
        mode=SyncMode.UPSERT,
        primary_key=tuple(key),
        identifier=(),
        fields=tuple(
            FieldMap(path=(name,), source=Column(source) if isinstance(source, str) else source)
            for name, source in fields.items()
        ),
        at=Location("models/m.yml", ("m", "activate", "s")),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Bench:
    """A session with a model ``m``, and with tables for what is remembered."""

    session: Session
    dialect: Dialect
    schema: str
    relation: str = ""
    lookups: dict[str, str] = field(default_factory=dict)

    @property
    def is_duckdb(self) -> bool:
        return self.dialect.name == "duckdb"

    def table(self, name: str) -> str:
        return f"{self.dialect.quote(self.schema)}.{self.dialect.quote(name)}"

    def make(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]] = ()) -> str:
        """Make a table; types are the engine's. Values are bound."""
        # A name with a question mark must not stand in a statement with bound values.
        table = self.table("in_the_making")
        listed = ", ".join(f"{self.dialect.quote(column)} {kind}" for column, kind in columns.items())
        self.session.execute(f"DROP TABLE IF EXISTS {self.table(name)}")
        self.session.execute(f"CREATE TABLE {table} ({listed})")
        for row in rows:
            marks = ", ".join(f"CAST(? AS {kind})" for kind in columns.values())
            self.session.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        self.session.execute(f"ALTER TABLE {table} RENAME TO {self.dialect.quote(name)}")
        return self.table(name)

    def model(self, columns: Mapping[str, str], rows: Sequence[Sequence[object]] = (), name: str = "m") -> None:
        self.relation = self.make(name, columns, rows)

    def model_of(self, query: str) -> None:
        """Make the model from a query."""
        self.relation = self.table("m")
        self.session.execute(f"DROP TABLE IF EXISTS {self.relation}")
        self.session.execute(f"CREATE TABLE {self.relation} AS {query}")

    def remember(self, confirmed: Sequence[Sequence[object]] = (), rejects: Sequence[Sequence[object]] = ()) -> Memory:
        types = self.dialect.types
        self.make("confirmed", {name: types[kind] for name, kind in CONFIRMED.items()}, confirmed)
        self.make("rejects", {name: types[kind] for name, kind in REJECTS.items()}, rejects)
        return self.memory

    @property
    def memory(self) -> Memory:
        return Memory(
            confirmed=f"SELECT {', '.join(CONFIRMED)} FROM {self.table('confirmed')}",
            rejects=f"SELECT {', '.join(REJECTS)} FROM {self.table('rejects')}",
            lookups=self.lookups,
        )

    def sync(self, fields: Mapping[str, Source | str], *, key: Sequence[str] = ("id",), **changes: object) -> Sync:
        """A sync of the model."""
        return make_sync(self.relation, fields, key=key, **changes)

    def plan(self, sync: Sync, memory: Memory | None = None, scope: Scope = ALL, limit: int | None = None) -> ChangeSet:
        with self.session.transaction():
            return plan(sync, self.session, self.dialect, memory or self.remember(), scope, limit)

    def changes(self, sync: Sync, memory: Memory | None = None, scope: Scope = ALL) -> list[Change]:
        return list(self.plan(sync, memory, scope).read())

    def confirm(self, sync: Sync) -> Memory:
        """Remember every row of the model as it is now."""
        found = self.plan(sync)
        rows = [
            (change.key, change.fingerprint, found.basis, "h", "{}", "{}", f"r{change.key}", 0, 0, True, False)
            for change in found.read()
        ]
        return self.remember(rows)
