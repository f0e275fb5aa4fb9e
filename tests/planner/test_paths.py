"""Weeks ahead: growth where it is proven, none where it is not."""

from __future__ import annotations

import numpy as np

from quartermaster.planner.paths import Ahead, ahead
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series


def history(peaks: np.ndarray) -> Series:
    values = np.repeat(peaks, 168) * np.tile(np.r_[np.linspace(0.2, 1, 167), 1], len(peaks))
    return Series("web", "x/s", 1_700_000_000_000_000, HOUR_US, values, 0.0)


def found(peaks: np.ndarray, weeks: int = 52) -> Ahead:
    out = ahead(history(peaks), weeks)
    assert isinstance(out, Ahead)
    return out


def test_proven_growth_goes_on_and_the_paths_hold_the_truth() -> None:
    noise = np.random.default_rng(1).standard_normal(40)
    out = found(100 + 2 * np.arange(40) + 3 * noise)
    assert out.proven and abs(out.slope - 2) < 0.3
    low, high = np.quantile(out.paths[:, -1], [0.05, 0.95])
    assert low < 100 + 2 * 91 < high


def test_a_slope_that_noise_explains_fades() -> None:
    noise = np.random.default_rng(2).standard_normal(30)
    out = found(100 + 10 * noise)
    assert not out.proven
    gone = abs(np.median(out.paths[:, -1]) - out.level)
    assert gone < 0.8 * 52 * abs(out.slope)


def test_two_years_show_the_season_of_the_year() -> None:
    week = np.arange(130)
    out = found(100 + 30 * np.sin(2 * np.pi * week / 52))
    middle = np.median(out.paths, axis=0)
    assert middle.max() / middle.min() > 1.5
    assert abs(int(middle.argmax()) - int(np.argmax(np.sin(2 * np.pi * (np.arange(52) + 130) / 52)))) <= 3


def test_it_is_deterministic_and_never_negative() -> None:
    peaks = np.abs(np.random.default_rng(3).standard_normal(20)) * 5 + np.arange(20)[::-1]
    assert (found(peaks).paths == found(peaks).paths).all()
    assert (found(peaks).paths >= 0).all()
    assert "weeks of history" in str(ahead(history(peaks[:4]), 10))
