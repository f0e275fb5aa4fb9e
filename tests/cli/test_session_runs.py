"""How a run stands in the journal when its command raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.cli.options import Options
from quartermaster.cli.session import Session
from quartermaster.fleet.errors import LeaseHeld, OpsError, Stopped

SCOPES = ["dev/cluster/web"]


@pytest.fixture
def ops(tmp_path: Path) -> Session:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n", encoding="utf-8")
    return Session(Options(fleet=tmp_path / "fleet.yaml"))


def state(ops: Session) -> str:
    return ops.journal.runs("patch")[0].state


def interrupted(ops: Session) -> str:
    """A run that was begun and never closed."""
    return ops.journal.start("patch", stack="dev", subject="web").id


@pytest.mark.parametrize(("error", "ends"), [(OpsError("no"), "failed"), (Stopped("later"), "stopped")])
def test_a_run_that_raises_is_closed_by_its_error(ops: Session, error: OpsError, ends: str) -> None:
    with pytest.raises(OpsError), ops.run("patch", scopes=SCOPES):
        raise error
    assert state(ops) == ends


@pytest.mark.parametrize("raised", [OpsError("aborted by hand"), KeyboardInterrupt()])
def test_a_run_that_was_closed_keeps_its_state_and_result(ops: Session, raised: BaseException) -> None:
    with pytest.raises(type(raised)), ops.run("patch", scopes=SCOPES) as (record, _):
        record.finish("aborted", {"hosts": []})
        raise raised
    assert (state(ops), ops.journal.runs("patch")[0].result) == ("aborted", {"hosts": []})


def test_a_run_taken_up_stays_stopped_whatever_is_raised(ops: Session) -> None:
    with pytest.raises(KeyError), ops.run("patch", scopes=SCOPES, resume=interrupted(ops)):
        raise KeyError("a fault of ours")
    assert state(ops) == "stopped"


def test_a_run_that_cannot_have_its_leases_yet_can_be_taken_up_later(ops: Session) -> None:
    run = interrupted(ops)
    with ops.leases.hold(["dev/zone", "dev/cluster"], run="drill-1"), pytest.raises(LeaseHeld):  # noqa: SIM117
        with ops.run("patch", scopes=SCOPES, resume=run):
            raise AssertionError("two hands on one cluster")
    assert state(ops) == "stopped"
