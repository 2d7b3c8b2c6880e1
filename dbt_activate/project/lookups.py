"""What must hold between the syncs of a project: names, and whose record ids a sync needs."""

from collections.abc import Iterable, Mapping

from dbt_activate.project.faults import Faults, choice
from dbt_activate.project.field_maps import field_place
from dbt_activate.values.sync import Location, Lookup, Sync


def check_names(syncs: Iterable[Sync], faults: Faults) -> None:
    """Note each name that is taken already, and each former name that is still in use or claimed twice."""
    known: dict[str, Sync] = {}
    former: dict[str, Sync] = {}
    for sync in syncs:
        if sync.name in known:
            other = known[sync.name]
            fault = f"the name is taken by {other.model.name} in {other.at.file}"
            faults.add(sync.at, fault, "a sync's name is unique in the project: choose another one")
        known.setdefault(sync.name, sync)
    for sync in known.values():
        if sync.renamed_from is not None:
            _check_former(sync, sync.renamed_from, known, former, faults)


def _check_former(sync: Sync, name: str, known: Mapping[str, Sync], former: dict[str, Sync], faults: Faults) -> None:
    at = sync.at.at("renamed_from")
    if name in known:
        faults.add(at, f"there still is a sync '{name}'", "it keeps its ledger: leave `renamed_from` out")
    elif name in former:
        faults.add(at, f"'{former[name].name}' takes the ledger of '{name}' over as well", "only one sync can")
    former.setdefault(name, sync)


def check_lookups(syncs: Iterable[Sync], faults: Faults) -> None:
    """Note each lookup of a sync that is not there, by a key of another width, or in a circle."""
    known = {sync.name: sync for sync in syncs}
    for sync in known.values():
        for at, lookup in _lookups(sync):
            _check_lookup(at, lookup, known, faults)
    for circle in _circles(known):
        first = known[circle[0]]
        faults.add(
            first.at, f"lookups go in a circle: {' -> '.join((*circle, circle[0]))}", "one of them must go first"
        )


def _lookups(sync: Sync) -> list[tuple[Location, Lookup]]:
    found = ((field_place(sync.at, one.path).at("lookup"), one.source) for one in sync.fields)
    return [(place, source) for place, source in found if isinstance(source, Lookup)]


def _check_lookup(at: Location, lookup: Lookup, known: Mapping[str, Sync], faults: Faults) -> None:
    if lookup.sync not in known:
        faults.add(at.at("sync"), f"there is no sync '{lookup.sync}'", choice(lookup.sync, sorted(known)))
        return
    wanted = known[lookup.sync].primary_key
    if wanted and len(wanted) != len(lookup.columns):
        fault = f"names {len(lookup.columns)} columns, and the primary key of '{lookup.sync}' has {len(wanted)}"
        faults.add(at.at("key"), fault, f"name the columns that hold {', '.join(wanted)}")


def parents(sync: Sync) -> tuple[str, ...]:
    """The syncs whose record ids *sync* looks up, sorted."""
    return tuple(sorted({lookup.sync for _, lookup in _lookups(sync)}))


def _circles(known: Mapping[str, Sync]) -> list[tuple[str, ...]]:
    """Each circle once, from its first name in the alphabet."""
    circles: dict[tuple[str, ...], None] = {}
    for name in sorted(known):
        circle = _way_back(name, known)
        if circle and min(circle) == name:
            circles[circle] = None
    return list(circles)


def _way_back(start: str, known: Mapping[str, Sync]) -> tuple[str, ...]:
    """The shortest way from *start* over lookups back to it; empty where there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for way in ways:
        for parent in parents(known[way[-1]]):
            if parent == start:
                return way
            if parent in known and parent not in seen:
                seen.add(parent)
                ways.append((*way, parent))
    return ()


def in_order(syncs: Iterable[Sync]) -> tuple[Sync, ...]:
    """By name, but each after those that it looks up. There must be no circle."""
    known = {sync.name: sync for sync in syncs}
    placed: dict[str, Sync] = {}

    def place(name: str) -> None:
        if name in known and name not in placed:
            for parent in parents(known[name]):
                place(parent)
            placed[name] = known[name]

    for name in sorted(known):
        place(name)
    return tuple(placed.values())
