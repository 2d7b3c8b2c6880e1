"""The layers of the package, as pyproject.toml declares them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_flow_points_down_and_libraries_live_where_they_are_used() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_the_seams_need_no_library_that_a_plug_in_may_not_have() -> None:
    heavy = ["httpx", "duckdb", "psycopg", "sqlglot", "jsonschema", "rich", "click", "dbt", "starlette", "yaml"]
    script = (
        "import sys, dbt_activate.contracts, dbt_activate.errors, dbt_activate.values.event;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
