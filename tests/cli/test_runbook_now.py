"""`ops runbook render` and `probe`: on the world as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli import drill_plan
from quartermaster.cli.main import run
from quartermaster.fleet.errors import OpsError
from quartermaster.runbooks.kinds import KINDS
from tests.runbooks.rehearsal import a_plan, hands
from tests.runbooks.world import FakeWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWorld:
    found = FakeWorld()
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {balancer: {}}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drill_plan, "planned", lambda *_, **__: a_plan(found))
    monkeypatch.setattr(drill_plan, "hands", lambda _: hands(found))
    return found


def test_the_list_says_of_what_and_in_which_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["instance_loss", "cluster", "zone"] in rows
    assert ["tabletop", "cluster,", "database,", "fleet", "none"] in rows
    assert next(row for row in rows if row[0] == "failover")[3:] == [f"{KINDS['failover'].ways[0]},", "planned"]


def test_it_prints_the_document_and_writes_the_page(world: FakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "render", "instance_loss", "web"]) == 0
    assert capsys.readouterr().out.rstrip() == a_plan(world).document.rstrip()
    assert run(["runbook", "render", "instance_loss", "web", "--html", "--out", "page.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "page.html"}
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_of_what_does_not_answer_it_is_printed_without_live_names(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OpsError("RDS has no database shop-dev-orders")

    monkeypatch.setattr(drill_plan, "planned", gone)
    Path("fleet.yaml").write_text(
        "fleet: shop\ndatabases: {orders: {}, carts: {engine: dynamodb, key: id}}\n"
        "recovery: {orders: {data_loss: {rto: 90s}}}\n"
    )
    assert run(["runbook", "render", "restore", "orders", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "stand in capitals: RDS has no database shop-dev-orders" in err
    found = json.loads(out)
    assert found["unseen"] == "RDS has no database shop-dev-orders"
    assert "# orders is lost" in found["document"] and "`INSTANCE`, restored as `COPY`" in found["document"]
    for line in (
        "| Objective | back within 90 seconds (data_loss) |",
        "| Must answer true | CHECKS |",
        "| newest: not ",
    ):
        assert line in found["document"]
    for wrong in ("restore carts", "restore users", "earthquake orders", "restore orders --how twice"):
        assert run(["runbook", "render", *wrong.split()]) == 2


def test_the_way_that_is_asked_for_is_the_one_that_is_planned(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(drill_plan, "planned", lambda *_, way, now: asked.append((way, now)) or a_plan(world))
    assert run(["runbook", "render", "failover", "orders", "--how", "planned"]) == 0
    assert asked == [("planned", True)]


def test_the_steady_state_is_waited_for(world: FakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runbook", "probe", "instance_loss", "web", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"holds": True, "found": "3 of 3 serve"}


def test_a_steady_state_that_does_not_hold_in_time_fails(world: FakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    plan = a_plan(world)
    world.kill_host(plan.host)
    world.noticed_after, world.launched_after = 0.0, 1000.0
    assert run(["runbook", "probe", "instance_loss", "web"]) == 1
    assert f"steady() did not hold within 30 s: 2 of 3 serve; not: {plan.host}" in capsys.readouterr().err
