"""Outages: nothing where there never is nothing moves no forecast; what rests by nature is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.outages import bridged, outages
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

LEVELS = (0.05, 0.5, 0.95)


def sample(days: float = 70, interval_us: int = HOUR_US) -> Series:
    return clean(demand(days=days, interval_us=interval_us, noise=0.05)).series[0]


def altered(change: Callable[[NDArray[np.float64]], None]) -> Series:
    """Another object: cleaning has asked for the outages of the first one, and answers are kept by object."""
    series = replace(sample(), values=sample().values)
    change(series.values)
    return series


def down(series: Series, hours: float, ago: float = 0.0, left: float = 0.0) -> Series:
    """The series without demand, but a share of it, for so many hours, that many before its end."""
    step = HOUR_US / series.interval_us
    stop = len(series.values) - round(ago * step)
    values = series.values.copy()
    values[stop - round(hours * step) : stop] *= left
    return replace(series, values=values)


def forecast(series: Series) -> SeriesForecast:
    return next(forecast_prepared([series], 48, LEVELS, candidates()))


@pytest.mark.parametrize("interval_us", [HOUR_US // 12, HOUR_US])
@pytest.mark.parametrize(("hours", "ago", "left"), [(1, 0, 0.0), (6, 0, 0.01), (24, 0, 0.0), (30, 60, 0.0)])
def test_an_outage_moves_no_forecast(interval_us: int, hours: float, ago: float, left: float) -> None:
    whole = sample(interval_us=interval_us)
    series = down(whole, hours, ago, left)
    (found,) = outages(series)
    step = HOUR_US // interval_us
    assert (found.stop - found.start, len(whole.values) - found.stop) == (hours * step, ago * step)
    assert found.lasts == (ago == 0)
    calm, made = forecast(whole), forecast(series)
    for level in LEVELS:
        assert np.abs(made.at(level) / calm.at(level) - 1).mean() < 0.1
    assert made.series is series


def test_an_outage_that_lasts_makes_confidence_low_and_is_told() -> None:
    series = down(sample(), 5)
    made = forecast(series)
    assert made.choice is not None and made.choice.confidence == "low"
    assert "taken for an outage" in made.choice.confidence_reason
    over = forecast(down(sample(), 5, ago=30)).choice
    assert over is not None and over.confidence == "normal"
    frame = demand(days=70, noise=0.05)
    frame.loc[frame.index[-5:], "value"] = 0.0
    (told,) = (f for f in clean(frame).findings if f.kind == "outage")
    assert told.rows == 5


def test_what_was_turned_off_for_days_is_no_outage() -> None:
    assert outages(down(sample(), 80)) == ()
    (found,) = outages(down(sample(), 70))
    assert found.lasts


def rests_by_night(values: NDArray[np.float64]) -> None:
    values.reshape(-1, 24)[:, :8] = 0


def rests_at_weekends(values: NDArray[np.float64]) -> None:
    values.reshape(-1, 7 * 24)[:, -48:] = 0


def small_counts(values: NDArray[np.float64]) -> None:
    values[:] = np.random.default_rng(1).poisson(4, len(values))


def a_dead_hour_on_some_days(values: NDArray[np.float64]) -> None:
    values.reshape(-1, 24)[np.random.default_rng(2).random(len(values) // 24) < 0.4, 3] = 0


def noise_of_a_host(values: NDArray[np.float64]) -> None:
    values[:] = np.random.default_rng(3).pareto(1.5, len(values))


def falls_low_in_all_ways(values: NDArray[np.float64]) -> None:
    random = np.random.default_rng(4)
    values *= np.where(random.random(len(values)) < 0.1, random.random(len(values)), 1.0)
    values[-3:] = 0


@pytest.mark.parametrize(
    "change",
    [rests_by_night, rests_at_weekends, small_counts, a_dead_hour_on_some_days, noise_of_a_host, falls_low_in_all_ways],
)
def test_what_comes_to_nothing_by_nature_is_left_alone(change: Callable[[NDArray[np.float64]], None]) -> None:
    series = altered(change)
    assert outages(series) == ()
    assert bridged(series)[0] is series


def test_a_day_without_demand_of_a_service_that_rests_by_night_is_an_outage() -> None:
    (found,) = outages(down(altered(rests_by_night), 24, ago=48))
    assert (found.stop - found.start, found.lasts) == (16, False)


def test_daily_readings_have_outages_too_and_what_may_be_negative_has_none() -> None:
    series = sample(120, DAY_US)
    (found,) = outages(down(series, 24))
    assert found.lasts
    assert outages(replace(down(series, 24), lower=-np.inf)) == ()
