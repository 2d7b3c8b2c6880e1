"""Install the wheel into an empty environment, and see whether it works there: `make wheel`.

The wheel comes alone, with the dependencies that it declares and nothing else of the development environment, each at
the version that requirements/dev.txt pins. Prints one `ok` line for each thing that holds; ends with 1 at the first
one that does not.
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import PathDistribution
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PINS = REPOSITORY / "requirements/dev.txt"

COULD_NOT_RUN = 2
"""The exit code for what a user has to correct."""

WHEEL_HOLDS = (
    "dbt_activate/py.typed",
    "dbt_activate/cli/templates/destinations.yml",
    "dbt_activate/sandbox/page.html",
    "dbt_activate/reporters/schemas/plan.schema.json",
    "dbt_activate/project/schemas/activate.schema.json",
    "dbt_activate/project/schemas/destinations.schema.json",
    "dbt_activate/reporters/schemas/results.schema.json",
)

PROJECT: Mapping[str, str] = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nconfig-version: 2\nprofile: shop\n",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n",
    "destinations.yml": "box:\n  outputs:\n    dev: {type: file, path: box}\n",
    "target/manifest.json": """
{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.0",
   "generated_at": "2100-01-01T00:00:00Z", "project_name": "shop", "adapter_type": "duckdb"},
 "nodes": {"model.shop.people": {"unique_id": "model.shop.people", "name": "people", "resource_type": "model",
   "package_name": "shop", "original_file_path": "models/people.sql", "schema": "main",
   "relation_name": "\\"shop\\".\\"main\\".\\"people\\"", "columns": {}, "depends_on": {"nodes": []},
   "config": {"materialized": "table", "meta": {"activate": {"people": {"destination": "box", "object": "people",
     "primary_key": "id", "identifier": "id", "fields": {"id": "id"}}}}}}}}
""",
}


class BrokenError(Exception):
    """The wheel is not as it must be."""


def main() -> int:
    """Build, install, try; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="dbt-activate-wheel-") as directory:
        try:
            _try(Path(directory))
        except BrokenError as error:
            print(f"NOT ok: {error}", file=sys.stderr)
            return 1
    return 0


def _try(directory: Path) -> None:
    wheel = _build(directory / "dist")
    _ok(f"built {wheel.name}")
    _look_into(wheel)
    room = Room(directory / "venv")
    room.install(wheel, directory)
    _ok("installed alone, with the dependencies it declares")
    _look_at_the_program(room, directory)
    _look_at_a_project_without_its_driver(room, directory / "shop")
    _look_at_dbt(room, directory)


def _build(target: Path) -> Path:
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(REPOSITORY)])
    [wheel] = target.glob("*.whl")
    return wheel


def _look_into(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in WHEEL_HOLDS:
        _expect(name in names, f"the wheel holds {name}")
    strange = sorted(name for name in names if not name.startswith(("dbt_activate/", "dbt_activate-")))
    _expect(not strange, "the wheel holds nothing else", ", ".join(strange))
    _expect(not any("__pycache__" in name for name in names), "the wheel holds no bytecode")


class Room:
    """An environment with nothing in it but what is installed here."""

    def __init__(self, directory: Path) -> None:
        venv.create(directory, with_pip=False, symlinks=True)
        self.programs = directory / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.programs / "python"
        # No PYTHONPATH, no settings of dbt or of ours: nothing but the wheel may make it work.
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ |= {"PYTHONNOUSERSITE": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}

    def install(self, wheel: Path, directory: Path) -> None:
        """Install *wheel* and what it requires, at the versions that the development environment has."""
        constraints = directory / "constraints.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in _pins()))
        # The pip beside us, working on the other environment: one needs not be put there first.
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        _run([*command, "--disable-pip-version-check", "-c", str(constraints), str(wheel)])

    def run(self, *command: str, directory: Path) -> "subprocess.CompletedProcess[str]":
        """Run a program of this environment in *directory*."""
        return subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )


def _pins() -> Iterable[tuple[str, str]]:
    """Names and versions, without the pins that are for another platform or Python only."""
    for line in PINS.read_text().splitlines():
        found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)\s*\\?$", line)
        if found:
            yield found[1], found[2]


def _look_at_the_program(room: Room, directory: Path) -> None:
    version = _version(room)
    shown = _works(room, directory, "dbt-activate", "--version")
    _expect(version in shown, f"dbt-activate --version says {version}")
    _expect("sync" in _works(room, directory, "dbt-activate", "--help"), "dbt-activate --help names the commands")
    _expect('"$schema"' in _works(room, directory, "dbt-activate", "schema", "activate"), "schema activate prints JSON")
    _works(room, directory, "python", "-c", "import dbt_activate")
    _ok("import dbt_activate")
    types = _works(room, directory, "dbt-activate", "destinations")
    _expect(all(name in types for name in ("hubspot", "http", "file")), "destinations lists the built-in types")


def _look_at_a_project_without_its_driver(room: Room, project: Path) -> None:
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    done = room.run("dbt-activate", "plan", "--profiles-dir", ".", directory=project)
    remedy = "pip install 'dbt-activate[duckdb]'"
    _expect(done.returncode == COULD_NOT_RUN, "a DuckDB project without the driver ends with 2", _told(done))
    _expect(remedy in done.stderr and "Traceback" not in done.stderr, f"and says: {remedy}", _told(done))


def _look_at_dbt(room: Room, directory: Path) -> None:
    # dbt imports every top-level module called dbt_*: ours must let it.
    _expect("installed" in _works(room, directory, "dbt", "--version"), "dbt --version works beside it")


def _version(room: Room) -> str:
    [found] = room.programs.parent.glob("lib/python*/site-packages/dbt_activate-*.dist-info")
    return PathDistribution(found).version


def _works(room: Room, directory: Path, *command: str) -> str:
    done = room.run(*command, directory=directory)
    if done.returncode != 0:
        raise BrokenError(f"{' '.join(command)} ended with {done.returncode}: {_told(done)}")
    return done.stdout


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokenError(f"{' '.join(command)}\n{_told(done)}")


def _told(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stdout + done.stderr).strip()[-2000:]


def _expect(holds: bool, claim: str, found: str = "") -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise BrokenError(f"{claim}; found: {found}" if found else claim)
    _ok(claim)


def _ok(claim: str) -> None:
    print(f"ok  {claim}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
