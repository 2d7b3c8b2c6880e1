"""What must be shown, 6: a project that is wrong ends with 2, says where and why, and has no effect at all.

`tests/project/test_broken_projects.py` has some hundred and fifty of them; here the same goes through the front door.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.acceptance.shops import Shop


@dataclass(frozen=True)
class Broken:
    """What is broken, what of the message must be there, and the command, where it is not plainly `sync`."""

    name: str
    edit: Callable[[Shop], object]
    told: str
    command: tuple[str, ...] = ("sync", "-s", "crm_people")


def _block(**changes: object) -> Callable[[Shop], object]:
    return lambda shop: shop.edit_blocks(lambda blocks: blocks["crm_people"].update(changes))


def _field(name: str, source: object) -> Callable[[Shop], object]:
    return lambda shop: shop.edit_blocks(lambda blocks: blocks["crm_people"]["fields"].update({name: source}))


def _write(name: str, text: str) -> Callable[[Shop], object]:
    return lambda shop: (shop.directory / name).write_text(text)


def _remove(name: str) -> Callable[[Shop], object]:
    return lambda shop: (shop.directory / name).unlink()


def _replace(name: str, old: str, new: str) -> Callable[[Shop], object]:
    return lambda shop: shop.replace(name, old, new)


def _add_bare_key(shop: Shop) -> None:
    shop.replace("models/models.yml", "  - name: crowd\n", "  - name: crowd\n    activate: {a: {}}\n")


def _leave(_shop: Shop) -> None:
    """Leave the project sound: the command line is wrong."""


PROJECTS = (
    Broken("no dbt project", _remove("dbt_project.yml"), "dbt_project.yml: there is no such file"),
    Broken("no manifest", _remove("target/manifest.json"), "run `dbt parse`, `dbt build` or `dbt run` first"),
    Broken("a manifest cut short", _write("target/manifest.json", '{"metadata": {'), "this is no manifest of dbt"),
    Broken("no destinations", _remove("destinations.yml"), "destinations.yml: there is no such file"),
    Broken("destinations that are no YAML", _write("destinations.yml", "crm: [\n"), "destinations.yml"),
    Broken("a profile that is missing", _replace("dbt_project.yml", "profile: shop", "profile: shopp"), "did you mean"),
    Broken("a target that is not there", lambda shop: shop.give(SHOP_TARGET="prod"), "there is no target 'prod'"),
    Broken("a variable that is not set", _replace("destinations.yml", "HOOK_TOKEN", "NOT_SET_ANYWHERE"), "NOT_SET"),
    Broken(
        "a secret in the file",
        _replace("destinations.yml", "Bearer {{ env_var('HOOK_TOKEN') }}", "Bearer pat-na1-c0ffee00-1111-2222"),
        "destinations.yml, hook.outputs.dev.headers.Authorization",
    ),
    Broken("an unknown setting", _replace("destinations.yml", "path: lite", "paht: lite"), "did you mean 'path'"),
    Broken("a misspelled mode", _block(mode="upsrt"), "did you mean"),
    Broken("a destination there is not", _block(destination="crmm"), "did you mean 'crm'?"),
    Broken("an object there is not", _block(object="contcts"), "did you mean 'contacts'?"),
    Broken("an identifier that is no field", _block(identifier="mail"), "crm_people.identifier"),
    Broken("a key that is no column", _block(primary_key="uid"), "uid"),
    Broken("a column there is not", _field("firstname", "nmae"), "did you mean 'name'?"),
    Broken("SQL that does not parse", _field("firstname", {"sql": "upper((name"}), "fields.firstname"),
    Broken("personal data without a purpose", lambda shop: shop.edit_blocks(_without_purpose), "purpose"),
    Broken("a bare activate key", _add_bare_key, "activate"),
    Broken(
        "a model that was never built", lambda shop: shop.execute("DROP TABLE people"), "run `dbt run --select people`"
    ),
    Broken("a selection of nothing", _leave, "it selects no sync", ("sync", "-s", "tag:nowhere")),
    Broken("variables that are no YAML", _leave, "--vars", ("sync", "--vars", "{a: [")),
    Broken("a plan that is none", _write("plan.json", "{}"), "is no plan", ("sync", "--plan", "plan.json")),
    Broken("an option there is not", _leave, "--dry-runn", ("sync", "--dry-runn")),
    Broken("a sync there is not", _leave, "there is no sync of this name", ("reset", "crm_peple", "--yes")),
)


def _without_purpose(blocks: dict[str, dict[str, object]]) -> None:
    del blocks["crm_people"]["purpose"]


@pytest.mark.slow
@pytest.mark.parametrize("broken", PROJECTS, ids=[broken.name for broken in PROJECTS])
def test_a_broken_project_ends_with_two_says_why_and_has_no_effect(
    shop: Shop, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6: exit code 2, a message with place and fault, nothing written anywhere."""
    monkeypatch.chdir(shop.directory)
    broken.edit(shop)
    before = shop.everywhere()

    done = shop.run(*broken.command)

    assert done.code == 2, done.out
    assert broken.told in done.err
    assert "fault of dbt-activate" not in done.err
    assert "Traceback" not in done.err + done.out
    assert shop.everywhere() == before


@pytest.mark.slow
def test_a_property_that_the_account_has_not_is_found_before_anything_is_sent(shop: Shop) -> None:
    """6: only the destination can tell. The sync that fits it not is left out with exit code 2, the others are sent."""
    _field("first_name", "name")(shop)

    done = shop.run("sync", "-s", "crm_people hook_ignored")

    assert done.code == 2
    assert "did you mean 'firstname'?" in done.err
    assert shop.sandbox.contacts() == {}
    assert len(shop.sandbox.records("hooks/kept")) == 5
    assert shop.query("SELECT count(*) FROM main_activate.ledger__crm_people") == [(0,)]
    assert shop.run("validate", "--online").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["validate", "plan", "list", "debug", "runs"])
def test_every_command_refuses_a_broken_project_in_the_same_words(shop: Shop, command: str) -> None:
    """6: in a process of its own, as a scheduler runs it."""
    shop.edit_blocks(lambda blocks: blocks["crm_people"].update(mode="upsrt", primary_key=[]))
    before = shop.everywhere()

    done = shop.program(command)

    told = done.err + (done.out if command == "debug" else "")
    assert done.code == 2, done.out
    assert "upsrt" in told
    assert "primary_key" in told, "every fault at once"
    assert "Traceback" not in told
    assert shop.everywhere() == before
