"""A small dbt project in a folder, sound as it comes; tests break it."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbt_activate.errors import ConfigError
from dbt_activate.project.loading import DestinationKind, Project, ProjectOptions, load_project

COLUMNS = {
    "customer_id": "integer",
    "email": "varchar",
    "first_name": "varchar",
    "last_name": "varchar",
    "phone": "varchar",
    "churn_score": "double",
    "is_active": "boolean",
}
KINDS: Mapping[str, DestinationKind] = {
    "hubspot": DestinationKind(
        connection_schema={
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": {
                    "type": "string",
                    "minLength": 1,
                    "x-secret": True,
                    "description": "The private app's token.",
                },
                "portal_id": {"type": "integer", "minimum": 1},
                "region": {"enum": ["eu1", "na1"]},
            },
        }
    ),
    "http": DestinationKind(
        connection_schema={
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "pattern": "^https?://"},
                "headers": {"type": "object", "additionalProperties": {"type": "string", "x-secret": True}},
                "sign": {"$ref": "#/$defs/sign"},
                "statuses": {"type": "array", "items": {"type": "string"}},
            },
            "$defs": {"sign": {"type": "object", "properties": {"secret": {"type": "string", "x-secret": True}}}},
        },
        object_required=False,
    ),
    "file": DestinationKind(
        connection_schema={"properties": {"path": {"type": "string"}}}, object_required=False, local=True
    ),
}


class Shop:
    """The project. Change its attributes, then ``load`` it; the files are written at the first ``load``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"HOME": str(directory / "home"), "HUBSPOT_TOKEN": "pat-from-the-environment"}
        self.files: dict[str, str | bytes | None] = {}
        self.dbt_project: dict[str, Any] = {"name": "shop", "profile": "shop"}
        duckdb = {"type": "duckdb", "path": "shop.duckdb", "schema": "main"}
        self.profiles: dict[str, Any] = {"shop": {"target": "dev", "outputs": {"dev": duckdb}}}
        hubspot = {"type": "hubspot", "token": "{{ env_var('HUBSPOT_TOKEN') }}"}
        self.destinations: Any = {"crm": {"outputs": {"dev": hubspot}}}
        self.syncs: dict[str, Any] = {"crm_contacts": self.block()}
        self.manifest: dict[str, Any] = {
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                "dbt_version": "1.11.16",
                "generated_at": "2100-01-01T00:00:00.000000Z",
                "invocation_id": "11111111-1111-1111-1111-111111111111",
                "project_name": "shop",
                "adapter_type": "duckdb",
            },
            "nodes": {},
        }
        self.scores = self.model("customer_scores", self.syncs, COLUMNS, key="customer_id")

    @staticmethod
    def block(**changes: Any) -> dict[str, Any]:
        """A sound sync, with *changes*; a change to None takes the key away."""
        fields = {"email": "email", "churn_score": {"column": "churn_score"}}
        block = {"destination": "crm", "object": "contacts", "identifier": "email", "fields": fields, **changes}
        return {key: value for key, value in block.items() if value is not None}

    def sync(self, **changes: Any) -> "Shop":
        """Make the project's one sync another one."""
        self.syncs["crm_contacts"] = self.block(**changes)
        return self

    def fields(self, **fields: Any) -> "Shop":
        """Give the sync more fields."""
        self.syncs["crm_contacts"]["fields"] |= fields
        return self

    def output(self, **changes: Any) -> "Shop":
        """Change the connection of the one destination."""
        self.destinations["crm"]["outputs"]["dev"].update(changes)
        return self

    def model(
        self,
        name: str,
        activate: Any = None,
        columns: Mapping[str, str] | None = None,
        key: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Add a node to the manifest, and return it."""
        kind = more.pop("resource_type", "model")
        version = f".v{more['version']}" if "version" in more else ""
        meta = {} if activate is None else {"activate": activate}
        config = {"materialized": "table", "meta": meta, **more.pop("config", {})}
        node = {
            "unique_id": f"{kind}.shop.{name}{version}",
            "name": name,
            "resource_type": kind,
            "package_name": "shop",
            "original_file_path": f"models/{name}.sql",
            "patch_path": "shop://models/schema.yml",
            "relation_name": f'"shop"."main"."{name}"',
            "schema": "main",
            "config": config,
            "meta": meta,
            "columns": {
                column: {"name": column, "data_type": data_type, "meta": {}, "config": {"meta": {}}}
                for column, data_type in (columns or {}).items()
            },
            "constraints": [{"type": "primary_key", "columns": [key]}] if key else [],
            "depends_on": {"nodes": []},
            **more,
        }
        self.manifest["nodes"][node["unique_id"]] = node
        return node

    def tag(self, column: str, tag: Any) -> "Shop":
        """Tag a column of the model as personal data."""
        self.scores["columns"][column]["config"]["meta"] = {"activate_field": tag}
        return self

    def test(self, kind: str, column: str, model: str = "customer_scores") -> str:
        """Add a generic test to the manifest, and return its id."""
        uid = f"test.shop.{kind}_{model}_{column}"
        self.manifest["nodes"][uid] = {
            "unique_id": uid,
            "name": f"{kind}_{model}_{column}",
            "resource_type": "test",
            "package_name": "shop",
            "attached_node": f"model.shop.{model}",
            "column_name": column,
            "test_metadata": {"name": kind},
            "depends_on": {"nodes": [f"model.shop.{model}"]},
        }
        return uid

    def write(self) -> None:
        """Write the project; files given in ``files`` go before those made here, None leaves one out."""
        made: dict[str, str | bytes | None] = {
            "dbt_project.yml": yaml.safe_dump(self.dbt_project),
            "profiles.yml": yaml.safe_dump(self.profiles),
            "destinations.yml": None
            if self.destinations is None
            else yaml.safe_dump(self.destinations, sort_keys=False),
            "target/manifest.json": json.dumps(self.manifest),
            **self.files,
        }
        for name, content in made.items():
            if content is not None:
                path = self.directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if made["target/manifest.json"] is not None:
            # So that `generated_at` tells its age.
            os.utime(self.directory / "target/manifest.json", (0, 0))

    def load(self, **options: Any) -> Project:
        """Write the project, and read it with the code under test."""
        self.write()
        given = {"project_dir": self.directory, "environ": self.environ, **options}
        return load_project(ProjectOptions(**given), KINDS)

    def problems(self, **options: Any) -> list[str]:
        """What is wrong with the project, with its folder's name left out; reading it must leave every file alone."""
        self.write()
        before = dict(self._contents())
        found: list[str] = []
        try:
            self.load(**options)
        except ConfigError as error:
            found = [str(problem).replace(f"{self.directory}", "<project>") for problem in error.problems]
        assert dict(self._contents()) == before
        return found

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.directory.rglob("*")):
            yield str(path), path.read_bytes() if path.is_file() else b""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A sound project."""
    return Shop(tmp_path)


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[[str], Shop]:
    """Makes sound projects, each in a folder of its own."""
    return lambda name: Shop(tmp_path / name)
