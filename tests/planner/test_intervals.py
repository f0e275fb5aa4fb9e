"""Quantiles: of the right size where errors are known, never crossing, wider where errors were."""

from __future__ import annotations

import numpy as np
import pytest

from quartermaster.planner.intervals import spread_of
from quartermaster.planner.seasons import Seasons

LEVELS = np.array([0.05, 0.5, 0.9, 0.95, 0.99])


def test_demand_stays_under_a_level_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    paths = np.full((28, 48), 100.0)
    spread = spread_of(paths, paths + 10 * rng.standard_normal(paths.shape), Seasons(24, 168), 0.0, LEVELS)
    quantiles = spread.around(np.full(48, 100.0), LEVELS)
    came = 100 + 10 * rng.standard_normal((4000, 48))
    share = (came[:, :, None] <= quantiles).mean(axis=(0, 1))
    assert share == pytest.approx(LEVELS, abs=0.03)


def test_errors_in_percent_widen_with_the_path() -> None:
    rng = np.random.default_rng(2)
    paths = 100 + 90 * np.sin(np.arange(48) / 24 * 2 * np.pi) * np.ones((28, 1))
    actual = paths * (1 + 0.1 * rng.standard_normal(paths.shape))
    quantiles = spread_of(paths, actual, Seasons(24, 168), 0.0, LEVELS).around(paths[0], LEVELS)
    width = quantiles[:, 3] - quantiles[:, 0]
    assert width[6] > 3 * width[18]


def test_errors_that_grow_with_the_steps_ahead_widen_the_fan() -> None:
    rng = np.random.default_rng(3)
    paths = np.full((28, 96), 50.0)
    actual = paths + rng.standard_normal(paths.shape) * np.linspace(0.5, 5, 96)
    quantiles = spread_of(paths, actual, Seasons(24, 168), 0.0, LEVELS).around(paths[0], LEVELS)
    width = quantiles[:, 3] - quantiles[:, 0]
    assert width[-1] > 2 * width[0]
