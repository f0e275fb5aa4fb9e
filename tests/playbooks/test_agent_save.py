"""Packages are kept and fetched once a run, also where the agent of a controller that is gone is at it still."""

from __future__ import annotations

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
