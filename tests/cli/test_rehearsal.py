"""Rehearsals: what of a fleet is copied, and how the outcome is told. The run itself is in test_pytest_plugin.py."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from quartermaster.cli import rehearsal
from quartermaster.cli.main import run
from quartermaster.cli.rehearsal import Rehearsal, Step, junit
from quartermaster.cli.rehearsal_fleet import scaled
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import Requests
from quartermaster.fleet.schema import example, load_fleet, read_text
from quartermaster.fleet.schema.tree import read_tree
from tests.fleets import small_fleets, text_of

NETWORK = "10.40.0.0/16"


def _copy(text: str, of: str) -> dict[str, Any]:
    return scaled(read_tree(text).value, of, NETWORK, Path("/shop"))


def _fleet(copy: dict[str, Any]) -> Any:
    return read_text(json.dumps(copy, default=str)).fleet


def test_the_copy_is_local_small_and_tells_nobody() -> None:
    text = example() + "notify: [{kind: webhook, url: secret:NOTIFY_URL}]\n"
    fleet = _fleet(_copy(text, "web"))
    assert {name: stack.target for name, stack in fleet.stacks.items()} == {"rehearsal": "local"}
    assert (fleet.clusters["web"].size.min, fleet.clusters["web"].size.max) == (3, 9)
    assert fleet.clusters["web"].schedule == ()
    assert list(fleet.databases) == list(read_text(text).fleet.clusters["web"].uses)
    assert (fleet.notify, fleet.freezes, fleet.dns) == ((), (), None)
    assert fleet.patching_of("web").window.always
    assert str(fleet.network.cidr) == NETWORK
    assert fleet.allowed_drills("rehearsal") is None


def test_a_database_is_rehearsed_alone() -> None:
    fleet = _fleet(
        _copy("fleet: shop\nclusters: {web: {}}\ndatabases: {orders: {engine: postgres}, old: {}}\n", "orders")
    )
    assert list(fleet.databases) == ["orders"]


@settings(max_examples=15)
@given(tree=small_fleets())
def test_every_fleet_has_a_copy_that_validates(tree: dict[str, Any]) -> None:
    read = read_tree(text_of(tree)).value
    for of in ("", *tree.get("clusters", {}), *tree.get("databases", {})):
        assert list(_fleet(scaled(read, of, NETWORK, Path("/shop"))).stacks) == ["rehearsal"]


def test_the_production_example_has_a_copy(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "examples/production/fleet.yaml"
    assert load_fleet(source).clusters
    for of in ("", *load_fleet(source).clusters):
        _fleet(_copy(source.read_text(encoding="utf-8"), of))


@pytest.mark.parametrize("lost", [True, False])
def test_without_its_fault_a_rehearsal_has_shown_nothing(
    tmp_path: Path, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Requests(900, 0)
    monkeypatch.setattr(rehearsal, "Load", lambda *_, **__: nullcontext(SimpleNamespace(counts=lambda: counts)))
    monkeypatch.setattr(rehearsal._Least, "__enter__", lambda _: None)
    monkeypatch.setattr(rehearsal._Least, "__exit__", lambda *_: None)
    monkeypatch.setattr(rehearsal, "_LOSS_AFTER_SECONDS", 0)

    def ops(_: Rehearsal, *words: str) -> dict[str, Any]:
        if words[:2] == ("local", "fail") and not lost:
            raise OpsError("the local cloud does not answer")
        return {"hosts": [{"id": "i-1", "state": "patched"}], "state": "done"}

    monkeypatch.setattr(Rehearsal, "ops", ops)
    one = Rehearsal(tmp_path / "fleet.yaml", "web", tmp_path)
    one.url = "http://127.0.0.1"
    step = one._loaded("patch web", "host-lost", "patch", "run", "web")
    assert (step.passed, "no host was lost: the local cloud does not answer" in step.outcome) == (lost, not lost)


def test_ci_reads_which_step_failed_and_why() -> None:
    steps = [Step("provision", 40.0, True, "58 resources made"), Step("patch web", 61.5, False, "3 of 900 <failed>")]
    suite = ET.fromstring(junit("rehearsal of shop", steps))
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("2", "1", "101.5")
    failures = suite.findall("testcase/failure")
    assert [failure.get("message") for failure in failures] == ["3 of 900 <failed>"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["patch", "nothing"], "no cluster 'nothing' to patch"),
        (["patch", "web", "--fault", "fire"], "no fault 'fire'"),
        (["drill", "earthquake", "web"], "'earthquake'"),
    ],
)
def test_bad_usage_is_refused_before_anything_is_made(
    tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\n", encoding="utf-8")
    assert run(["rehearse", *arguments, "--fleet", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / ".ops/cache").exists()
