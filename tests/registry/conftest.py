"""The destination types, registered as an installation does it."""

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from dbt_activate.registry import GROUP

Register = Callable[[Mapping[str, str]], None]


@pytest.fixture(scope="session")
def declared() -> Mapping[str, str]:
    """The destination types that this package declares."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    entries: dict[str, str] = project["entry-points"][GROUP]
    return entries


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    """Install a package that declares destination types, for one test."""

    def installed(entries: Mapping[str, str]) -> None:
        folder = tmp_path / "somebodys_plugin-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-plugin\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")

    sys.path.append(str(tmp_path))
    yield installed
    sys.path.remove(str(tmp_path))
