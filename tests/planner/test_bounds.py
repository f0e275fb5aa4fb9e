"""Bounds read off the last days, beside bounds around paths."""

import numpy as np
import pytest

from quartermaster.planner.bounds import averaged
from quartermaster.planner.cycles import cut, shape_of
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import SeriesForecast, forecast_series
from quartermaster.planner.quantiles import Bounds, pinball
from quartermaster.planner.seasons import HOUR_US, Seasons
from quartermaster.planner.series import Series

LEVELS = np.array([0.5, 0.9, 0.95])


def spiky(days: int) -> np.ndarray:
    """Noise around 10, and at one hour in seven, whichever, a spike of 40."""
    random = np.random.default_rng(5)
    values = 10 + random.random(24 * days)
    values[random.random(24 * days) < 1 / 7] = 40
    return np.asarray(values)


def daily(days: int) -> np.ndarray:
    hours = np.arange(24 * days)
    return np.asarray(100 + 60 * np.sin(hours * np.pi / 12) + np.random.default_rng(6).normal(0, 2, len(hours)))


def forecast(values: np.ndarray, models: tuple[str, ...] = ()) -> SeriesForecast:
    return forecast_series(Series("a", "", 0, HOUR_US, values, 0.0), 24, (0.5, 0.9, 0.95), candidates(models))


def test_spikes_at_whatever_hour_are_bounded_by_what_the_last_days_held() -> None:
    made = forecast(spiky(14))
    assert made.choice is not None and "of the last days' readings" in made.choice.reason
    # A path knows no hour of a spike: bounds around one rise and fall by chance.
    assert made.at(0.95) == pytest.approx(np.full(24, 40.0), rel=0.1)
    alone = forecast(spiky(14), ("day_median", "seasonal_naive_day"))
    assert np.ptp(made.at(0.95)) < np.ptp(alone.at(0.95)) / 2


def test_demand_with_a_clear_day_keeps_the_bounds_around_its_path() -> None:
    made = forecast(daily(28))
    assert made.choice is not None and "last days' readings" not in made.choice.reason
    assert np.ptp(made.at(0.95)) > 100


def test_the_weights_follow_the_losses() -> None:
    values = spiky(12)
    past = cut([values], shape_of(len(values), Seasons.of_interval(HOUR_US)))
    came = past.came(4, 1)
    truth = np.broadcast_to(np.array([10.5, 40.0, 40.0]), (1, 4, 24, 3))
    for quantiles, share in ((truth, (0.3, 0.9)), (truth * 100, (1.0, 1.0))):
        mixed, part = averaged(Bounds(quantiles[:, -1].copy(), pinball(came, quantiles, LEVELS)), past, came, LEVELS)
        assert share[0] <= part[0] <= share[1]
        assert mixed[0, :, 0] == pytest.approx(quantiles[0, -1, :, 0])
        assert (np.diff(mixed, axis=2) >= 0).all()


def test_pinball_loss_is_that_of_a_plain_sum_with_late_origins_counting_for_more() -> None:
    came, there = np.array([[[3.0, np.nan], [1.0, 2.0]]]), np.full((1, 2, 1, 1), 2.0)
    (say, late), level = 0.5 ** np.array([1 / 14, 0.0]), np.array([0.9])
    expected = (say * 0.9 * 1.0 + late * 0.1 * 1.0) * 2 / (say + late)
    assert pinball(came, there, level)[0, 0] == pytest.approx(expected)
