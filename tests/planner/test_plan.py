"""The capacity plan: its keys, that it meets its own requirement, and what it says when limits are hit."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.capacity import carried, instances
from quartermaster.planner.plan import CapacityPlan, ClusterPlan, plan
from quartermaster.planner.replay import Replay
from quartermaster.planner.samples import demand
from quartermaster.planner.settings import Settings

GIVEN = Settings(unit=20.0, horizon_days=3, largest=40)
CHEAP = ("naive", "seasonal_naive_day", "day_median", "week_median")


def planned(frame: pd.DataFrame, settings: Settings = GIVEN, **options: object) -> CapacityPlan:
    return plan(frame, default=settings, models=CHEAP, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def web() -> ClusterPlan:
    return planned(demand()).clusters["web"]


def test_it_has_the_keys_of_the_contract_and_is_json(web: ClusterPlan) -> None:
    told = json.loads(json.dumps(web.to_json(), allow_nan=False))
    assert {"unit_capacity", "requirement", "schedule", "cost_per_month", "runway", "replay"} <= told.keys()
    assert told["requirement"][0].keys() >= {"timestamp", "demand_q", "instances"}
    assert told["schedule"][0].keys() == {"starts_at", "instances"}
    assert told["unit_capacity"] == 20
    assert len(told["requirement"]) == 72


def test_it_meets_its_own_requirement(web: ClusterPlan) -> None:
    for row in web.requirement:
        floor = [f for f in web.schedule if f.starts_at <= row.at][-1]
        assert floor.instances >= row.instances == instances(row.demand_q, web.rules)
        assert carried(floor.instances, web.rules) >= row.demand_q * (1 - 1e-9)


def test_the_lead_time_looks_ahead() -> None:
    """Both of two hours stay under more seldom than the higher one does."""
    web = planned(demand(), replace(GIVEN, lead_minutes=60)).clusters["web"]
    quantile = web.forecast.at(0.99)
    assert max(quantile[5], quantile[6]) <= web.requirement[5].demand_q < 1.1 * max(quantile[5], quantile[6])
    either = [r.demand_q / max(quantile[i : i + 2]) for i, r in enumerate(web.requirement)]
    assert 1 < np.mean(either) < 1.05
    assert {f.starts_at.minute for f in web.schedule} == {0}


def test_floors_rise_a_lead_time_before_the_hour_and_fall_on_it(web: ClusterPlan) -> None:
    assert GIVEN.lead_minutes == 10
    assert [r.demand_q for r in web.requirement] == web.forecast.at(0.99)[:72].tolist()
    for before, after in itertools.pairwise(web.schedule):
        assert after.starts_at.minute == (50 if after.instances > before.instances else 0)


def test_more_demand_never_means_fewer_instances() -> None:
    little = planned(demand()).clusters["web"].requirement
    much = planned(demand().assign(value=lambda f: f["value"] * 1.7)).clusters["web"].requirement
    assert all(a.needed <= b.needed for a, b in zip(little, much, strict=True))


def test_a_limit_that_is_hit_is_said() -> None:
    web = planned(demand(), Settings(unit=20.0, horizon_days=3, smallest=2, largest=6)).clusters["web"]
    assert max(r.instances for r in web.requirement) == 6
    assert max(r.needed for r in web.requirement) > 6
    assert "size.max 6 is hit" in web.statements[0]


def test_the_price_is_that_of_the_floors(web: ClusterPlan) -> None:
    tens = [r.at + timedelta(minutes=m) for r in web.requirement for m in range(0, 60, 10)]
    floors = [[f for f in web.schedule if f.starts_at <= t][-1].instances for t in tens]
    assert web.cost.mean_instances == pytest.approx(np.mean(floors))
    assert web.cost.per_month is not None and web.cost.static_peak_per_month is not None
    assert web.cost.per_month < web.cost.static_peak_per_month


def test_five_minute_demand_is_planned_by_its_hourly_peaks() -> None:
    frame = demand(days=20, interval_us=300_000_000)
    web = planned(frame, Settings(unit=20.0, horizon_days=1)).clusters["web"]
    assert len(web.requirement) == 24
    assert all(r.at.minute == 0 for r in web.requirement[1:])
    assert web.requirement[3].demand_q >= web.forecast.at(0.99)[3]


def test_a_unit_that_is_not_known_is_asked_for_once_for_all_series() -> None:
    frame = pd.concat([demand("web"), demand("api")])
    with pytest.raises(InputError) as caught:
        plan(frame, models=CHEAP)
    assert [f.where for f in caught.value.faults] == ["api", "web"]
    assert "--unit-capacity" in caught.value.remedy


def test_a_unit_per_second_is_turned_into_that_of_the_series() -> None:
    frame = demand(unit="requests/h").assign(value=lambda f: f["value"] * 3600)
    per_second = Settings(unit=20.0, unit_is_per_second=True, horizon_days=1)
    web = planned(frame, per_second).clusters["web"]
    assert web.unit.value == 72_000
    assert max(r.needed for r in web.requirement) < 30


def test_series_without_demand_are_refused_by_name_and_the_rest_planned() -> None:
    frame = pd.concat([
        demand("web"), demand("gone").assign(value=np.nan), demand("delta").assign(value=lambda f: f["value"] - 100),
        demand("web:instances"),
    ])  # fmt: skip
    result = planned(frame)
    assert list(result.clusters) == ["web"]
    assert {r.name for r in result.refused} == {"gone", "delta"}


def test_a_cluster_is_planned_under_its_name() -> None:
    result = planned(demand("requests"), settings=GIVEN)
    assert list(result.clusters) == ["requests"]
    result = plan(demand("requests"), {"requests": ("shop", GIVEN)}, models=CHEAP, only=["shop"])
    assert list(result.clusters) == ["shop"]
    with pytest.raises(InputError, match="no demand series for db"):
        plan(demand("requests"), {"requests": ("shop", GIVEN)}, models=CHEAP, only=["db"])


def test_it_starts_now_where_the_history_ends_earlier() -> None:
    end = datetime(2026, 3, 2, tzinfo=UTC)
    web = planned(demand(end=end), now=end + timedelta(days=2, minutes=30)).clusters["web"]
    assert web.requirement[0].at == end + timedelta(days=2)
    assert len(web.requirement) == 72
    assert "2.0 days before the plan starts" in web.statements[0]
    with pytest.raises(InputError, match="days ago"):
        planned(demand(end=end), now=end + timedelta(days=400))


def test_the_replay_beats_a_static_peak_on_a_seasonal_series(web: ClusterPlan) -> None:
    assert isinstance(web.replay, Replay)
    assert web.replay.hours == web.replay.days * 24
    assert web.replay.thrifty is not None
    assert web.replay.thrifty.outcome.over_provisioning < web.replay.static_peak.over_provisioning / 2
    assert web.replay.planner.over_provisioning < 0.6 * web.replay.static_peak.over_provisioning
    assert web.replay.planner.under_share < 0.03


def test_a_short_history_has_a_plan_but_no_replay() -> None:
    web = planned(demand(days=5)).clusters["web"]
    assert web.replay is None
    assert "days of history" in web.replay_reason
    assert web.runway.p50 is None and "weeks of history" in web.runway.reason


def test_runway_dates_come_in_order_and_only_with_growth() -> None:
    growing = planned(demand(days=140, growth=0.03), Settings(unit=20.0, horizon_days=1, largest=20)).clusters["web"]
    dates = [growing.runway.p10, growing.runway.p50, growing.runway.p90]
    assert None not in dates
    assert dates == sorted(dates, key=str)
    flat = planned(demand(days=140), Settings(unit=20.0, horizon_days=1, largest=200)).clusters["web"]
    assert flat.runway.p50 is None and "stays under" in flat.runway.reason
    full = planned(demand(days=140), Settings(unit=20.0, horizon_days=1, largest=3)).clusters["web"]
    assert full.runway.p50 == "2026-03-02"
