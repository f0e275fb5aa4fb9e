"""Drills in their hours: every rule kept, the least risk taken, each choice explained."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.planner.drill_needs import Past
from quartermaster.planner.drill_schedule import DrillSchedule, schedule
from quartermaster.planner.plan import CapacityPlan, plan
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import of_fleet

NOW = datetime(2026, 3, 1, 22, 17, tzinfo=UTC)
TEXT = """
fleet: shop
timezone: Europe/Dublin
stacks: {dev: {target: local}, prod: {target: local, protect: true}}
clusters: {web: {uses: [orders], size: {min: 3, max: 24}}}
databases: {orders: {engine: postgres}}
capacity: {web: {unit: 20}}
recovery:
  drills:
    - {kind: restore, of: orders, every_days: 7}
    - {kind: zone_outage, of: web, every_days: 30}
    - {kind: failover, of: orders, every_days: 90}
  hours: "Mon-Thu 09:00-16:00"
"""


def fleet(extra: str = "", text: str = TEXT) -> Fleet:
    return read_text(text + extra).fleet


@pytest.fixture(scope="module")
def plans() -> CapacityPlan:
    models = ("day_median", "week_median", "naive")
    return plan(demand(end=datetime(2026, 3, 1, 22, tzinfo=UTC)), of_fleet(fleet()), models=models)


def chosen(plans: CapacityPlan, of: Fleet, **options: object) -> DrillSchedule:
    return schedule(of, "dev", plans.clusters, NOW, **options)  # type: ignore[arg-type]


def test_every_drill_stands_in_its_hours_and_says_why(plans: CapacityPlan) -> None:
    found = chosen(plans, fleet())
    assert sorted({d.kind for d in found.drills}) == ["failover", "restore", "zone_outage"]
    assert found.infeasible == ()
    for drill in found.drills:
        assert drill.starts_at > NOW
        assert fleet().recovery.hours.contains(drill.starts_at, fleet().tz)
        assert fleet().recovery.hours.contains(drill.ends_at - timedelta(seconds=1), fleet().tz)
        assert "demand exceeds" in drill.why and drill.runner_up
        assert drill.risk is not None and 0 <= drill.risk <= 1


def test_a_domain_has_one_drill_a_day(plans: CapacityPlan) -> None:
    days = [d.starts_at.date() for d in chosen(plans, fleet()).drills if d.of == "orders"]
    assert len(days) == len(set(days)) == 3


def test_the_weekly_one_comes_weekly(plans: CapacityPlan) -> None:
    restores = [d.starts_at for d in chosen(plans, fleet(), days=28).drills if d.kind == "restore"]
    assert len(restores) == 4
    assert all(timedelta(days=3) <= b - a <= timedelta(days=11) for a, b in itertools.pairwise(restores))


def test_freezes_and_patch_windows_are_kept_free(plans: CapacityPlan) -> None:
    frozen = fleet("freezes: [{from: 2026-03-02, to: 2026-03-05, why: launch}]\n"
                   'patching: {web: {window: "Mon-Wed 00:00-24:00"}}\n')  # fmt: skip
    found = chosen(plans, frozen)
    assert {d.starts_at.date().isoformat() for d in found.drills} == {"2026-03-12"}
    restore = next(i for i in found.infeasible if i.kind == "restore")
    assert restore.rules == (("cadence",), ("hours",), ("freezes",))
    assert "2026-03-02 to 2026-03-05 (launch)" in restore.rule


@pytest.mark.parametrize(
    ("extra", "rule", "name"),
    [
        ("freezes: [{from: 2026-02-01, to: 2026-06-01, why: peak season}]\n", "peak season", "freezes"),
        ('patching: {web: {window: "00:00-24:00"}}\n', "patch windows of orders, web", "patch windows"),
    ],
)
def test_a_drill_without_an_hour_is_named_with_the_rule(plans: CapacityPlan, extra: str, rule: str, name: str) -> None:
    found = chosen(plans, fleet(extra))
    assert found.drills == ()
    assert all(rule in i.rule and i.rules == ((name,),) for i in found.infeasible)


def test_a_drill_that_may_wait_until_after_the_days_is_not_called_impossible(plans: CapacityPlan) -> None:
    thursdays = fleet(text=TEXT.replace("Mon-Thu", "Thu"))  # the first is on the fifth day
    assert chosen(plans, thursdays, days=3) == DrillSchedule((), ())
    assert chosen(plans, thursdays, days=7).drills


def test_what_the_stack_does_not_allow_is_named(plans: CapacityPlan) -> None:
    found = schedule(fleet(), "prod", plans.clusters, NOW)
    assert {d.kind for d in found.drills} == {"restore"}
    assert {i.kind for i in found.infeasible} == {"zone_outage", "failover"}
    assert all("allow" in i.rule for i in found.infeasible)


def test_without_a_forecast_the_risk_is_unknown_not_zero() -> None:
    found = schedule(fleet(), "dev", {}, NOW)
    assert found.drills and all(d.risk is None and "unknown" in d.why for d in found.drills)


def test_an_overdue_drill_comes_first_and_says_how_late(plans: CapacityPlan) -> None:
    past = {("zone_outage", "web"): Past(3, NOW - timedelta(days=100), 900.0)}
    outage = next(d for d in chosen(plans, fleet(), past=past).drills if d.kind == "zone_outage")
    assert outage.starts_at.date().isoformat() == "2026-03-02"
    assert outage.number == 4
    assert "70 days overdue" in outage.why


def test_a_day_is_one(plans: CapacityPlan) -> None:
    past = {("restore", "orders"): Past(3, NOW - timedelta(days=7), 900.0)}  # due on a Sunday
    why = [d.why for d in chosen(plans, fleet(), past=past, days=2).drills if d.kind == "restore"]
    assert [" 1 day after it is due (every 7 days" in one for one in why] == [True]
