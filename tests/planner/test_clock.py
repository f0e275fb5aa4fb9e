"""Local clocks: which one a series follows is found, and its forecast keeps to it over the change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clean import clean
from quartermaster.planner.clock import infer, localised
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series
from tests.planner.living import living

MEDIAN = candidates(("day_median",))
AUTUMN, SPRING = datetime(2025, 10, 26, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)
"""When clocks changed in Europe."""


def of(frame: pd.DataFrame) -> Series:
    return clean(frame).series[0]


def misfit(end: datetime, horizon: int, interval_us: int, calendar: Calendar) -> float:
    """Of a forecast from ``end`` on, relative to what came."""
    later = end + horizon * timedelta(microseconds=interval_us)
    whole = living("Europe/Berlin", later, 60, interval_us, noise=0, weekend=1)
    series = of(whole.iloc[:-horizon])
    made = next(forecast_prepared([series], horizon, (0.5,), MEDIAN, calendar))
    assert made.mean.shape == (horizon,) and made.quantiles.shape == (horizon, 1) and made.series is series
    came = whole["value"].to_numpy()[-horizon:]
    return float(np.abs(made.mean - came).max() / came.max())


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Santiago"])
def test_the_clock_is_inferred_from_how_days_moved(zone: str) -> None:
    assert str(infer(of(living(zone, datetime(2026, 4, 25, tzinfo=UTC))))) == zone
    assert str(infer(of(living(zone, datetime(2026, 4, 25, tzinfo=UTC), 70, HOUR_US // 4)))) == zone


@pytest.mark.parametrize(
    "frame",
    [
        living("UTC", datetime(2026, 4, 25, tzinfo=UTC), 400),
        living("America/Phoenix", datetime(2026, 4, 25, tzinfo=UTC), 400),
        living("Europe/Berlin", datetime(2026, 3, 25, tzinfo=UTC), 60),
        demand(days=200, daily=0.0, noise=0.3),
        demand(days=200, interval_us=DAY_US),
    ],
    ids=["utc", "zone without changes", "no change seen", "no daily shape", "days"],
)
def test_no_clock_is_invented(frame: pd.DataFrame) -> None:
    assert infer(of(frame)) is None


@pytest.mark.parametrize("interval_us", [HOUR_US, HOUR_US // 4])
@pytest.mark.parametrize("change", [AUTUMN, SPRING], ids=["autumn", "spring"])
@pytest.mark.parametrize("hours", [-50, -20, -1, 0, 1, 2, 30], ids=lambda h: f"from {h} h")
def test_a_forecast_keeps_to_the_clock_across_its_change(hours: int, change: datetime, interval_us: int) -> None:
    horizon = 48 * HOUR_US // interval_us
    end = change + timedelta(hours=hours)
    assert misfit(end, horizon, interval_us, Calendar(zone=ZoneInfo("Europe/Berlin"))) < 0.01
    if hours in (-20, -1, 0, 1, 2):
        assert misfit(end, horizon, interval_us, Calendar(zone=UTC)) > 0.1


@pytest.mark.parametrize("minutes", range(-60, 121, 15))
def test_one_step_comes_out_where_the_clock_shows_the_hour_again(minutes: int) -> None:
    end = AUTUMN + timedelta(minutes=minutes)
    assert misfit(end, 1, HOUR_US // 4, Calendar(zone=ZoneInfo("Europe/Berlin"))) < 0.01


def test_the_missing_hour_is_filled_and_the_doubled_one_merged() -> None:
    for change, count in ((SPRING, 241), (AUTUMN, 239)):
        series = of(living("Europe/Berlin", change + timedelta(days=5), 10))
        local = localised(series, 24, ZoneInfo("Europe/Berlin")).series
        assert len(local.values) == count
        assert np.isfinite(local.values).all()


def test_days_and_steps_that_do_not_divide_an_hour_keep_their_grid() -> None:
    days = of(demand(days=200, interval_us=DAY_US))
    assert localised(days, 7, ZoneInfo("Europe/Berlin")).series is days
    coarse = of(demand(days=60, interval_us=6 * HOUR_US, end=AUTUMN + timedelta(days=3)))
    kept = localised(coarse, 7, ZoneInfo("Europe/Berlin"))
    assert kept.steps == 7
    assert np.array_equal(kept.series.values, coarse.values)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_series_within_the_doubled_hour_gets_its_rows(count: int) -> None:
    end = AUTUMN - timedelta(minutes=5)
    series = of(demand(days=count / 288, interval_us=HOUR_US // 12, end=end))
    made = next(forecast_prepared([series], 30, (0.5, 0.9), MEDIAN, Calendar(zone=ZoneInfo("Europe/Berlin"))))
    assert np.isfinite(made.quantiles).all() and len(made.mean) == 30
