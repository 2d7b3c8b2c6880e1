"""What holds for every test."""

import os

import pytest


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are as wide as the terminal; here there is none, and a runner may claim one of its own."""
    monkeypatch.setenv("COLUMNS", "160")


NOT_OFFERED = "not offered"
"""Where a conformance test does not apply, its reason begins so: nothing was left untested."""


class SkipKeeper:
    """In CI a test that was skipped is a test that failed: the machine lacks what a user would have."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if report.skipped and not hasattr(report, "wasxfail") and NOT_OFFERED not in reason:
            self.skipped.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and os.environ.get("CI"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.skipped if os.environ.get("CI") else ():
            terminalreporter.write_line(f"SKIPPED, which fails in CI: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch for skips."""
    config.pluginmanager.register(SkipKeeper(), "skip-keeper")
