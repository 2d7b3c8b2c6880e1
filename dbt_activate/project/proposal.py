"""A commented ``activate`` block for a model, and its place in the model's YAML.

A comment changes nothing of what a file says; the text is only given out where it provably reads the same as before.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dbt_activate.errors import ConfigError, Problem
from dbt_activate.project.faults import choice
from dbt_activate.project.keys import declared_key, tested_keys
from dbt_activate.project.manifest import Manifest, Node, meta_of

COLLECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}
LONGEST_NAME = 40
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WAY = ("config", "meta", "activate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A first sync of a model.

    Attributes:
        key: The columns that name a row.
        sure: Whether the model declares them; else they are a guess, and the block says so.
        columns: The documented columns that may go out.
        kept_back: Columns that are tagged as personal data: somebody has to decide on them.
        object: What is written; None where the destination needs no object.
    """

    sync: str
    model: str
    destination: str
    object: str | None
    key: tuple[str, ...]
    columns: tuple[str, ...]
    sure: bool = True
    kept_back: tuple[str, ...] = ()

    @property
    def marker(self) -> str:
        """The line above the block, by which it is known again."""
        return f"## dbt-activate: a sync of {self.model}. Take '# ' away from each line below, then run `dbt parse`."

    def lines(self) -> list[str]:
        """The block from ``config:`` on, as YAML, indented by two blanks a level."""
        doubt = "" if self.sure else "  # a guess: the column that names a row"
        sync = [
            f"destination: {spelled(self.destination)}",
            *([f"object: {spelled(self.object)}"] if self.object else []),
            f"primary_key: {_listed(self.key)}{doubt}",
            f"identifier: {_listed(self.key)}  # the field that matches a record there",
            "fields:  # field there: column here",
            *(f"  {spelled(name)}: {spelled(name)}" for name in dict.fromkeys((*self.key, *self.columns))),
        ]
        if self.kept_back:
            sync.append(f"# personal data, left out: {', '.join(self.kept_back)}")
        head = [f"{'  ' * depth}{name}:" for depth, name in enumerate((*_WAY, self.sync))]
        return [*head, *(f"{'  ' * (len(_WAY) + 1)}{line}" for line in sync)]

    def commented(self, depth: int, indent: int) -> list[str]:
        """The marker, and the lines from level *depth* on, commented, *indent* blanks from the left."""
        shown = [line.removeprefix("  " * depth) for line in self.lines()[depth:]]
        return [f"{' ' * indent}{line}" for line in (self.marker, *(f"# {line}" for line in shown))]

    def file(self, collection: str) -> str:
        """A file for a model that has no YAML yet, *collection* being ``models``, ``seeds`` or ``snapshots``."""
        top = [f"# {collection}:", f"#   - name: {spelled(self.model)}"]
        return "\n".join([self.marker, *top, *(f"#     {line}" for line in self.lines())]) + "\n"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, seed or snapshot that a first sync is proposed for."""

    manifest: Manifest
    node: Node

    @classmethod
    def find(cls, manifest: Manifest, project: str, name: str) -> "Subject":
        """The one of *project* called *name*.

        Raises:
            ConfigError: There is none.
        """
        nodes = {
            node.name: node
            for node in manifest.nodes.values()
            if node.resource_type in COLLECTIONS and node.package_name == project
        }
        if name not in nodes:
            raise ConfigError(Problem(f"--model {name}", "the project has no such model", choice(name, sorted(nodes))))
        return cls(manifest, nodes[name])

    @property
    def name(self) -> str:
        """The model's name."""
        return self.node.name

    @property
    def collection(self) -> str:
        """The key of a YAML file under which it stands."""
        return COLLECTIONS[self.node.resource_type]

    @property
    def is_active(self) -> bool:
        """Whether it has a block."""
        return self.node.activate is not None

    @property
    def file(self) -> str:
        """The YAML that documents the model, else one beside the model's own file."""
        documented = (self.node.patch_path or "").partition("://")[2]
        own = Path(self.node.original_file_path)
        return documented or (own if own.suffix in {".yml", ".yaml"} else own.with_suffix(".yml")).as_posix()

    def proposal(self, destination: str, object_name: str | None) -> Proposal:
        """A sync of it to *object_name* of *destination*."""
        columns = self.node.columns or {}
        open_to_all = tuple(name for name, column in columns.items() if "activate_field" not in meta_of(column))
        declared = declared_key(self.manifest, self.node)
        likely = [name for name in tested_keys(self.manifest, self.node) if name in open_to_all]
        blocks = [node.activate for node in self.manifest.nodes.values() if isinstance(node.activate, dict)]
        return Proposal(
            sync=sync_name(self.name, [str(name) for block in blocks for name in block]),
            model=self.name,
            destination=destination,
            object=object_name,
            key=declared or (next(iter([*likely, *open_to_all]), "id"),),
            sure=bool(declared),
            columns=open_to_all,
            kept_back=tuple(name for name in columns if name not in open_to_all),
        )


