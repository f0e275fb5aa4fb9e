"""`ops drill export` writes two files, and only of runs that a runbook led."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.fleet.journal import Journal
from tests.runbooks.rehearsal import a_plan, finish, start
from tests.runbooks.world import FakeWorld


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nstacks: {dev: {target: local}}\n")
    (tmp_path / ".ops").mkdir()
    monkeypatch.chdir(tmp_path)
    return Journal.open(tmp_path / ".ops" / "ops.db")


def test_a_drill_is_written_as_experiment_and_journal(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    world = FakeWorld()
    drilled = finish(start(a_plan(world), world, journal))[1].run
    assert run(["drill", "export", drilled, "--out", "chaos/web", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == ["chaos/web/experiment.json", "chaos/web/journal.json"]
    experiment, written = (json.loads(Path(file).read_text()) for file in files)
    assert written["experiment"] == experiment
    assert experiment["extensions"][0]["run"] == drilled


def test_other_runs_and_no_run_are_refused(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    patched = journal.start("patch", stack="dev").id
    for asked, problem in ((patched, "is no drill but a run of kind patch"), ("drill-x", "no run 'drill-x'")):
        assert run(["drill", "export", asked, "--out", "chaos"]) == 2
        assert problem in capsys.readouterr().err
    assert not Path("chaos").exists()
