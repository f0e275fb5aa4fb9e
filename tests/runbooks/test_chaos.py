"""A run that was exported is an experiment and a journal to the Chaos Toolkit: it validates them, and can run them."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from quartermaster.cli.command_lines import complaint
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.journal import Journal
from quartermaster.runbooks.chaos import experiment
from quartermaster.runbooks.chaos import journal as told
from quartermaster.runbooks.steady import steady
from tests.runbooks.rehearsal import a_plan, finish, hands, recover, start
from tests.runbooks.test_tabletop import a_plan as a_tabletop
from tests.runbooks.test_walk import Scripted, begin, ended
from tests.runbooks.world import FakeWorld

STEPS = ["steady_before", "lose", "give_up", "launch", "converge", "whole", "stays"]


@pytest.fixture
def ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ops` on the path that writes down how it is called, and a quiet place to run in."""
    calls = tmp_path / "calls"
    (tmp_path / "ops").write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho \'{{"restored": true}}\'\n')
    (tmp_path / "ops").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return calls


def a_run(journal: Journal, world: FakeWorld | None = None) -> str:
    return finish(start(a_plan(world := world or FakeWorld()), world, journal))[1].run


def exported(journal: Journal, run: str) -> tuple[dict[str, Any], dict[str, Any]]:
    row = journal.run(run)
    return json.loads(json.dumps([experiment(row), told(row, journal.events(run))]))


def shape(value: Any) -> Any:
    """Keys and types, of lists those of their first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_the_toolkit_finds_the_experiment_valid(ops: Path, journal: Journal) -> None:
    found, _ = exported(journal, a_run(journal))
    ensure_experiment_is_valid(found)
    assert found["title"] == "One host of web is lost"
    assert [step["name"] for step in found["extensions"][0]["steps"]] == STEPS


def test_the_toolkit_runs_it_by_commands_that_there_are(ops: Path, journal: Journal) -> None:
    found, _ = exported(journal, a_run(journal))
    written = run_experiment(found)
    assert (written["status"], written["deviated"]) == ("completed", False)
    called = [f"ops {line}" for line in ops.read_text().splitlines()]
    assert called == [
        "ops runbook probe instance_loss web --stack dev --json",
        "ops drill run instance_loss web --stack dev --now --yes --json",
        "ops runbook probe instance_loss web --stack dev --json",
        "ops drill recover --stack dev --yes --json",
    ]
    assert [complaint(line) for line in called] == [""] * 4


def test_the_journal_has_the_shape_of_one_that_the_toolkit_wrote(ops: Path, journal: Journal) -> None:
    found, ours = exported(journal, a_run(journal))
    theirs = json.loads(json.dumps(run_experiment(found)))
    ours["run"][0].pop("steps")
    # They play rollbacks each time; ours had nothing to take back.
    theirs["rollbacks"] = []
    assert shape(ours) == shape(theirs)


def test_the_journal_holds_every_step_with_its_time_and_the_hash_of_its_line(journal: Journal) -> None:
    run = a_run(journal)
    _, ours = exported(journal, run)
    (action,) = ours["run"]
    assert [step["name"] for step in action["steps"]] == STEPS
    assert {step["hash"] for step in action["steps"]} <= {recorded.hash for recorded in journal.events(run)}
    assert json.loads(action["output"]["stdout"])["run"] == run
    assert (ours["status"], ours["deviated"]) == ("completed", False)
    assert ours["steady_states"]["before"]["probes"][0]["output"]["stdout"] == "3 of 3 serve"


def test_a_drill_that_was_aborted_and_healed_is_aborted_and_did_not_deviate(journal: Journal) -> None:
    world = FakeWorld(failed_share=0.9, noticed_after=100.0)
    with pytest.raises(OpsError):
        a_run(journal, world)
    _, ours = exported(journal, journal.runs()[0].id)
    assert (ours["status"], ours["deviated"], ours["run"][0]["output"]["status"]) == ("aborted", False, 1)
    assert [step["name"] for step in ours["run"][0]["steps"] if step["status"] == "failed"] == ["lose"]


def test_a_drill_that_never_began_failed_at_its_steady_state(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    world.kill_host(plan.host)
    world.sleep(15)
    with pytest.raises(OpsError):
        finish(start(plan, world, journal))
    _, ours = exported(journal, journal.runs()[0].id)
    assert (ours["status"], ours["steady_states"]["before"]["steady_state_met"]) == ("failed", False)


def test_one_that_was_cut_short_is_interrupted_until_it_is_recovered(journal: Journal) -> None:
    world = FakeWorld()
    events = start(a_plan(world), world, journal)
    while not world.killed:
        next(events)
    events.close()
    run = journal.runs()[0].id
    assert exported(journal, run)[1]["status"] == "interrupted"
    recover(world, journal, run)
    assert exported(journal, run)[1]["status"] == "aborted"


def test_a_walk_says_who_did_what(ops: Path, journal: Journal) -> None:
    _, result = ended(begin(FakeWorld(), journal, Scripted()))
    found, ours = exported(journal, result["run"])
    ensure_experiment_is_valid(found)
    assert {step["name"]: step["by"] for step in ours["run"][0]["steps"]}["lose"] == "ops"
    assert ours["run"][0]["steps"][0]["by"] == "person"


def test_a_table_top_is_no_experiment(journal: Journal) -> None:
    run = journal.start("drill", stack="dev", inputs=a_tabletop("web").to_json())
    with pytest.raises(InputError, match="does not begin with a steady state"):
        experiment(journal.run(run.id))


def test_arguments_need_no_shell(journal: Journal) -> None:
    found, _ = exported(journal, a_run(journal))
    for activity in (*found["steady-state-hypothesis"]["probes"], *found["method"], *found["rollbacks"]):
        words = activity["provider"]["arguments"]
        assert [shlex.quote(word) for word in words] == words
        assert activity["provider"]["timeout"] > 0


def test_the_steady_state_is_read_without_an_act(journal: Journal) -> None:
    world = FakeWorld()
    assert [event.kind for event in steady(a_plan(world), hands(world))] == ["started", "finished"]
    plan = a_plan(world)
    world.kill_host(plan.host)
    world.sleep(world.noticed_after)
    with pytest.raises(OpsError, match="did not hold within 30 s"):
        list(steady(plan, hands(world)))
    assert journal.runs() == []
