"""Reads ``manifest.json`` as data. Every field may be missing: dbt 1.x and dbt 2 fill in different ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from dbt_activate.errors import ConfigError, Problem

OLDEST_SCHEMA = 11
_VERSION = re.compile(r"/manifest/v(\d+)\.json$")
_REDO = "run `dbt parse`, `dbt build` or `dbt run` first"


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote the manifest, when, and for what."""

    dbt_schema_version: str | None = None
    dbt_version: str | None = None
    invocation_id: str | None = None
    generated_at: str | None = None
    adapter_type: str | None = None
    project_name: str | None = None


class ColumnConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The ``config`` of a column."""

    meta: Any = None


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint of a model, or of a column."""

    type: str | None = None
    columns: list[str] | None = None


class NodeColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A documented column."""

    name: str = ""
    data_type: str | None = None
    meta: Any = None
    config: ColumnConfig | None = None
    constraints: list[Constraint] | None = None


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a node's ``config`` that matters here. *activate* is a key where it should not be."""

    meta: Any = None
    activate: Any = None
    materialized: Any = None
    schema_: Any = msgspec.field(name="schema", default=None)
    contract: Any = None
    freshness: Any = None


class Checksum(msgspec.Struct, frozen=True, kw_only=True):
    """The hash of a node's file, stripped of blanks at its ends."""

    name: str | None = None
    checksum: str | None = None


class DependsOn(msgspec.Struct, frozen=True, kw_only=True):
    """What a node reads."""

    nodes: list[str] | None = None


class TestMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Which generic test a test is."""

    name: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node of dbt's graph, of any kind."""

    unique_id: str = ""
    name: str = ""
    resource_type: str = ""
    package_name: str = ""
    original_file_path: str = ""
    patch_path: str | None = None
    relation_name: str | None = None
    alias: str | None = None
    schema_: str | None = msgspec.field(name="schema", default=None)
    config: NodeConfig | None = None
    meta: Any = None
    columns: dict[str, NodeColumn] | None = None
    tags: list[str] | None = None
    constraints: list[Constraint] | None = None
    primary_key: list[str] | None = None
    version: str | int | float | None = None
    latest_version: str | int | float | None = None
    checksum: Checksum | None = None
    contract: Any = None
    attached_node: str | None = None
    column_name: str | None = None
    test_metadata: TestMetadata | None = None
    depends_on: DependsOn | None = None
    freshness: Any = None

    @property
    def activate(self) -> object:
        """The ``activate`` block, from ``config.meta``, else from ``meta``; None where there is none."""
        for meta in (self.config.meta if self.config else None, self.meta):
            if isinstance(meta, dict) and "activate" in meta:
                return meta["activate"] if meta["activate"] is not None else {}
        return None

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of what it reads."""
        return tuple((self.depends_on.nodes if self.depends_on else None) or ())

    @property
    def contracted(self) -> bool:
        """Whether dbt holds its columns to a contract."""
        places = (self.contract, self.config.contract if self.config else None)
        return any(isinstance(place, dict) and place.get("enforced") is True for place in places)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """dbt's project, as its last parse saw it: unique id to node."""

    metadata: Metadata = Metadata()
    nodes: dict[str, Node] = {}
    sources: dict[str, Node] = {}
    exposures: dict[str, Node] = {}
    metrics: dict[str, Node] = {}
    semantic_models: dict[str, Node] = {}
    saved_queries: dict[str, Node] = {}
    unit_tests: dict[str, Node] = {}
    disabled: dict[str, list[Node]] | None = None

    def tests_of(self, unique_id: str) -> Iterator[tuple[str, Node]]:
        """The tests of a node, with their ids: generic ones attached to it, singular and unit tests that read it."""
        tests = ((uid, node) for uid, node in self.nodes.items() if node.resource_type == "test")
        for uid, node in chain(tests, self.unit_tests.items()):
            if node.attached_node == unique_id or (not node.attached_node and unique_id in node.parents):
                yield uid, node

    def sources_of(self, unique_id: str) -> tuple[str, ...]:
        """The ids of the sources that a node reads, itself or through others, sorted."""
        seen: set[str] = set()
        waiting = [unique_id]
        while waiting:
            uid = waiting.pop()
            if uid not in seen:
                seen.add(uid)
                waiting.extend(self.nodes[uid].parents if uid in self.nodes else ())
        return tuple(sorted(seen & self.sources.keys()))


def read_manifest(path: Path, place: str = "target/manifest.json") -> Manifest:
    """Read the manifest at *path*; messages call it *place*.

    Raises:
        ConfigError: It is not there, is broken, or is older than what can be read.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise _refused(place, "there is no such file", _REDO) from error
    except OSError as error:
        raise _refused(place, f"the file cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(place, f"this is no manifest of dbt: {error}", "delete it, and run `dbt parse`") from error
    _check_version(manifest.metadata, place)
    return manifest


def _check_version(metadata: Metadata, place: str) -> None:
    found = _VERSION.search(metadata.dbt_schema_version or "")
    if found is None:
        fault = "this is no manifest of dbt: it does not say its schema version"
        raise _refused(place, fault, "delete it, and run `dbt parse`")
    if int(found[1]) < OLDEST_SCHEMA:
        fault = f"it was written by dbt {metadata.dbt_version} in the old form v{found[1]}"
        raise _refused(place, fault, f"v{OLDEST_SCHEMA} or later is needed: run `dbt parse` with dbt 1.10 or later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a manifest must have been made for. *schema* is where *target* builds; empty where that is not known."""

    project: str
    adapter: str
    schema: str
    target: str


def check_manifest(manifest: Manifest, place: str, wanted: Wanted) -> None:
    """Check that the manifest is of this project, and was made for this target.

    Raises:
        ConfigError: It was made for something else, so that its relations would be others.
    """
    metadata = manifest.metadata
    if metadata.project_name not in {None, wanted.project}:
        fault = f"this is the manifest of project '{metadata.project_name}', not of '{wanted.project}'"
        raise _refused(place, fault, "run `dbt parse` in this project, or give --target-path")
    again = f"run `dbt parse --target {wanted.target}`"
    if metadata.adapter_type not in {None, wanted.adapter}:
        fault = f"it was made for {metadata.adapter_type}, and the target '{wanted.target}' is {wanted.adapter}"
        raise _refused(place, fault, again)
    built = _default_schemas(manifest, wanted.project)
    if wanted.schema and len(built) == 1 and wanted.schema.casefold() != min(built).casefold():
        fault = (
            f"it was made for the schema '{min(built)}', and the target '{wanted.target}' builds in '{wanted.schema}'"
        )
        raise _refused(place, fault, again)


def _default_schemas(manifest: Manifest, project: str) -> set[str]:
    # The manifest does not name its target. A node without a schema of its own stands where its target builds.
    nodes = (node for node in manifest.nodes.values() if node.package_name == project)
    plain = (node for node in nodes if node.resource_type in {"model", "seed"} and node.config is not None)
    return {node.schema_ for node in plain if node.schema_ and node.config and not node.config.schema_}


def meta_of(holder: Node | NodeColumn) -> Mapping[str, object]:
    """The ``meta`` of a node or column: of its ``config``, else its own."""
    for meta in (holder.config.meta if holder.config else None, holder.meta):
        if isinstance(meta, dict) and meta:
            return meta
    return {}


def _refused(place: str, fault: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(place, fault, remedy))
