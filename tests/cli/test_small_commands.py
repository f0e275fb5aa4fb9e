"""Commands that hand one answer on: what each does, and what it leaves in the journal."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import pytest

from quartermaster.cli import backup, rehearsal
from quartermaster.cli.main import run
from quartermaster.cli.session import Session
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.journal import Journal
from quartermaster.infra.drift import Drift, DriftReport
from quartermaster.infra.local import client

COST = {
    "before": 10.0, "after": 45.5, "delta": 35.5, "currency": "USD", "unknown": ["x (aws:eks/cluster:Cluster): no"],
    "not_included": ["DynamoDB requests"], "dated": "2025-10-01", "source": "by hand",
    "resources": [{"name": "orders", "type": "aws:rds/instance:Instance", "before": 10.0, "after": 45.5,
                   "delta": 35.5, "why": "larger"}],
}  # fmt: skip


class Deployed:
    """A stack in a cloud that was changed by hand, or was not."""

    def __init__(self, *drift: Drift) -> None:
        self._drift = drift
        self.done: list[str] = []

    def preview(self) -> Any:
        return SimpleNamespace(to_json=lambda: {"cost_per_month": COST})

    def drift(self) -> DriftReport:
        return DriftReport(self._drift)

    def mend(self) -> Iterator[Event]:
        self.done.append("mended")
        yield from ()

    def refresh(self) -> Iterator[Event]:
        yield StepStarted(step="refresh")
        self.done.append("refreshed")
        yield StepFinished(step="refresh", seconds=1.0)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet, and no cloud that a command could begin."""
    monkeypatch.setattr(client, "ensure_running", lambda *_: pytest.fail("the local cloud was begun"))
    (tmp_path / "fleet.yaml").write_text(
        "fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}}\n", encoding="utf-8"
    )
    return tmp_path


def ops(fleet: Path, *words: str) -> int:
    return run([*words, "--fleet", str(fleet), "--yes"])


def came_to(fleet: Path, kind: str) -> list[tuple[str, Any]]:
    rows = Journal.open(fleet / ".ops/ops.db").runs(kind)
    return [(row.state, row.result) for row in rows]


def deployed(monkeypatch: pytest.MonkeyPatch, *drift: Drift) -> Deployed:
    made = Deployed(*drift)
    monkeypatch.setattr(Session, "deployment", lambda _: made)
    return made


def test_cost_tells_each_resource_and_what_is_left_out(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(monkeypatch)
    assert ops(fleet, "provision", "cost") == 0
    page = capsys.readouterr().out
    for told in ("larger", "+35.50", "10.00 → 45.50 USD", "2025-10-01: by hand", "aws:eks/cluster", "DynamoDB"):
        assert told in page
    assert ops(fleet, "provision", "cost", "--json") == 0
    assert json.loads(capsys.readouterr().out) == COST
    assert not (fleet / ".ops/ops.db").exists(), "to look is no run"


def test_refresh_takes_what_was_changed_into_the_state(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = Drift("urn:pulumi:dev::shop::aws:autoscaling/group:Group::web", "maxSize", 6, 9)
    made = deployed(monkeypatch, by_hand)
    assert ops(fleet, "provision", "refresh") == 0
    told = capsys.readouterr()
    assert "maxSize" in told.err and told.out == "took 1 properties into the state\n"
    assert made.done == ["mended", "refreshed"]
    ((state, result),) = came_to(fleet, "provision_refresh")
    assert state == "done" and result["drift"] == [by_hand.to_json()]


def test_refresh_of_a_state_that_is_true_writes_nothing(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = deployed(monkeypatch)
    assert ops(fleet, "provision", "refresh") == 0
    assert capsys.readouterr().out == "the state is as the cloud\n"
    assert made.done == ["mended"]


def test_what_was_restored_and_is_gone_needs_no_removal(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = SimpleNamespace(backups=SimpleNamespace(left=lambda _: False))
    monkeypatch.setattr(backup, "restorer", lambda _: nothing)
    assert ops(fleet, "backup", "remove", "orders", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"removed": False}
    assert not (fleet / ".ops/ops.db").exists()


def test_what_was_restored_is_removed_by_a_run(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    removed: list[str] = []
    beside = SimpleNamespace(left=lambda _: True, restored_id=lambda name: f"{name}-restored", remove=removed.append)
    monkeypatch.setattr(backup, "restorer", lambda _: SimpleNamespace(backups=beside))
    assert ops(fleet, "backup", "remove", "orders") == 0
    assert removed == ["orders"]
    assert capsys.readouterr().out == "orders-restored is removed\n"
    assert came_to(fleet, "backup") == [("done", {"removed": "orders-restored"})]


def test_a_heartbeat_tells_what_goes_wrong_until_it_is_stopped(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def beat(_login: object, _over: object) -> Iterator[str]:
        yield "orders does not answer"
        raise KeyboardInterrupt

    monkeypatch.setattr("quartermaster.fleet.heartbeat.beat", beat)
    assert ops(fleet, "backup", "heartbeat", "orders") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("stopped\n", "orders does not answer\n")


def test_a_zone_is_cut_off_and_healed_by_its_name(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(client, "fail_zone", lambda _, zone: asked.append(("fail", zone)))
    monkeypatch.setattr(client, "heal_zone", lambda _, zone: asked.append(("heal", zone)))
    assert ops(fleet, "local", "fail", "zone", "eu-west-1a") == 0
    assert ops(fleet, "local", "heal", "zone", "eu-west-1a") == 0
    assert asked == [("fail", "eu-west-1a"), ("heal", "eu-west-1a")]
    assert capsys.readouterr().out == "zone eu-west-1a cut off\nzone eu-west-1a healed\n"


@pytest.mark.parametrize(("again", "status"), [({"same": 40}, 0), ({"same": 39, "update": 1}, 1)])
def test_a_rehearsed_provision_makes_looks_again_and_removes(
    again: dict[str, int],
    status: int,
    fleet: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed: list[Sequence[str]] = []

    def called(_file: Path, *arguments: str) -> CompletedProcess[str]:
        typed.append(arguments)
        changes = {"create": 40} if arguments[1] == "up" else again
        return CompletedProcess(arguments, 0, json.dumps({"changes": changes}))

    monkeypatch.setattr(rehearsal, "called", called)
    monkeypatch.setattr(rehearsal, "free_network", lambda: "10.98.0.0/16")
    assert ops(fleet, "rehearse", "provision", "--junit", str(fleet / "junit.xml")) == status
    assert typed == [("provision", "up", "--yes"), ("provision", "preview"), ("local", "down", "--yes")]
    (suite,) = ET.parse(fleet / "junit.xml").iter("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("1", str(status))
    told = capsys.readouterr()
    assert f"40 resources made; looking again finds {status} changes" in told.out
    assert ("the rehearsal of provision failed" in told.err) == bool(status)
