"""Looks at a project's files for what its manifest does not show: blocks where dbt drops them, newer files."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from dbt_activate.project.dbt_project import FILE as PROJECT_FILE
from dbt_activate.project.dbt_project import DbtProject
from dbt_activate.project.faults import Faults
from dbt_activate.project.manifest import Manifest

_RESOURCES = ("models", "seeds", "snapshots")
_SUFFIXES = frozenset({".yml", ".yaml", ".sql", ".py"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file that dbt parses. *name* is relative to the project, with slashes."""

    name: str
    path: Path
    modified: float


def project_files(project: DbtProject) -> tuple[ProjectFile, ...]:
    """``dbt_project.yml``, and the YAML, SQL and Python files of models, seeds and snapshots, by name."""
    found = {PROJECT_FILE: project.directory / PROJECT_FILE}
    for resource in project.resource_paths:
        for folder, _, files in os.walk(project.directory / resource):
            for file in files:
                path = Path(folder, file)
                if path.suffix in _SUFFIXES:
                    found[path.relative_to(project.directory).as_posix()] = path
    return tuple(ProjectFile(name, path, _modified(path)) for name, path in sorted(found.items()))


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def check_age(manifest: Manifest, path: Path, files: tuple[ProjectFile, ...], place: str, faults: Faults) -> None:
    """Note a manifest that is older than files it was made from.

    An SQL file is newer where it says something else: dbt tells its checksum. Of other files only the time is known.
    They are newer than what *path*, the manifest's file, was last written at, as it may have been restored or touched.
    """
    try:
        made = datetime.fromisoformat(manifest.metadata.generated_at or "").timestamp()
    except ValueError:
        faults.add(place, "it does not say when it was made", "run `dbt parse`")
        return
    ages = _Ages(made, max(made, _modified(path)), _checksums(manifest))
    newer = [file.name for file in files if ages.outdated_by(file)]
    if newer:
        more = f" and {len(newer) - 1} more" if len(newer) > 1 else ""
        faults.add(place, f"it is older than {newer[0]}{more}", "run `dbt parse`, which takes seconds")


@dataclass(frozen=True, slots=True)
class _Ages:
    """When dbt made a manifest, when its file was written, and the checksums in it by file."""

    made: float
    written: float
    checksums: Mapping[str, set[str]]

    def outdated_by(self, file: ProjectFile) -> bool:
        if file.modified <= self.made:
            return False
        known = self.checksums.get(file.name) if file.name.endswith(".sql") else None
        return not _says_one_of(known, file) if known else file.modified > self.written


def _checksums(manifest: Manifest) -> Mapping[str, set[str]]:
    checksums: dict[str, set[str]] = {}
    for node in manifest.nodes.values():
        if node.checksum and node.checksum.name == "sha256" and node.checksum.checksum:
            checksums.setdefault(node.original_file_path, set()).add(node.checksum.checksum)
    return checksums


def _says_one_of(known: set[str], file: ProjectFile) -> bool:
    try:
        text = file.path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    # dbt hashes a file without the blanks at its ends.
    return hashlib.sha256(text.strip().encode()).hexdigest() in known


def refuse_misplaced(files: tuple[ProjectFile, ...], manifest: Manifest | None, faults: Faults) -> None:
    """Note each ``activate`` and ``activate_field`` that stands where dbt drops it or warns of it."""
    told: set[str] = set()
    for file in files:
        if file.name.endswith((".yml", ".yaml")):
            told.update(_misplaced_in(file, manifest, faults))
    _refuse_config(manifest, told, faults)


def _refuse_config(manifest: Manifest | None, told: set[str], faults: Faults) -> None:
    for node in manifest.nodes.values() if manifest else ():
        if node.config and node.config.activate is not None and node.name not in told:
            remedy = "write it as config(meta={'activate': ...}), or in YAML below config: meta:"
            faults.add(
                f"{node.original_file_path}, {node.name}.config.activate", "`activate` stands in config()", remedy
            )


def _misplaced_in(file: ProjectFile, manifest: Manifest | None, faults: Faults) -> Iterator[str]:
    try:
        content = file.path.read_bytes()
        root = yaml.compose(content, Loader=_LOADER) if b"activate" in content else None
    except (OSError, yaml.YAMLError, RecursionError, UnicodeDecodeError):
        return  # dbt says what is wrong with it
    for resource in _RESOURCES:
        for item in _items(_child(root, resource)):
            name = _text(_child(item, "name"))
            for path, node in _wrong_places(item, name, manifest):
                _tell(file.name, name, path, node, faults)
                yield name


def _wrong_places(item: yaml.Node, name: str, manifest: Manifest | None) -> Iterator[tuple[str, yaml.Node]]:
    holders = [("", item), *((f"versions.{index}.", one) for index, one in enumerate(_items(_child(item, "versions"))))]
    for prefix, holder in holders:
        for path in ("activate", "config.activate"):
            if node := _child(holder, *path.split(".")):
                yield f"{prefix}{path}", node
    lost = _child(item, "meta", "activate")
    if lost is not None and manifest is not None and not _has_block(manifest, name):
        yield "meta.activate", lost
    for column in _items(_child(item, "columns")):
        for path in ("activate_field", "config.activate_field"):
            if node := _child(column, *path.split(".")):
                yield f"columns.{_text(_child(column, 'name'))}.{path}", node


def _has_block(manifest: Manifest, name: str) -> bool:
    return any(node.name == name and node.activate is not None for node in manifest.nodes.values())


def _tell(file: str, name: str, path: str, node: yaml.Node, faults: Faults) -> None:
    key = path.rpartition(".")[2]
    line = node.start_mark.line + 1
    fault = f"`{key}` stands where dbt drops it (line {line})"
    holder = path.split(".")[1] if path.startswith("columns.") else name
    shape = f"    - name: {holder}\n      config:\n        meta:\n          {key}: ..."
    faults.add(f"{file}, {name}.{path}", fault, f"move it below config and meta:\n{shape}")


def _child(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if _text(name) == key), None)
    return node


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
