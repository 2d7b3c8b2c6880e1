"""Finds the ``activate`` blocks of a manifest, and tells which stand where no sync can be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbt_activate.project.faults import Faults, shown
from dbt_activate.project.manifest import Manifest, Node
from dbt_activate.values.sync import Location

KINDS = frozenset({"model", "snapshot", "seed"})
_OTHERS = ("sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")


@dataclass(frozen=True, slots=True)
class Entry:
    """One sync as it stands in a block: nothing of it is checked but that it may stand there."""

    name: str
    raw: Any
    node: Node
    at: Location


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the files of a project are: its own relative to it, those of packages below *packages_path*."""

    project: str
    packages_path: str

    def at(self, node: Node, *path: str) -> Location:
        """The place of *path* in the block of *node*."""
        file = (node.patch_path or "").partition("://")[2] or node.original_file_path
        if node.package_name not in {"", self.project}:
            file = f"{self.packages_path}/{node.package_name}/{file}"
        return Location(file, (node.name, *path))


def find_entries(manifest: Manifest, placement: Placement, faults: Faults) -> list[Entry]:
    """Every sync of the manifest, in the order of unique ids, a versioned model's once."""
    _refuse_elsewhere(manifest, placement, faults)
    nodes = [node for _, node in sorted(manifest.nodes.items()) if node.resource_type in KINDS]
    entries = [entry for node in nodes for entry in _entries(node, placement, faults)]
    plain = [entry for entry in entries if entry.node.version is None]
    for entry in plain:
        _refuse_versions(entry, faults)
    return plain + list(_of_versions([entry for entry in entries if entry.node.version is not None], faults))


def _entries(node: Node, placement: Placement, faults: Faults) -> Iterator[Entry]:
    block = node.activate
    at = placement.at(node, "activate")
    if block is None:
        return
    if not isinstance(block, dict) or not block:
        fault = "is empty" if isinstance(block, dict) else f"needs a mapping, not {shown(block)}"
        faults.add(at, fault, "write the name of a sync, and the sync below it")
        return
    if not node.relation_name:
        materialized = node.config.materialized if node.config else None
        faults.add(
            at, f"the model is {materialized or 'ephemeral'}: it has no table to read", "make it a table or a view"
        )
        return
    for name, raw in block.items():
        yield Entry(str(name), raw, node, at.at(str(name)))


def _refuse_elsewhere(manifest: Manifest, placement: Placement, faults: Faults) -> None:
    for node in manifest.nodes.values():
        if node.resource_type not in KINDS:
            _refuse_kind(node, node.resource_type, placement, faults)
    for collection in _OTHERS:
        for node in getattr(manifest, collection).values():
            _refuse_kind(node, collection.removesuffix("s").replace("_", " "), placement, faults)
    for uid, nodes in (manifest.disabled or {}).items():
        for node in nodes if uid not in manifest.nodes else ():
            if node.activate is not None:
                remedy = "enable it, or take the block away"
                faults.add(placement.at(node, "activate"), f"the {node.resource_type} is disabled in dbt", remedy)


def _refuse_kind(node: Node, kind: str, placement: Placement, faults: Faults) -> None:
    if node.activate is not None:
        names = {"saved querie": "saved query"}
        what = names.get(kind, kind)
        fault = f"a sync reads a model, a snapshot or a seed, not {'an' if what[0] in 'aeo' else 'a'} {what}"
        faults.add(placement.at(node, "activate"), fault, "put the block on a model that selects from it")


def _refuse_versions(entry: Entry, faults: Faults) -> None:
    if isinstance(entry.raw, Mapping) and "versions" in entry.raw:
        fault = f"the {entry.node.resource_type} '{entry.node.name}' has no versions"
        faults.add(entry.at.at("versions"), fault, "leave it out")


def _of_versions(entries: Iterable[Entry], faults: Faults) -> Iterator[Entry]:
    """A block of a versioned model reaches each of its versions: keep it at the one that it is meant for."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.node.package_name, entry.node.name, entry.name), []).append(entry)
    for group in groups.values():
        yield from _of_one_version(group, faults)


def _of_one_version(group: list[Entry], faults: Faults) -> Iterator[Entry]:
    several = next((entry for entry in group if len(_meant(entry)) > 1), None)
    if several is not None:
        fault = f"one sync cannot read {len(_meant(several))} versions"
        faults.add(several.at.at("versions"), fault, "give each version a sync of its own, with its own name")
        return
    taken = [entry for entry in group if str(entry.node.version) in _meant(entry)]
    if not taken:
        _refuse_absent(group, faults)
    if len(taken) > 1:
        versions = " and ".join(str(entry.node.version) for entry in taken)
        faults.add(taken[0].at, f"versions {versions} both have this sync", "give each version its own sync name")
        return
    yield from taken


def _refuse_absent(group: list[Entry], faults: Faults) -> None:
    there = ", ".join(str(entry.node.version) for entry in group)
    entry = group[0]
    if isinstance(entry.raw, Mapping) and "versions" in entry.raw:
        fault = f"the model has no version {', '.join(_meant(entry))} with this sync"
        faults.add(entry.at.at("versions"), fault, f"it has: {there}")
        return
    fault = f"it stands at version {there}, and the model's latest version is {', '.join(_meant(entry))}"
    faults.add(entry.at, fault, f"add `versions: [{group[-1].node.version}]`, or move it to the model")


def _meant(entry: Entry) -> tuple[str, ...]:
    given = entry.raw.get("versions") if isinstance(entry.raw, Mapping) else None
    if isinstance(given, list) and given:
        return tuple(dict.fromkeys(map(str, given)))
    latest = entry.node.latest_version if entry.node.latest_version is not None else entry.node.version
    return (str(latest),)
