"""What four versions of dbt wrote for one project is read alike."""

import os
import shutil
from pathlib import Path

import pytest

from dbt_activate.errors import ConfigError
from dbt_activate.project.loading import DestinationKind, Project, ProjectOptions, load_project
from dbt_activate.project.manifest import read_manifest

MANIFESTS = Path(__file__).parent / "manifests"
VERSIONS = ("dbt_1_10", "dbt_1_11", "dbt_1_12", "dbt_2")
DESTINATIONS = "crm: {outputs: {dev: {type: file, path: out}}}\n"
BEFORE_ANY_MANIFEST = 1_700_000_000


def project_of(directory: Path, version: str) -> Project:
    """The project that the manifests were made from, with the manifest of *version*."""
    shutil.copytree(MANIFESTS / "shop", directory, dirs_exist_ok=True)
    (directory / "target").mkdir()
    shutil.copy(MANIFESTS / f"{version}.json", directory / "target" / "manifest.json")
    (directory / "destinations.yml").write_text(DESTINATIONS)
    for path in directory.rglob("*"):
        os.utime(path, (BEFORE_ANY_MANIFEST, BEFORE_ANY_MANIFEST))
    options = ProjectOptions(project_dir=directory, profiles_dir=directory, environ={"HOME": str(directory)})
    kind = DestinationKind(connection_schema={"properties": {"path": {"type": "string"}}}, local=True)
    return load_project(options, {"file": kind})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_dbt_gives_the_same_syncs(version: str, tmp_path: Path) -> None:
    project = project_of(tmp_path, version)
    assert [(sync.name, sync.model.unique_id, sync.model.kind, sync.primary_key) for sync in project.syncs] == [
        ("countries_file", "seed.shop.countries", "seed", ("code",)),
        ("crm_accounts", "model.shop.accounts.v2", "model", ("customer_id",)),
        ("crm_contacts", "model.shop.customer_scores", "model", ("customer_id",)),
        ("history", "snapshot.shop.customers_snapshot", "snapshot", ("dbt_scd_id",)),
    ]
    accounts, contacts = project.syncs[1], project.syncs[2]
    assert (accounts.model.version, accounts.model.relation) == ("2", '"shop"."main"."accounts_v2"')
    assert (contacts.model.pii, contacts.model.columns["churn_score"]) == (frozenset({"email"}), "double")
    assert str(contacts.at) == "models/schema.yml, customer_scores.activate.crm_contacts"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_dbt_tells_what_a_key_may_be(version: str, tmp_path: Path) -> None:
    from dbt_activate.project.keys import declared_key

    manifest = project_of(tmp_path, version).manifest
    assert declared_key(manifest, manifest.nodes["model.shop.customers"]) == ("customer_id",)
    assert declared_key(manifest, manifest.nodes["model.shop.customer_scores"]) == ("customer_id",)
    assert declared_key(manifest, manifest.nodes["model.shop.accounts.v1"]) == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_manifest_is_older_than_files_that_changed_since(version: str, tmp_path: Path) -> None:
    project_of(tmp_path, version)
    later = 4_000_000_000
    os.utime(tmp_path / "models" / "schema.yml", (later, later))
    # The same text under a newer date, as a fresh checkout has it: dbt's own checksum tells that nothing changed.
    os.utime(tmp_path / "models" / "customers.sql", (later, later))
    options = ProjectOptions(project_dir=tmp_path, profiles_dir=tmp_path, environ={"HOME": str(tmp_path)})
    with pytest.raises(ConfigError) as caught:
        load_project(options, {"file": DestinationKind(connection_schema={"properties": {"path": {}}})})
    assert (
        str(caught.value)
        == "target/manifest.json: it is older than models/schema.yml; run `dbt parse`, which takes seconds"
    )


def test_a_manifest_is_read_field_by_field() -> None:
    metadata = read_manifest(MANIFESTS / "dbt_2.json").metadata
    assert metadata.dbt_version == "2.0.0-alpha.4"
    assert metadata.adapter_type == "duckdb"