def sync_name(model: str, taken: Sequence[str]) -> str:
    """A name for a first sync of *model* that is not *taken*."""
    slug = re.sub(r"[^a-z0-9_]+", "_", model.lower()).lstrip("_0123456789") or "sync"
    names = [slug[:LONGEST_NAME], *(f"{slug[: LONGEST_NAME - 3]}_{number}" for number in range(2, 100))]
    return next((name for name in names if name not in taken), slug[:LONGEST_NAME])


def spelled(text: str) -> str:
    """*text* as a YAML scalar that every reader takes for text."""
    plain = _PLAIN.fullmatch(text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)


def _listed(names: Sequence[str]) -> str:
    return spelled(names[0]) if len(names) == 1 else f"[{', '.join(map(spelled, names))}]"


def has_block(text: str, proposal: Proposal) -> bool:
    """Whether a block was proposed in *text* before."""
    return proposal.marker in text


def with_block(text: str, proposal: Proposal) -> str | None:
    """*text*, a YAML file that documents the model, with the block in its place; None where there is none for it."""
    try:
        place = _place(yaml.compose(text, Loader=yaml.SafeLoader), proposal.model)
        before = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if place is None:
        return None
    line, indent, depth = place
    end = "\r\n" if "\r\n" in text else "\n"
    old = text.splitlines(keepends=True)
    if line > 0 and line <= len(old) and not old[line - 1].endswith("\n"):
        old[line - 1] += end
    added = [one + end for one in proposal.commented(depth, indent)]
    made = "".join([*old[:line], *added, *old[line:]])
    return made if yaml.safe_load(made) == before else None


def _place(root: Any, model: str) -> tuple[int, int, int] | None:
    """The line before which the block goes, its indentation, and how many of its levels stand there already."""
    node = _model(root, model)
    depth = 0
    while _is_block(node) and depth < len(_WAY):
        inner = next((value for key, value in node.value if key.value == _WAY[depth]), None)
        if inner is None:
            return (*_gap(node), depth)
        node, depth = inner, depth + 1
    return None


def _model(root: Any, model: str) -> Any:
    for key, listed in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value in {"models", "seeds", "snapshots"} and isinstance(listed, yaml.SequenceNode):
            for entry in listed.value:
                if isinstance(entry, yaml.MappingNode) and ("name", model) in _scalars(entry):
                    return entry
    return None


def _scalars(node: yaml.MappingNode) -> list[tuple[str, str]]:
    return [(key.value, value.value) for key, value in node.value if isinstance(value, yaml.ScalarNode)]


def _is_block(node: Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _gap(node: yaml.MappingNode) -> tuple[int, int]:
    """The line before the second key of *node*, after its only one, and the column of its keys."""
    keys = [key for key, _ in node.value]
    column = keys[0].start_mark.column
    if len(keys) > 1:
        return keys[1].start_mark.line, column
    return node.value[0][1].end_mark.line + 1, column
