"""Packages are kept and fetched once a run, also where the agent of a controller that is gone is at it still."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from quartermaster.playbooks import agent

PINS = {"page": "2.0"}
CHANGES = [{"name": "page", "old": "1.0", "new": "2.0", "security": False, "source": ""}]


def test_who_saves_beside_another_for_the_same_run_is_told_what_that_one_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved again once the upgrade has begun, nothing would be left to roll back to."""
    fetched: list[Mapping[str, str]] = []
    other: list[Future[dict[str, Any]]] = []

    def fetch(pins: Mapping[str, str]) -> list[dict[str, Any]]:
        fetched.append(pins)
        if not other:
            other.append(pool.submit(agent.save, "patch-1", PINS))
            assert not wait(other, timeout=0.3).done
        return CHANGES

    monkeypatch.setattr(agent, "STATE", str(tmp_path))
    monkeypatch.setattr(agent, "fetch", fetch)
    monkeypatch.setattr(agent, "keep", lambda folder, changes: [])
    monkeypatch.setattr(agent, "unasked", lambda path: None)
    monkeypatch.setattr(agent, "note", lambda folder, changes: None)
    with ThreadPoolExecutor() as pool:
        found = agent.save("patch-1", PINS)
        assert other[0].result() == found == {"changes": CHANGES, "missing": []}
    assert fetched == [PINS]


def test_what_is_done_while_the_host_serves_goes_after_what_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    priorities: list[int] = []
    orders = [{"order": "survey"}, {"order": "save", "run": "patch-1"}, {"order": "upgrade", "run": "patch-1"}]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(order) + "\n" for order in orders)))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr(agent, "ORDERS", {order["order"]: lambda **_: {} for order in orders})
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: priorities.append(value))
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    agent.main()
    assert priorities == [usual + 10, usual + 10, usual]
