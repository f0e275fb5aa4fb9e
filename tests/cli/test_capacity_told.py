"""What a plan and a forecast tell in a terminal: what was found in the history, with its remedy, and the currency."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quartermaster.cli.main import run
from quartermaster.planner.findings import Finding, found_lines
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand
from quartermaster.planner.statements import amount, of_to
from tests.cli.terminal import Terminal


def test_a_history_in_two_units_is_told_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = demand(days=21)
    history.loc[history.index < 250, "value"] *= 1000
    write(history, tmp_path / "web.csv")
    said = []
    for command in (
        ["capacity", "plan", "--unit-capacity", "10"],
        ["forecast", "run", "--models", "day_median", "--out", str(tmp_path / "out.csv")],
    ):
        assert run([*command, "--metrics", str(tmp_path / "web.csv")]) == 0
        said.append(capsys.readouterr().out)
    for text in said:
        (line,) = [one for one in text.splitlines() if "in another unit" in one]
        assert line.startswith("found in web at ") and line.endswith(")") and "(" in line
    assert " USD" in said[0] and "target tracking above the floors keeps hosts" in said[0]


def test_a_plan_of_the_store_says_first_what_to_act_on_and_last_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: shop\nclusters: {web: {}}\ncapacity: {web: {unit: 20}}\n")
    write(demand(days=21, growth=0.3), tmp_path / "web.csv")
    fleet = ["--fleet", str(tmp_path)]
    assert run(["metrics", "import", str(tmp_path / "web.csv"), "--replay", *fleet]) == 0
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "60")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    assert run(["capacity", "plan", *fleet]) == 0
    lines = screen.getvalue().splitlines()
    first = lines.index("web:") + 1
    assert "size.max" in lines[first] or "floors" in lines[first], "what the plan asks of its reader"
    assert max(len(line) for line in lines[first:]) <= 60 and lines[first + 1].startswith("    ")
    assert lines[-1] == "next: ops capacity apply"


def test_many_findings_are_cut_and_say_so() -> None:
    one = Finding("web", "gap", "2026-03-01T00:00:00Z", 1, "a gap", "look at the exporter").to_json()
    assert found_lines([one] * 3, most=3).count("\n") == 3
    assert found_lines([one] * 4, most=3).splitlines()[3] == "there is more: --json tells all"
    assert found_lines([]) == ""


@pytest.mark.parametrize(
    ("value", "told"),
    [(20_000.0, "20,000"), (16_763_960.0, "16,760,000"), (999.96, "1000"), (12.3456, "12.35"), (0.0, "0")],
)
def test_demand_is_told_without_exponents(value: float, told: str) -> None:
    assert amount(value) == told


def test_a_range_of_one_number_is_that_number() -> None:
    assert (of_to(2, 2), of_to(2, 1800), of_to(2, 3, " to ")) == ("2", "2 - 1,800", "2 to 3")


def test_floors_in_a_region_without_prices_cost_nobody_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "fleet: shop\nregion: ap-south-1\nclusters:\n  web: {size: {min: 3, max: 24}}\n"
    )
    write(demand(days=21, end=datetime.now(UTC).replace(minute=0, second=0, microsecond=0)), tmp_path / "web.csv")
    given = ["--metrics", str(tmp_path / "web.csv"), "--unit-capacity", "10", "--fleet", str(tmp_path), "--yes"]
    assert run(["capacity", "apply", *given]) == 0
    told = capsys.readouterr()
    assert "cost per month: unknown" in told.err and "None" not in told.err + told.out
