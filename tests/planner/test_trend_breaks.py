"""Trend breaks: another pace is found and told of; seasons, noise and steady growth are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.trend_breaks import trend_break

CHEAP = candidates(("naive", "seasonal_naive_day", "week_median"))


def growing(before: float, after: float, weeks: float, days: int = 175, interval_us: int = HOUR_US) -> Series:
    """Growth a week before, and in the last weeks."""
    series = clean(demand(days=days, interval_us=interval_us)).series[0]
    week = (np.arange(len(series.values)) - len(series.values)) * interval_us / (7 * DAY_US)
    return replace(series, values=series.values * np.exp(np.where(week < -weeks, before * (week + weeks), 0.0))
                   * np.exp(np.maximum(week + weeks, 0) * after))  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "weeks", "interval_us"),
    [
        (0.0, 0.08, 8, HOUR_US // 4),
        (0.0, 0.08, 8, DAY_US),
        (0.05, -0.05, 10, HOUR_US),
        (0.05, -0.05, 10, DAY_US),
        (0.0, 0.1, 5, HOUR_US),
    ],
)
def test_a_break_is_found_where_it_is(before: float, after: float, weeks: float, interval_us: int) -> None:
    found = trend_break(growing(before, after, weeks, interval_us=interval_us))
    assert found is not None
    assert found.days == pytest.approx(7 * weeks, abs=7)
    assert found.before == pytest.approx(np.expm1(before), abs=0.01)
    assert found.after == pytest.approx(np.expm1(after), abs=0.03)


@pytest.mark.parametrize(
    ("before", "after", "days"), [(0.0, 0.0, 175), (0.05, 0.05, 175), (0.0, 0.01, 175), (0.0, 0.2, 60)]
)
def test_steady_growth_small_changes_and_short_histories_have_none(before: float, after: float, days: int) -> None:
    assert trend_break(growing(before, after, 4, days)) is None


def test_noise_walks_and_changes_of_level_are_no_breaks() -> None:
    series = growing(0, 0, 4)
    random = np.random.default_rng(4)
    stepped = series.values * np.where(np.arange(len(series.values)) > 3000, 2.0, 1.0)
    walk = np.exp(np.repeat(np.cumsum(random.normal(0, 0.05, 175)), 24))
    for values in (stepped, random.pareto(1.5, len(series.values)), series.values * walk, 0 * series.values):
        assert trend_break(replace(series, values=values)) is None


@pytest.mark.parametrize(("weeks", "low"), [(5.0, True), (8.0, False)])
def test_a_fresh_break_is_of_low_confidence(weeks: float, low: bool) -> None:
    series = growing(0.0, 0.1, weeks)
    choice = next(forecast_prepared([series], 24, (0.5, 0.9), CHEAP)).choice
    assert choice is not None
    assert ("trend went from" in choice.confidence_reason) == (choice.confidence == "low") == low


def test_a_break_is_told_of() -> None:
    frame = demand(days=175)
    sound = clean(frame).findings
    frame = frame.assign(value=growing(0.0, 0.08, 8).values)
    assert [f.kind for f in (*sound, *clean(frame).findings)] == ["trend_break"]
