"""For all tests: where the continuous integration runs them, a test that was skipped counts as one that failed."""

import os
import signal

import pytest


def pytest_configure() -> None:
    """A shell that starts us in the background has SIGINT ignored, and what tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", ())) if reporter else 0


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CI") and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if os.environ.get("CI") and (count := _skipped(config)):
        terminalreporter.line(f"CI: {count} skipped, which counts as a failure: the reasons are above", red=True)
