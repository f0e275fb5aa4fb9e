"""`ops provision drift` tells drift by exit status, as JSON and as a table; `graph` writes where it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.session import Session
from quartermaster.infra.drift import Drift, DriftReport

FOUND = Drift("urn:pulumi:dev::shop::aws:x/y:Y::web", "ingress[0].fromPort", 80, 81)
LEFT = Drift("urn:pulumi:dev::shop::aws:x/y:Y::web", "tags.a", "b", "c", why="the tagger's")


class Stub:
    def __init__(self, report: DriftReport) -> None:
        self._report = report

    def drift(self) -> DriftReport:
        return self._report

    def graph(self) -> str:
        return "<svg/>"


@pytest.fixture(autouse=True)
def _fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nstacks: {dev: {target: local}}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "deployment", lambda _: Stub(DriftReport([FOUND], [LEFT])))


def test_drift_exits_3_only_when_asked_to(found: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["provision", "drift", "--exit-code"]) == 3
    assert run(["provision", "drift"]) == 0
    assert "ingress[0].fromPort" in capsys.readouterr().out


def test_drift_as_json_has_the_keys_of_the_contract(found: None, capsys: pytest.CaptureFixture[str]) -> None:
    run(["provision", "drift", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["drift"] == [{"urn": FOUND.urn, "property": FOUND.property, "expected": 80, "found": 81}]
    assert document["ignored"][0]["why"] == "the tagger's"


def test_what_is_ignored_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "deployment", lambda _: Stub(DriftReport([], [LEFT])))
    assert run(["provision", "drift", "--exit-code"]) == 0


def test_graph_writes_where_it_is_told(found: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["provision", "graph", "--out", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_text() == "<svg/>"
    capsys.readouterr()
    run(["provision", "graph"])
    assert capsys.readouterr().out == "<svg/>\n"
