"""The diff against a model of it that is too simple to be wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_activate.ledger.store import CONFIRMED, REJECTS
from dbt_activate.planning.diff import NULL_KEY, Scope
from dbt_activate.values.sync import ChangeKind, OnRemoved, SyncMode
from dbt_activate.warehouses.duckdb import DuckDbWarehouse
from tests.planning.models import Bench

KEYS = ("a", "'e\\", *(f"k{number:02}" for number in range(28)), NULL_KEY)
HELD = ("invalid", "rejected", "conflict")


@dataclass(frozen=True)
class Confirmed:
    value: int
    present: bool
    recheck: bool
    same_basis: bool


@dataclass(frozen=True)
class Reject:
    outcome: str
    code: str
    value: int | None
    same_basis: bool
    due: bool


@dataclass(frozen=True)
class State:
    """What there is of one key: the values of its rows in the model, and what is remembered."""

    rows: tuple[int, ...]
    confirmed: Confirmed | None
    reject: Reject | None

    @property
    def is_present(self) -> bool:
        return self.confirmed is not None and self.confirmed.present


confirmed = st.builds(Confirmed, st.integers(0, 1), st.booleans(), st.booleans(), st.booleans())
rejects = st.builds(
    Reject,
    st.sampled_from([*HELD, "failed", "unknown"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
    st.booleans(),
)
states = st.builds(
    State,
    st.lists(st.integers(0, 1), max_size=2).map(tuple),
    st.one_of(st.none(), confirmed),
    st.one_of(st.none(), rejects),
)
worlds = st.fixed_dictionaries(dict.fromkeys(KEYS[:-1], states)).flatmap(
    lambda world: st.builds(
        lambda nulls, reject: {**world, NULL_KEY: State((0,) * nulls, None, reject)},
        st.integers(0, 2),
        st.one_of(st.none(), rejects),
    )
)
scopes = st.one_of(
    st.just(Scope()),
    st.just(Scope(full=True)),
    st.just(Scope(rejects_only=True)),
    st.just(Scope(rejects_only=True, code="x")),
    st.just(Scope(keys=("a", "'e\\"))),
)


def kind_of(key: str, state: State, scope: Scope) -> str:
    if state.rows and (key == NULL_KEY or len(state.rows) > 1):
        return "faulty"
    if not state.rows:
        return "removed" if state.is_present else "gone"
    known = state.confirmed
    if known is None or not known.present:
        return "added"
    same = known.value == state.rows[0] and known.same_basis and not known.recheck
    return "unchanged" if same and state.reject is None and not scope.full else "changed"


def state_of(key: str, state: State, scope: Scope) -> str:
    reject = state.reject
    if reject is None:
        return "due"
    if reject.outcome == "unknown":
        return "unknown"
    if scope.rejects_only or scope.keys or kind_of(key, state, scope) == "gone":
        return "due"
    sound = kind_of(key, state, scope) != "faulty" and state.rows
    same = reject.value == (state.rows[0] if sound else None) and reject.same_basis
    if reject.outcome in HELD:
        return "held" if same else "due"
    return "waiting" if same and not reject.due else "due"


def in_scope(key: str, state: State, scope: Scope) -> bool:
    if state == State((), None, None) or (kind_of(key, state, scope) == "gone" and state.reject is None):
        return False
    wanted = (not scope.keys or key in scope.keys) and (not scope.rejects_only or state.reject is not None)
    return wanted and (scope.code is None or (state.reject is not None and state.reject.code == scope.code))


@dataclass
class Table:
    """The bench, with the fingerprints of the two values."""

    bench: Bench
    basis: str
    fingerprints: tuple[int, int]

    def fill(self, world: dict[str, State]) -> None:
        rows = [(None if key == NULL_KEY else key, value) for key, state in world.items() for value in state.rows]
        self._replace(self.bench.relation, {"id": "text", "v": "integer"}, rows)
        known = [self._confirmed(key, state.confirmed) for key, state in world.items() if state.confirmed]
        self._replace(self.bench.table("confirmed"), CONFIRMED, known)
        refused = [self._reject(key, state.reject) for key, state in world.items() if state.reject]
        self._replace(self.bench.table("rejects"), REJECTS, refused)

    def _confirmed(self, key: str, known: Confirmed) -> list[object]:
        row = {"key": key, "fingerprint": self.fingerprints[known.value], "basis": self._basis(known.same_basis)}
        return [(row | {"present": known.present, "recheck": known.recheck}).get(column) for column in CONFIRMED]

    def _reject(self, key: str, reject: Reject) -> list[object]:
        fingerprint = None if reject.value is None else self.fingerprints[reject.value]
        basis = self._basis(reject.same_basis)
        return [key, reject.outcome, reject.code, fingerprint, basis, 1, reject.due]

    def _basis(self, same: bool) -> str:
        return self.basis if same else "another"

    def _replace(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        self.bench.session.execute(f"DELETE FROM {table}")
        self.bench.session.append(table, columns, rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """Made once: only its rows change."""
    warehouse = DuckDbWarehouse({"path": "w.duckdb"}, tmp_path_factory.mktemp("census"), schema="main")
    with warehouse.session() as session:
        bench = Bench(session, warehouse.dialect, "main")
        bench.model({"id": "VARCHAR", "v": "INTEGER"}, [("0", 0), ("1", 1)])
        found = bench.plan(bench.sync({"v": "v"}))
        zero, one = (change.fingerprint for change in found.read())
        assert zero is not None
        assert one is not None
        yield Table(bench, found.basis, (zero, one))


@settings(max_examples=15, deadline=None)
@given(
    world=worlds,
    scope=scopes,
    mode=st.sampled_from(
        [(SyncMode.UPSERT, OnRemoved.IGNORE), (SyncMode.MIRROR, OnRemoved.DELETE), (SyncMode.INSERT, OnRemoved.IGNORE)]
    ),
)
def test_every_key_is_judged_as_a_simple_model_of_the_diff_judges_it(
    table: Table, world: dict[str, State], scope: Scope, mode: tuple[SyncMode, OnRemoved]
) -> None:
    table.fill(world)
    sync = table.bench.sync({"v": "v"}, mode=mode[0], on_removed=mode[1])

    found = table.bench.plan(sync, table.bench.memory, scope)
    changes = list(found.read())

    judged = {
        key: (kind_of(key, s, scope), state_of(key, s, scope)) for key, s in world.items() if in_scope(key, s, scope)
    }
    nulls = bool(world[NULL_KEY].rows)
    due = Counter(kind for kind, state in judged.values() if state == "due")
    sent = {kind.value: due[kind.value] for kind in ChangeKind if due[kind.value] and sync.operation(kind)}
    withheld = sent.pop("removed", 0) if nulls else 0
    others = [state for kind, state in judged.values() if kind not in ("gone", "unchanged")]
    census = found.census
    assert census.rows == sum(len(state.rows) for state in world.values())
    assert census.confirmed == sum(state.is_present for state in world.values())
    assert {kind.value: number for kind, number in census.changes.items()} == sent
    assert {kind.value: number for kind, number in census.ignored.items()} == {
        kind.value: due[kind.value] for kind in ChangeKind if due[kind.value] and not sync.operation(kind)
    }
    assert (census.unchanged, census.faulty, census.withheld) == (due["unchanged"], due["faulty"], withheld)
    assert (census.held, census.waiting, census.unknown) == (
        others.count("held"),
        others.count("waiting"),
        others.count("unknown"),
    )
    assert sorted(found.forgotten) == sorted(key for key, judgement in judged.items() if judgement == ("gone", "due"))
    expected = {key: kind for key, (kind, state) in judged.items() if state == "due" and kind in (*sent, "faulty")}
    assert {change.key: "faulty" if change.fault else change.kind.value for change in changes} == expected
    assert len(changes) == len(expected) == census.planned
    _check_order([change.key for change in changes], expected)


def _check_order(keys: list[str], kinds: dict[str, str]) -> None:
    writes = [key for key in keys if kinds[key] != "removed"]
    removals = [key for key in keys if kinds[key] == "removed"]
    assert keys == sorted(writes) + sorted(removals)
