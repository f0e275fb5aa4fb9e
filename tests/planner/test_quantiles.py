"""Quantiles: of the right size where errors are known, never crossing, wider where errors were."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.quantiles import around

LEVELS = np.array([0.05, 0.5, 0.9, 0.95, 0.99])


def fan(paths: NDArray[np.float64], actual: NDArray[np.float64]) -> NDArray[np.float64]:
    every = np.concatenate([paths, paths[:1]])[None]
    return around(every, actual[None], 24, LEVELS).quantiles[0]


def test_demand_stays_under_a_level_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    paths = np.full((56, 24), 100.0)
    quantiles = fan(paths, paths + 10 * rng.standard_normal(paths.shape))
    came = 100 + 10 * rng.standard_normal((4000, 24))
    share = (came[:, :, None] <= quantiles).mean(axis=(0, 1))
    assert share == pytest.approx(LEVELS, abs=0.03)


def test_few_origins_give_wider_quantiles_than_many() -> None:
    rng = np.random.default_rng(1)
    errors = np.tile(10 * rng.standard_normal((5, 48)), (11, 1))
    width = [np.ptp(fan(np.full((n, 48), 100.0), 100 + errors[:n]), axis=1).mean() for n in (5, 55)]
    assert width[0] > 1.1 * width[1]


def test_errors_that_are_larger_at_some_hours_widen_those() -> None:
    rng = np.random.default_rng(2)
    paths = (100 + 90 * np.sin(np.arange(48) / 24 * 2 * np.pi)) * np.ones((28, 1))
    quantiles = fan(paths, paths * (1 + 0.1 * rng.standard_normal(paths.shape)))
    width = quantiles[:, 3] - quantiles[:, 0]
    assert width[6] > 3 * width[18]


def test_errors_that_grow_with_the_steps_ahead_widen_the_fan() -> None:
    rng = np.random.default_rng(3)
    paths = np.full((28, 96), 50.0)
    quantiles = fan(paths, paths + rng.standard_normal(paths.shape) * np.linspace(0.5, 5, 96))
    width = quantiles[:, 3] - quantiles[:, 0]
    assert width[-1] > 2 * width[0]


def test_few_origins_move_the_far_levels_out_most() -> None:
    rng = np.random.default_rng(5)
    errors = 10 * rng.standard_normal((100, 48))
    few, many = (fan(np.full((n, 48), 100.0), 100 + np.tile(errors[:5], (n // 5, 1))).mean(axis=0) for n in (5, 100))
    ratio = (few[2:] - few[1]) / (many[2:] - many[1])
    assert ratio[2] > ratio[1] > ratio[0] > 1.1


def test_errors_within_the_first_day_grow_with_the_steps_ahead() -> None:
    rng = np.random.default_rng(6)
    paths = np.full((28, 48), 50.0)
    quantiles = fan(paths, paths + rng.standard_normal(paths.shape) * np.minimum(np.arange(1, 49), 24) / 24)
    width = quantiles[:, 3] - quantiles[:, 0]
    assert 2 * width[2] < width[12] < width[23]
    assert width[30] == pytest.approx(width[23], rel=0.35)


def test_late_origins_count_for_more() -> None:
    rng = np.random.default_rng(7)
    errors = rng.standard_normal((28, 48))
    restless = np.linspace(0.2, 2, 28)[:, None]
    late, early = (
        np.ptp(fan(np.full((28, 48), 50.0), 50 + errors * r), axis=1).mean() for r in (restless, restless[::-1])
    )
    assert late > 1.3 * early


def test_the_median_leaves_part_of_what_lay_on_one_side_out_and_far_levels_little() -> None:
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((56, 48))
    there, moved = (fan(np.full((56, 48), 50.0), 50 + by + noise).mean(axis=0) for by in (0, 10))
    assert moved[1] - there[1] == pytest.approx(7.5, abs=0.1)
    assert moved[4] - there[4] > 9.8


def test_levels_never_cross() -> None:
    rng = np.random.default_rng(4)
    actual = rng.standard_cauchy((9, 48))
    actual[:, 5:20] = np.nan
    assert (np.diff(fan(np.zeros((9, 48)), actual), axis=1) >= 0).all()
