"""What people write as assumptions."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.cli.whatif import _asked
from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand


def test_each_value_is_a_scenario_of_its_own() -> None:
    found = _asked(["20%", "0.5"], ["2026-12-01:+30%"], ["15%"], [4], [2], ["m7g.large"], [0.95], [0.7])
    assert [s.growth for s in found[:2]] == [1.2, 1.5]
    assert found[2].launches == ((date(2026, 12, 1), 1.3),)
    assert found[3].growth == 0.85
    assert found[8].utilisation == 0.7
    assert (found[4].zones, found[5].lost_zones, found[6].instance, found[7].quantile) == (4, 2, "m7g.large", 0.95)


def test_a_launch_may_be_so_many_days_after_the_plan_starts() -> None:
    (found,) = _asked(None, ["5d:+30%"], None, None, None, None, None)
    assert found.launches == ((timedelta(days=5), 1.3),)
    for wrong in ("99999999999d:+30%", "-5d:+30%", "d:+30%"):
        with pytest.raises(InputError, match="starts with no day"):
            _asked(None, [wrong], None, None, None, None, None)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        _asked(["a lot"], ["soon", "2026-12-01:-100%"], ["100%"], None, None, None, [1.5], [0.0])
    faults = ["growth", "launch", "quantile", "utilisation", "launch 2026-12-01:-100%", "lost-tenant 100%"]
    assert [f.where for f in caught.value.faults] == faults
    with pytest.raises(InputError, match="no assumption"):
        _asked(None, None, None, None, None, None, None)


def test_every_assumption_is_a_column_with_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(demand(days=35), tmp_path / "web.parquet")
    asked = ["capacity", "whatif", "--metrics", str(tmp_path / "web.parquet"), "--unit-capacity", "10", "--days", "7"]
    said = {
        "growth 20%": ["--growth", "20%"],
        "launch 2026-03-05:+30%": ["--launch", "2026-03-05:+30%"],
        "launch 3d:+30%": ["--launch", "3d:+30%"],
        "tenant lost 15%": ["--lost-tenant", "15%"],
        "4 zones": ["--zones", "4"],
        "survive 2 zones": ["--survive", "2"],
        "m7g.large": ["--instance", "m7g.large"],
        "quantile 0.9": ["--quantile", "0.9"],
        "utilisation 0.7": ["--utilisation", "0.7"],
    }
    options = [word for words in said.values() for word in words]
    assert run([*asked, *options, "--json"]) == 0
    columns = {c["scenario"]: c for c in json.loads(capsys.readouterr().out)["clusters"]["web"]["columns"]}
    assert list(columns) == ["as planned", *said, "all together"]
    base = columns["as planned"]["cost_per_month"]
    # The plan starts on 2 March.
    by_date, by_days = columns["launch 2026-03-05:+30%"], columns["launch 3d:+30%"]
    assert {**by_date, "scenario": ""} == {**by_days, "scenario": ""}
    dearer = {name for name, column in columns.items() if column["cost_per_month"] > base}
    assert {"growth 20%", "launch 2026-03-05:+30%", "survive 2 zones"} <= dearer
    assert dearer.isdisjoint({"tenant lost 15%", "quantile 0.9", "utilisation 0.7"})
    for column in columns.values():
        assert column["cost_delta"] == pytest.approx(column["cost_per_month"] - base, abs=0.02)
        assert column["runway"]["limit"] == "size.max"
    assert run([*asked, "--growth", "20%"]) == 0
    table = capsys.readouterr().out
    assert "growth 20%" in table and "against the plan" in table and "size.max met by" in table


def test_the_plan_of_a_file_is_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(demand(days=35), tmp_path / "web.parquet")
    asked = ["capacity", "report", "--metrics", str(tmp_path / "web.parquet"), "--unit-capacity", "10", "--json"]
    assert run([*asked, "--out", str(tmp_path / "plan.html")]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(tmp_path / "plan.html")}
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "web needs" in page and "target tracking" in page
    # Of no stack, it says nothing of drills and patches.
    assert "Stack" not in page and "Drill" not in page and "Patching" not in page
    assert run([*asked, "--out", str(tmp_path / "none" / "plan.html")]) == 2
