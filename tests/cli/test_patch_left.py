"""Which patch runs `ops patch resume` goes on with, and which `recover` puts back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli.patch import last_unfinished
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.journal import Journal
from tests.playbooks.fakes import fleet


@pytest.fixture
def ops(tmp_path: Path) -> Any:
    journal = Journal.open(tmp_path / "ops.db")
    return SimpleNamespace(journal=journal, stack="dev", fleet=fleet(), fleet_file=Path("fleet.yaml"))


def ended(ops: Any, state: str, *hosts: str) -> str:
    """A run that ended so, with hosts in these states; its id."""
    run = ops.journal.start("patch", stack="dev", subject="web")
    run.finish(state, {"hosts": [{"state": found} for found in hosts]})
    return str(run.id)


def test_a_failed_run_that_left_a_host_drained_is_put_back_by_recover_only(ops: Any) -> None:
    run = ended(ops, "failed", "patched", "drained")
    assert last_unfinished(ops, "web", drained=True).id == run
    with pytest.raises(InputError, match="was cut short"):
        last_unfinished(ops, "web")


def test_a_failed_run_that_left_nobody_drained_has_nothing_to_put_back(ops: Any) -> None:
    ended(ops, "failed", "rolled_back", "pending")
    with pytest.raises(InputError):
        last_unfinished(ops, "web", drained=True)


def test_an_older_failure_is_not_dug_up(ops: Any) -> None:
    ended(ops, "failed", "drained")
    ended(ops, "done", "patched")
    with pytest.raises(InputError):
        last_unfinished(ops, "web", drained=True)


def test_a_stopped_run_is_for_both(ops: Any) -> None:
    run = ended(ops, "stopped", "pending")
    assert {last_unfinished(ops, "web", drained=drained).id for drained in (False, True)} == {run}
