"""The site builds strictly: no broken link, no page outside of the navigation."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def build(directory: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("zensical")
    return subprocess.run([program, "build", "--strict"], cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_site_builds_strictly_with_every_page(copy: Path) -> None:
    done = build(copy)

    assert done.returncode == 0, done.stdout + done.stderr
    pages = {page.relative_to(copy / "docs").with_suffix("") for page in (copy / "docs").rglob("*.md")}
    made = {page.parent.relative_to(copy / "site") for page in (copy / "site").rglob("index.html")}
    assert {page.parent if page.name == "index" else page for page in pages} <= made


@pytest.mark.slow
def test_a_link_that_leads_nowhere_breaks_the_build(copy: Path) -> None:
    page = copy / "docs/index.md"
    page.write_text(page.read_text("utf-8") + "\n[x](nowhere.md)\n", encoding="utf-8")

    assert build(copy).returncode != 0


def _paths(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return [path for part in parts for path in _paths(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    listed = _paths(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])

    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_of_a_file_outside_of_the_site_leads_somewhere(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text("utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []
