"""One hand on a failure domain: patch, drill and `provision up` refuse each other, naming who is there."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quartermaster.cli import patch, patch_survey
from quartermaster.cli.drill_plan import planned
from quartermaster.cli.main import run
from quartermaster.cli.options import Options
from quartermaster.cli.patch_control import open_until
from quartermaster.cli.session import Session
from quartermaster.fleet import alarms
from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.hosts import Group
from quartermaster.playbooks.machine import Survey
from tests.playbooks import fakes
from tests.playbooks.test_patch_plan_start import NIGHTS

FLEET = """
fleet: shop
clusters: {web: {}, api: {role: web}}
databases: {orders: {}}
patching: {web: {window: always}, api: {window: always}}
"""
NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
COMMANDS = {
    "patch": ("patch", "run", "web", "--yes"),
    "drill": ("drill", "run", "instance_loss", "web", "--now", "--yes"),
    "provision": ("provision", "up", "--yes"),
}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    group = fakes.group()

    def asking(_ops: Session, _group: Group) -> Callable[[], dict[str, Survey]]:
        return lambda: fakes.surveys(group)

    hosts = SimpleNamespace(group=lambda _: group, drain_seconds=lambda _: 5, refresh_running=lambda _: False)
    monkeypatch.setattr(Session, "hosts", hosts)
    monkeypatch.setattr(Session, "faults", None)
    monkeypatch.setattr(Session, "counter", None)
    monkeypatch.setattr(
        Session,
        "cloud",
        SimpleNamespace(client=lambda *_: None, target="local", fleet="shop", stack="dev", region="eu-west-1"),
    )
    monkeypatch.setattr(alarms, "firing", lambda _: ())
    monkeypatch.setattr(Session, "clock", SimpleNamespace(now=lambda: NOW))
    monkeypatch.setattr(patch_survey, "asking", asking)
    (tmp_path / "fleet.yaml").write_text(FLEET, encoding="utf-8")
    return tmp_path / "fleet.yaml"


def session(file: Path) -> Session:
    return Session(Options(fleet=file))


def scopes(ops: Session, kind: str) -> list[str]:
    """What that kind of work holds, asked of the code that holds it."""
    if kind == "patch":
        return patch._scopes(ops, ops.hosts.group("web"))
    if kind == "provision":
        return [ops.scope()]
    return list(planned(ops, "instance_loss", "web", now=True).scopes)


@pytest.mark.parametrize("second", COMMANDS)
@pytest.mark.parametrize("first", COMMANDS)
def test_no_two_kinds_of_work_go_on_at_once(
    fleet: Path, capsys: pytest.CaptureFixture[str], first: str, second: str
) -> None:
    there = session(fleet)
    with there.leases.hold(scopes(there, first), run=f"{first}-1"):
        assert run([*COMMANDS[second], "--fleet", str(fleet)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"is in use: run {first}-1 by {getpass.getuser()} on {socket.gethostname()} (pid " in said
    assert "`ops lease break --reason" in said
    assert all(row.state == "failed" for row in there.journal.runs())


def test_no_override_breaks_a_lease(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = session(fleet)
    words = ("patch", "run", "web", "--override", "--reason", "CVE-2026-1", "--yes", "--fleet", str(fleet))
    with there.leases.hold([there.scope("zone", fakes.ZONES[1])], run="drill-1"):
        assert run(words) == 1
    assert "is in use: run drill-1" in capsys.readouterr().err


def test_another_cluster_in_the_same_zones_waits(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = session(fleet)
    with there.leases.hold(patch._scopes(there, there.hosts.group("api")), run="patch-of-api"):
        assert run([*COMMANDS["patch"], "--fleet", str(fleet)]) == 1
    assert "is in use: run patch-of-api" in capsys.readouterr().err


@pytest.mark.parametrize(("zone", "day", "hours"), NIGHTS)
def test_in_nights_when_clocks_change_resume_goes_by_the_wall(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, zone: str, day: str, hours: float
) -> None:
    """A run may be resumed from one to five of the wall's clock, and must then end at five."""
    window = '"Sun 01:00-05:00"'
    fleet.write_text(FLEET.replace("always", window, 1) + f"timezone: {zone}\n", encoding="utf-8")
    five = datetime.fromisoformat(f"{day}T05:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    def until(now: datetime) -> Any:
        monkeypatch.setattr(Session, "clock", SimpleNamespace(now=lambda: now))
        return open_until(session(fleet), "web", "")

    first, last = five - timedelta(hours=hours), five - timedelta(minutes=1)
    assert [until(first), until(last)] == [five, five]
    for outside in (first - timedelta(minutes=1), five):
        with pytest.raises(GuardRefused, match="outside the window"):
            until(outside)
