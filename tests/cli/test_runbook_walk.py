"""`ops runbook run` at a terminal: what is shown, what is asked, and where it is left."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quartermaster.cli import runbook_walk
from quartermaster.cli.main import run
from tests.cli.terminal import typing
from tests.runbooks.rehearsal import a_plan, hands
from tests.runbooks.world import FakeWorld

Typed = Callable[..., int]


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def typed(world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Runs `ops` in a fleet of its own, with what the person types."""
    text = "fleet: shop\nstacks: {dev: {target: local}}\nclusters: {web: {size: {min: 3, max: 9}, balancer: {}}}\n"
    (tmp_path / "fleet.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runbook_walk, "planned", lambda *_, **__: a_plan(world))
    monkeypatch.setattr(runbook_walk, "hands", lambda _: hands(world))

    def type_(*keys: str, command: str = "runbook run instance_loss web --json") -> int:
        monkeypatch.setattr(sys, "stdin", typing(*keys))
        return run(command.split())

    return type_


def test_a_step_shows_what_to_type_what_to_expect_and_until_when(
    typed: Typed, world: FakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("d", "o", *"ddddd") == 0
    out, err = capsys.readouterr()
    lost = a_plan(FakeWorld()).host
    for shown in (
        "2/7  The host loses its power  [detect]",
        f"by hand   `ops local fail host {lost}`",
        "expected  the balancer no longer calls it healthy",
        "limit     2 min",
        f"rollback  replace_host({lost})",
        "owner     the balancer's health checks",
        f"[o] ops does kill_host({lost})",
        f"✓ {lost} is InService, unhealthy",
    ):
        assert shown in err
    result = json.loads(out)
    assert (result["by"], result["restored"], list(world.killed)) == ("person", True, [lost])


def test_skipping_asks_why_and_the_result_says_so(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("s", "checked before", "o", *"ddddd", command="runbook run instance_loss web") == 0
    out = capsys.readouterr().out
    assert "skipped steady_before: checked before" in out
    assert "no recovery time" in out


def test_stopped_the_next_command_says_where_it_was_left_and_goes_on(
    typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("d", "o", "q") == 4
    err = capsys.readouterr().err
    run_id = err.rpartition("--resume ")[2].partition(":")[0]
    left = f"error: {run_id} (instance_loss web) was left before step 3: The group gives it up\n"
    remedy = f"  remedy: ops runbook run --resume {run_id}: go on, or take it back"
    assert err.endswith(f"{left}{remedy}\n")
    assert typed("d") == 2
    assert capsys.readouterr().err == f"{left}{remedy} there\n"
    assert typed(*"ddddd", command=f"runbook run --resume {run_id} --json") == 0
    assert json.loads(capsys.readouterr().out)["run"] == run_id
    assert typed("d", command=f"runbook run --resume {run_id}") == 2
    told = f"error: no runbook was left part-way as {run_id}\n  remedy: those that were: none\n"
    assert capsys.readouterr().err == told


def test_a_terminal_that_goes_away_leaves_it_to_be_taken_up(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("d") == 4
    assert "was left before step 2" in capsys.readouterr().err


def test_a_letter_that_is_none_is_asked_again(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("x", "d", "b") == 0
    assert "one of: d, s, b, q" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["runbook run", "runbook run instance_loss", "runbook run instance_loss web --resume x"]
)
def test_it_says_what_it_wants_to_know(command: str, typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(command=command) == 2
    assert "ops runbook run KIND OF" in capsys.readouterr().err


def test_a_table_top_is_talked_through_instead(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(command="runbook run tabletop web") == 2
    assert "ops drill run tabletop web" in capsys.readouterr().err


def test_with_nobody_to_ask_it_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("d\n"))
    assert run(["runbook", "run", "instance_loss", "web", "--yes"]) == 2
    assert "ops drill run" in capsys.readouterr().err
