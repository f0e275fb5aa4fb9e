"""Regimes: lasting changes of level are found and followed with low confidence; nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import SeriesForecast, forecast_series
from quartermaster.planner.plan import plan
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.regimes import shifts
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.settling import settled

LEVELS = (0.05, 0.5, 0.95)
CHEAP = candidates(("naive", "seasonal_naive_day", "level_median", "day_median", "week_median"))


def sample(days: float = 70, interval_us: int = HOUR_US, noise: float = 0.05) -> Series:
    return clean(demand(days=days, interval_us=interval_us, noise=noise)).series[0]


def changed(series: Series, days: float, factor: float) -> Series:
    values = series.values.copy()
    values[len(values) - round(days * DAY_US / series.interval_us) :] *= factor
    return replace(series, values=values)


def forecast(series: Series) -> SeriesForecast:
    return next(forecast_prepared([series], 48, LEVELS, CHEAP))


@pytest.mark.parametrize("days", [3.4, 7.0, 11.8, 30.5])
@pytest.mark.parametrize("factor", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("interval_us", [HOUR_US // 12, HOUR_US, 6 * HOUR_US])
def test_a_change_of_level_is_found_where_it_is(interval_us: int, factor: float, days: float) -> None:
    series = changed(sample(interval_us=interval_us), days, factor)
    (found,) = shifts(series)
    assert found.by == pytest.approx(factor, rel=0.1)
    assert found.days == pytest.approx(days, abs=0.3)
    assert len(series.values) - found.step == round(found.days * DAY_US / interval_us)


def test_a_change_in_daily_readings_is_found() -> None:
    (found,) = shifts(changed(sample(120, DAY_US), 20, 2.0))
    assert (found.days, found.by) == (20, pytest.approx(2.0, rel=0.1))


def test_a_change_of_a_series_that_may_be_negative_is_a_sum() -> None:
    series = sample()
    values = series.values - 100
    values[-10 * 24 :] += 150
    (found,) = shifts(replace(series, values=values, lower=-np.inf))
    assert found.by == pytest.approx(150, rel=0.1)
    assert np.median(settled(replace(series, values=values, lower=-np.inf))[0].values) == pytest.approx(150, abs=25)


@pytest.mark.parametrize("days", [6, 13, 27])
def test_a_change_of_small_counts_is_found_once(days: int) -> None:
    # A timetable: some hours go from two to three, some from one to two, some stay.
    before, after = ([float(n) for n in day] for day in ("000000020210010020101000", "000000030320020021201000"))
    series = Series("flights", "flights/h", 0, HOUR_US, np.array(before * (84 - days) + after * days), 0.0)
    (found,) = shifts(series)
    assert (found.by, round(found.days)) == (pytest.approx(1.5), days)


def one_bad_day(values: np.ndarray) -> None:
    values[-5 * 24 : -4 * 24] *= 0.1


def a_weekend_off(values: np.ndarray) -> None:
    values[-48:] *= 0.3


def a_dead_hour_a_day(values: np.ndarray) -> None:
    values[::24] = 0


def spikes(values: np.ndarray) -> None:
    values[-200::50] *= 20


def steady_growth(values: np.ndarray) -> None:
    values *= np.linspace(1, 4, len(values))


def walk(values: np.ndarray) -> None:
    values *= np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.03, len(values))))


def noise_of_a_host(values: np.ndarray) -> None:
    values[:] = np.random.default_rng(3).pareto(1.5, len(values))


def a_week_that_is_over(values: np.ndarray) -> None:
    values[-8 * 24 : -24] *= 0.3


def three_weeks_that_are_over(values: np.ndarray) -> None:
    values[-24 * 24 : -5 * 24] *= 2


@pytest.mark.parametrize(
    "change",
    [
        one_bad_day,
        a_weekend_off,
        a_week_that_is_over,
        three_weeks_that_are_over,
        a_dead_hour_a_day,
        spikes,
        steady_growth,
        walk,
        noise_of_a_host,
    ],
)
def test_what_is_no_change_of_level_is_left_alone(change: object) -> None:
    # Another object: cleaning has asked for the changes of the first one, and answers are kept by object.
    series = replace(sample(), values=sample().values)
    change(series.values)  # type: ignore[operator]
    assert shifts(series) == ()
    assert settled(series)[0] is series
    choice = forecast(series).choice
    assert choice is not None and (choice.confidence, choice.confidence_reason) == ("normal", "")


def test_weather_and_what_passes_within_a_week_seldom_counts() -> None:
    series, found = sample(84), 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        days = np.zeros(84)
        for day in range(1, 84):
            days[day] = 0.8 * days[day - 1] + random.normal(0, 0.12)
        # Every other history ends in a holiday.
        days[-5:] -= 0.5 * (seed % 2)
        found += bool(shifts(replace(series, values=series.values * np.exp(np.repeat(days, 24)))))
    assert found <= 4


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_recent_change_is_followed_with_low_confidence_and_wider_bounds(factor: float) -> None:
    calm = forecast(sample())
    widths = []
    for days in (3.5, 10.0, 20.0):
        made = forecast(changed(sample(), days, factor))
        assert made.choice is not None
        assert np.abs(made.at(0.5) / (calm.at(0.5) * factor) - 1).mean() < 0.1
        assert (made.choice.confidence == "low") == (days < 14) == ("level changed" in made.choice.confidence_reason)
        widths.append(float((made.at(0.95) - made.at(0.05)).mean()) / factor)
    assert widths[0] > widths[1] > 1.1 * widths[2]


def test_the_engine_alone_follows_it_worse() -> None:
    series, came = changed(sample(), 3.5, 2.5), forecast(sample()).at(0.5) * 2.5
    alone = forecast_series(series, 48, LEVELS, CHEAP).at(0.5)
    assert np.abs(alone - came).mean() > 3 * np.abs(forecast(series).at(0.5) - came).mean()


def test_history_of_another_shape_is_left_out_once_there_is_enough_of_the_new() -> None:
    series = sample()
    values = series.values.copy()
    values[-20 * 24 :] = np.roll(values[-20 * 24 :], 12) * 3
    kept = settled(replace(series, values=values))[0].values
    assert np.isnan(kept[: -20 * 24]).all() and np.isfinite(kept[-20 * 24 :]).all()
    # Drawn to the new level where the shape stayed.
    assert np.isfinite(settled(changed(series, 20, 3))[0].values).all()


def test_a_service_that_stopped_keeps_its_past_as_it_was() -> None:
    stopped = changed(sample(), 6, 0.0)
    assert settled(stopped)[0].values[0] == stopped.values[0]
    made = forecast(stopped)
    assert made.choice is not None and made.choice.confidence == "low"


def test_a_plan_says_that_demand_changed_lately() -> None:
    frame = demand(days=70)
    own = Settings(unit=20.0, horizon_days=1)
    for rows, low in ((slice(0, 0), False), (slice(-120, None), True)):
        frame.loc[frame.index[rows], "value"] *= 2
        (made,) = plan(frame, default=own, models=("day_median", "naive")).clusters.values()
        assert any(s.startswith("low confidence: its level changed") for s in made.statements) == low
        assert made.to_json()["model"]["confidence"] == ("low" if low else "normal")
