"""Tests that need what this machine lacks are left out, and counted in one line at the end."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.loaders
import hypothesis
import pytest
import sqlalchemy as sa

from quartermaster.infra import local
from quartermaster.infra.setup import basetree, engine, machine

if TYPE_CHECKING:
    from tests.postgres_server import Server

# Helpers beside the tests are imported by their plain names.
sys.path.insert(0, str(Path(__file__).parent))
pytest_plugins = ["soak"]

# The same inputs each time, so that a change is to blame for a failure; OPS_SEED=NUMBER tries others. Nothing fails
# because the machine is busy.
hypothesis.settings.register_profile(
    "same",
    derandomize=not os.environ.get("OPS_SEED"),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")
# No test is priced by the figures of whoever runs it.
_CONFIG = tempfile.TemporaryDirectory(prefix="ops-config-")
os.environ["XDG_CONFIG_HOME"] = _CONFIG.name
# moto has the local cloud's few images, rather than make its own 1,300 for every region of every test.
os.environ["MOTO_AMIS_PATH"] = str(Path(local.__file__).with_name("images.json"))
# What boto3 knows of a service is read once, and not by every session anew.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
# The engine writes what it has made when it ends, and not the whole of it twice for every resource: most of its time.
# Tests that kill it have it write at each step, as it does for people.
os.environ["PULUMI_SKIP_CHECKPOINTS"] = "true"
_LEFT_OUT: Counter[str] = Counter()

# A shell lets what it runs in the background ignore Ctrl-C, and so would all that tests start, and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# At its default the collector walks the many objects of the SDKs over and over: for most of the time of some tests.
gc.set_threshold(100_000)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server for the whole run."""
    from tests.postgres_server import running

    with running() as made:
        yield made


@sa.event.listens_for(sa.Pool, "checkout")
def _unsynced(connection: object, *_: object) -> None:
    """Do not wait for the disk: tests kill processes, which loses nothing that was written, and never the power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous=off")


def _lacks(asked: str) -> dict[str, str]:
    """Marker to what is missing for its tests on this machine."""
    # Nothing but `make acceptance-aws` touches an account.
    lacks = {} if asked == "aws" else {"aws": "make acceptance-aws"}
    if engine.find() is None:
        lacks["engine"] = "the Pulumi engine"
    if os.geteuid() != 0 or sys.platform != "linux" or not basetree.path().is_dir():
        lacks["hosts"] = "root on Linux and the base tree"
    if not shutil.which("chromium"):
        lacks["browser"] = "Chromium"
    if not shutil.which("prometheus"):
        lacks["prometheus"] = "a Prometheus server"
    if not shutil.which("haproxy"):
        lacks["haproxy"] = "HAProxy"
    if machine.postgres_programs() is None:
        lacks["postgres"] = "PostgreSQL"
    return lacks


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lacks = _lacks(config.option.markexpr)
    kept, gone = [], []
    for item in items:
        # The lane of real hosts of `make test` looks there alone: to collect all the others costs it a minute.
        if item.get_closest_marker("hosts") and not item.get_closest_marker("engine"):
            assert Path(__file__).with_name("hosts") in item.path.parents, f"{item.nodeid}: move it to tests/hosts"
        missing = [lacks[name] for name in lacks if item.get_closest_marker(name)]
        _LEFT_OUT.update(missing[:1])
        (gone if missing else kept).append(item)
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = kept


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what is imported stays


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and _LEFT_OUT:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    parts = [f"{count} for want of {what}" for what, count in _LEFT_OUT.items()]
    terminalreporter.write_line(f"left out on this machine: {', '.join(parts) or 'nothing'}")
