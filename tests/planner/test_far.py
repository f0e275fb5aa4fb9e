"""Daily series months ahead: the season that was seen comes again."""

from __future__ import annotations

from datetime import date

import numpy as np

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

LAST = (date(2026, 3, 1) - date(1970, 1, 1)).days * DAY_US
LEVELS = (0.1, 0.5, 0.9)


def season(days: int, ahead: int = 180) -> np.ndarray:
    at = np.arange(days + ahead) - days
    noise = np.exp(0.03 * np.random.default_rng(3).standard_normal(days + ahead))
    return 100 * (1 + 0.4 * np.sin(2 * np.pi * at / 364)) * np.where(at % 7 < 5, 1.0, 0.7) * noise


def forecast(values: np.ndarray, interval: int = DAY_US, calendar: Calendar | None = None) -> SeriesForecast:
    series = Series("web", "x", LAST, interval, values, 0.0)
    return next(forecast_prepared([series], 180, LEVELS, candidates(), calendar))


def test_half_a_year_ahead_is_as_a_year_before() -> None:
    values = season(900)
    made = forecast(values[:900])
    wrong = np.abs(made.at(0.5) / values[900:] - 1)
    assert np.median(wrong[60:]) < 0.08
    inside = (made.at(0.1) <= values[900:]) & (values[900:] <= made.at(0.9))
    assert inside.mean() > 0.6
    assert made.choice is not None and "season of 2 years before" in made.choice.reason


def test_a_season_seen_once_counts_for_less_at_first() -> None:
    values = season(450)
    made = forecast(values[:450])
    assert made.choice is not None and "season of 1 year before" in made.choice.reason
    wrong = np.abs(made.at(0.5) / values[450:] - 1)
    assert np.median(wrong[60:]) < 0.18 and np.median(wrong[:7]) < 0.06


def test_shorter_and_hourly_histories_are_the_forecasters_own() -> None:
    for made in (forecast(season(380)[:380]), forecast(season(900)[:900], HOUR_US)):
        assert made.choice is not None and "season of" not in made.choice.reason


def test_hours_go_with_the_season_and_their_bounds_with_it() -> None:
    profile = np.r_[np.full(10, 0.3), np.linspace(0.4, 1.0, 14)]
    days = season(900, 90)
    values = (days[:, None] * profile).ravel() * np.exp(0.02 * np.random.default_rng(5).standard_normal(990 * 24))
    series = Series("web", "x", LAST + 23 * HOUR_US, HOUR_US, values[: 900 * 24], 0.0)
    few = candidates(("seasonal_naive_week", "week_median"))
    made, near = (next(forecast_prepared([series], 24 * n, LEVELS, few)) for n in (90, 28))
    came = values[900 * 24 :]
    same_week = np.tile(near.at(0.5)[:168], 13)[: len(came)]
    wrong, as_now = (np.median(np.abs(middle / came - 1)[24 * 30 :]) for middle in (made.at(0.5), same_week))
    assert wrong < 0.08 and 3 * wrong < as_now
    assert (made.at(0.9) >= came)[24 * 30 :].mean() > 0.8
    assert (np.diff(made.quantiles, axis=1) >= 0).all()
    # Four weeks are what forecasters know.
    assert made.choice is not None and "months ahead" in made.choice.reason
    assert near.choice is not None and "months ahead" not in near.choice.reason


def test_levels_never_cross_and_holidays_stay_on_their_days() -> None:
    values = season(900)[:900]
    # The fourth of July halved demand in both years.
    for at in (date(2024, 7, 4), date(2025, 7, 4)):
        values[899 - (date(2026, 3, 1) - at).days] *= 0.5
    made, plain = forecast(values, calendar=Calendar(holidays="US")), forecast(values)
    assert (np.diff(made.quantiles, axis=1) >= 0).all() and np.isfinite(made.quantiles).all()
    fourth = (date(2026, 7, 4) - date(2026, 3, 1)).days - 1
    around = np.r_[made.at(0.5)[fourth - 7], made.at(0.5)[fourth + 7]].mean()
    assert made.at(0.5)[fourth] < 0.65 * around
    assert plain.at(0.5)[fourth] > 0.8 * around
