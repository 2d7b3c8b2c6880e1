"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are as wide as the terminal; here there is none, and a runner may claim one of its own."""
    monkeypatch.setenv("COLUMNS", "160")
