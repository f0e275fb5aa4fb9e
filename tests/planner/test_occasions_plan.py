"""What holidays and events do to a plan."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.planner.calendar import Calendar, Occasion
from quartermaster.planner.clean import clean
from quartermaster.planner.plan import ClusterPlan, plan
from quartermaster.planner.runway import runways
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import Settings

START = date(2026, 3, 2)


def planned(*events: Occasion, scale: float = 1.0) -> ClusterPlan:
    own = Settings(unit=10.0, horizon_days=5, calendar=Calendar(events=events))
    # Too short for a replay, which would take most of the time.
    frame = demand(days=13, level=100 * scale)
    return plan(frame, default=own, models=("day_median",)).clusters["web"]


USUAL = planned()


@settings(deadline=None, max_examples=6)
@given(st.floats(1.0, 20.0), st.integers(0, 6), st.integers(0, 3))
def test_an_event_that_raises_demand_never_lowers_the_plan(factor: float, start: int, length: int) -> None:
    at = START + timedelta(days=start)
    more = planned(Occasion("sale", at, at + timedelta(days=length), "web", factor))
    for row, before in zip(more.requirement, USUAL.requirement, strict=True):
        assert row.instances >= before.instances


@settings(deadline=None, max_examples=4)
@given(st.floats(1.0, 5.0))
def test_more_demand_never_means_fewer_instances(scale: float) -> None:
    for row, before in zip(planned(scale=scale).requirement, USUAL.requirement, strict=True):
        assert row.instances >= before.instances


def test_an_event_of_unknown_effect_is_told_and_asks_for_more() -> None:
    unknown = planned(Occasion("match", START, START, "web"))
    assert any("match on 2026-03-02 does to demand is not known" in told for told in unknown.statements)
    day = [i for i, row in enumerate(USUAL.requirement) if row.at.date() == START]
    assert day and all(unknown.requirement[i].instances > USUAL.requirement[i].instances for i in day)
    assert unknown.requirement[-1].instances == USUAL.requirement[-1].instances


def test_an_event_of_another_cluster_changes_nothing() -> None:
    other = planned(Occasion("sale", START, START, "orders", 9.0))
    assert [r.instances for r in other.requirement] == [r.instances for r in USUAL.requirement]


def test_an_event_with_a_factor_meets_its_limits_on_its_day() -> None:
    sale = Occasion("sale", date(2026, 5, 1), date(2026, 5, 3), "web", 30.0)
    own = Settings(unit=10.0, largest=300, calendar=Calendar(events=(sale,)))
    series = clean(demand(days=60)).series[0]
    limit = runways(series, own.rules(10.0), own, 20.0, {}, 1.0)[0]
    assert limit.p10 == limit.p50 == limit.p90 == "2026-05-01"
