"""Launch to serving, from the drills that measured it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quartermaster.cli.lead import lead_measured
from quartermaster.fleet.journal import RunRow
from quartermaster.fleet.schema import read_text
from quartermaster.planner.settings import LEAD_MINUTES, of_fleet
from quartermaster.runbooks.lint import measured


def drill(seconds: float, of: str = "web", **changed: Any) -> RunRow:
    phases = {"detect": 40.0, "decide": 0.0, "act": seconds / 4, "converge": seconds * 3 / 4, "verify": 9.0}
    result = {"kind": "instance_loss", "of": of, "rto_seconds": 50.0, "rto_phases": phases, **changed}
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return RunRow("run", "drill", "dev", f"instance_loss {of}", "done", at, at, "", "", 0, "", {}, result)


def test_it_is_the_slowest_of_the_last_runs_without_the_detection() -> None:
    rows = [drill(240), drill(300), drill(180), drill(200), drill(200), drill(3600)]
    assert lead_measured(rows) == {"web": 5.0}


def test_runs_that_measured_nothing_say_nothing() -> None:
    rows = [drill(100, rto_seconds=None), drill(100, kind="restore"), drill(100, rto_phases={"act": 3.0})]
    assert lead_measured(rows) == {}
    assert lead_measured([drill(10, of="api")]) == {"api": 1.0}


def test_an_outage_of_a_zone_tells_of_new_hosts_as_the_lint_of_objectives_reads_it() -> None:
    rows = [drill(360, kind="zone_outage"), drill(240)]
    assert lead_measured(rows) == {"web": 6.0}
    assert measured(row.result or {} for row in rows).lead == {"web": 360.0}


@pytest.mark.parametrize(
    ("text", "known", "lead"), [("auto", {}, LEAD_MINUTES), ("auto", {"web": 4.5}, 4.5), ("7", {"web": 4.5}, 7.0)]
)
def test_a_plan_goes_by_what_is_given_then_by_what_was_measured(
    text: str, known: dict[str, float], lead: float
) -> None:
    fleet = read_text(f"fleet: shop\nclusters: {{web: {{}}}}\ncapacity: {{web: {{lead_minutes: {text}}}}}\n").fleet
    assert of_fleet(fleet, known)["web"][1].lead_minutes == lead
