"""The package as it is installed: its version, its types, its entry points, and how little an import of it costs."""

import json
import subprocess
import sys
from importlib.metadata import distribution, entry_points, requires
from importlib.resources import files
from inspect import isabstract

import pytest

import dbt_activate
from dbt_activate.contracts import Destination

HEAVY = {
    *("click", "dbt", "duckdb", "httpx", "jinja2", "jsonschema", "msgspec", "psycopg", "rich", "sqlglot", "starlette"),
    *("uvicorn", "yaml", "asyncio"),
}
DESTINATIONS = {"duckdb", "file", "http", "hubspot", "postgres", "sqlite"}
LIGHT_COMMANDS = (("--version",), ("--help",), ("sync", "--help"), ("list", "--help"), ("schema", "activate"))


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _imported(code: str) -> set[str]:
    """The top-level modules that *code* brings in, beyond those that an empty program has."""
    return set(
        json.loads(_python(f"{code}\nimport json, sys\nprint(json.dumps([m.split('.')[0] for m in sys.modules]))"))
    )


def test_the_version_is_that_of_the_distribution() -> None:
    assert dbt_activate.__version__ == distribution("dbt-activate").version


def test_the_package_says_that_it_is_typed() -> None:
    assert files("dbt_activate").joinpath("py.typed").is_file()


def test_every_built_in_destination_is_registered_as_anybodys_would_be() -> None:
    found = {entry.name: entry for entry in entry_points(group="dbt_activate.destinations")}
    assert set(found) >= DESTINATIONS
    for name in DESTINATIONS:
        kind = found[name].load()
        assert issubclass(kind, Destination), name
        assert not isabstract(kind), name


def test_the_program_and_the_pytest_plug_in_are_registered() -> None:
    [program] = [entry for entry in entry_points(group="console_scripts") if entry.name == "dbt-activate"]
    [plugin] = [entry for entry in entry_points(group="pytest11") if entry.name == "dbt_activate"]
    assert callable(program.load())
    assert plugin.load().__name__ == "dbt_activate.testing.pytest_plugin"


def test_drivers_and_the_sandbox_are_extras() -> None:
    declared = requires("dbt-activate") or []
    for name in ("duckdb", "dbt-duckdb", "dbt-postgres", "psycopg", "starlette", "uvicorn", "pytest"):
        lines = [line for line in declared if line.replace("[", ">").split(">")[0].split(";")[0].strip() == name]
        assert lines, name
        assert all("extra ==" in line for line in lines), name


def test_importing_the_package_brings_in_nothing_heavy() -> None:
    """Each run of dbt imports every top-level module called dbt_*."""
    assert _imported("import dbt_activate") & HEAVY == set()


def test_the_package_has_no_module_that_dbt_takes_for_a_plug_in_folder() -> None:
    assert not files("dbt_activate").joinpath("plugins").is_dir()
    assert not files("dbt_activate").joinpath("plugins.py").is_file()


def test_help_imports_click_and_no_other_library() -> None:
    code = (
        "from dbt_activate.cli import invoke\nimport contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n"
    )
    assert _imported(f"{code}    assert invoke(['--help']) == 0") & HEAVY <= {"click"}


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS, ids=" ".join)
def test_the_module_runs_as_the_program_does(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "dbt_activate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    if arguments == ("--version",):
        assert done.stdout.strip().endswith(dbt_activate.__version__)
    else:
        assert done.stdout.count("\n") > 5
