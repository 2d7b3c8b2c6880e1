"""Which syncs a selection means, and what of it is asked of dbt."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbt_activate.errors import ConfigError
from dbt_activate.project.loading import DestinationKind, Project, ProjectOptions, load_project
from dbt_activate.project.selection import select

if TYPE_CHECKING:
    from tests.project.conftest import Shop

MANIFESTS = Path(__file__).parent / "manifests"


class FakeDbt:
    """A dbt that selects models by the words it is given, and remembers what it was asked."""

    def __init__(self, **models: str) -> None:
        self.models = models
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str]) -> str:
        asked = list(arguments)
        self.asked.append([word for word in asked if word not in _ALWAYS])
        lines = [json.dumps({"unique_id": self.models[word]}) for word in asked if word in self.models]
        return "\n".join(["10:00:00  Running with dbt", *lines, "{broken"])


_ALWAYS = (
    "ls",
    "--quiet",
    "--output",
    "json",
    "--output-keys",
    "unique_id",
    "--resource-type",
    "model",
    "snapshot",
    "seed",
)


@pytest.fixture
def project(shop: "Shop") -> Project:
    """Three models, four syncs, one of them disabled, and two destinations."""
    shop.destinations["files"] = {"outputs": {"dev": {"type": "file"}}}
    shop.syncs["crm_contacts"] |= {"tags": ["crm", "nightly"]}
    shop.syncs["crm_archive"] = shop.block(enabled=False, tags=["crm"])
    orders = {"order_file": shop.block(destination="files", tags=["daily"])}
    shop.model("orders", orders, {"email": ""}, "email", tags=["nightly"])
    shop.model("stock", {"stock_file": shop.block(destination="files")}, {"email": ""}, "email")
    return shop.load()


def chosen(project: Project, *texts: str, exclude: tuple[str, ...] = (), dbt: FakeDbt | None = None) -> list[str]:
    return [sync.name for sync in select(project, texts, exclude, run_dbt=dbt or FakeDbt())]


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ((), ["crm_contacts", "order_file", "stock_file"]),
        (("order_file",), ["order_file"]),
        (("*_file",), ["order_file", "stock_file"]),
        (("orders",), ["order_file"]),
        (("customer_scores",), ["crm_contacts"]),
        (("tag:crm",), ["crm_contacts"]),
        (("tag:nightly",), ["crm_contacts", "order_file"]),
        (("tag:dai*",), ["order_file"]),
        (("destination:files",), ["order_file", "stock_file"]),
        (("destination:hubspot",), ["crm_contacts"]),
        (("order_file stock_file",), ["order_file", "stock_file"]),
        (("order_file", "stock_file"), ["order_file", "stock_file"]),
        (("tag:nightly,destination:files",), ["order_file"]),
    ],
)
def test_names_tags_and_destinations_need_no_dbt(project: Project, texts: tuple[str, ...], names: list[str]) -> None:
    dbt = FakeDbt()
    assert chosen(project, *texts, dbt=dbt) == names
    assert dbt.asked == []


def test_exclude_takes_away(project: Project) -> None:
    assert chosen(project, exclude=("tag:nightly",)) == ["stock_file"]
    assert chosen(project, "*_file", exclude=("stock",)) == ["order_file"]


def test_what_is_not_ours_goes_to_dbt_in_one_call(project: Project) -> None:
    dbt = FakeDbt(**{"+orders": "model.shop.orders", "path:models/x": "model.shop.stock"})
    assert chosen(project, "+orders path:models/x crm_contacts", dbt=dbt) == [
        "crm_contacts",
        "order_file",
        "stock_file",
    ]
    assert dbt.asked == [["--select", "+orders", "path:models/x"]]


def test_an_intersection_of_ours_and_dbt_s_is_taken_here(project: Project) -> None:
    dbt = FakeDbt(**{"+orders,state:modified": "model.shop.orders"})
    assert chosen(project, "destination:files,+orders,state:modified", dbt=dbt) == ["order_file"]
    assert dbt.asked == [["--select", "+orders,state:modified"]]


def test_a_selector_and_a_state_are_dbt_s(project: Project) -> None:
    dbt = FakeDbt(nightly="model.shop.orders")
    found = select(project, selector="nightly", state=Path("prod"), run_dbt=dbt)
    assert [sync.name for sync in found] == ["order_file"]
    assert dbt.asked == [["--selector", "nightly", "--state", "prod"]]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("crm_contcts",), "selection: it selects no sync; did you mean 'crm_contacts'?"),
        (("tag:none",), "selection: it selects no sync; there are: crm_archive, crm_contacts, order_file, stock_file"),
        (
            ("@@bad(", "x"),
            "selection: it selects no sync; there are: crm_archive, crm_contacts, order_file, stock_file",
        ),
        (("crm_archive",), "selection: every selected sync has `enabled: false`: crm_archive"),
    ],
)
def test_to_select_nothing_is_an_error(project: Project, texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(project, *texts)
    assert str(caught.value) == message


def test_a_selector_beside_a_selection_is_an_error(project: Project) -> None:
    with pytest.raises(ConfigError, match="--selector does not go with --select and --exclude; give one or the other"):
        select(project, ("orders",), selector="nightly", run_dbt=FakeDbt())


def test_a_project_without_syncs_has_nothing_to_select_and_nothing_wrong(shop: "Shop") -> None:
    shop.scores["config"]["meta"] = shop.scores["meta"] = {}
    assert select(shop.load(), run_dbt=FakeDbt()) == ()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("missing-program", r"dbt cannot be run: No such file or directory; install dbt-core, or set DBT_ACTIVATE_DBT"),
        ("false", r"dbt refuses it: "),
    ],
)
def test_a_dbt_that_does_not_answer_is_told(shop: "Shop", program: str, message: str) -> None:
    shop.environ |= {"DBT_ACTIVATE_DBT": program, "PATH": os.environ["PATH"]}
    with pytest.raises(ConfigError, match=message):
        select(shop.load(), ("+orders",))


@pytest.fixture
def real(tmp_path: Path) -> Callable[[], Project]:
    """A project that real dbt has parsed."""
    shutil.copytree(MANIFESTS / "shop", tmp_path, dirs_exist_ok=True)
    (tmp_path / "destinations.yml").write_text("crm: {outputs: {dev: {type: file}}}\n")
    environ = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "0", "HOME": str(tmp_path)}
    dbt = [
        sys.executable,
        "-m",
        "dbt.cli.main",
        "parse",
        "--project-dir",
        str(tmp_path),
        "--profiles-dir",
        str(tmp_path),
    ]
    subprocess.run(dbt, check=True, capture_output=True, env=environ, cwd=tmp_path)
    options = ProjectOptions(project_dir=tmp_path, environ=environ)
    return lambda: load_project(options, {"file": DestinationKind(connection_schema={}, local=True)})


@pytest.mark.slow
def test_real_dbt_selects_and_leaves_the_manifest_alone(real: Callable[[], Project]) -> None:
    project = real()
    manifest = (project.target_path / "manifest.json").read_bytes()
    assert [sync.name for sync in select(project, ("customers+ tag:crm",))] == ["crm_contacts", "history"]
    with pytest.raises(ConfigError, match=r"dbt refuses it: .*no_such"):
        select(project, selector="no_such")
    assert (project.target_path / "manifest.json").read_bytes() == manifest
