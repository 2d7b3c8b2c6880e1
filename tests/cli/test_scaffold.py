"""``init``: what it adds, and that it changes nothing that exists."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from dbt_activate.project.proposal import Proposal, has_block, spelled, sync_name, with_block

Run: TypeAlias = Callable[..., Any]
Shop: TypeAlias = Any
Dbt: TypeAlias = Callable[..., None]

PROPOSAL = Proposal(
    sync="people",
    model="people",
    destination="webhook",
    object=None,
    key=("id",),
    columns=("id", "email", "on"),
    kept_back=("phone",),
)


def uncommented(text: str) -> str:
    """*text* as it is when a user has taken the marks away from the block."""
    lines, inside = [], False
    for line in text.splitlines():
        bare = line.lstrip()
        if bare.startswith("## dbt-activate:"):
            inside = True
        elif inside and bare.startswith("# "):
            lines.append(line.replace("# ", "", 1))
        else:
            inside = False
            lines.append(line)
    return "\n".join(lines) + "\n"


YAMLS: Mapping[str, str] = {
    "a name and more": "models:\n  - name: people\n    description: all of them\n    columns: []\n",
    "a name only": "models:\n  - name: people\n",
    "no line end at the end": "models:\n  - name: people",
    "no indentation of lists": "models:\n- name: people\n  columns: []\n- name: others\n",
    "deep indentation": "models:\n    -   name: people\n        columns:\n        -   name: id\n",
    "windows line ends": "models:\r\n  - name: people\r\n    columns: []\r\n",
    "name is not the first key": "models:\n  - description: |\n      text\n\n      # more\n    name: people\n",
    "a config": "models:\n  - name: people\n    config:\n      materialized: table\n      tags: [a]\n    columns: []\n",
    "a config of one key": "models:\n  - name: people\n    config:\n      materialized: table\n",
    "a meta": "models:\n  - name: people\n    config:\n      meta:\n        owner: us\n      tags: [a]\n",
    "comments all around": "# top\nmodels:\n  # one\n  - name: people # this\n    # then\n    columns: []\n# end\n",
    "a snapshot": "version: 2\nsnapshots:\n  - name: others\n  - name: people\n    relation: ref('x')\n",
}
HOPELESS: Mapping[str, str] = {
    "a config in braces": "models:\n  - name: people\n    config: {materialized: table}\n",
    "a model in braces": "models:\n  - {name: people}\n",
    "no such model": "models:\n  - name: others\n",
    "a block already": "models:\n  - name: people\n    config:\n      meta:\n        activate:\n          x: {}\n",
    "no YAML": "models: [\n",
    "nothing": "",
    "jinja that is no YAML": "models:\n  - name: {{ people }}\n",
    "no mapping": "- people\n",
}


@pytest.mark.parametrize("name", YAMLS)
def test_a_block_changes_nothing_until_its_marks_are_taken_away(name: str) -> None:
    text = YAMLS[name]
    made = with_block(text, PROPOSAL)
    assert made is not None
    assert yaml.safe_load(made) == yaml.safe_load(text)
    kept = [line for line in made.splitlines() if line.strip() and line in text.splitlines()]
    assert kept == [line for line in text.splitlines() if line.strip()]
    assert has_block(made, PROPOSAL)
    assert ("\r\n" in made) == ("\r\n" in text)
    assert not re.search(r"(?<!\r)\n", made) or "\r\n" not in text


@pytest.mark.parametrize("name", YAMLS)
def test_with_its_marks_taken_away_the_block_is_at_its_place(name: str) -> None:
    text = YAMLS[name]
    found = yaml.safe_load(uncommented(with_block(text, PROPOSAL) or ""))
    before = yaml.safe_load(text)
    collection = "snapshots" if "snapshots" in before else "models"
    [node] = [node for node in found[collection] if node["name"] == "people"]
    sync = node["config"]["meta"].pop("activate")["people"]
    assert sync == {
        "destination": "webhook",
        "primary_key": "id",
        "identifier": "id",
        "fields": {"id": "id", "email": "email", "on": "on"},
    }
    [was] = [node for node in before[collection] if node["name"] == "people"]
    rest = {key: value for key, value in node.items() if key != "config"}
    assert rest == {key: value for key, value in was.items() if key != "config"}
    config = {key: value for key, value in node["config"].items() if key != "meta" or value}
    assert config == was.get("config", {})


@pytest.mark.parametrize("name", HOPELESS)
def test_where_there_is_no_place_nothing_is_given_out(name: str) -> None:
    assert with_block(HOPELESS[name], PROPOSAL) is None


@pytest.mark.parametrize("text", ["on", "yes", "null", "1", "1e3", "a b", "a: b", "#x", "é", "2020-01-01", "plain_1"])
def test_every_name_stays_a_text(text: str) -> None:
    assert yaml.safe_load(f"{spelled(text)}: {spelled(text)}") == {text: text}


def test_a_syncs_name_is_a_slug_that_is_not_taken() -> None:
    assert sync_name("Customer Scores!", []) == "customer_scores_"
    assert sync_name("2024_people", []) == "people"
    assert sync_name("people", ["people", "people_2"]) == "people_3"
    assert len(sync_name("x" * 60, [])) == 40
    assert sync_name("x" * 60, ["x" * 40]) == "x" * 37 + "_2"
    assert sync_name("été", []) == "t_"


# the command


@pytest.fixture
def bare(shop: Shop) -> Shop:
    """A project that knows nothing of us."""
    (shop.path / "destinations.yml").unlink()
    return shop


def test_init_makes_what_is_missing(bare: Shop, run: Run) -> None:
    answer = run("init", "--model", "orders")
    assert answer.code == 0, answer.err
    destinations = yaml.safe_load((bare.path / "destinations.yml").read_text())
    assert destinations.keys() == {"webhook", "crm"}
    assert all(found["outputs"].keys() == {"dev"} for found in destinations.values())
    assert "# prod:" in (bare.path / "destinations.yml").read_text()
    assert yaml.safe_load((bare.path / "packages.yml").read_text()) is None
    assert (bare.path / ".gitignore").read_text().split() == ["target/", "logs/", "dbt_packages/"]
    assert yaml.safe_load((bare.path / "models/orders.yml").read_text()) is None
    assert "dbt-activate sandbox" in answer.out


@pytest.mark.slow
def test_what_init_made_is_sound_once_the_marks_are_taken_away(bare: Shop, run: Run, dbt: Dbt) -> None:
    path = bare.path / "models/customers.yml"
    path.write_text(DOCUMENTED)
    bare.change_manifest(_drop_meta)
    run("init", "--model", "customers")
    path.write_text(uncommented(path.read_text()))
    dbt(bare.path, [["parse"]])
    answer = run("validate")
    assert (answer.code, answer.out) == (0, "1 sync is valid\n"), answer.err
    assert run("list", "--output", "json").json[0]["fields"] == ["customer_id"]


DOCUMENTED = """\
models:
  - name: customers
    config:
      tags: [x]
    columns:
      - {name: customer_id, data_tests: [unique, not_null]}
      - {name: email, config: {meta: {activate_field: {pii: email}}}}
