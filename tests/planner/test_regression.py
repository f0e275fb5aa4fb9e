"""Regressions and medians: medians of weekdays are those of the weeks before, strange days count less, shifts fade."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from quartermaster.planner.cycles import Cycles, cut, shape_of
from quartermaster.planner.forecasters.phase_median import PhaseMedian
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.forecasters.regression import _medians, _weight
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import Seasons

HOURLY = Seasons(24, 168)


def batch(values: NDArray[np.float64]) -> Cycles:
    return cut([values], shape_of(len(values), HOURLY))


@pytest.mark.parametrize("count", [7, 13, 20, 42, 60])
def test_medians_are_of_the_same_weekday_in_the_weeks_before(count: int) -> None:
    values = np.random.default_rng(count).random((2, count, 3))
    found = _medians(values, 7)
    for i in range(count):
        # Slot i is cycle 7 + i: alike are those one week before it, two, ... as far as there are, six at most.
        alike = [values[:, i - 7 * k] for k in range(6) if i - 7 * k >= 0]
        assert found[:, i] == pytest.approx(np.median(alike, axis=0))


def test_a_strange_day_counts_less_and_no_row_goes_by_later_ones() -> None:
    target = np.ones((1, 10, 4))
    target[0, 6] = 20.0
    weight = _weight(target, 1.5)
    assert (weight[0, :6] == 1).all()
    assert (weight[0, 6] < 0.5).all()
    target[0, 8:] = 1e6
    assert (_weight(target, 1.5)[0, :8] == weight[0, :8]).all()


def test_the_robust_regression_bears_strange_days_better() -> None:
    values = demand(days=84, noise=0.05, growth=0.0)["value"].to_numpy()
    truth = values[-7 * 24 :]
    errors = {}
    for name in ("regression_robust", "regression_weekday"):
        model, total = candidates((name,))[0], 0.0
        for seed in (1, 2):
            known = values[: -7 * 24].copy()
            for day in np.random.default_rng(seed).choice(70, size=9, replace=False):
                known[day * 24 : day * 24 + 24] *= 3
            total += float(np.abs(model.paths(batch(known), 3, 7)[0, -1] - truth).mean())
        errors[name] = total
    assert (
        errors["regression_robust"] < 0.54 * errors["regression_weekday"]
    )  # 0.6 without deviations of their own weekday


def test_a_level_that_wanders_is_told_from_the_weekend() -> None:
    robust = candidates(("regression_robust",))[0]
    weekday = np.array([1, 1.1, 1.2, 1.1, 1, 0.3, 0.2])[np.arange(84) % 7]
    ratios = []
    for seed in range(6):
        level = np.exp(np.cumsum(0.1 * np.random.default_rng(seed).standard_normal(84)))
        days = (weekday * level)[:, None] * (2 + np.sin(np.arange(24) / 12 * np.pi))
        made = robust.paths(batch(days.ravel()), 28, 1)[0, :-1]
        # What nobody can know: how far the level goes from one day to the next.
        ratios.append(np.abs(np.log(made / days[-28:])).mean() / np.abs(np.diff(np.log(level))[-28:]).mean())
    assert np.mean(ratios) < 1.7  # 2.5 where the last day is held against other weekdays


def test_a_damped_median_carries_half_of_the_shift_on() -> None:
    values = np.tile(np.arange(24.0), 60)
    values[-24:] += 10
    median, damped = PhaseMedian("day", 7), PhaseMedian("day", 7, share=0.5)
    assert (median.name, damped.name) == ("day_median", "day_median_damped")
    assert median.paths(batch(values), 3, 1)[0, -1] == pytest.approx(np.arange(24.0) + 10)
    assert damped.paths(batch(values), 3, 1)[0, -1] == pytest.approx(np.arange(24.0) + 5)


def test_errors_of_several_days_make_the_shift() -> None:
    values = np.tile(np.arange(168.0), 10)
    values[-24:] += 30  # one strange day: two ordinary ones outvote it
    three = PhaseMedian("week", 6, cycles=3, share=0.5)
    assert three.paths(batch(values), 3, 7)[0, -1] == pytest.approx(np.arange(168.0))


def test_forecasters_have_distinct_names() -> None:
    names = [f.name for f in candidates()]
    assert len(set(names)) == len(names)
