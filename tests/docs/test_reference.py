"""The reference is what the code says, and somebody notices when it is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The part of the repository that scripts/docs.py reads and writes; the package is the installed one."""
    for name in ("docs/reference", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "docs/words.toml", tmp_path / "docs")
    return tmp_path


def docs(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(directory / "scripts/docs.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_pages_are_up_to_date(copy: Path) -> None:
    done = docs(copy, "--check")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_page_that_is_out_of_date_is_named_with_the_way_out(copy: Path) -> None:
    page = copy / "docs/reference/modes.md"
    page.write_text(page.read_text("utf-8").replace("upsert", "upset"), encoding="utf-8")

    done = docs(copy, "--check")

    assert done.returncode == 1
    assert done.stderr == "docs/reference/modes.md is out of date: run `python scripts/docs.py`\n"


def test_a_page_that_nobody_makes_is_named(copy: Path) -> None:
    (copy / "docs/reference/old.md").write_text("old")

    done = docs(copy, "--check")

    assert (done.returncode, done.stderr) == (1, "docs/reference/old.md is made by nobody: delete it\n")


def test_writing_the_pages_repairs_them(copy: Path) -> None:
    shutil.rmtree(copy / "docs/reference")

    assert docs(copy).returncode == 0
    assert docs(copy, "--check").returncode == 0


def test_a_name_without_words_is_refused(copy: Path) -> None:
    words = copy / "docs/words.toml"
    words.write_text(words.read_text("utf-8").replace("\ntrim = ", "\ntirm = "), encoding="utf-8")

    done = docs(copy)

    assert done.returncode == 1
    assert "'trim' has no words" in done.stderr
