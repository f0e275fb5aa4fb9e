"""What a run does on a host stands in the host's own log with the run's id."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from quartermaster.playbooks import agent
from quartermaster.playbooks.inventory import Inventory
from quartermaster.playbooks.runner import PlaybookOrder, _environment


def environment(run: str, tmp_path: Path) -> dict[str, str]:
    return _environment(PlaybookOrder(Path("site.yml"), Inventory((), {}), run=run), tmp_path, tmp_path)


def test_every_task_of_a_configure_run_carries_it(tmp_path: Path) -> None:
    assert environment("01RUN", tmp_path)["ANSIBLE_TARGET_LOG_INFO"] == "run=01RUN"
    assert environment("", tmp_path)["ANSIBLE_TARGET_LOG_INFO"] == ""


def test_every_order_of_a_patch_run_is_logged_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    orders = [{"order": "facts"}, {"order": "facts", "run": "01RUN"}]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(order) + "\n" for order in orders)))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr(agent, "ORDERS", {"facts": lambda **_: {}})
    monkeypatch.setattr(agent.syslog, "syslog", said.append)
    agent.main()
    assert said == ["run=01RUN facts"]
