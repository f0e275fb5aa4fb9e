"""``ops drill lint``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.workspace import Workspace

FLEET = """
fleet: shop
databases: {orders: {standby: false}}
recovery:
  orders: {zone: {rto: 2h, rpo: 0s}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path


def test_it_names_the_setting_and_exits_3_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drill", "lint", "--fleet", str(folder)]) == 0
    assert "orders zone rpo: databases.orders.standby: true (now false)" in capsys.readouterr().out
    assert run(["drill", "lint", "--exit-code", "--json", "--fleet", str(folder)]) == 3
    assert json.loads(capsys.readouterr().out)["unreachable"] == 1


def test_within_reach_it_exits_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fleet.yaml").write_text(FLEET.replace("false", "true"))
    assert run(["drill", "lint", "--exit-code", "--fleet", str(folder)]) == 0
    assert "yes" in capsys.readouterr().out


def test_it_takes_what_drills_of_the_stack_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(Workspace(folder / "fleet.yaml").database)
    result = {"kind": "restore", "of": "orders", "rto_seconds": 9000.0, "evidence": "proven", "rto_phases": {}}
    journal.start("drill", stack="dev", subject="restore orders").finish("done", result)
    journal.engine.dispose()
    assert run(["drill", "lint", "--json", "--fleet", str(folder)]) == 0
    rto = json.loads(capsys.readouterr().out)["objectives"][0]
    assert (rto["metric"], rto["best_seconds"], rto["reachable"]) == ("rto", 9000.0, False)
    assert rto["changes"] == [{"setting": "databases.orders.standby", "now": "false", "value": "true"}]