"""


def test_a_second_init_changes_nothing(bare: Shop, run: Run) -> None:
    run("init", "--model", "orders")
    before = bare.bytes()
    times = {path: path.stat().st_mtime_ns for path in bare.path.rglob("*")}
    answer = run("init", "--model", "orders")
    assert answer.code == 0
    assert bare.bytes() == before
    assert {path: path.stat().st_mtime_ns for path in bare.path.rglob("*")} == times
    assert "created" not in answer.out
    assert "added" not in answer.out


def test_what_exists_is_kept(shop: Shop, run: Run) -> None:
    (shop.path / ".gitignore").write_text("/target\nlogs/*\n*.log")
    (shop.path / "packages.yml").write_text("packages: []\n")
    before = shop.bytes()
    answer = run("init", "--model", "customers")
    assert answer.code == 0
    after = shop.bytes()
    assert after.pop(".gitignore") == before[".gitignore"] + b"\ndbt_packages/\n"
    assert after == {name: content for name, content in before.items() if name != ".gitignore"}
    assert "customers has an activate block" in answer.out
    assert "- git:" in answer.out


def test_a_documented_model_gets_its_block_in_its_own_yaml(shop: Shop, run: Run) -> None:
    path = shop.path / "models/customers.yml"
    text = "models:\n  - name: customers\n    columns:\n      - {name: customer_id}\n"
    path.write_text(text)
    shop.change_syncs(dict.clear)
    shop.change_manifest(_drop_meta)
    answer = run("init", "--model", "customers")
    assert "added    models/customers.yml: a commented block for customers" in answer.out
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(text)
    sync = yaml.safe_load(uncommented(path.read_text()))["models"][0]["config"]["meta"]["activate"]["customers"]
    assert sync["primary_key"] == sync["identifier"] == "customer_id"
    assert sync["destination"] == "hook", "the one that needs no object takes any row"


def test_where_every_destination_needs_an_object_one_is_named(shop: Shop, run: Run) -> None:
    text = "crm:\n  outputs:\n    dev: {type: sandbox, emulate: hubspot}\n"
    (shop.path / "destinations.yml").write_text(text)
    run("init", "--model", "orders")
    assert "object: contacts" in (shop.path / "models/orders.yml").read_text()


def test_a_key_that_the_model_does_not_declare_is_called_a_guess(shop: Shop, run: Run) -> None:
    def document(manifest: dict[str, Any]) -> None:
        columns = {name: {"name": name} for name in ("order_id", "customer_id")}
        manifest["nodes"]["model.shop.orders"]["columns"] = columns

    shop.change_manifest(document)
    run("init", "--model", "orders")
    assert "primary_key: order_id  # a guess" in (shop.path / "models/orders.yml").read_text()


def _drop_meta(manifest: dict[str, Any]) -> None:
    node = manifest["nodes"]["model.shop.customers"]
    node["config"]["meta"] = node["meta"] = {}
    node["columns"]["email"]["config"] = {"meta": {"activate_field": {"pii": "email"}}}


def test_personal_data_is_left_out_of_the_block_and_named(shop: Shop, run: Run) -> None:
    (shop.path / "models/customers.yml").write_text("models:\n  - name: customers\n    columns: []\n")
    shop.change_manifest(_drop_meta)
    run("init", "--model", "customers")
    text = (shop.path / "models/customers.yml").read_text()
    assert "email: email" not in text
    assert "personal data, left out: email" in text


def test_where_the_block_has_no_place_it_is_shown(shop: Shop, run: Run) -> None:
    path = shop.path / "models/customers.yml"
    path.write_text("models:\n  - {name: customers}\n")
    shop.change_manifest(_drop_meta)
    answer = run("init", "--model", "customers")
    assert path.read_text() == "models:\n  - {name: customers}\n"
    assert "config:\n  meta:\n    activate:\n      customers:\n" in answer.out


@pytest.mark.parametrize("words", [("--model", "order"), ("--project-dir", "models")])
def test_a_wrong_word_leaves_no_trace(bare: Shop, run: Run, words: tuple[str, ...]) -> None:
    before = bare.bytes()
    assert run("init", *words).code == 2
    assert bare.bytes() == before


def test_a_model_needs_a_manifest_and_all_else_does_not(bare: Shop, run: Run) -> None:
    (bare.path / "target/manifest.json").unlink()
    assert "dbt parse" in run("init", "--model", "orders").err
    assert not (bare.path / "destinations.yml").exists()
    assert run("init").code == 0
    assert (bare.path / "destinations.yml").exists()


def test_without_a_profile_the_target_is_dev(bare: Shop, run: Run) -> None:
    (bare.path / "profiles.yml").unlink()
    answer = run("init")
    assert answer.code == 0
    assert "the profile cannot be read" in answer.out
    assert yaml.safe_load((bare.path / "destinations.yml").read_text())["crm"]["outputs"].keys() == {"dev"}


def test_destinations_go_where_they_are_looked_for(bare: Shop, run: Run, tmp_path: Path) -> None:
    assert run("init", "--destinations-dir", str(tmp_path / "conf")).code == 0
    assert (tmp_path / "conf/destinations.yml").exists()
    assert not (bare.path / "destinations.yml").exists()
