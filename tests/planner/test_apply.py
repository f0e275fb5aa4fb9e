"""From the plan to fleet.yaml: a diff with its price, refused when the forecast was off, written whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.schema import read_text
from quartermaster.planner.apply import propose, write
from quartermaster.planner.plan import ClusterPlan, plan
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import of_fleet

TEXT = """# ours
fleet: shop
clusters:
  web:  # the shop
    size: {min: 3, max: 24}
capacity:
  web: {unit: 20, horizon_days: 2}
"""
END = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def web() -> ClusterPlan:
    settings = of_fleet(read_text(TEXT).fleet)
    return plan(demand(end=END), settings, models=("day_median", "week_median", "naive")).clusters["web"]


def test_the_diff_sets_the_floors_and_keeps_comments(web: ClusterPlan) -> None:
    cluster = read_text(TEXT).fleet.clusters["web"]
    change = propose(web, cluster, TEXT, END + timedelta(minutes=5))
    assert "# the shop" in change.after and change.after.startswith("# ours")
    assert change.diff.startswith("--- fleet.yaml")
    schedule = read_text(change.after).fleet.clusters["web"].schedule
    assert [(e.at, e.min) for e in schedule] == [(f.starts_at, f.instances) for f in change.schedule]
    # The floor in force holds from this hour on; all others are still to come.
    assert change.schedule[0].starts_at == END
    assert all(f.starts_at > END + timedelta(minutes=5) for f in change.schedule[1:])


def test_the_diff_sets_what_tracking_holds_and_leaves_what_the_file_says(web: ClusterPlan) -> None:
    change = propose(web, read_text(TEXT).fleet.clusters["web"], TEXT, END)
    applied = read_text(change.after).fleet
    assert applied.clusters["web"].scaling.planned_utilisation == round(web.tracking.utilisation, 3)
    ((_, own),) = of_fleet(applied).values()
    assert own.tracking is None, "the next plan is free to keep another"
    text = TEXT.replace("  web:  # the shop\n", "  web:  # the shop\n    scaling: {target: 70}\n")
    declared = read_text(text).fleet.clusters["web"]
    change = propose(replace(web, tracking=replace(web.tracking, given=True)), declared, text, END)
    assert change.diff
    assert read_text(change.after).fleet.clusters["web"].scaling == declared.scaling


def test_the_cost_delta_is_against_the_floors_in_the_file(web: ClusterPlan) -> None:
    cluster = read_text(TEXT).fleet.clusters["web"]
    change = propose(web, cluster, TEXT, END)
    assert change.cost_before == pytest.approx(3 * web.cost.per_month / web.cost.mean_instances, rel=1e-3)  # type: ignore[operator]
    again = propose(web, read_text(change.after).fleet.clusters["web"], change.after, END)
    assert again.diff == ""
    assert again.cost_delta == pytest.approx(0, abs=2.0)


def test_a_forecast_that_was_off_is_not_applied(web: ClusterPlan) -> None:
    assert web.replay is not None
    off = replace(web, replay=replace(web.replay, recent_error=web.headroom + 0.01))
    with pytest.raises(GuardRefused, match="exceeded the forecast"):
        propose(off, read_text(TEXT).fleet.clusters["web"], TEXT, END)


def test_a_plan_that_is_over_is_not_applied(web: ClusterPlan) -> None:
    with pytest.raises(GuardRefused, match="before now"):
        propose(web, read_text(TEXT).fleet.clusters["web"], TEXT, END + timedelta(days=9))


def test_a_file_changed_since_the_review_is_not_overwritten(web: ClusterPlan, tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(TEXT)
    change = propose(web, read_text(TEXT).fleet.clusters["web"], TEXT, END)
    path.write_text(TEXT + "# edited\n")
    with pytest.raises(GuardRefused, match="was changed"):
        write(change, path)
    path.write_text(TEXT)
    write(change, path)
    assert path.read_text() == change.after
    assert [p.name for p in tmp_path.iterdir()] == ["fleet.yaml"]
