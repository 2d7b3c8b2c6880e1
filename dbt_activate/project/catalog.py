"""Reads ``catalog.json``: the columns that the relations had when ``dbt docs generate`` looked."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dbt_activate.errors import ConfigError, Problem

FILE = "catalog.json"
RENEW = "`dbt docs generate` writes a new one"


class _Column(msgspec.Struct, frozen=True):
    type: str = ""


class _Node(msgspec.Struct, frozen=True):
    columns: dict[str, _Column] = {}


class Catalog(msgspec.Struct, frozen=True):
    """dbt's catalog, as far as it matters here."""

    metadata: dict[str, Any] = {}
    nodes: dict[str, _Node] = {}

    def columns(self, unique_id: str) -> Mapping[str, str]:
        """Column to type of a node; empty where it was not built then."""
        node = self.nodes.get(unique_id)
        return {name: column.type for name, column in node.columns.items()} if node else {}

    def is_older_than(self, path: Path) -> bool:
        """Whether *path* was written after the catalog; so, too, where either time is not known."""
        try:
            made = datetime.fromisoformat(str(self.metadata.get("generated_at"))).timestamp()
            return path.stat().st_mtime > made
        except (ValueError, OSError):
            return True


def read_catalog(path: Path, place: str) -> Catalog:
    """The catalog at *path*, which is called *place*; an empty one where there is none.

    Raises:
        ConfigError: The file is broken.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Catalog)
    except FileNotFoundError:
        return Catalog()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(Problem(place, f"this is no catalog of dbt: {error}", RENEW)) from error
