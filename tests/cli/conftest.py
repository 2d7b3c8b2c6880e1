"""A small real dbt project on DuckDB, parsed and built once, and the command line that is pointed at it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from dbt_activate.cli import invoke
from dbt_activate.registry import GROUP
from dbt_activate.sandbox.options import SandboxOptions
from dbt_activate.sandbox.server import RunningSandbox

ROOT = Path(__file__).parents[2]

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nconfig-version: 2\nprofile: shop\n",
    "profiles.yml": """\
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: warehouse.duckdb, threads: 1}
    prod: {type: duckdb, path: prod.duckdb, schema: prod}
""",
    "destinations.yml": """\
crm:
  outputs:
    dev:
      type: sandbox
      emulate: hubspot
      url: "{{ env_var('DBT_ACTIVATE_SANDBOX_URL', 'http://127.0.0.1:9') }}"
hook:
  outputs:
    dev:
      type: http
      url: "{{ env_var('DBT_ACTIVATE_SANDBOX_URL', 'http://127.0.0.1:9') }}/hooks/feed"
      allow_private_addresses: true
spare:
  outputs:
    dev: {type: sqlite, path: spare.sqlite}
""",
    "models/customers.sql": """\
select 1 as customer_id, 'ada@example.com' as email, 0.5 as score, true as active
union all select 2, 'bob@example.com', 0.7, false
""",
    "models/orders.sql": "select 1 as order_id, 1 as customer_id\n",
    "models/customers.yml": """\
models:
  - name: customers
    config:
      meta:
        activate:
          contacts:
            destination: crm
            object: contacts
            identifier: email
            fields: {email: email, firstname: {sql: "upper(email)"}}
            tags: [nightly]
          feed:
            destination: hook
            identifier: customer_id
            fields: {customer_id: customer_id, score: score}
            where: active
    columns:
      - {name: customer_id, data_type: integer, data_tests: [unique, not_null]}
      - {name: email, data_type: varchar}
""",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The printed document."""
        return json.loads(self.out)


Run = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Shop:
    """A copy of the project that a test may spoil."""

    path: Path

    def change_manifest(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Write the manifest as dbt would have, had the project been otherwise."""
        path = self.path / "target/manifest.json"
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    def change_syncs(self, change: Callable[[dict[str, Any]], None], model: str = "customers") -> None:
        """Change the block of *model*."""

        def in_both_places(manifest: dict[str, Any]) -> None:
            node = manifest["nodes"][f"model.shop.{model}"]
            block = node["config"]["meta"].setdefault("activate", {})
            change(block)
            node["meta"] = node["config"]["meta"]

        self.change_manifest(in_both_places)

    def bytes(self) -> Mapping[str, bytes]:
        """Every file's content."""
        return {str(path.relative_to(self.path)): path.read_bytes() for path in self.path.rglob("*") if path.is_file()}


@pytest.fixture(scope="session", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a process needs in PYTHONPATH to find the package and its destination types, installed or not."""
    if entry_points(group=GROUP):
        yield str(ROOT)
        return
    site = tmp_path_factory.mktemp("site")
    folder = site / "dbt_activate-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: dbt-activate\nVersion: 0.1.0\n")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    lines = "".join(f"{name} = {value}\n" for name, value in declared.items())
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
    sys.path.append(str(site))
    yield os.pathsep.join((str(ROOT), str(site)))
    sys.path.remove(str(site))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, parsed, built and documented by dbt."""
    shop = tmp_path_factory.mktemp("built") / "shop"
    for name, text in FILES.items():
        path = shop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run_dbt(shop, [["run"], ["docs", "generate"]])
    return shop


def run_dbt(shop: Path, commands: list[list[str]]) -> None:
    """Run dbt's *commands* in one process: starting it takes longest."""
    script = "from dbt.cli.main import dbtRunner as R\nfor c in " + repr(commands) + ":\n assert R().invoke(c).success"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DBT_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=shop,
        env={**inherited, "DBT_PROFILES_DIR": str(shop), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def dbt() -> Callable[[Path, list[list[str]]], None]:
    """Run dbt's commands in a project."""
    return run_dbt


@pytest.fixture
def shop(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A copy of the project, as the current directory."""
    path = Path(shutil.copytree(built, tmp_path / "shop", ignore=shutil.ignore_patterns("logs", ".user.yml")))
    for name in [name for name in os.environ if name.startswith("DBT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(path)
    return Shop(path)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox, where the project looks for it."""
    with RunningSandbox(SandboxOptions(rate_limit=0)) as running:
        monkeypatch.setenv("DBT_ACTIVATE_SANDBOX_URL", running.url)
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process."""

    def called(*arguments: str) -> Answer:
        capsys.readouterr()
        code = invoke(list(arguments))
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return called
