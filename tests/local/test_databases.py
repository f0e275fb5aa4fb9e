"""Databases that come and go under one name are told apart: none stands for another."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from database_trial import SPEC

from quartermaster.infra.local import databases, moto_rds
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.databases import Databases
from quartermaster.infra.local.machines import Work


class AtOnce(Work):
    """Does each act in the turn that submits it."""

    def submit(self, key: str, act: Any, *args: object) -> None:
        act(*args)


class Kept:
    """A database that is told apart from others by when it was asked for."""

    def __init__(self, world: object, authority: object, spec: Any, node: Any) -> None:
        self.spec, self.primary, self.standby, self.answering = spec, node, None, False
        self.closed = False

    def start(self, node: object) -> None: ...

    def follow(self, node: object) -> None: ...

    def tend(self) -> None: ...

    def plug(self) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Databases:
    monkeypatch.setattr(databases, "Database", Kept)
    monkeypatch.setattr(databases, "Node", lambda *_: SimpleNamespace(create=lambda *_, **__: None))
    world: Any = SimpleNamespace(home=tmp_path, lock=threading.Lock())
    network: Any = SimpleNamespace(bridge=lambda *_: None)
    return Databases(world, network, AtOnce(1), Authority.new(), SimpleNamespace(step=lambda _: None))  # type: ignore[arg-type]


def asked(monkeypatch: pytest.MonkeyPatch, since: float) -> Any:
    place = moto_rds.Place(since, SPEC.address, SPEC.zone)
    monkeypatch.setitem(moto_rds._places, SPEC.name, place)
    return place, {SPEC.name: replace(SPEC, since=since)}


def test_one_of_the_same_name_gets_a_server_of_its_own(found: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    first, wanted = asked(monkeypatch, 1.0)
    found.step(wanted)
    old: Any = found._databases[SPEC.name]
    assert first.made and not old.closed
    second, wanted = asked(monkeypatch, 2.0)
    found.step(wanted)
    found.step(wanted)
    assert old.closed and second.made
    assert found._databases[SPEC.name].spec.since == 2.0


def test_a_server_that_was_made_for_one_before_is_not_taken_for_it(
    found: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, wanted = asked(monkeypatch, 1.0)
    second, newer = asked(monkeypatch, 2.0)
    found.step(wanted)  # as long as it took to make, the name was given anew
    late: Any = found._databases[SPEC.name]
    assert not second.made
    found.step(newer)
    found.step(newer)
    assert late.closed and second.made
