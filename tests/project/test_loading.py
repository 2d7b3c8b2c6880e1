"""A sound project, as the rest of the program sees it."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from dbt_activate.errors import ConfigError
from dbt_activate.values.destination import Limits
from dbt_activate.values.secret import Secret
from dbt_activate.values.sync import (
    Column,
    Constant,
    FieldMap,
    Guards,
    Lookup,
    NullPolicy,
    OnRemoved,
    Requires,
    Share,
    Sql,
    SyncMode,
    Variable,
    WritePolicy,
)

if TYPE_CHECKING:
    from tests.project.conftest import Shop

ROOT = Path(__file__).parents[2]


def test_a_whole_block_becomes_a_sync(shop: "Shop") -> None:
    shop.files["activate/contact.json"] = '{"$ref": "#/$defs/c", "$defs": {"c": {"type": "object"}}}'
    shop.syncs["crm_companies"] = shop.block(mode="insert", identifier=None)
    shop.sync(
        mode="mirror",
        primary_key=["customer_id", "email"],
        identifier=["email", "address.city"],
        fields={
            "email": "email",
            "full_name": {"sql": "first_name || ' ' || last_name"},
            "lead_source": {"value": ["warehouse", None]},
            "synced_at": {"variable": "run_started_at"},
            "phone": {"column": "phone", "null": "skip"},
            "owner": {"column": "email", "write": "on_create"},
            "email_sha256": {"column": "email", "transform": ["trim", "lower", "sha256"]},
            "upper": {"column": "email", "transform": "upper"},
            "company": {"lookup": {"sync": "crm_companies", "key": "customer_id"}},
            "address": {"fields": {"city": "first_name", "geo": {"fields": {"zip": {"column": "last_name"}}}}},
        },
        where="is_active",
        on_removed="archive",
        first_run="adopt",
        schema="activate/contact.json",
        conflicts="warehouse_wins",
        purpose="marketing",
        requires={"tests": "ran", "freshness": "pass", "contract": "enforced", "max_artifact_age": "36h"},
        guards={"max_removed": "2.5%", "max_changed": 500, "max_rejected": "100%", "min_rows": 0},
        batch_size=50,
        max_requests_per_second=2.5,
        enabled=False,
        tags="crm",
        owner="growth@example.com",
        renamed_from="contacts",
    )
    sync = next(sync for sync in shop.load().syncs if sync.name == "crm_contacts")
    assert sync.fields == (
        FieldMap(path=("email",), source=Column("email")),
        FieldMap(path=("full_name",), source=Sql("first_name || ' ' || last_name")),
        FieldMap(path=("lead_source",), source=Constant(["warehouse", None])),
        FieldMap(path=("synced_at",), source=Variable("run_started_at")),
        FieldMap(path=("phone",), source=Column("phone"), null=NullPolicy.SKIP),
        FieldMap(path=("owner",), source=Column("email"), write=WritePolicy.ON_CREATE),
        FieldMap(path=("email_sha256",), source=Column("email"), transform=("trim", "lower", "sha256")),
        FieldMap(path=("upper",), source=Column("email"), transform=("upper",)),
        FieldMap(path=("company",), source=Lookup("crm_companies", ("customer_id",))),
        FieldMap(path=("address", "city"), source=Column("first_name")),
        FieldMap(path=("address", "geo", "zip"), source=Column("last_name")),
    )
    assert (sync.mode, sync.on_removed, sync.adopt, sync.enabled) == (SyncMode.MIRROR, OnRemoved.ARCHIVE, True, False)
    assert (sync.primary_key, sync.identifier) == (("customer_id", "email"), ("email", "address.city"))
    assert sync.guards == Guards(
        max_removed=Share(share=0.025), max_changed=Share(rows=500), max_rejected=Share(share=1.0), min_rows=0
    )
    assert sync.requires == Requires(
        tests="ran", freshness="pass", contract="enforced", max_artifact_age_seconds=36 * 3600
    )
    assert (sync.batch_size, sync.max_requests_per_second, sync.tags) == (50, 2.5, ("crm",))
    assert (sync.owner, sync.renamed_from, sync.where) == ("growth@example.com", "contacts", "is_active")
    assert sync.schema is not None
    assert sync.schema["$ref"] == "#/$defs/c"


@pytest.mark.parametrize(
    ("mode", "removed"),
    [("upsert", OnRemoved.IGNORE), ("update", OnRemoved.IGNORE), ("mirror", OnRemoved.DELETE)],
)
def test_only_a_mirror_deletes_by_default(shop: "Shop", mode: str, removed: OnRemoved) -> None:
    shop.sync(mode=mode)
    assert shop.load().syncs[0].on_removed is removed


def test_the_key_is_the_column_that_is_tested_to_be_one(shop: "Shop") -> None:
    shop.scores["constraints"] = []
    for kind, column in (("unique", "email"), ("not_null", "email"), ("not_null", "phone")):
        shop.test(kind, column)
    assert shop.load().syncs[0].primary_key == ("email",)


def test_a_constraint_goes_before_tests(shop: "Shop") -> None:
    shop.test("unique", "email")
    shop.test("not_null", "email")
    assert shop.load().syncs[0].primary_key == ("customer_id",)


def test_syncs_come_after_those_that_they_look_up(shop: "Shop") -> None:
    def looking(*others: str) -> dict[str, object]:
        fields = {name: {"lookup": {"sync": name, "key": "customer_id"}} for name in others}
        return shop.block(fields={"email": "email", **fields})

    shop.syncs.clear()
    shop.syncs.update(a=looking("c", "b"), b=looking("d"), c=shop.block(), d=looking("c"), e=shop.block())
    assert [sync.name for sync in shop.load().syncs] == ["c", "d", "b", "a", "e"]


def test_a_connection_has_its_secrets_hidden_and_its_numbers_as_numbers(shop: "Shop") -> None:
    shop.environ |= {"PORTAL": "12", "RATE": "2.5", "PRIVATE": "True"}
    shop.output(
        portal_id="{{ env_var('PORTAL') }}",
        max_requests_per_second="{{ env_var('RATE') }}",
        max_concurrency="{{ env_var('NONE', '7') }}",
        allow_private_addresses="{{ env_var('PRIVATE') }}",
        region="{{ var('region') }}",
    )
    shop.dbt_project["vars"] = {"region": "eu1", "shop": {"region": "na1"}}
    connection = shop.load().connections["crm"]
    assert connection.settings == {
        "token": Secret("pat-from-the-environment"),
        "portal_id": 12,
        "region": "na1",
    }
    assert connection.limits == Limits(max_requests_per_second=2.5, max_concurrency=7)
    assert (connection.name, connection.output, connection.type) == ("crm", "dev", "hubspot")
    assert connection.allow_private_addresses
    assert connection.directory == str(shop.directory)
    assert "pat-from" not in repr(shop.load())


def test_variables_of_the_command_line_go_before_those_of_the_project(shop: "Shop") -> None:
    shop.output(region="{{ var('region') }}")
    shop.dbt_project["vars"] = {"region": "eu1"}
    assert shop.load(variables={"region": "na1"}).connections["crm"].settings["region"] == "na1"


def test_secrets_deep_in_settings_are_hidden_too(shop: "Shop") -> None:
    shop.environ["KEY"] = "sesame"
    http = {
        "type": "http",
        "url": "https://ops.example",
        "headers": {"Authorization": "Bearer {{ env_var('KEY') }}", "Accept": "application/json"},
        "sign": {"secret": "{{ env_var('KEY') }}"},
        "statuses": ["2xx"],
    }
    shop.destinations = {"crm": {"outputs": {"dev": http}}}
    settings = shop.load().connections["crm"].settings
    assert settings["headers"] == {"Authorization": Secret("Bearer sesame"), "Accept": Secret("application/json")}
    assert settings["sign"] == {"secret": Secret("sesame")}
    assert settings["statuses"] == ["2xx"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://loader@db.example.com:5432/ops", False),
        ("postgresql://db.example.com/ops", False),
        ("postgresql://loader:sesame@localhost/ops", True),
        ("postgresql://db.example.com/ops?password=sesame", True),
        ("https://hooks.example.com/services/sesame", True),
        ("host=db password=sesame", True),
    ],
)
def test_a_database_s_url_without_a_password_is_no_secret(shop: "Shop", url: str, told: bool) -> None:
    shop.output(token=url)
    place = "destinations.yml, crm.outputs.dev.token"
    message = f"{place}: this secret does not come from the environment; write \"{{{{ env_var('NAME') }}}}\""
    assert shop.problems() == ([message] if told else [])


def test_the_sandbox_needs_no_secrets_and_takes_any(shop: "Shop") -> None:
    shop.destinations = {
        "crm": {"outputs": {"dev": {"type": "sandbox", "emulate": "hubspot", "token": "pat-na1-sandbox"}}}
    }
    connection = shop.load().connections["crm"]
    assert connection.type == "sandbox"
    assert connection.settings == {
        "emulate": "hubspot",
        "url": "http://127.0.0.1:8765",
        "token": Secret("pat-na1-sandbox"),
    }
    assert connection.allow_private_addresses


def test_a_local_destination_needs_no_object_and_no_permission(shop: "Shop") -> None:
    shop.sync(object=None)
    shop.destinations = {"crm": {"outputs": {"dev": {"type": "file", "path": "out"}}}}
    project = shop.load()
    assert project.syncs[0].object is None
    assert project.connections["crm"].allow_private_addresses


def test_connections_that_no_enabled_sync_uses_are_not_rendered(shop: "Shop") -> None:
    shop.destinations["ops"] = {"outputs": {"dev": {"type": "hubspot", "token": "{{ env_var('OPS_TOKEN') }}"}}}
    shop.destinations["crm"]["outputs"]["prod"] = {"type": "hubspot", "token": "{{ env_var('PROD_TOKEN') }}"}
    shop.syncs["ops"] = shop.block(destination="ops", enabled=False)
    project = shop.load()
    assert set(project.connections) == {"crm"}
    assert [sync.name for sync in project.syncs] == ["crm_contacts", "ops"]


def test_another_output_than_the_target_s_can_be_asked_for(shop: "Shop") -> None:
    shop.destinations["crm"]["outputs"]["prod"] = {"type": "hubspot", "token": "{{ env_var('HUBSPOT_TOKEN') }}"}
    assert shop.load(destination_target="prod").connections["crm"].output == "prod"


def test_destinations_are_looked_up_as_profiles_are(shop: "Shop") -> None:
    def connection(name: str) -> str:
        return yaml.safe_dump({"crm": {"outputs": {"dev": {"type": "file", "path": name}}}})

    shop.destinations = None
    shop.files["home/.dbt/destinations.yml"] = connection("home")
    assert shop.load().connections["crm"].settings["path"] == "home"
    shop.files["destinations.yml"] = connection("project")
    assert shop.load().connections["crm"].settings["path"] == "project"
    shop.files["env/destinations.yml"] = connection("env")
    shop.environ["DBT_ACTIVATE_DESTINATIONS_DIR"] = str(shop.directory / "env")
    assert shop.load().connections["crm"].settings["path"] == "env"
    shop.files["option/destinations.yml"] = connection("option")
    project = shop.load(destinations_dir=shop.directory / "option")
    assert project.connections["crm"].settings["path"] == "option"
    assert project.destinations_file == shop.directory / "option" / "destinations.yml"


def test_the_profile_is_rendered_as_dbt_renders_it(shop: "Shop") -> None:
    shop.environ |= {"PORT": "5432", "DBT_TARGET": "ci", "USE": "1", "FLAG": "True", "LIST": "[1]"}
    shop.profiles["shop"]["outputs"]["ci"] = {
        "type": "duckdb",
        "schema": "{{ 'ma' ~ 'in' if env_var('USE') == '1' else 'x' }}",
        "port": "{{ env_var('PORT') | as_number }}",
        "text": "{{ env_var('PORT') }}",
        "both": "{{ env_var('PORT') }}{{ env_var('PORT') }}",
        "flag": "{{ env_var('FLAG') | as_bool }}",
        "list": ["{{ var('x', 'y') }}", "{{ env_var('LIST') | as_native }}"],
    }
    shop.destinations["crm"]["outputs"]["ci"] = {"type": "file"}
    profile = shop.load().profile
    assert profile.output == {
        "type": "duckdb",
        "schema": "main",
        "port": 5432,
        "text": "5432",
        "both": "54325432",
        "flag": True,
        "list": ["y", [1]],
    }
    assert (profile.name, profile.target, profile.adapter_type, profile.schema) == ("shop", "ci", "duckdb", "main")


def test_profiles_are_looked_up_as_dbt_does(shop: "Shop") -> None:
    def profiles(target: str) -> str:
        return yaml.safe_dump({"shop": {"target": target, "outputs": {target: {"type": "duckdb", "schema": "main"}}}})

    shop.destinations["crm"]["outputs"] = {name: {"type": "file"} for name in ("home", "project", "env", "option")}
    shop.files |= {"profiles.yml": None, "home/.dbt/profiles.yml": profiles("home")}
    assert shop.load().profile.target == "home"
    shop.files["profiles.yml"] = profiles("project")
    assert shop.load().profile.target == "project"
    shop.files["env/profiles.yml"] = profiles("env")
    shop.environ["DBT_PROFILES_DIR"] = str(shop.directory / "env")
    assert shop.load().profile.target == "env"
    shop.files["option/profiles.yml"] = profiles("option")
    assert shop.load(profiles_dir=shop.directory / "option").profile.target == "option"


def test_a_profiles_directory_without_profiles_is_told(shop: "Shop") -> None:
    told = "profiles.yml: there is no such file in <project>/nowhere; give --profiles-dir"
    assert shop.problems(profiles_dir=shop.directory / "nowhere") == [told]


def test_what_a_profile_cannot_convert_is_told(shop: "Shop") -> None:
    shop.environ |= {"PORT": "sesame"}
    output = {
        "port": "{{ env_var('PORT') | as_number }}",
        "flag": "{{ env_var('PORT') | as_bool }}",
        "list": ["{{ x.y }}"],
    }
    shop.profiles["shop"]["outputs"]["dev"] |= output
    at = "profiles.yml, shop.outputs.dev"
    assert shop.problems() == [
        f"{at}.flag: the template cannot be rendered: as_bool was given what is neither True nor False",
        f"{at}.list.0: the template cannot be rendered: 'x' is undefined",
        f"{at}.port: the template cannot be rendered: as_number was given what is no number",
    ]


TEMPLATES = (
    "{{ env_var('NUMBER') }}",
    "{{ env_var('NUMBER') | as_number }}",
    "{{ env_var('NUMBER') | int }}",
    "{{ env_var('NUMBER') | as_text }}",
    "{{ env_var('FLAG') | as_bool }}",
    "{{ env_var('LIST') | as_native }}",
    "{{ env_var('NUMBER') }}{{ env_var('NUMBER') }}",
    "{{ env_var('NONE', 'x') }}",
    "{{ var('given') }}",
    "{{ var('missing', 3) }}",
    "{{ 'a' if env_var('FLAG') == 'True' else 'b' }}",
    "a {{ env_var('NUMBER') }} b",
    "plain",
)


@pytest.mark.slow
def test_dbt_renders_a_profile_to_the_same_values(shop: "Shop") -> None:
    values = {"NUMBER": "12", "FLAG": "True", "LIST": "[1]"}
    code = (
        "import argparse, json, os, sys;"
        "from dbt.flags import set_from_args; set_from_args(argparse.Namespace(), None);"
        "from dbt.config.renderer import ProfileRenderer;"
        "from dbt_common.context import set_invocation_context; set_invocation_context(os.environ);"
        "render = ProfileRenderer({'given': [1, 'x']}).render_value;"
        "print(json.dumps([render(one, ()) for one in json.loads(sys.argv[1])]))"
    )
    run = [sys.executable, "-c", code, json.dumps(TEMPLATES)]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env={**os.environ, **values})
    shop.environ |= values
    shop.profiles["shop"]["outputs"]["dev"]["templates"] = list(TEMPLATES)
    assert shop.load(variables={"given": [1, "x"]}).profile.output["templates"] == json.loads(done.stdout)


def test_settings_come_from_vars(shop: "Shop") -> None:
    shop.dbt_project["vars"] = {"dbt_activate": {"schema": "ledger", "store": "fingerprints"}}
    assert (shop.load().settings.schema, shop.load().settings.store) == ("ledger", "fingerprints")
    settings = shop.load(variables={"dbt_activate": {"schema": "other"}}).settings
    assert (settings.schema, settings.store) == ("other", "fingerprints")


@pytest.mark.parametrize("where", ["option", "environment", "project"])
def test_the_manifest_is_in_dbt_s_target_directory(shop: "Shop", where: str) -> None:
    shop.files |= {"target/manifest.json": None, "build/manifest.json": json.dumps(shop.manifest)}
    options = {"target_path": Path("build")} if where == "option" else {}
    if where == "environment":
        shop.environ["DBT_TARGET_PATH"] = "build"
    if where == "project":
        shop.dbt_project["target-path"] = "{{ env_var('BUILD', 'build') }}"
    assert shop.load(**options).target_path == shop.directory / "build"


def test_a_sync_of_an_old_version_is_meant_by_its_number(shop: "Shop") -> None:
    shop.scores["config"]["meta"] = shop.scores["meta"] = {}
    block = {"dim": shop.block(versions=[1])}
    for version in (1, 2):
        shop.model("dim", block, {"customer_id": ""}, "customer_id", version=version, latest_version=2)
    assert [sync.model.unique_id for sync in shop.load().syncs] == ["model.shop.dim.v1"]


def test_a_block_in_plain_meta_is_taken_where_dbt_kept_it(shop: "Shop") -> None:
    shop.scores["config"]["meta"] = {}
    shop.files["models/schema.yml"] = "models:\n  - name: customer_scores\n    meta:\n      activate: {}\n"
    assert len(shop.load().syncs) == 1


def test_personal_data_flows_where_its_purpose_allows(shop: "Shop") -> None:
    shop.tag("email", {"pii": "email", "purpose": ["marketing", "support"]})
    shop.tag("phone", {"pii": "phone", "purpose": "billing"})
    shop.sync(purpose="marketing")
    assert shop.load().syncs[0].model.pii == frozenset({"email", "phone"})


def test_a_project_without_blocks_needs_no_destinations(shop: "Shop") -> None:
    shop.scores["config"]["meta"] = shop.scores["meta"] = {}
    shop.destinations = None
    project = shop.load()
    assert (project.syncs, dict(project.connections)) == ((), {})
    assert project.destinations_file == shop.directory / "destinations.yml"


def test_problems_of_all_files_are_told_together(shop: "Shop") -> None:
    shop.files["models/schema.yml"] = "models:\n  - name: other\n    activate: {}\n"
    shop.dbt_project["vars"] = {"dbt_activate": {"stor": "values"}}
    shop.output(region="eu2")
    shop.sync(mode="upsertt", batch_size=0)
    shop.syncs["second"] = shop.block(destination="crn", fields={"email": {"colum": "email"}})
    places = [problem.split(": ")[0] for problem in shop.problems()]
    base = "models/schema.yml, customer_scores.activate"
    assert places == [
        "dbt_project.yml, vars.dbt_activate.stor",
        "models/schema.yml, other.activate",
        f"{base}.crm_contacts.batch_size",
        f"{base}.crm_contacts.mode",
        f"{base}.second.fields.email.colum",
        f"{base}.second.destination",
        "destinations.yml, crm.outputs.dev.region",
    ]


def test_no_message_holds_a_secret(shop: "Shop") -> None:
    secrets = ["pat-na1-11112222-sesame", "xoxb-1234-sesame", "sesame-env"]
    shop.environ["HUBSPOT_TOKEN"] = secrets[2]
    shop.output(portal_id=secrets[0], region="{{ env_var('HUBSPOT_TOKEN') }} {{ nothing }}")
    shop.fields(x={"value": secrets[1]}, y={"variable": secrets[0]})
    told = "\n".join(shop.problems())
    assert told.count("\n") >= 3
    assert "sesame" not in told


def test_a_manifest_made_before_a_file_changed_is_refused(shop: "Shop") -> None:
    shop.manifest["metadata"]["generated_at"] = "2001-01-01T00:00:00Z"
    shop.files |= {"models/a.sql": "select 1", "models/b.yml": "models: []", "models/notes.md": "x"}
    shop.write()
    for path in shop.directory.rglob("*"):
        os.utime(path, (0, 0))
    shop.files = dict.fromkeys((*shop.files, "dbt_project.yml"))
    os.utime(shop.directory / "models" / "notes.md", None)
    assert shop.problems() == []
    os.utime(shop.directory / "models" / "b.yml", None)
    os.utime(shop.directory / "models" / "a.sql", None)
    assert shop.problems() == [
        "target/manifest.json: it is older than models/a.sql and 1 more; run `dbt parse`, which takes seconds"
    ]


def test_a_manifest_that_was_restored_is_as_old_as_its_file_but_for_sql_that_says_something_else(shop: "Shop") -> None:
    shop.manifest["metadata"]["generated_at"] = "2001-01-01T00:00:00Z"
    shop.scores["checksum"] = {"name": "sha256", "checksum": sha256(b"select 1").hexdigest()}
    shop.files |= {"models/customer_scores.sql": "select 1", "models/b.yml": "models: []"}
    shop.write()
    shop.files = dict.fromkeys((*shop.files, "dbt_project.yml", "target/manifest.json"))
    manifest, script = shop.directory / "target/manifest.json", shop.directory / "models/customer_scores.sql"
    remedy = "run `dbt parse`, which takes seconds"

    os.utime(manifest, (1, 1))
    stale = f"target/manifest.json: it is older than dbt_project.yml and 1 more; {remedy}"
    assert shop.problems()[0] == stale
    os.utime(manifest, (4_000_000_000, 4_000_000_000))
    assert shop.problems() == []
    script.write_text("select 2")
    assert shop.problems() == [f"target/manifest.json: it is older than models/customer_scores.sql; {remedy}"]


def test_every_problem_is_of_our_error(shop: "Shop") -> None:
    shop.sync(mode="upsertt")
    shop.write()
    with pytest.raises(ConfigError) as caught:
        shop.load()
    assert [problem.place for problem in caught.value.problems] == [
        "models/schema.yml, customer_scores.activate.crm_contacts.mode"
    ]


def test_importing_the_loader_is_cheap() -> None:
    code = "import sys; import dbt_activate.project.loading; print(*sorted(m for m in sys.modules if '.' not in m))"
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    run = [sys.executable, "-c", code]
    names = subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout.split()
    assert not {"jsonschema", "sqlglot", "dbt", "jinja2", "httpx", "duckdb"} & set(names)
