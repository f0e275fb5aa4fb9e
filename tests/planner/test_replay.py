"""The replay is honest: a day sees nothing of itself, all ways are judged alike."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from quartermaster.planner.capacity import Rules
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.replay import FACTORS, Replay, replay
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.trial import Trial
from quartermaster.planner.within_hour import by_hour

RULES = Rules(10.0)
PLAIN = candidates(("seasonal_naive_day", "day_median", "week_median"))


def run(series: Series, fine: Series | None = None) -> Replay:
    found = replay(series, RULES, 0.95, 10, 6, PLAIN, fine)
    assert isinstance(found, Replay), found
    return found


@pytest.fixture(scope="module")
def web() -> Replay:
    return run(clean(demand(days=60)).series[0])


def test_it_has_every_way_and_is_json(web: Replay) -> None:
    told = json.loads(json.dumps(web.to_json(), allow_nan=False))
    ways = {"planner", "floors_only", "static_peak", "target_tracking", "predictive_scaling"}
    assert ways <= told.keys()
    assert told["curve"].keys() == told["at_one_percent"].keys() == ways
    assert (web.days, web.hours) == (28, 28 * 24)


def test_on_a_regular_series_it_does_far_better_than_a_static_peak(web: Replay) -> None:
    assert web.planner.under_share <= 0.01
    assert web.planner.over_provisioning < web.static_peak.over_provisioning / 2
    assert web.target_tracking.under_time > web.planner.under_time
    mix = web.better["static_peak"]
    assert mix is not None and mix.outcome.better_than(web.static_peak)


def test_more_in_hand_is_never_shorter(web: Replay) -> None:
    for points in web.curve.values():
        assert [p.factor for p in points] == list(FACTORS)
        assert (np.diff([p.under_time for p in points]) <= 0).all()
        assert (np.diff([p.over_provisioning for p in points]) >= 0).all()


def test_what_the_frontier_holds_is_beaten_by_none(web: Replay) -> None:
    for mix in web.frontier:
        assert not any(other.outcome.better_than(mix.outcome) for other in web.frontier)
    assert web.thrifty is not None and web.thrifty.outcome.under_share <= 0.01


def test_floors_that_change_half_as_often_are_tried_and_serve_where_nothing_tells_when_a_day_begins() -> None:
    random = np.random.default_rng(3)
    days = np.full((60, 24), 20.0)
    for day in days:
        day[8 + random.integers(-2, 3) : 18 + random.integers(-2, 3)] = 100.0
    found = run(Series("web", "x/s", 1_699_999_200_000_000, HOUR_US, days.ravel(), 0.0))
    assert 3 in {mix.changes_per_day for mix in found.frontier}


@pytest.mark.slow
def test_a_day_sees_nothing_of_itself(web: Replay) -> None:
    series = clean(demand(days=60)).series[0]
    values = series.values.copy()
    values[-24:] *= 5
    surprised = run(Series(series.id, series.unit, series.last_us, HOUR_US, values, 0.0))
    assert surprised.floors_only.instance_hours == web.floors_only.instance_hours
    assert 20 <= surprised.floors_only.under_hours - web.floors_only.under_hours <= 24


@pytest.mark.slow
def test_finer_history_is_what_it_is_judged_by() -> None:
    five = clean(demand("web:5min", days=40, interval_us=HOUR_US // 12, noise=0.3)).series[0]
    hourly = Series("web", "x/s", five.last_us - 11 * HOUR_US // 12, HOUR_US, five.values.reshape(-1, 12).mean(1), 0.0)
    plain, finer = run(hourly), run(hourly, five)
    # Peaks within the hours need more, and the plan has learned of them.
    assert finer.planner.instance_hours > plain.planner.instance_hours
    assert finer.floors_only.under_share < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("hours", [2, 6])
def test_coarse_demand_is_replayed_in_its_own_intervals(hours: int) -> None:
    found = run(clean(demand(days=60, interval_us=hours * HOUR_US, noise=0.0)).series[0])
    assert found.hours == 28 * 24
    # Nothing surprises on a clean series: what AWS forecasts from two weeks of it holds as well.
    assert found.predictive_scaling.under_share < 0.05 > found.planner.under_share


@pytest.mark.slow
def test_the_peaks_of_the_replayed_days_are_not_known_before() -> None:
    five = clean(demand("web:5min", days=40, interval_us=HOUR_US // 12)).series[0]
    late = five.values.copy()
    late[-17 * 288 :: 12] *= 3
    series = by_hour(five, "web")[0]
    usual, peaky = (
        run(series, Series(five.id, "x/s", five.last_us, five.interval_us, values, 0.0))
        for values in (five.values, late)
    )
    assert peaky.floors_only.instance_hours == usual.floors_only.instance_hours


def test_a_trial_against_counting_by_hand() -> None:
    came = np.array([5.0, 15.0, 15.0, 5.0])
    history = np.concatenate([np.full(28 * 24, 5.0), came])
    rules = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
    trial = Trial(rules, 10, history, 4, 60, np.repeat(came, 12))
    (static,) = trial.static_peak([1.0], 1.0)
    assert (static.under_hours, static.under_share, static.under_time) == (2, 0.5, 0.5)
    # What lacks in two hours is no discount on the others.
    assert static.over_provisioning == 0
    floors, ample = trial.floors(np.array([[1, 2], [2, 2], [2, 2], [1, 2]]), [0.0, 0.0])
    assert ample.over_provisioning == pytest.approx((1 + 1) / 6)
    # Ordered ten minutes before the hour, they serve on it, and nothing is idle.
    assert (floors.under_time, floors.over_provisioning, floors.instance_hours) == (0, 0, 6)
    assert floors.changes_per_day == 12
    # Whoever plans whole hours ahead gets no more than they order.
    late = replace(trial, lead_minutes=60).floors(np.array([[1], [2], [2], [1]]), [0.0])[0]
    assert late.under_time == pytest.approx(12 / 48)


def test_tracking_alone_is_not_told_of_the_fullest_zone() -> None:
    rules = Rules(1.0, smallest=9)  # 0.85 * 6 / 10 busy: 9 hosts until demand is 7.65
    trial = Trial(rules, 10, np.full(29 * 24, 7.6), 24, 60, np.full(24 * 12, 7.6))
    kept, lean = trial.target_tracking([1.0, 0.5])
    # At rest its target does at every size, although it is above what the rules need there.
    assert (kept.under_time, kept.over_provisioning) == (0, 0)
    # With a leaner target the group's min is left, which any owner of a group that is to survive has set.
    assert lean.instance_hours == 9 * 24
    steps = np.full(24 * 12, 8.6)
    busier = Trial(rules, 10, np.full(29 * 24, 8.6), 24, 60, steps)
    # Held at 0.85 * 2 / 3, as if zones were always even: ten hosts, one less than survive a loss.
    (even,) = busier.target_tracking([0.51 / (0.85 * 2 / 3)])
    assert (even.under_time, even.instance_hours) == (1, 10 * 24)


def test_a_day_is_planned_at_its_start_and_no_earlier() -> None:
    came = np.repeat([5.0, 15.0], 24)
    rules = Rules(10.0, zones=1, lost=0, target_utilisation=0.6, at_utilisation=0.6)
    trial = Trial(rules, 10, np.concatenate([np.full(28 * 24, 5.0), came]), 48, 60, np.repeat(came, 12))
    (found,) = trial.floors(np.repeat([[1], [2]], 24, axis=0), [0.0])
    assert found.under_time == pytest.approx(2 / 576)


@pytest.mark.parametrize(("days", "why"), [(8, "days of history, has 8"), (60, "divide a day")])
def test_where_there_is_none_it_says_why(days: int, why: str) -> None:
    interval = HOUR_US if days < 10 else 7 * HOUR_US
    found = replay(clean(demand(days=days, interval_us=interval)).series[0], RULES, 0.95, 10, 6, PLAIN)
    assert isinstance(found, str) and why in found
