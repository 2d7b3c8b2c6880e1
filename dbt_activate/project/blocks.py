"""From the ``activate`` blocks of a manifest to checked syncs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt_activate.project.expressions import engine_of
from dbt_activate.project.faults import Faults, choice
from dbt_activate.project.field_maps import names, read_fields
from dbt_activate.project.keys import declared_key, tested_keys
from dbt_activate.project.manifest import Manifest, Node
from dbt_activate.project.payload_schema import load_payload_schema
from dbt_activate.project.placement import Entry
from dbt_activate.project.purposes import Flow, Tag, check_purposes, read_tags
from dbt_activate.project.schemas import schema
from dbt_activate.project.shapes import Shape
from dbt_activate.project.tokens import tokens_in
from dbt_activate.values.sync import (
    Column,
    FieldMap,
    Guards,
    Location,
    Lookup,
    Model,
    NullPolicy,
    OnRemoved,
    Requires,
    Share,
    Sql,
    Sync,
    SyncMode,
    WritePolicy,
)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 40
_DEEPEST = 32
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WITHOUT_MATCH = frozenset({SyncMode.INSERT, SyncMode.APPEND})


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReader:
    """Reads blocks. *destinations* are the names there are; None where that is not known, and nothing is said of them.

    *objectless* holds the destinations for which a sync need not name an object, or of which nothing is known.
    """

    manifest: Manifest
    directory: Path
    adapter_type: str
    destinations: tuple[str, ...] | None
    objectless: frozenset[str]
    shape: Shape = field(default_factory=lambda: Shape(_sync_schema()))

    def read(self, entries: Iterable[Entry], faults: Faults) -> tuple[Sync, ...]:
        """The syncs of *entries*, in their order. A broken one is there as well, as far as it could be read.

        So that what is wrong between syncs can be told along with what is wrong within one: nothing may be done with
        any of them unless *faults* stays empty.
        """
        drafts = (self._sync(entry, faults) for entry in entries)
        return tuple(draft for draft in drafts if draft is not None)

    def _sync(self, entry: Entry, faults: Faults) -> Sync | None:
        _check_name(entry, faults)
        if _deeper_than(_DEEPEST, entry.raw):
            faults.add(entry.at, f"mappings and lists are nested deeper than {_DEEPEST} levels")
            return None
        for place, kind in tokens_in(entry.raw, entry.at):
            remedy = (
                "dbt writes this block into its artifacts in clear: secrets belong in destinations.yml, by env_var()"
            )
            faults.add(place, f"this looks like {kind}", remedy)
        problems = self.shape.problems(entry.raw, entry.at)
        faults.extend(problems)
        if not isinstance(entry.raw, dict):
            return None
        return _Draft(self, entry, _without_faults(entry, problems), faults).sync()


def _sync_schema() -> dict[str, Any]:
    whole = schema("activate")
    return {"$defs": whole["$defs"], "$ref": "#/$defs/sync"}


def _deeper_than(levels: int, value: Any) -> bool:
    level = [value]
    for _ in range(levels):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [item for items in inner for item in items]
    return any(isinstance(one, dict | list) for one in level)


def _check_name(entry: Entry, faults: Faults) -> None:
    if not _NAME.fullmatch(entry.name):
        slug = re.sub(r"[^a-z0-9]+", "_", entry.name.lower()).strip("_0123456789")
        fault = "a sync's name has lower-case letters, digits and underscores, and starts with a letter"
        faults.add(entry.at, fault, f"write {slug}" if slug else "")
    if len(entry.name) > _LONGEST_NAME:
        faults.add(entry.at, f"the sync's name has {len(entry.name)} characters", f"the most is {_LONGEST_NAME}")


def _without_faults(entry: Entry, problems: tuple[Any, ...]) -> dict[str, Any]:
    """The block without what is misshapen, so that the rest of it can be checked all the same."""
    base = f"{entry.at}."
    bad = {problem.place.removeprefix(base) for problem in problems if problem.place.startswith(base)}
    keys = {place.split(".")[0] for place in bad}
    sound = {key: value for key, value in entry.raw.items() if key not in keys}
    fields = entry.raw.get("fields")
    if "fields" in keys and isinstance(fields, dict):
        sound["fields"] = {
            name: value
            for name, value in fields.items()
            if not any(f"{one}.".startswith(f"fields.{name}.") for one in bad)
        }
    return sound


@dataclass(frozen=True, slots=True)
class _Draft:
    """A sync in the making: each part is read and checked by itself."""

    reader: BlockReader
    entry: Entry
    raw: Mapping[str, Any]
    faults: Faults

    def sync(self) -> Sync:
        raw, at = self.raw, self.entry.at
        fields = read_fields(raw.get("fields", {}), at, self.faults)
        mode = SyncMode(raw.get("mode", "upsert"))
        self._check_destination()
        return Sync(
            name=self.entry.name,
            model=self._model(fields),
            destination=str(raw.get("destination", "")),
            object=raw.get("object"),
            mode=mode,
            primary_key=self._primary_key(),
            identifier=self._identifier(fields, mode),
            fields=fields,
            at=at,
            where=raw.get("where"),
            on_removed=self._on_removed(mode),
            adopt=raw.get("first_run") == "adopt",
            schema=self._schema(),
            guards=_guards(raw.get("guards", {})),
            requires=_requires(raw.get("requires", {})),
            batch_size=raw.get("batch_size"),
            max_requests_per_second=raw.get("max_requests_per_second"),
            enabled=raw.get("enabled", True),
            tags=names(raw.get("tags")),
            owner=raw.get("owner"),
            renamed_from=raw.get("renamed_from"),
        )

    def _check_destination(self) -> None:
        name, known = self.raw.get("destination"), self.reader.destinations
        if name is None or known is None:
            return
        if name not in known:
            remedy = choice(name, known, what="destinations.yml has")
            self.faults.add(self.entry.at.at("destination"), f"there is no destination '{name}'", remedy)
        elif name not in self.reader.objectless and "object" not in self.entry.raw:
            fault = "`object` is missing"
            self.faults.add(self.entry.at, fault, f"the destination '{name}' has more than one: say which is written")

    def _model(self, fields: tuple[FieldMap, ...]) -> Model:
        node, at = self.entry.node, Location(self.entry.at.file, self.entry.at.path[:1])
        tags = read_tags(node, at, self.faults)
        self._check_purposes(fields, tags)
        return Model(
            unique_id=node.unique_id,
            name=node.name,
            relation=node.relation_name or "",
            file=node.original_file_path,
            kind=node.resource_type,
            version=None if node.version is None else str(node.version),
            columns={name: column.data_type or "" for name, column in (node.columns or {}).items()},
            pii=frozenset(tags),
        )

    def _check_purposes(self, fields: tuple[FieldMap, ...], tags: Mapping[str, Tag]) -> None:
        flow = Flow(
            fields=fields,
            where=self.raw.get("where"),
            purpose=self.raw.get("purpose"),
            engine=engine_of(self.reader.adapter_type) if tags else "",
            at=self.entry.at,
        )
        check_purposes(flow, tags, self.faults)

    def _primary_key(self) -> tuple[str, ...]:
        if "primary_key" in self.entry.raw:
            return names(self.raw.get("primary_key"))
        manifest, node = self.reader.manifest, self.entry.node
        key = declared_key(manifest, node)
        if not key:
            self._refuse_no_key(tested_keys(manifest, node), node)
        return key

    def _refuse_no_key(self, tested: tuple[str, ...], node: Node) -> None:
        several = f"it has {len(tested)} columns with both `unique` and `not_null` tests: {', '.join(tested)}"
        none = "it has no primary_key constraint, and no single column with both `unique` and `not_null` tests"
        remedy = "add `primary_key`"
        fault = f"it is not clear what names a row of the {node.resource_type}: {several if tested else none}"
        self.faults.add(self.entry.at, fault, remedy)

    def _identifier(self, fields: tuple[FieldMap, ...], mode: SyncMode) -> tuple[str, ...]:
        if "identifier" not in self.entry.raw:
            if mode not in _WITHOUT_MATCH and "fields" in self.raw:
                remedy = "name the field, or fields, that match a record"
                self.faults.add(self.entry.at, f"`identifier` is missing, and {mode} needs one", remedy)
            return ()
        by_name = {one.name: one for one in fields}
        given = names(self.raw.get("identifier"))
        for name in given if self._fields_are_sound else ():
            self._check_identifier(name, by_name)
        return given

    @property
    def _fields_are_sound(self) -> bool:
        return bool("fields" in self.raw and self.raw["fields"] == self.entry.raw["fields"])

    def _check_identifier(self, name: str, fields: Mapping[str, FieldMap]) -> None:
        at = self.entry.at.at("identifier")
        found = fields.get(name)
        if found is None:
            self.faults.add(at, f"'{name}' is not one of `fields`", choice(name, fields))
        elif not isinstance(found.source, Column | Sql | Lookup):
            self.faults.add(at, f"'{name}' is the same for every row", "an identifier comes from the model")
        elif found.write is not WritePolicy.ALWAYS or found.null is not NullPolicy.SEND:
            self.faults.add(
                at, f"'{name}' is not always sent", "an identifier takes no `null: skip` and no `write: on_create`"
            )

    def _on_removed(self, mode: SyncMode) -> OnRemoved:
        default = OnRemoved.DELETE if mode is SyncMode.MIRROR else OnRemoved.IGNORE
        chosen = OnRemoved(self.raw.get("on_removed", default))
        if mode in _WITHOUT_MATCH and chosen is not OnRemoved.IGNORE:
            remedy = "write `mode: upsert`, or leave on_removed out"
            self.faults.add(self.entry.at.at("on_removed"), f"`mode: {mode}` never touches a record again", remedy)
        return chosen

    def _schema(self) -> Any:
        if "schema" not in self.raw:
            return None
        at = self.entry.at.at("schema")
        return self.faults.attempt(load_payload_schema, self.raw["schema"], self.reader.directory, at)


def _guards(raw: Mapping[str, Any]) -> Guards:
    shares = {key: _share(value) for key, value in raw.items() if key != "min_rows"}
    return Guards(**shares, min_rows=raw.get("min_rows", 1))


def _share(value: str | int) -> Share:
    return Share(rows=value) if isinstance(value, int) else Share(share=float(value.removesuffix("%")) / 100)


def _requires(raw: Mapping[str, Any]) -> Requires:
    age = raw.get("max_artifact_age")
    seconds = float(age[:-1]) * _SECONDS[age[-1]] if age else None
    gates = {key: value for key, value in raw.items() if key != "max_artifact_age"}
    return Requires(**gates, max_artifact_age_seconds=seconds)
