"""Days ahead: growth where it is proven, none where it is not; seasons as soon as a year has shown them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.planner import paths
from quartermaster.planner.calendar import Calendar, Occasion
from quartermaster.planner.paths import Ahead, ahead
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

END = date(2026, 3, 1)
"""Last day of the history, a Sunday."""
NIGHT = np.r_[np.full(12, 0.4), np.linspace(0.5, 1.0, 12)]
WEEK = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.6])


def history(peaks: np.ndarray) -> Series:
    """Hours of days with those peaks, up to the end of the last day."""
    last = ((END - date(1970, 1, 1)).days + 1) * DAY_US - HOUR_US
    return Series("web", "x/s", last, HOUR_US, (peaks[:, None] * NIGHT).ravel(), 0.0)


def found(peaks: np.ndarray, days: int = 364, calendar: Calendar | None = None) -> Ahead:
    out = ahead(history(peaks), days, calendar=calendar)
    assert isinstance(out, Ahead)
    return out


def weekly(days: int, noise: float = 0.03, seed: int = 1) -> np.ndarray:
    week = np.tile(WEEK, -(-days // 7))[-days:] if days % 7 else np.tile(WEEK, days // 7)
    return 100 * week * np.exp(noise * np.random.default_rng(seed).standard_normal(days))


def test_steady_growth_goes_on_and_the_paths_hold_the_truth() -> None:
    at = np.arange(280)
    out = found(weekly(280) * (1 + 0.003 * at))
    assert out.proven and abs(out.growth - 365 * 0.003 / (1 + 0.003 * 279)) < 0.1
    low, high = np.quantile(out.paths[:, 357:].max(axis=1), [0.05, 0.95])
    assert low < 100 * (1 + 0.003 * 640) * 1.04 < high


def test_a_slope_that_noise_or_a_season_explains_is_not_believed() -> None:
    spring = np.sin(2 * np.pi * np.arange(210) / 364)
    for peaks in (weekly(210, noise=0.2), weekly(210) * (1.5 + spring), weekly(160) * (1.5 - spring[50:])):
        out = found(peaks)
        assert not out.proven
        middle = np.median(out.paths.reshape(-1, 52, 7).max(axis=2), axis=0)
        assert np.quantile(peaks, 0.05) < middle.min() < middle.max() < peaks.max() * 1.05


def test_a_change_of_level_for_good_is_the_level() -> None:
    for days in (210, 800):
        peaks = weekly(days)
        peaks[-40:] *= 2
        middle = np.median(found(peaks, 182).paths.reshape(-1, 26, 7).max(axis=2), axis=0)
        np.testing.assert_allclose(middle, 200, rtol=0.15)


def test_weekdays_keep_their_part() -> None:
    for days in (210, 800):
        out = found(weekly(days))
        middle = np.median(out.paths[:, :364], axis=0).reshape(-1, 7).mean(axis=0)
        np.testing.assert_allclose(middle / middle[:5].mean(), WEEK, atol=0.05)


def test_months_without_readings_take_no_weekday_away() -> None:
    peaks = weekly(448)
    peaks[2:160] = np.nan
    middle = np.median(found(peaks).paths, axis=0).reshape(-1, 7)
    np.testing.assert_allclose(middle / middle[:, :5].mean(), np.tile(WEEK, (52, 1)), atol=0.12)


def test_days_on_which_a_shop_is_closed_are_no_noise() -> None:
    at = np.arange(420) - 420
    peaks = weekly(420, noise=0.1) * (at % 7 != 5) * ((at % 364 < 290) | (at % 364 >= 300))
    out = found(peaks, 28).paths
    assert np.quantile(out, 0.95, axis=0).max() < 1.3 * peaks.max()
    assert np.quantile(out[:, 5::7], 0.95) < 5


def test_counts_that_jump_to_and_fro_do_not_drift_away() -> None:
    peaks = np.random.default_rng(5).poisson(0.7, 196).astype(float)
    assert np.quantile(found(peaks, 300).paths, 0.99, axis=0).max() < 100 * peaks.max()


def test_a_year_and_a_month_show_the_season_of_the_year() -> None:
    for days in (400, 910):
        season = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(days + 364) - days) / 364)
        middle = np.median(found(weekly(days) * season[:days]).paths, axis=0).reshape(-1, 28).max(axis=1)
        true = (100 * season[days:]).reshape(-1, 28).max(axis=1)
        np.testing.assert_allclose(middle, true, rtol=0.15)


def test_growth_against_the_year_before_goes_on_over_years() -> None:
    out = found(weekly(1100) * 1.2 ** (np.arange(1100) / 365.25), days=730)
    assert out.proven and abs(out.growth - 0.2) < 0.03
    low, high = np.quantile(out.paths[:, 700:728].max(axis=1), [0.1, 0.9])
    assert 100 * 1.2 ** (1100 / 365.25) * 1.38 / 1.1 < low < high < 100 * 1.2 ** (1100 / 365.25) * 1.38 * 1.25


def test_holidays_and_events_lie_on_their_days() -> None:
    at = END + timedelta(days=30)
    events = (Occasion("launch", at, at, "", 3.0), Occasion("other", at, at, "orders", 9.0))
    plain, out = (found(weekly(500), 60, Calendar(events=some)).paths for some in ((), events))
    np.testing.assert_allclose(out[:, 29], 3 * plain[:, 29])
    np.testing.assert_array_equal(np.delete(out, 29, axis=1), np.delete(plain, 29, axis=1))


def test_it_is_deterministic_and_says_why_there_are_none() -> None:
    assert (found(weekly(100)).paths == found(weekly(100)).paths).all()
    assert "needs 6 weeks of history, has 5" in str(ahead(history(weekly(40)), 10))
    for few in (weekly(1)[:0], np.full(50, np.nan)):
        assert "has 0" in str(ahead(history(few), 10))
    holes = np.where(np.arange(100) % 3 == 0, weekly(100), np.nan)
    assert "only 34 of 100 days" in str(ahead(history(holes), 10))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0, 1e300) | st.just(float("nan")), min_size=42, max_size=60),
    st.integers(1, 12),
    st.integers(1, 900),
)
def test_paths_of_anything_are_finite_and_never_negative(readings: list[float], times: int, days: int) -> None:
    last = (END - date(1970, 1, 1)).days * DAY_US
    series = Series("web", "x", last, DAY_US, np.tile(readings, times), 0.0)
    out = ahead(series, days, 16, Calendar(holidays="US"))
    if isinstance(out, Ahead):
        assert out.paths.shape == (16, days)
        assert np.isfinite(out.paths).all() and (out.paths >= 0).all()
        assert np.isfinite([out.level, out.usual, out.growth, out.growth_low, out.growth_high]).all()
        assert -1 <= out.growth_low <= out.growth <= out.growth_high


def test_seasons_count_for_as_much_as_they_were_worth() -> None:
    months = np.sin(np.arange(52) * 2 * np.pi / 13)
    noise = np.random.default_rng(1).standard_normal(52 * 28) / 100
    again = np.repeat(months, 28) + noise
    assert paths._season_worth(again) > 0.95
    # A hill in the first year that no other had.
    once = np.repeat(np.where(np.arange(52) < 13, months, 0.0), 28) + noise
    assert paths._season_worth(once) < 0.3
    # Nothing has been seen twice.
    assert paths._season_worth(again[: 14 * 28]) == 0.75
    assert paths._season_worth(np.zeros(1500)) == 0.75
