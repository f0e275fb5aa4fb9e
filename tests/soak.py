"""`make soak` in parts: what passed for this code is remembered, and a run ends in good order within nine minutes.

A plugin of pytest that does nothing unless it is asked for `-m soak`, nor where pytest may keep nothing
(`-p no:cacheprovider`): then all are run in one go.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SECONDS = 500.0
"""How long a run may take: who waits for it, a person or a job of CI, is promised nine minutes with the set-up."""
PIECE_SECONDS = 120.0
"""What the longest piece takes on a free machine; on a busy one the longest of the run counts instead."""


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "soak" and config.pluginmanager.has_plugin("cacheprovider"):
        config.pluginmanager.register(_Soak(config))


class _Soak:
    """One run: leaves out what passed before, and ends in time."""

    def __init__(self, config: pytest.Config) -> None:
        assert config.cache is not None, "the plugin that makes it is there"
        seed = os.environ.get("OPS_SEED", "")
        self._file = config.cache.mkdir("soak") / f"{_digest(config.rootpath)}-{seed}"
        self._ends_at = time.monotonic() + SECONDS
        self._longest = PIECE_SECONDS
        self._all = 0
        self._left: set[str] = set()
        self._failed: set[str] = set()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        # For a piece that takes far longer than any before it: as Ctrl-C would end it, fixtures torn down.
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        before = {name: outcome for outcome, name in (line.split(" ", 1) for line in lines)}
        passed = [item for item in items if before.get(item.nodeid) == "passed"]
        self._all = len(items)
        self._left = {item.nodeid for item in items} - {item.nodeid for item in passed}
        config.hook.pytest_deselected(items=passed)
        # What failed goes last, or it would take the time of what nobody has tried yet.
        items[:] = sorted((item for item in items if item not in passed), key=lambda item: item.nodeid in before)

    def pytest_report_collectionfinish(self) -> str:
        return f"soak: {self._all - len(self._left)} of {self._all} passed before, {len(self._left)} to go"

    def pytest_runtest_logstart(self) -> None:
        self._begun = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        now = time.monotonic()
        outcome = "failed" if nodeid in self._failed else "passed"
        if outcome == "passed":
            self._left.discard(nodeid)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{outcome} {nodeid}\n")
        self._longest = max(self._longest, now - self._begun)
        if self._left - self._failed and now + self._longest > self._ends_at:
            self._session.shouldstop = "soak: the next piece might not end in time"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if session.exitstatus == pytest.ExitCode.INTERRUPTED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED if session.testsfailed else os.EX_TEMPFAIL
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        left = (
            f"{len(self._left)} of {self._all} left: run it again to go on" if self._left else f"all {self._all} passed"
        )
        terminalreporter.write_line(f"soak: {left}")


def _digest(root: Path) -> str:
    """Of the code as it stands: of every file that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        stdout=subprocess.PIPE,
        check=True,
    )
    digest = hashlib.sha256()
    for name in sorted(listed.stdout.split(b"\0")):
        file = root / os.fsdecode(name)
        if file.is_file():
            digest.update(name + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
