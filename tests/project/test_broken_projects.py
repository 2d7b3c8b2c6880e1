# ruff: noqa: E501 - a message stands on one line, so that it can be searched for
"""A table of broken projects: what is changed in a sound one, and exactly what its user is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from dbt_activate.project.checks import check_against, check_columns
from dbt_activate.values.destination import DeliveryClass, FieldSpec, ObjectSpec, OperationSpec
from dbt_activate.values.sync import Operation, Sync

if TYPE_CHECKING:
    from tests.project.conftest import Shop

SYNC = "models/schema.yml, customer_scores.activate.crm_contacts"
COLUMNS = {
    "customer_id": "integer",
    "email": "varchar",
    "first_name": "varchar",
    "last_name": "varchar",
    "phone": "varchar",
    "churn_score": "double",
    "is_active": "boolean",
}
UPSERT = OperationSpec(delivery=DeliveryClass.UPSERT, rows=100)
CONTACTS = ObjectSpec(
    name="contacts",
    operations={Operation.UPSERT: UPSERT, Operation.UPDATE: UPSERT},
    fields={
        spec.name: spec
        for spec in (
            FieldSpec(name="email", type="string", required=True, identifier=True),
            FieldSpec(name="churn_score", type="number"),
            FieldSpec(name="phone", type="string"),
            FieldSpec(name="address", type="object"),
            FieldSpec(name="created_at", type="datetime", createable=False, updateable=False),
            FieldSpec(name="source", type="string", updateable=False),
            FieldSpec(name="verified", type="boolean", createable=False),
            FieldSpec(name="stage", type="enumeration", options=("lead", "customer")),
        )
    },
)


@dataclass(frozen=True)
class Broken:
    """One project: its name, what is broken in it, and what is told; ``@`` stands for the place of the sync."""

    name: str
    edit: "Callable[[Shop], object]"
    told: tuple[str, ...]

    @property
    def messages(self) -> list[str]:
        return [message.replace("@", SYNC, 1) if message.startswith("@") else message for message in self.told]


def replace_by_directory(shop: "Shop") -> None:
    """Put a directory in the place of ``destinations.yml``."""
    shop.destinations = None
    shop.files["destinations.yml/notes.txt"] = ""


def at_address(shop: "Shop", url: str) -> None:
    """Let the one destination be an HTTP API at *url*."""
    shop.destinations["crm"]["outputs"]["dev"] = {"type": "http", "url": url}


PROJECTS = (
    # the project and its profile
    Broken(
        "no dbt project",
        lambda shop: shop.files.update({"dbt_project.yml": None}),
        ("<project>/dbt_project.yml: there is no such file; run this in a dbt project, or give --project-dir",),
    ),
    Broken(
        "a dbt project without a name",
        lambda shop: shop.dbt_project.pop("name"),
        ("dbt_project.yml: `name` is missing",),
    ),
    Broken(
        "a dbt project without a profile",
        lambda shop: shop.dbt_project.pop("profile"),
        ("dbt_project.yml: `profile` is missing; name a profile of profiles.yml, or give --profile",),
    ),
    Broken(
        "a dbt project that is not YAML",
        lambda shop: shop.files.update({"dbt_project.yml": "name: [shop"}),
        ("dbt_project.yml: this is not YAML: expected ',' or ']', but got '<stream end>' (line 1)",),
    ),
    Broken(
        "a dbt project that is a list",
        lambda shop: shop.files.update({"dbt_project.yml": "- shop"}),
        ("dbt_project.yml: needs a mapping, not a list",),
    ),
    Broken(
        "no such profile",
        lambda shop: shop.dbt_project.update(profile="shopp"),
        ("profiles.yml: there is no profile 'shopp'; did you mean 'shop'?",),
    ),
    Broken(
        "a profile without outputs",
        lambda shop: shop.profiles["shop"].pop("outputs"),
        ("profiles.yml, shop: `outputs` is missing; a profile needs at least one output",),
    ),
    Broken(
        "no such target",
        lambda shop: shop.profiles["shop"].update(target="prod"),
        ("profiles.yml, shop.outputs: there is no target 'prod'; there are: dev",),
    ),
    Broken(
        "a profile that misses a variable",
        lambda shop: shop.profiles["shop"]["outputs"]["dev"].update(password="{{ env_var('WAREHOUSE_PASSWORD') }}"),
        (
            "profiles.yml, shop.outputs.dev.password: the environment variable WAREHOUSE_PASSWORD is not set; set it, or give env_var() a default",
        ),
    ),
    Broken(
        "a profile that calls a function",
        lambda shop: shop.profiles["shop"]["outputs"]["dev"].update(path="{{ open('/etc/passwd') }}"),
        ("profiles.yml, shop.outputs.dev.path: the template cannot be rendered: 'open' is undefined",),
    ),
    Broken(
        "a profile that climbs out of the sandbox",
        lambda shop: shop.profiles["shop"]["outputs"]["dev"].update(path="{{ ''.__class__.__mro__ }}"),
        (
            "profiles.yml, shop.outputs.dev.path: the template cannot be rendered: access to attribute '__class__' of 'str' object is unsafe.",
        ),
    ),
    Broken(
        "a profile without an adapter",
        lambda shop: shop.profiles["shop"]["outputs"]["dev"].pop("type"),
        ("profiles.yml, shop.outputs.dev: `type` needs an adapter's name, not nothing",),
    ),
    Broken(
        "an unknown setting",
        lambda shop: shop.dbt_project.update(vars={"dbt_activate": {"shema": "activate"}}),
        ("dbt_project.yml, vars.dbt_activate.shema: unknown key; did you mean 'schema'?",),
    ),
    Broken(
        "an unknown store",
        lambda shop: shop.dbt_project.update(vars={"dbt_activate": {"store": "hashes"}}),
        (
            "dbt_project.yml, vars.dbt_activate.store: 'hashes' is no way to store rows; write one of: values, fingerprints",
        ),
    ),
    Broken(
        "settings that are no mapping",
        lambda shop: shop.dbt_project.update(vars={"dbt_activate": "activate"}),
        ("dbt_project.yml, vars.dbt_activate: needs a mapping, not 'activate'",),
    ),
    # the manifest
    Broken(
        "no manifest",
        lambda shop: shop.files.update({"target/manifest.json": None}),
        ("target/manifest.json: there is no such file; run `dbt parse`, `dbt build` or `dbt run` first",),
    ),
    Broken(
        "a manifest cut short",
        lambda shop: shop.files.update({"target/manifest.json": '{"metadata": {"dbt_schema'}),
        ("target/manifest.json: this is no manifest of dbt: Input data was truncated; delete it, and run `dbt parse`",),
    ),
    Broken(
        "a manifest of the wrong shape",
        lambda shop: shop.files.update({"target/manifest.json": '{"nodes": []}'}),
        (
            "target/manifest.json: this is no manifest of dbt: Expected `object`, got `array` - at `$.nodes`; delete it, and run `dbt parse`",
        ),
    ),
    Broken(
        "a manifest without a version",
        lambda shop: shop.manifest["metadata"].pop("dbt_schema_version"),
        (
            "target/manifest.json: this is no manifest of dbt: it does not say its schema version; delete it, and run `dbt parse`",
        ),
    ),
    Broken(
        "a manifest of dbt 1.5",
        lambda shop: shop.manifest["metadata"].update(
            dbt_version="1.5.0", dbt_schema_version="https://schemas.getdbt.com/dbt/manifest/v9.json"
        ),
        (
            "target/manifest.json: it was written by dbt 1.5.0 in the old form v9; v11 or later is needed: run `dbt parse` with dbt 1.10 or later",
        ),
    ),
    Broken(
        "a manifest of another project",
        lambda shop: shop.manifest["metadata"].update(project_name="warehouse"),
        (
            "target/manifest.json: this is the manifest of project 'warehouse', not of 'shop'; run `dbt parse` in this project, or give --target-path",
        ),
    ),
    Broken(
        "a manifest of another adapter",
        lambda shop: shop.manifest["metadata"].update(adapter_type="postgres"),
        (
            "target/manifest.json: it was made for postgres, and the target 'dev' is duckdb; run `dbt parse --target dev`",
        ),
    ),
    Broken(
        "a manifest of another target",
        lambda shop: shop.scores.update(schema="dev_ann"),
        (
            "target/manifest.json: it was made for the schema 'dev_ann', and the target 'dev' builds in 'main'; run `dbt parse --target dev`",
        ),
    ),
    Broken(
        "a stale manifest",
        lambda shop: (
            shop.manifest["metadata"].update(generated_at="2020-01-01T00:00:00Z"),
            shop.files.update({"models/schema.yml": "models: []", "models/a.sql": "select 1"}),
        ),
        ("target/manifest.json: it is older than dbt_project.yml and 2 more; run `dbt parse`, which takes seconds",),
    ),
    Broken(
        "a manifest without a date",
        lambda shop: shop.manifest["metadata"].pop("generated_at"),
        ("target/manifest.json: it does not say when it was made; run `dbt parse`",),
    ),
    # where blocks may stand
    Broken(
        "a bare activate key",
        lambda shop: (
            shop.scores["config"].update(meta={}),
            shop.scores.update(meta={}),
            shop.files.update(
                {"models/schema.yml": "models:\n  - name: customer_scores\n    activate:\n      crm: {}\n"}
            ),
        ),
        (
            "models/schema.yml, customer_scores.activate: `activate` stands where dbt drops it (line 4); move it below config and meta:\n    - name: customer_scores\n      config:\n        meta:\n          activate: ...",
        ),
    ),
    Broken(
        "an activate key below config",
        lambda shop: shop.files.update(
            {"models/schema.yml": "models:\n  - name: customer_scores\n    config:\n      activate: {}\n"}
        ),
        (
            "models/schema.yml, customer_scores.config.activate: `activate` stands where dbt drops it (line 4); move it below config and meta:\n    - name: customer_scores\n      config:\n        meta:\n          activate: ...",
        ),
    ),
    Broken(
        "an activate key below a version",
        lambda shop: shop.files.update(
            {
                "models/schema.yml": "models:\n  - name: customer_scores\n    versions:\n      - v: 1\n        activate: {}\n"
            }
        ),
        (
            "models/schema.yml, customer_scores.versions.0.activate: `activate` stands where dbt drops it (line 5); move it below config and meta:\n    - name: customer_scores\n      config:\n        meta:\n          activate: ...",
        ),
    ),
    Broken(
        "an activate key in config of SQL",
        lambda shop: shop.scores["config"].update(activate={"crm": {}}),
        (
            "models/customer_scores.sql, customer_scores.config.activate: `activate` stands in config(); write it as config(meta={'activate': ...}), or in YAML below config: meta:",
        ),
    ),
    Broken(
        "a meta block that dbt lost",
        lambda shop: (
            shop.scores["config"].update(meta={}),
            shop.scores.update(meta={}),
            shop.files.update(
                {"seeds/seeds.yaml": "seeds:\n  - name: customer_scores\n    meta:\n      activate: {}\n"}
            ),
        ),
        (
            "seeds/seeds.yaml, customer_scores.meta.activate: `activate` stands where dbt drops it (line 4); move it below config and meta:\n    - name: customer_scores\n      config:\n        meta:\n          activate: ...",
        ),
    ),
    Broken(
        "a tag that dbt drops",
        lambda shop: shop.files.update(
            {
                "models/schema.yml": "models:\n  - name: customer_scores\n    columns:\n      - name: email\n        activate_field: {pii: email}\n"
            }
        ),
        (
            "models/schema.yml, customer_scores.columns.email.activate_field: `activate_field` stands where dbt drops it (line 5); move it below config and meta:\n    - name: email\n      config:\n        meta:\n          activate_field: ...",
        ),
    ),
    Broken(
        "a block of an ephemeral model",
        lambda shop: (shop.scores.update(relation_name=None), shop.scores["config"].update(materialized="ephemeral")),
        (
            "models/schema.yml, customer_scores.activate: the model is ephemeral: it has no table to read; make it a table or a view",
        ),
    ),
    Broken(
        "a block of a disabled model",
        lambda shop: (
            shop.manifest.update(
                disabled={
                    "model.shop.old": [{**shop.model("old", {"old": shop.block()}), "unique_id": "model.shop.old"}]
                }
            ),
            shop.manifest["nodes"].pop("model.shop.old"),
        ),
        ("models/schema.yml, old.activate: the model is disabled in dbt; enable it, or take the block away",),
    ),
    Broken(
        "a block of a source",
        lambda shop: shop.manifest.update(
            sources={
                "source.shop.raw.events": {
                    "name": "events",
                    "package_name": "shop",
                    "original_file_path": "models/raw.yml",
                    "meta": {"activate": {"x": {}}},
                }
            }
        ),
        (
            "models/raw.yml, events.activate: a sync reads a model, a snapshot or a seed, not a source; put the block on a model that selects from it",
        ),
    ),
    Broken(
        "a block of an exposure",
        lambda shop: shop.manifest.update(
            exposures={
                "exposure.shop.board": {
                    "name": "board",
                    "package_name": "shop",
                    "original_file_path": "models/raw.yml",
                    "config": {"meta": {"activate": {"x": {}}}},
                }
            }
        ),
        (
            "models/raw.yml, board.activate: a sync reads a model, a snapshot or a seed, not an exposure; put the block on a model that selects from it",
        ),
    ),
    Broken(
        "a block of a metric",
        lambda shop: shop.manifest.update(
            metrics={
                "metric.shop.revenue": {
                    "name": "revenue",
                    "package_name": "shop",
                    "original_file_path": "models/raw.yml",
                    "config": {"meta": {"activate": {"x": {}}}},
                }
            }
        ),
        (
            "models/raw.yml, revenue.activate: a sync reads a model, a snapshot or a seed, not a metric; put the block on a model that selects from it",
        ),
    ),
    Broken(
        "a block of a test",
        lambda shop: shop.model("unique_email", {"x": {}}, resource_type="test"),
        (
            "models/schema.yml, unique_email.activate: a sync reads a model, a snapshot or a seed, not a test; put the block on a model that selects from it",
        ),
    ),
    Broken(
        "an empty block",
        lambda shop: shop.syncs.clear(),
        ("models/schema.yml, customer_scores.activate: is empty; write the name of a sync, and the sync below it",),
    ),
    Broken(
        "a block that is a list",
        lambda shop: shop.scores["config"].update(meta={"activate": [shop.block()]}),
        (
            "models/schema.yml, customer_scores.activate: needs a mapping, not a list; write the name of a sync, and the sync below it",
        ),
    ),
    Broken(
        "a sync that is text", lambda shop: shop.syncs.update(crm_contacts="crm"), ("@: needs a mapping, not 'crm'",)
    ),
    Broken(
        "a block at an old version only",
        lambda shop: (
            shop.model("dim", {"dim": shop.block()}, COLUMNS, "customer_id", version=1, latest_version=2),
            shop.model("dim", None, COLUMNS, "customer_id", version=2, latest_version=2),
        ),
        (
            "models/schema.yml, dim.activate.dim: it stands at version 1, and the model's latest version is 2; add `versions: [1]`, or move it to the model",
        ),
    ),
    Broken(
        "a sync of two versions",
        lambda shop: (
            shop.model(
                "dim", {"dim": shop.block(versions=[1, 2])}, COLUMNS, "customer_id", version=1, latest_version=2
            ),
            shop.model(
                "dim", {"dim": shop.block(versions=[1, 2])}, COLUMNS, "customer_id", version=2, latest_version=2
            ),
        ),
        (
            "models/schema.yml, dim.activate.dim.versions: one sync cannot read 2 versions; give each version a sync of its own, with its own name",
        ),
    ),
    Broken(
        "a sync of no version there is",
        lambda shop: shop.model(
            "dim", {"dim": shop.block(versions=[7])}, COLUMNS, "customer_id", version=1, latest_version=1
        ),
        ("models/schema.yml, dim.activate.dim.versions: the model has no version 7 with this sync; it has: 1",),
    ),
    Broken(
        "versions of a model that has none",
        lambda shop: shop.sync(versions=["9"]),
        ("@.versions: the model 'customer_scores' has no versions; leave it out",),
    ),
    Broken(
        "a field with a name too long",
        lambda shop: shop.fields(**{"n" * 256: "email"}),
        ("@.fields: the name 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn…' has 256 characters; the most is 255",),
    ),
    Broken(
        "a sync at two versions",
        lambda shop: (
            shop.model("dim", {"dim": shop.block(versions=[1])}, COLUMNS, "customer_id", version=1, latest_version=2),
            shop.model("dim", {"dim": shop.block()}, COLUMNS, "customer_id", version=2, latest_version=2),
        ),
        (
            "models/schema.yml, dim.activate.dim: versions 1 and 2 both have this sync; give each version its own sync name",
        ),
    ),
    Broken(
        "a block of a package's model",
        lambda shop: (
            shop.scores.update(package_name="hub", patch_path="hub://models/hub.yml"),
            shop.sync(mode="upsertt"),
        ),
        (
            "dbt_packages/hub/models/hub.yml, customer_scores.activate.crm_contacts.mode: 'upsertt' is not known here; did you mean 'upsert'?",
        ),
    ),
    # the shape of a sync
    Broken("an unknown key", lambda shop: shop.sync(feilds={}), ("@.feilds: unknown key; did you mean 'fields'?",)),
    Broken(
        "a key far from any",
        lambda shop: shop.sync(zzz=1),
        (
            "@.zzz: unknown key; the keys are: destination, object, mode, primary_key, identifier, fields, where, on_removed, first_run, schema, conflicts, purpose, requires, guards, batch_size, max_requests_per_second, enabled, tags, owner, versions, renamed_from",
        ),
    ),
    Broken(
        "two faults at once",
        lambda shop: shop.sync(destination=None, mode="upsertt"),
        (
            "@: `destination` is missing: the name of a destination in destinations.yml",
            "@.mode: 'upsertt' is not known here; did you mean 'upsert'?",
        ),
    ),
    Broken("no fields", lambda shop: shop.sync(fields=None), ("@: `fields` is missing",)),
    Broken(
        "empty fields",
        lambda shop: shop.sync(fields={}),
        (
            "@.fields: is empty",
            "@.identifier: 'email' is not one of `fields`; there are none",
        ),
    ),
    Broken(
        "a mode there is not",
        lambda shop: shop.sync(mode="replace"),
        ("@.mode: 'replace' is not known here; write one of: insert, update, upsert, mirror, append",),
    ),
    Broken(
        "a misspelled removal",
        lambda shop: shop.sync(on_removed="arhive"),
        ("@.on_removed: 'arhive' is not known here; did you mean 'archive'?",),
    ),
    Broken(
        "a field without a source",
        lambda shop: shop.fields(x={"null": "skip"}),
        ("@.fields.x: does not say what goes in; give one of column, sql, value, variable, lookup or fields",),
    ),
    Broken(
        "a field with two sources",
        lambda shop: shop.fields(x={"column": "email", "sql": "email"}),
        ("@.fields.x: has column and sql at once; give one of column, sql, value, variable, lookup or fields",),
    ),
    Broken(
        "a misspelled source",
        lambda shop: shop.fields(x={"colum": "email"}),
        ("@.fields.x.colum: unknown key; did you mean 'column'?",),
    ),
    Broken("a field that is a number", lambda shop: shop.fields(x=3), ("@.fields.x: needs text or a mapping, not 3",)),
    Broken("an empty field", lambda shop: shop.fields(x=None), ("@.fields.x: needs text or a mapping, not nothing",)),
    Broken(
        "an unknown transform",
        lambda shop: shop.fields(x={"column": "email", "transform": ["trim", "lowercase"]}),
        ("@.fields.x.transform.1: 'lowercase' is not known here; did you mean 'lower'?",),
    ),
    Broken(
        "an unknown variable",
        lambda shop: shop.fields(x={"variable": "run_started"}),
        ("@.fields.x.variable: 'run_started' is not known here; did you mean 'run_started_at'?",),
    ),
    Broken(
        "a field written if empty",
        lambda shop: shop.fields(x={"column": "email", "write": "if_empty"}),
        ("@.fields.x.write: `write: if_empty` is not in this version",),
    ),
    Broken(
        "a conflict at a field",
        lambda shop: shop.fields(x={"column": "email", "conflict": "destination_wins"}),
        ("@.fields.x.conflict: conflicts per field are not in this version: the warehouse always wins",),
    ),
    Broken(
        "conflicts by time",
        lambda shop: shop.sync(conflicts="newest_wins"),
        ("@.conflicts: `newest_wins` is not in this version: the warehouse always wins",),
    ),
    Broken(
        "a consent column",
        lambda shop: shop.sync(consent="is_active"),
        ("@.consent: consent columns are not in this version",),
    ),
    Broken(
        "a nested fault",
        lambda shop: shop.fields(address={"fields": {"city": {"column": "city", "nul": "skip"}}}),
        ("@.fields.address.fields.city.nul: unknown key; did you mean 'null'?",),
    ),
    Broken(
        "a key beside nested fields",
        lambda shop: (shop.fields(address={"fields": {"city": "phone"}, "null": "skip"}), shop.fields(zip="phone")),
        ("@.fields.address.null: has no place beside `fields`; put it at the fields below",),
    ),
    Broken(
        "two fields of one name",
        lambda shop: shop.fields(**{"a.b": "phone", "a": {"fields": {"b": "phone"}}}),
        ("@.fields.a.fields.b: two fields are called 'a.b'; keep one of them",),
    ),
    Broken(
        "fields nested without end",
        lambda shop: shop.fields(x=json.loads('{"fields":{"x":' * 20 + '"email"' + "}}" * 20)),
        ("@: mappings and lists are nested deeper than 32 levels",),
    ),
    Broken(
        "a guard in parts of one",
        lambda shop: shop.sync(guards={"max_removed": 0.01}),
        ("@.guards.max_removed: 0.01 does not fit; write a percentage such as 1%, or a whole number of rows",),
    ),
    Broken(
        "a guard switched off",
        lambda shop: shop.sync(guards={"max_changed": False}),
        ("@.guards.max_changed: false does not fit; write a percentage such as 1%, or a whole number of rows",),
    ),
    Broken(
        "a guard of too many percent",
        lambda shop: shop.sync(guards={"max_rejected": "120%"}),
        ("@.guards.max_rejected: '120%' does not fit; write a percentage such as 1%, or a whole number of rows",),
    ),
    Broken(
        "fewest rows in percent",
        lambda shop: shop.sync(guards={"min_rows": "1%"}),
        ("@.guards.min_rows: needs a whole number, not '1%'",),
    ),
    Broken(
        "an unknown gate",
        lambda shop: shop.sync(requires={"test": "pass"}),
        ("@.requires.test: unknown key; did you mean 'tests'?",),
    ),
    Broken(
        "a gate with the name of a policy",
        lambda shop: shop.sync(requires={"tests": "fail"}),
        ("@.requires.tests: 'fail' is not known here; write one of: pass, ran, ignore",),
    ),
    Broken(
        "a gate with another word",
        lambda shop: shop.sync(requires={"tests": "passed"}),
        ("@.requires.tests: 'passed' is not known here; did you mean 'pass'?",),
    ),
    Broken(
        "an age without a unit",
        lambda shop: shop.sync(requires={"max_artifact_age": "24"}),
        ("@.requires.max_artifact_age: '24' does not fit; write a number and one of s, m, h and d, such as 24h",),
    ),
    Broken(
        "a batch of no rows", lambda shop: shop.sync(batch_size=0), ("@.batch_size: 0 is too small; the least is 1",)
    ),
    Broken(
        "no requests at all",
        lambda shop: shop.sync(max_requests_per_second=0),
        ("@.max_requests_per_second: 0 is too small; the least is 0.001",),
    ),
    Broken("enabled as text", lambda shop: shop.sync(enabled="no"), ("@.enabled: needs true or false, not 'no'",)),
    Broken(
        "a doubled key column",
        lambda shop: shop.sync(primary_key=["customer_id", "customer_id"]),
        ("@.primary_key: names something twice",),
    ),
    # names, keys, identifiers
    Broken(
        "a sync's name in capitals",
        lambda shop: shop.syncs.update({"CRM-Contacts": shop.syncs.pop("crm_contacts")}),
        (
            "models/schema.yml, customer_scores.activate.CRM-Contacts: a sync's name has lower-case letters, digits and underscores, and starts with a letter; write crm_contacts",
        ),
    ),
    Broken(
        "a sync's name of 41 letters",
        lambda shop: shop.syncs.update({"a" * 41: shop.syncs.pop("crm_contacts")}),
        (
            "models/schema.yml, customer_scores.activate.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: the sync's name has 41 characters; the most is 40",
        ),
    ),
    Broken(
        "two syncs of one name",
        lambda shop: shop.model(
            "orders",
            {"crm_contacts": shop.block(fields={"email": "email"})},
            COLUMNS,
            "customer_id",
            patch_path="shop://models/orders.yml",
        ),
        (
            "models/orders.yml, orders.activate.crm_contacts: the name is taken by customer_scores in models/schema.yml; a sync's name is unique in the project: choose another one",
        ),
    ),
    Broken(
        "a former name in use",
        lambda shop: (shop.sync(renamed_from="contacts"), shop.syncs.update(contacts=shop.block())),
        ("@.renamed_from: there still is a sync 'contacts'; it keeps its ledger: leave `renamed_from` out",),
    ),
    Broken(
        "a former name claimed twice",
        lambda shop: (shop.sync(renamed_from="old"), shop.syncs.update(other=shop.block(renamed_from="old"))),
        (
            "models/schema.yml, customer_scores.activate.other.renamed_from: 'crm_contacts' takes the ledger of 'old' over as well; only one sync can",
        ),
    ),
    Broken(
        "no key at all",
        lambda shop: shop.scores.update(constraints=[]),
        (
            "@: it is not clear what names a row of the model: it has no primary_key constraint, and no single column with both `unique` and `not_null` tests; add `primary_key`",
        ),
    ),
    Broken(
        "a key that may be null",
        lambda shop: (shop.scores.update(constraints=[], primary_key=["email"]), shop.test("unique", "email")),
        (
            "@: it is not clear what names a row of the model: it has no primary_key constraint, and no single column with both `unique` and `not_null` tests; add `primary_key`",
        ),
    ),
    Broken(
        "two keys to choose from",
        lambda shop: (
            shop.scores.update(constraints=[]),
            [shop.test(kind, column) for kind in ("unique", "not_null") for column in ("email", "customer_id")],
        ),
        (
            "@: it is not clear what names a row of the model: it has 2 columns with both `unique` and `not_null` tests: customer_id, email; add `primary_key`",
        ),
    ),
    Broken(
        "no identifier",
        lambda shop: shop.sync(identifier=None),
        ("@: `identifier` is missing, and upsert needs one; name the field, or fields, that match a record",),
    ),
    Broken(
        "an identifier that is no field",
        lambda shop: shop.sync(identifier="emial"),
        ("@.identifier: 'emial' is not one of `fields`; did you mean 'email'?",),
    ),
    Broken(
        "an identifier that is a constant",
        lambda shop: shop.sync(identifier="source", fields={"source": {"value": "warehouse"}}),
        ("@.identifier: 'source' is the same for every row; an identifier comes from the model",),
    ),
    Broken(
        "an identifier that is left out",
        lambda shop: shop.sync(fields={"email": {"column": "email", "null": "skip"}}),
        ("@.identifier: 'email' is not always sent; an identifier takes no `null: skip` and no `write: on_create`",),
    ),
    Broken(
        "a removal that insert cannot make",
        lambda shop: shop.sync(mode="insert", on_removed="delete"),
        ("@.on_removed: `mode: insert` never touches a record again; write `mode: upsert`, or leave on_removed out",),
    ),
    Broken(
        "no object",
        lambda shop: shop.sync(object=None),
        ("@: `object` is missing; the destination 'crm' has more than one: say which is written",),
    ),
    # lookups
    Broken(
        "a lookup of no sync",
        lambda shop: shop.fields(company={"lookup": {"sync": "crm_companies", "key": "customer_id"}}),
        ("@.fields.company.lookup.sync: there is no sync 'crm_companies'; did you mean 'crm_contacts'?",),
    ),
    Broken(
        "a lookup without a key",
        lambda shop: shop.fields(company={"lookup": {"sync": "crm_contacts"}}),
        (
            "@.fields.company.lookup: `key` is missing: the column, or columns, of this model that hold the other sync's primary key",
        ),
    ),
    Broken(
        "a lookup by too many columns",
        lambda shop: (
            shop.syncs.update(crm_companies=shop.block()),
            shop.fields(company={"lookup": {"sync": "crm_companies", "key": ["customer_id", "email"]}}),
        ),
        (
            "@.fields.company.lookup.key: names 2 columns, and the primary key of 'crm_companies' has 1; name the columns that hold customer_id",
        ),
    ),
    Broken(
        "a lookup of itself",
        lambda shop: shop.fields(company={"lookup": {"sync": "crm_contacts", "key": "customer_id"}}),
        ("@: lookups go in a circle: crm_contacts -> crm_contacts; one of them must go first",),
    ),
    Broken(
        "a circle of lookups",
        lambda shop: (
            shop.fields(company={"lookup": {"sync": "crm_companies", "key": "customer_id"}}),
            shop.syncs.update(
                crm_companies=shop.block(
                    fields={"email": "email", "main": {"lookup": {"sync": "crm_contacts", "key": "customer_id"}}}
                )
            ),
        ),
        (
            "models/schema.yml, customer_scores.activate.crm_companies: lookups go in a circle: crm_companies -> crm_contacts -> crm_companies; one of them must go first",
        ),
    ),
    # personal data and secrets
    Broken(
        "personal data without a purpose",
        lambda shop: shop.tag("email", {"pii": "email", "purpose": ["marketing"]}),
        (
            "@.fields.email: the column 'email' is personal data for the purpose marketing only, and this sync names none; give the sync such a `purpose`, or leave it out",
        ),
    ),
    Broken(
        "personal data for another purpose",
        lambda shop: (
            shop.tag("email", {"pii": "email", "purpose": ["support", "billing"]}),
            shop.sync(purpose="marketing"),
        ),
        (
            "@.fields.email: the column 'email' is personal data for the purpose billing, support only, and this sync's is 'marketing'; give the sync such a `purpose`, or leave it out",
        ),
    ),
    Broken(
        "personal data within SQL",
        lambda shop: (
            shop.tag("last_name", {"pii": "name", "purpose": "support"}),
            shop.fields(greeting={"sql": "'Dear ' || upper(LAST_NAME)"}),
        ),
        (
            "@.fields.greeting.sql: the column 'last_name' is personal data for the purpose support only, and this sync names none; give the sync such a `purpose`, or leave it out",
        ),
    ),
    Broken(
        "personal data within where",
        lambda shop: (shop.tag("phone", {"pii": "phone", "purpose": "support"}), shop.sync(where="phone is not null")),
        (
            "@.where: the column 'phone' is personal data for the purpose support only, and this sync names none; give the sync such a `purpose`, or leave it out",
        ),
    ),
    Broken(
        "personal data that names no purpose",
        lambda shop: (shop.tag("email", {"pii": "email"}), shop.sync(purpose="marketing")),
        (
            "@.fields.email: the column 'email' is personal data and names no purpose; add `purpose` to its activate_field",
        ),
    ),
    Broken(
        "an unknown kind of personal data",
        lambda shop: shop.tag("phone", {"pii": "telephone", "purpose": "x"}),
        (
            "models/schema.yml, customer_scores.columns.phone.activate_field.pii: 'telephone' is no kind of personal data; did you mean 'phone'?",
        ),
    ),
    Broken(
        "a misspelled tag",
        lambda shop: shop.tag("phone", {"pii": "phone", "purposes": ["x"]}),
        (
            "models/schema.yml, customer_scores.columns.phone.activate_field.purposes: unknown key; did you mean 'purpose'?",
        ),
    ),
    Broken(
        "a tag that is text",
        lambda shop: shop.tag("phone", "phone"),
        (
            "models/schema.yml, customer_scores.columns.phone.activate_field: needs a mapping, not 'phone'; such as {pii: email, purpose: [marketing]}",
        ),
    ),
    Broken(
        "a purpose that is a number",
        lambda shop: shop.tag("phone", {"pii": "phone", "purpose": 3}),
        (
            "models/schema.yml, customer_scores.columns.phone.activate_field.purpose: needs a purpose or a list of them, not 3",
        ),
    ),
    Broken(
        "a tag at the model",
        lambda shop: shop.scores["config"]["meta"].update(activate_field={"pii": "email"}),
        (
            "models/schema.yml, customer_scores.activate_field: it stands at the model, and tags nothing there; move it to the columns it means",
        ),
    ),
    Broken(
        "SQL that hides what it reads",
        lambda shop: (shop.tag("phone", {"pii": "phone", "purpose": "x"}), shop.fields(x={"sql": "COLUMNS('.*')"})),
        ("@.fields.x.sql: it stands for columns that nobody named; name them",),
    ),
    Broken(
        "a HubSpot token in a block",
        lambda shop: shop.fields(token={"value": "pat-na1-12345678-abcd"}),
        (
            "@.fields.token.value: this looks like a HubSpot token; dbt writes this block into its artifacts in clear: secrets belong in destinations.yml, by env_var()",
        ),
    ),
    Broken(
        "a bearer token in SQL",
        lambda shop: shop.fields(token={"sql": "'Bearer abcdef0123456789'"}),
        (
            "@.fields.token.sql: this looks like a bearer token; dbt writes this block into its artifacts in clear: secrets belong in destinations.yml, by env_var()",
        ),
    ),
    Broken(
        "a key by its randomness",
        lambda shop: shop.fields(token={"value": "f9Xk2LmQ8vT4zRw7Yb3Nc6Jd1"}),
        (
            "@.fields.token.value: this looks like a token; dbt writes this block into its artifacts in clear: secrets belong in destinations.yml, by env_var()",
        ),
    ),
    # JSON Schemas of payloads
    Broken(
        "a schema that is not there",
        lambda shop: shop.sync(schema="activate/contact.json"),
        ("@.schema: the file 'activate/contact.json' cannot be read: No such file or directory",),
    ),
    Broken(
        "a schema out of the project",
        lambda shop: shop.sync(schema="../contact.json"),
        ("@.schema: '../contact.json' leads out of the project; write a path below the project",),
    ),
    Broken(
        "a schema at an absolute path",
        lambda shop: shop.sync(schema="/etc/passwd"),
        ("@.schema: '/etc/passwd' leads out of the project; write a path below the project",),
    ),
    Broken(
        "a schema that is not JSON",
        lambda shop: (shop.sync(schema="c.json"), shop.files.update({"c.json": "{"})),
        (
            "@.schema: the file 'c.json' is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
    ),
    Broken(
        "a schema that is none",
        lambda shop: (shop.sync(schema="c.json"), shop.files.update({"c.json": '{"type": "text"}'})),
        ("@.schema: the file 'c.json' is no JSON Schema: type: 'text' is not valid under any of the given schemas",),
    ),
    Broken(
        "a schema that is a list",
        lambda shop: (shop.sync(schema="c.json"), shop.files.update({"c.json": "[]"})),
        ("@.schema: the file 'c.json' is no JSON Schema: it needs an object",),
    ),
    Broken(
        "a schema that leads elsewhere",
        lambda shop: (
            shop.sync(schema="c.json"),
            shop.files.update({"c.json": '{"$ref": "https://example.com/s.json"}'}),
        ),
        (
            "@.schema: 'https://example.com/s.json' in 'c.json' leads nowhere in that file; a $ref must lead to a place in the same file, such as #/$defs/x",
        ),
    ),
    Broken(
        "a schema that leads nowhere",
        lambda shop: (shop.sync(schema="c.json"), shop.files.update({"c.json": '{"$ref": "#/$defs/mail"}'})),
        (
            "@.schema: '#/$defs/mail' in 'c.json' leads nowhere in that file; a $ref must lead to a place in the same file, such as #/$defs/x",
        ),
    ),
    # destinations.yml
    Broken(
        "no destinations",
        lambda shop: setattr(shop, "destinations", None),
        ("destinations.yml: there is no such file; `dbt-activate init` makes one",),
    ),
    Broken(
        "a destination there is not",
        lambda shop: shop.sync(destination="crn"),
        ("@.destination: there is no destination 'crn'; did you mean 'crm'?",),
    ),
    Broken(
        "a destination without outputs",
        lambda shop: shop.destinations.update(crm={"output": {}}),
        (
            "destinations.yml, crm.output: unknown key; did you mean 'outputs'?",
            "destinations.yml, crm: `outputs` is missing: the connection to use for each dbt target",
        ),
    ),
    Broken(
        "an output without a type",
        lambda shop: shop.destinations["crm"]["outputs"]["dev"].pop("type"),
        ("destinations.yml, crm.outputs.dev: `type` is missing",),
    ),
    Broken(
        "an output of no known type",
        lambda shop: shop.output(type="hubspott"),
        ("destinations.yml, crm.outputs.dev.type: 'hubspott' is no type; did you mean 'hubspot'?",),
    ),
    Broken(
        "no output for the target",
        lambda shop: shop.destinations["crm"]["outputs"].update(
            {"prod": shop.destinations["crm"]["outputs"].pop("dev"), "ci": {"type": "sandbox", "emulate": "hubspot"}}
        ),
        (
            "destinations.yml, crm.outputs: there is no output 'dev', the active target; there are: prod, ci; add one of that name, or give --destination-target",
        ),
    ),
    Broken(
        "an unknown setting of a connection",
        lambda shop: shop.output(portal="1"),
        ("destinations.yml, crm.outputs.dev.portal: unknown key; did you mean 'portal_id'?",),
    ),
    Broken(
        "a missing setting",
        lambda shop: shop.destinations["crm"]["outputs"]["dev"].pop("token"),
        ("destinations.yml, crm.outputs.dev: `token` is missing: the private app's token",),
    ),
    Broken(
        "a setting that is no choice",
        lambda shop: shop.output(region="eu2"),
        ("destinations.yml, crm.outputs.dev.region: 'eu2' is not known here; did you mean 'eu1'?",),
    ),
    Broken(
        "a number that is none",
        lambda shop: (shop.output(portal_id="{{ env_var('PORTAL') }}"), shop.environ.update(PORTAL="one")),
        ("destinations.yml, crm.outputs.dev.portal_id: needs a whole number, not 'one'",),
    ),
    Broken(
        "a yes that is no boolean",
        lambda shop: shop.files.update(
            {
                "destinations.yml": "crm:\n  outputs:\n    dev:\n      type: hubspot\n      token: \"{{ env_var('HUBSPOT_TOKEN') }}\"\n      allow_private_addresses: yes\n"
            }
        ),
        ("destinations.yml, crm.outputs.dev.allow_private_addresses: needs true or false, not 'yes'",),
    ),
    Broken(
        "too fast",
        lambda shop: shop.output(max_requests_per_second=-1, max_concurrency=0),
        (
            "destinations.yml, crm.outputs.dev.max_concurrency: 0 is too small; the least is 1",
            "destinations.yml, crm.outputs.dev.max_requests_per_second: -1 is too small; the least is 0.001",
        ),
    ),
    Broken(
        "a time-out that no lease covers",
        lambda shop: shop.output(timeout_seconds=300),
        ("destinations.yml, crm.outputs.dev.timeout_seconds: 300 is too large; the most is 290",),
    ),
    Broken(
        "a time-out in powers of ten",
        lambda shop: shop.output(timeout_seconds="1e308"),
        ("destinations.yml, crm.outputs.dev.timeout_seconds: needs a number, not '1e308'; the most is 290",),
    ),
    Broken(
        "an address of the sandbox whose bracket is not closed",
        lambda shop: shop.output(type="sandbox", emulate="hubspot", url="http://[::1"),
        (
            "destinations.yml, crm.outputs.dev.url: the host of this URL cannot be read; write a URL such as https://api.example.com:8443/v1",
        ),
    ),
    Broken(
        "an address with a port that no machine has",
        lambda shop: at_address(shop, "http://127.0.0.1:99999999/hooks/x"),
        (
            "destinations.yml, crm.outputs.dev.url: the port of this URL is no number from 1 to 65535; write a URL such as https://api.example.com:8443/v1",
        ),
    ),
    Broken(
        "an address whose host has an empty part",
        lambda shop: at_address(shop, "https://a..example"),
        (
            "destinations.yml, crm.outputs.dev.url: the host of this URL is no name and no address; write a URL such as https://api.example.com:8443/v1",
        ),
    ),
    Broken(
        "a directory in the place of the file",
        replace_by_directory,
        ("destinations.yml: the file cannot be read: Is a directory",),
    ),
    Broken(
        "a variable that is not set",
        lambda shop: shop.environ.clear(),
        (
            "destinations.yml, crm.outputs.dev.token: the environment variable HUBSPOT_TOKEN is not set; set it, or give env_var() a default",
        ),
    ),
    Broken(
        "a var that is not set",
        lambda shop: shop.output(portal_id="{{ var('portal') }}"),
        (
            "destinations.yml, crm.outputs.dev.portal_id: the variable portal is not set; give it by --vars or under vars: in dbt_project.yml",
        ),
    ),
    Broken(
        "an empty secret",
        lambda shop: shop.environ.update(HUBSPOT_TOKEN=""),
        ("destinations.yml, crm.outputs.dev.token: the environment variable of this secret is empty; set it",),
    ),
    Broken(
        "a secret in the file",
        lambda shop: shop.output(token="open sesame"),
        (
            "destinations.yml, crm.outputs.dev.token: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
        ),
    ),
    Broken(
        "a secret as a default",
        lambda shop: shop.output(token="{{ env_var('NO_TOKEN', 'open sesame') }}"),
        (
            "destinations.yml, crm.outputs.dev.token: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
        ),
    ),
    Broken(
        "a secret from a var",
        lambda shop: (shop.output(token="{{ var('token') }}"), shop.dbt_project.update(vars={"token": "open sesame"})),
        (
            "destinations.yml, crm.outputs.dev.token: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
        ),
    ),
    Broken(
        "a token in the file",
        lambda shop: shop.output(region="pat-na1-12345678"),
        (
            "destinations.yml, crm.outputs.dev.region: this looks like a HubSpot token; take it from the environment: \"{{ env_var('NAME') }}\"",
            "destinations.yml, crm.outputs.dev.region: this text is not known here; write one of: eu1, na1",
        ),
    ),
    Broken(
        "a token in an output that is not used",
        lambda shop: shop.destinations.update(
            ops={"outputs": {"prod": {"type": "http", "headers": {"Authorization": "Bearer abcdef123456"}}}}
        ),
        (
            "destinations.yml, ops.outputs.prod.headers.Authorization: this looks like a bearer token; take it from the environment: \"{{ env_var('NAME') }}\"",
        ),
    ),
    Broken(
        "a secret header in the file",
        lambda shop: shop.destinations.update(
            crm={
                "outputs": {
                    "dev": {
                        "type": "http",
                        "url": "https://x.example",
                        "headers": {"X-Key": "sesame"},
                        "sign": {"secret": "sesame"},
                    }
                }
            }
        ),
        (
            "destinations.yml, crm.outputs.dev.headers.X-Key: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
            "destinations.yml, crm.outputs.dev.sign.secret: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
        ),
    ),
    Broken(
        "a filter",
        lambda shop: shop.output(token="{{ env_var('HUBSPOT_TOKEN') | trim }}"),
        (
            "destinations.yml, crm.outputs.dev.token: the filter trim is not known here; env_var() and var() are the only Jinja in this file",
        ),
    ),
    Broken(
        "a statement of Jinja",
        lambda shop: shop.output(token="{% if true %}x{% endif %}"),
        (
            "destinations.yml, crm.outputs.dev.token: {% if %} is not known here; env_var() and var() are the only Jinja in this file",
        ),
    ),
    Broken(
        "a function of Jinja",
        lambda shop: shop.output(token="{{ target_name() }}"),
        (
            "destinations.yml, crm.outputs.dev.token: target_name() is not known here; env_var() and var() are the only Jinja in this file",
        ),
    ),
    Broken(
        "a name of Jinja",
        lambda shop: shop.output(token="{{ target }}"),
        (
            "destinations.yml, crm.outputs.dev.token: target is not known here; env_var() and var() are the only Jinja in this file",
        ),
    ),
    Broken(
        "a computed variable's name",
        lambda shop: shop.output(token="{{ env_var('A' ~ 'B') }}"),
        ("destinations.yml, crm.outputs.dev.token: env_var() takes a name and a default, both written out in quotes",),
    ),
    Broken(
        "a comment of Jinja",
        lambda shop: shop.output(region="eu1{# or na1 #}"),
        (
            "destinations.yml, crm.outputs.dev.region: a comment is not known here; env_var() and var() are the only Jinja in this file",
        ),
    ),
    Broken(
        "an unclosed template",
        lambda shop: shop.output(token="{{ env_var('A'"),
        ("destinations.yml, crm.outputs.dev.token: the template is broken: unexpected end of template, expected ','.",),
    ),
    Broken(
        "a sandbox of nothing",
        lambda shop: shop.destinations.update(crm={"outputs": {"dev": {"type": "sandbox"}}}),
        ("destinations.yml, crm.outputs.dev: `emulate` is missing; there are: hubspot, http, file",),
    ),
    Broken(
        "a sandbox of no known type",
        lambda shop: shop.destinations.update(crm={"outputs": {"dev": {"type": "sandbox", "emulate": "hubspt"}}}),
        ("destinations.yml, crm.outputs.dev.emulate: 'hubspt' is no type to act as; did you mean 'hubspot'?",),
    ),
    Broken(
        "a sandbox elsewhere with a secret",
        lambda shop: shop.destinations.update(
            crm={
                "outputs": {
                    "dev": {"type": "sandbox", "emulate": "hubspot", "url": "http://sandbox.example", "token": "sesame"}
                }
            }
        ),
        (
            "destinations.yml, crm.outputs.dev.token: this secret does not come from the environment; write \"{{ env_var('NAME') }}\"",
        ),
    ),
    # YAML tricks
    Broken(
        "YAML cut short",
        lambda shop: shop.files.update({"destinations.yml": "crm: {outputs: [\n"}),
        ("destinations.yml, line 2: this is not YAML: expected the node content, but found '<stream end>'",),
    ),
    Broken(
        "YAML with a tab",
        lambda shop: shop.files.update({"destinations.yml": "crm:\n\toutputs: {}\n"}),
        ("destinations.yml, line 2: this is not YAML: found character '\\t' that cannot start any token",),
    ),
    Broken(
        "YAML that is text",
        lambda shop: shop.files.update({"destinations.yml": "crm"}),
        ("destinations.yml: needs a mapping from destination to its outputs, not 'crm'",),
    ),
    Broken(
        "YAML that is not UTF-8",
        lambda shop: shop.files.update({"destinations.yml": b"crm: \xff\xfe"}),
        ("destinations.yml: the file is not UTF-8 (byte 5)",),
    ),
    Broken(
        "YAML with a control character",
        lambda shop: shop.files.update({"destinations.yml": b"crm: \x07"}),
        ("destinations.yml: this is not YAML: unacceptable character #x0007: special characters are not allowed",),
    ),
    Broken(
        "YAML of over 1 MB",
        lambda shop: shop.files.update({"destinations.yml": b"# " + b"x" * 1_000_000}),
        ("destinations.yml: the file is larger than 1000 kB",),
    ),
    Broken(
        "a doubled key in YAML",
        lambda shop: shop.files.update(
            {"destinations.yml": "crm:\n  outputs:\n    dev: {type: file}\n    dev: {type: http}\n"}
        ),
        ("destinations.yml, crm.outputs.dev: the key stands twice, on lines 3 and 4; keep one of them",),
    ),
    Broken(
        "an alias in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm: &a\n  outputs: {dev: {type: file}}\nops: *a\n"}),
        (
            "destinations.yml, crm: the anchor &a is not read here (line 1); leave it out",
            "destinations.yml, ops: the alias *a is not read here (line 3); write the value out",
        ),
    ),
    Broken(
        "a merge key in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm:\n  <<: {outputs: {dev: {type: file}}}\n"}),
        ("destinations.yml, crm: the merge key << is not read here (line 2); write the values out",),
    ),
    Broken(
        "a tag in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm: {outputs: {dev: {type: !!str file}}}\n"}),
        (
            "destinations.yml, crm.outputs.dev.type: the tag tag:yaml.org,2002:str is not read here (line 1); leave it out",
        ),
    ),
    Broken(
        "a Python object in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm: !!python/object/apply:os.system ['true']\n"}),
        (
            "destinations.yml, crm: the tag tag:yaml.org,2002:python/object/apply:os.system is not read here (line 1); leave it out",
        ),
    ),
    Broken(
        "two documents in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm: {}\n---\nops: {}\n"}),
        ("destinations.yml, line 2: a second document starts here; keep one document in the file",),
    ),
    Broken(
        "a mapping as a key in YAML",
        lambda shop: shop.files.update({"destinations.yml": "{a: b}: c\n"}),
        ("destinations.yml, line 1: a key is a mapping, a list or an alias; a key must be plain text",),
    ),
    Broken(
        "YAML nested too deep",
        lambda shop: shop.files.update({"destinations.yml": "crm: " + "[" * 40 + "]" * 40 + "\n"}),
        ("destinations.yml, line 1: mappings and lists are nested deeper than 32 levels",),
    ),
    Broken(
        "a hundred thousand brackets in YAML",
        lambda shop: shop.files.update({"destinations.yml": "crm: " + "[" * 100_000}),
        ("destinations.yml, line 1: mappings and lists are nested deeper than 32 levels",),
    ),
)

COLUMNS_OF_DUCKDB = (
    Broken(
        "a primary key that is no column",
        lambda shop: shop.sync(primary_key="customerid"),
        ("@.primary_key: no column 'customerid'; did you mean 'customer_id'?",),
    ),
    Broken(
        "a field's column that is missing",
        lambda shop: shop.fields(phone="telephone", x="fon"),
        (
            "@.fields.phone: no column 'telephone'; did you mean 'phone'?",
            "@.fields.x: no column 'fon'; the columns are: customer_id, email, first_name, last_name, phone, churn_score, is_active",
        ),
    ),
    Broken(
        "a nested field's column that is missing",
        lambda shop: shop.fields(address={"fields": {"city": {"column": "town"}}}),
        (
            "@.fields.address.fields.city: no column 'town'; the columns are: customer_id, email, first_name, last_name, phone, churn_score, is_active",
        ),
    ),
    Broken(
        "a lookup's column that is missing",
        lambda shop: (
            shop.syncs.update(crm_companies=shop.block()),
            shop.fields(company={"lookup": {"sync": "crm_companies", "key": "company_id"}}),
        ),
        (
            "@.fields.company: no column 'company_id'; the columns are: customer_id, email, first_name, last_name, phone, churn_score, is_active",
        ),
    ),
    Broken(
        "SQL over a missing column",
        lambda shop: shop.fields(x={"sql": "upper(first_nam)"}),
        ("@.fields.x.sql: no column 'first_nam'; did you mean 'first_name'?",),
    ),
    Broken(
        "SQL over the whole row",
        lambda shop: shop.fields(x={"sql": "to_json(customer_scores)"}),
        ("@.fields.x.sql: no column 'customer_scores'; did you mean 'customer_id'?",),
    ),
    Broken(
        "SQL over another relation's column",
        lambda shop: shop.fields(x={"sql": "orders.total"}),
        (
            "@.fields.x.sql: no column 'orders'; the columns are: customer_id, email, first_name, last_name, phone, churn_score, is_active",
        ),
    ),
    Broken(
        "SQL that is two expressions",
        lambda shop: shop.fields(x={"sql": "email, phone"}),
        ("@.fields.x.sql: this is not one expression; write one expression over the columns, without a name for it",),
    ),
    Broken("SQL that is empty", lambda shop: shop.fields(x={"sql": "  "}), ("@.fields.x.sql: there is no SQL in it",)),
    Broken(
        "SQL with a name for it",
        lambda shop: shop.fields(x={"sql": "email as mail"}),
        ("@.fields.x.sql: this is not one expression; write one expression over the columns, without a name for it",),
    ),
    Broken(
        "SQL that leaves its brackets",
        lambda shop: shop.fields(x={"sql": "email) from customer_scores where (true"}),
        ("@.fields.x.sql: this is more than one expression; write one expression over the columns",),
    ),
    Broken(
        "SQL that leaves its brackets to be two",
        lambda shop: shop.fields(x={"sql": "email) || (phone"}),
        ("@.fields.x.sql: this is not one expression; write one expression over the columns, without a name for it",),
    ),
    Broken(
        "SQL with a semicolon",
        lambda shop: shop.fields(x={"sql": "email; drop table customer_scores"}),
        ("@.fields.x.sql: a semicolon has no place in it; write one expression",),
    ),
    Broken(
        "SQL that is a statement",
        lambda shop: shop.fields(x={"sql": "delete from customer_scores"}),
        ("@.fields.x.sql: this is no SQL expression (line 1, column 11); write one expression over the columns",),
    ),
    Broken(
        "SQL with a comment at its end",
        lambda shop: shop.fields(x={"sql": "email -- the address"}),
        ("@.fields.x.sql: a comment has no place in it; write the comment in YAML, after a #",),
    ),
    Broken(
        "SQL with a comment within",
        lambda shop: shop.fields(x={"sql": "email /* ) || ( */"}),
        ("@.fields.x.sql: a comment has no place in it; write the comment in YAML, after a #",),
    ),
    Broken(
        "SQL that is a comment",
        lambda shop: shop.fields(x={"sql": "-- email"}),
        ("@.fields.x.sql: there is no SQL in it",),
    ),
    Broken(
        "SQL with an open quote",
        lambda shop: shop.fields(x={"sql": "email || 'x"}),
        ("@.fields.x.sql: this is not SQL: a quote or a comment is not closed",),
    ),
    Broken(
        "SQL that is broken",
        lambda shop: shop.fields(x={"sql": "email ||"}),
        ("@.fields.x.sql: this is no SQL expression (line 2, column 1); write one expression over the columns",),
    ),
    Broken(
        "SQL with a query",
        lambda shop: shop.fields(x={"sql": "(select max(total) from orders)"}),
        ("@.fields.x.sql: a query of its own has no place in it; it belongs in the model",),
    ),
    Broken(
        "SQL with a query within",
        lambda shop: shop.fields(x={"sql": "coalesce(email, (select 'x'))"}),
        ("@.fields.x.sql: a query of its own has no place in it; it belongs in the model",),
    ),
    Broken(
        "where with a query",
        lambda shop: shop.sync(where="customer_id in (select customer_id from blocked)"),
        ("@.where: a query of its own has no place in it; it belongs in the model",),
    ),
    Broken(
        "where with exists",
        lambda shop: shop.sync(where="exists (select 1 from blocked)"),
        ("@.where: a query of its own has no place in it; it belongs in the model",),
    ),
    Broken(
        "SQL that makes rows",
        lambda shop: shop.fields(x={"sql": "unnest([email, phone])"}),
        ("@.fields.x.sql: it makes several rows of one; it belongs in the model",),
    ),
    Broken(
        "SQL with a star alone",
        lambda shop: shop.fields(x={"sql": "*"}),
        ("@.fields.x.sql: it stands for columns that nobody named; name them",),
    ),
    Broken(
        "SQL by position",
        lambda shop: shop.fields(x={"sql": "#1"}),
        ("@.fields.x.sql: it stands for columns that nobody named; name them",),
    ),
    Broken(
        "SQL with an aggregate",
        lambda shop: shop.fields(x={"sql": "max(churn_score)"}),
        ("@.fields.x.sql: an aggregate looks at other rows; it belongs in the model",),
    ),
    Broken(
        "SQL with a window",
        lambda shop: shop.fields(x={"sql": "row_number() over (order by email)"}),
        ("@.fields.x.sql: a window function looks at other rows; it belongs in the model",),
    ),
    Broken(
        "SQL with a star",
        lambda shop: shop.fields(x={"sql": "count(*)"}),
        ("@.fields.x.sql: an aggregate looks at other rows; it belongs in the model",),
    ),
    Broken(
        "SQL with a placeholder",
        lambda shop: shop.fields(x={"sql": "email || ?"}),
        ("@.fields.x.sql: a placeholder stands for nothing here; write the value out",),
    ),
    Broken(
        "SQL that is never the same",
        lambda shop: shop.fields(x={"sql": "random()"}),
        (
            "@.fields.x.sql: its value is another one in every run, so that every row would be sent every time; it belongs in the model",
        ),
    ),
    Broken(
        "SQL that counts up",
        lambda shop: shop.fields(x={"sql": "nextval('ids')"}),
        (
            "@.fields.x.sql: its value is another one in every run, so that every row would be sent every time; it belongs in the model",
        ),
    ),
    Broken(
        "SQL that is a union",
        lambda shop: shop.fields(x={"sql": "email union select 1"}),
        ("@.fields.x.sql: this is no SQL expression (line 1, column 11); write one expression over the columns",),
    ),
    Broken(
        "where that is text",
        lambda shop: shop.sync(where="'yes'"),
        ("@.where: this is neither true nor false; write a condition, such as is_active or score > 0",),
    ),
    Broken(
        "where that is a number",
        lambda shop: shop.sync(where="churn_score + 1"),
        ("@.where: this is neither true nor false; write a condition, such as is_active or score > 0",),
    ),
    Broken(
        "where that is a text column",
        lambda shop: shop.sync(where="email"),
        ("@.where: this is neither true nor false; write a condition, such as is_active or score > 0",),
    ),
    Broken(
        "where over a missing column",
        lambda shop: shop.sync(where="active and churn_score > 0.5"),
        ("@.where: no column 'active'; did you mean 'is_active'?",),
    ),
)

COLUMNS_OF_POSTGRES = (
    Broken(
        "SQL that makes numbers",
        lambda shop: shop.fields(x={"sql": "generate_series(1, 3)"}),
        ("@.fields.x.sql: it makes several rows of one; it belongs in the model",),
    ),
    Broken(
        "a column in another case, in PostgreSQL",
        lambda shop: (shop.sync(where='"Is_Active"'), shop.fields(x="Email")),
        (
            "@.fields.x: no column 'Email'; did you mean 'email'?",
            "@.where: no column 'Is_Active'; did you mean 'is_active'?",
        ),
    ),
)

OBJECTS = (
    Broken(
        "no such field",
        lambda shop: shop.fields(emial="email"),
        ("@.fields.emial: there is no field 'emial'; did you mean 'email'?",),
    ),
    Broken(
        "a required field that is missing",
        lambda shop: shop.sync(fields={"churn_score": "churn_score"}, identifier="churn_score"),
        (
            "@.identifier: 'churn_score' does not match records of contacts; there are: email",
            "@.fields: the required field 'email' is missing; say what goes into it",
        ),
    ),
    Broken(
        "a read-only field",
        lambda shop: shop.fields(created_at="email"),
        ("@.fields.created_at: 'created_at' is read-only; leave it out",),
    ),
    Broken(
        "a field that cannot be changed",
        lambda shop: shop.fields(source="email"),
        ("@.fields.source: 'source' cannot be changed on a record; write `write: on_create`, or leave it out",),
    ),
    Broken(
        "a field that new records do not take",
        lambda shop: shop.fields(verified="is_active"),
        ("@.fields.verified: 'verified' cannot be set on a new record; leave it out, or write `mode: update`",),
    ),
    Broken(
        "a field of fields that has none",
        lambda shop: shop.fields(phone={"fields": {"mobile": "phone"}}),
        ("@.fields.phone.fields.mobile: 'phone' is of type string, and has no fields of its own; write one value",),
    ),
    Broken(
        "a constant that is no choice",
        lambda shop: shop.fields(stage={"value": "costumer"}),
        ("@.fields.stage: 'costumer' is no value of 'stage'; did you mean 'customer'?",),
    ),
    Broken(
        "a mirror of what cannot be deleted",
        lambda shop: shop.sync(mode="mirror"),
        ("@.mode: contacts takes no delete; it takes: upsert, update",),
    ),
    Broken(
        "an archive of what cannot be archived",
        lambda shop: shop.sync(on_removed="archive"),
        ("@.on_removed: contacts takes no archive; it takes: upsert, update",),
    ),
    Broken(
        "appending to what takes no appends",
        lambda shop: shop.sync(mode="append", identifier=None),
        ("@.mode: contacts takes no create; it takes: upsert, update",),
    ),
    Broken(
        "on_create where new records are not known",
        lambda shop: shop.fields(source={"column": "email", "write": "on_create"}),
        (
            "@.fields.source.write: contacts does not tell new records from old ones, so that `on_create` cannot be kept; leave `write` out, or leave the field out",
        ),
    ),
)


def named(broken: Broken) -> str:
    return broken.name


def loaded(shop: "Shop", broken: Broken) -> Sync:
    """The sync of a project that loads; what is broken in it shows only beside columns or an object."""
    broken.edit(shop)
    return next(sync for sync in shop.load().syncs if sync.name == "crm_contacts")


@pytest.mark.parametrize("broken", PROJECTS, ids=named)
def test_a_broken_project_is_refused_with_all_that_is_wrong(broken: Broken, shop: "Shop") -> None:
    broken.edit(shop)
    assert shop.problems() == broken.messages


@pytest.mark.parametrize("broken", COLUMNS_OF_DUCKDB, ids=named)
def test_a_sync_that_does_not_fit_its_columns_is_refused(broken: Broken, shop: "Shop") -> None:
    assert [str(problem) for problem in check_columns(loaded(shop, broken), COLUMNS, "duckdb")] == broken.messages


@pytest.mark.parametrize("broken", COLUMNS_OF_POSTGRES, ids=named)
def test_a_sync_that_does_not_fit_its_columns_in_postgresql_is_refused(broken: Broken, shop: "Shop") -> None:
    assert [str(problem) for problem in check_columns(loaded(shop, broken), COLUMNS, "postgres")] == broken.messages


@pytest.mark.parametrize("broken", OBJECTS, ids=named)
def test_a_sync_that_does_not_fit_its_object_is_refused(broken: Broken, shop: "Shop") -> None:
    assert [str(problem) for problem in check_against(loaded(shop, broken), CONTACTS)] == broken.messages


def test_no_two_broken_projects_have_one_name() -> None:
    names = [broken.name for broken in (*PROJECTS, *COLUMNS_OF_DUCKDB, *COLUMNS_OF_POSTGRES, *OBJECTS)]
    assert len(names) == len(set(names)) >= 170
