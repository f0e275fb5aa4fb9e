"""What holds for every forecast, whatever the series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from quartermaster.planner.forecasters.registry import PLAIN, candidates
from quartermaster.planner.one import SeriesForecast, forecast_all, forecast_series
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.together import drawn

pytestmark = pytest.mark.slow

LEVELS = (0.05, 0.5, 0.9, 0.95, 0.99)
HORIZON = 30
NOISY = ("calm", "wild")
"""Without noise several forecasters are right to the last bit, and rounding would choose among them."""


@st.composite
def series(draw: st.DrawFn, *, lower: float = 0.0, kinds: Sequence[str] = ("calm", "wild", "none")) -> Series:
    """A day to five weeks of hours with a day, a trend, noise of some kind, steps and holes; some end in a hole."""
    count = draw(st.integers(24, 35 * 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = {
        "calm": rng.standard_normal(count),
        "wild": rng.standard_cauchy(count),
        "none": np.zeros(count),
    }[draw(st.sampled_from(kinds))]
    at = np.arange(count)
    values = 50 + draw(st.sampled_from([0, 30])) * np.sin(at * 2 * np.pi / 24) + draw(st.floats(-0.05, 0.05)) * at
    values += draw(st.sampled_from([0.1, 10])) * noise
    values[draw(st.integers(0, count)) :] += draw(st.sampled_from([0, 100]))
    hole = draw(st.integers(0, count))
    values[hole : hole + draw(st.sampled_from([0, 3, 60]))] = np.nan
    return Series(f"s{draw(st.integers(0, 99))}", "", 0, HOUR_US, np.maximum(values, lower), lower)


def made(one: Series) -> SeriesForecast:
    return forecast_series(one, HORIZON, LEVELS, candidates())


def scaled(one: Series, factor: float, shift: float = 0.0) -> Series:
    return replace(one, values=one.values * factor + shift)


def spread(one: SeriesForecast) -> float:
    return float(np.abs(one.quantiles).max()) + float(np.ptp(one.quantiles))


@settings(deadline=None, max_examples=40)
@given(series())
def test_forecasts_are_finite_ordered_and_repeat(one: Series) -> None:
    first, again = made(one), made(one)
    if first.choice is None:
        assert not one.known and np.isnan(first.quantiles).all()
        return
    assert np.isfinite(first.quantiles).all() and np.isfinite(first.mean).all()
    assert (np.diff(first.quantiles, axis=1) >= 0).all()
    assert first.quantiles.min() >= 0
    assert (first.quantiles == again.quantiles).all() and (first.mean == again.mean).all()


@settings(deadline=None, max_examples=40)
@given(series(), st.sampled_from([2.0**-40, 0.5, 8.0, 2.0**60]))
def test_a_power_of_two_scales_every_bit(one: Series, factor: float) -> None:
    assert (made(scaled(one, factor)).quantiles == factor * made(one).quantiles).all() or not one.known


@settings(deadline=None, max_examples=40)
@given(series(kinds=NOISY), st.floats(0.01, 100))
def test_any_factor_scales_the_forecast(one: Series, factor: float) -> None:
    before = made(one)
    if one.known:
        assert made(scaled(one, factor)).quantiles / factor == pytest.approx(
            before.quantiles, abs=1e-6 * spread(before)
        )


@settings(deadline=None, max_examples=25)
@given(st.lists(series(), min_size=2, max_size=5))
def test_other_series_change_nothing(many: list[Series]) -> None:
    for one, beside in zip(many, forecast_all(many, HORIZON, LEVELS, candidates()), strict=True):
        assert np.array_equal(made(one).quantiles, beside.quantiles, equal_nan=True)


@settings(deadline=None, max_examples=40)
@given(series(lower=-np.inf, kinds=NOISY), st.floats(-1e3, 1e3))
def test_a_shift_moves_what_is_not_bound_at_zero(one: Series, shift: float) -> None:
    """Of rules that do not take logarithms; below zero, as above it paths stay there."""

    def additive(some: Series) -> NDArray[np.float64]:
        return forecast_series(some, HORIZON, LEVELS, candidates(sorted(PLAIN))).quantiles

    if one.known:
        low, high = np.nanmin(one.values), np.nanmax(one.values)
        one = scaled(one, 1.0, -high - 1)
        down = scaled(one, 1.0, -abs(shift))
        size = abs(low) + abs(high) + abs(shift) + spread(made(one))
        assert additive(down) + abs(shift) == pytest.approx(additive(one), abs=1e-6 * size)


@settings(deadline=None, max_examples=20)
@given(series())
def test_paths_have_the_quantiles_of_the_forecast(one: Series) -> None:
    forecast = made(one)
    if forecast.ranks is not None:
        paths = drawn(forecast.quantiles, LEVELS, forecast.ranks)
        assert np.isfinite(paths).all()
        found = np.quantile(paths, LEVELS, axis=0, method="hazen").T
        assert found == pytest.approx(forecast.quantiles, abs=0.02 * spread(forecast))
