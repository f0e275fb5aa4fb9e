"""Bounds read off the last days, beside bounds around paths."""

import numpy as np
import pytest

from quartermaster.planner.bounds import averaged
from quartermaster.planner.cycles import cut, shape_of
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.mixture import mixed
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
    off = mixed({"a": np.random.default_rng(7).normal(0, 1e4, (1, 5, 24))}, came, 24, plain=(), naive=())
    truth = np.broadcast_to(np.array([10.5, 40.0, 40.0]), (1, 24, 3))
    cost = pinball(came.reshape(1, -1), truth[:, :1], LEVELS, np.ones(96))
    for quantiles, loss, share in ((truth, cost, (0.3, 0.9)), (truth * 100, cost * 100, (1.0, 1.0))):
        made, part = averaged(Bounds(quantiles, loss), off, past, came, LEVELS)
        assert share[0] <= part[0] <= share[1]
        assert made[0, :, 0] == pytest.approx(quantiles[0, :, 0])
        assert (np.diff(made, axis=2) >= 0).all()


def test_bounds_around_a_better_forecaster_take_the_place_of_those_around_the_mixture() -> None:
    values = daily(28)
    past = cut([values], shape_of(len(values), Seasons.of_interval(HOUR_US)))
    came = past.came(9, 1)
    right = np.concatenate([came, came[:, -1:]], axis=1)
    paths = {"right": right, "wrong": right + 50, "absent": np.where(np.arange(10)[:, None] > 2, right, np.nan)}
    mixture = mixed(paths, came, 24, plain=(), naive=())
    poor = Bounds(right[0, -1, :, None] + np.array([[[0.0, 500.0, 600.0]]]), np.full((1, 3), 1e4))
    made, part = averaged(poor, mixture, past, came, LEVELS)
    assert part[0] == 0
    assert made[0] == pytest.approx(np.repeat(right[0, -1, :, None], 3, axis=1), rel=0.05)


def test_pinball_loss_is_a_sum_by_weight_in_which_holes_cost_nothing() -> None:
    came, there = np.array([[3.0, np.nan, 1.0, 2.0]]), np.full((1, 1, 1), 2.0)
    loss = pinball(came, there, np.array([0.9]), np.array([0.5, 0.5, 1.0, 1.0]))
    assert loss[0, 0] == pytest.approx(0.5 * 0.9 * 1.0 + 0.1 * 1.0)
