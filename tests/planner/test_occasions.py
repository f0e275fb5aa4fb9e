"""Holidays and planned events: learned where the past proves them, stated where somebody knows, never in silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.planner.calendar import Calendar, Occasion
from quartermaster.planner.deviations import phases_of
from quartermaster.planner.occasions import without
from quartermaster.planner.one import Choice, SeriesForecast
from quartermaster.planner.seasons import DAY_US, HOUR_US
from quartermaster.planner.series import Series

EPOCH = date(1970, 1, 1)
END = date(2026, 11, 20)
"""Last day of the history; Thanksgiving is the 26th, Christmas five weeks off."""
LEVELS = (0.1, 0.5, 0.9)
US = Calendar(holidays="US")


def history(days: int, times: dict[date, float] | None = None, *, noise: float = 0.03, steps: int = 24) -> Series:
    """A week with a quiet Sunday; on the days given demand times that."""
    number = (END - EPOCH).days - days + 1 + np.arange(days)
    dates = [EPOCH + timedelta(days=int(n)) for n in number]
    size = np.where(np.array([d.weekday() for d in dates]) == 6, 60.0, 100.0)
    size = size * [(times or {}).get(d, 1.0) for d in dates]
    hours = 1 + 0.3 * np.sin(2 * np.pi * np.arange(steps) / steps)
    values = (size[:, None] * hours).ravel()
    values *= np.exp(noise * np.random.default_rng(7).standard_normal(len(values)))
    return Series("web", "x/s", int(number[-1] + 1) * DAY_US - DAY_US // steps, DAY_US // steps, values, 0.0)


def flat(series: Series, days: int) -> SeriesForecast:
    """A forecast of 100 with bounds 80 and 130 throughout."""
    count = days * DAY_US // series.interval_us
    choice = Choice("web", "m", "least error", "", False, 3, ())
    quantiles = np.tile([80.0, 100.0, 130.0], (count, 1))
    return SeriesForecast(series, np.full(count, 100.0), quantiles, LEVELS, choice)


def put_on(calendar: Calendar, series: Series, days: int = 14) -> tuple[SeriesForecast, dict[date, np.ndarray]]:
    """The forecast with its occasions, and its quantiles by day."""
    plain, back = without(series, calendar)
    made = back(flat(plain, days))
    day, _ = phases_of(plain, 1, len(made.mean) + 1)
    return made, {EPOCH + timedelta(days=int(n)): made.quantiles[day == n] for n in np.unique(day)}


def on_day(series: Series, at: date) -> np.ndarray:
    day, _ = phases_of(series, 1 - len(series.values), 1)
    return series.values[day == (at - EPOCH).days]


THANKSGIVINGS = {date(2023, 11, 23): 0.5, date(2024, 11, 28): 0.5, date(2025, 11, 27): 0.5}


def test_a_holiday_that_halved_demand_halves_it_again() -> None:
    made, days = put_on(US, history(1100, THANKSGIVINGS))
    assert days[date(2026, 11, 26)][:, 1].mean() == pytest.approx(50, rel=0.1)
    assert (days[date(2026, 11, 24)] == [80, 100, 130]).all()
    assert made.choice is not None and "Thanksgiving Day on 2026-11-26: x0.5" in made.choice.reason


def test_what_a_holiday_did_is_taken_out_of_the_history() -> None:
    series = history(1100, THANKSGIVINGS)
    plain, _ = without(series, US)
    assert on_day(series, date(2024, 11, 28)).mean() == pytest.approx(50, rel=0.03)
    assert on_day(plain, date(2024, 11, 28)).mean() == pytest.approx(100, rel=0.1)
    assert (on_day(plain, date(2024, 11, 26)) == on_day(series, date(2024, 11, 26))).all()


def test_holidays_that_nobody_keeps_change_nothing() -> None:
    series = history(1100)
    plain, back = without(series, US)
    np.testing.assert_allclose(plain.values, series.values, rtol=0.03)
    made = back(flat(plain, 40))
    np.testing.assert_allclose(made.mean, 100, rtol=0.03)


def test_a_holiday_never_seen_goes_the_way_of_the_others() -> None:
    # Every holiday but Thanksgiving was a Sunday to this series; of that day there is no history.
    others = (date(2026, 5, 25), date(2026, 6, 19), date(2026, 7, 3), date(2026, 9, 7), date(2026, 10, 12))
    kept = dict.fromkeys(others, 0.6)
    series = history(200, kept)
    _, days = put_on(US, series)
    assert 55 < days[date(2026, 11, 26)][:, 1].mean() < 80
    assert days[date(2026, 11, 26)][:, 2].mean() / days[date(2026, 11, 26)][:, 0].mean() > 130 / 80


def test_the_quiet_days_after_christmas_are_learned_one_by_one() -> None:
    series = history(1100, {date(year, 12, d): 0.4 for year in (2023, 2024, 2025) for d in range(24, 32)})
    _, days = put_on(US, series, 45)
    assert days[date(2026, 12, 29)][:, 1].mean() == pytest.approx(40, rel=0.15)
    assert days[date(2027, 1, 2)][:, 1].mean() == pytest.approx(100, rel=0.05)


def sale(factor: float | None = None, of: str = "web", at: date = date(2026, 11, 24)) -> Occasion:
    return Occasion("sale", at, at + timedelta(days=1), of, factor)


def test_a_stated_factor_is_taken_as_it_is() -> None:
    made, days = put_on(Calendar(events=(sale(2.5),)), history(200))
    assert (days[date(2026, 11, 25)] == [200, 250, 325]).all()
    assert (days[date(2026, 11, 26)] == [80, 100, 130]).all()
    assert made.choice is not None and "x2.5 as stated" in made.choice.reason and made.choice.confidence == "normal"


def test_an_event_of_another_series_is_none_of_this_ones_business() -> None:
    series = history(200)
    made, _ = put_on(Calendar(events=(sale(2.5, of="orders"), sale(None, of="orders"))), series)
    assert (made.quantiles == [80, 100, 130]).all() and made.choice is not None and made.choice.confidence == "normal"


def test_an_event_of_unknown_effect_is_named_and_widens_the_bounds() -> None:
    made, days = put_on(Calendar(events=(sale(),)), history(200))
    # With a chance of one in ten it doubles; what was uncertain already comes on top.
    assert days[date(2026, 11, 24)][0, 2] > 200 and days[date(2026, 11, 24)][0, 0] < 50
    assert days[date(2026, 11, 24)][0, 1] == pytest.approx(100)
    assert made.choice is not None and made.choice.confidence == "low"
    assert "sale on 2026-11-24, sale on 2026-11-25" in made.choice.confidence_reason


def test_an_event_repeats_what_it_did_day_by_day() -> None:
    past = sale(None, at=date(2026, 9, 15))
    series = history(400, {date(2026, 9, 15): 2.0, date(2026, 9, 16): 3.0})
    plain, _ = without(series, Calendar(events=(past, sale())))
    made, days = put_on(Calendar(events=(past, sale())), series)
    assert days[date(2026, 11, 24)][:, 1].mean() == pytest.approx(200, rel=0.1)
    assert days[date(2026, 11, 25)][:, 1].mean() == pytest.approx(300, rel=0.1)
    assert on_day(plain, date(2026, 9, 16)).mean() == pytest.approx(100, rel=0.1)
    assert made.choice is not None and made.choice.confidence == "normal"


def test_an_event_with_a_factor_on_a_holiday_has_both_effects() -> None:
    thanks = Occasion("sale", date(2026, 11, 26), date(2026, 11, 26), "", 3.0)
    _, days = put_on(replace(US, events=(thanks,)), history(1100, THANKSGIVINGS))
    assert days[date(2026, 11, 26)][:, 1].mean() == pytest.approx(150, rel=0.1)


def test_daily_series_have_holidays_and_weekly_ones_have_none() -> None:
    daily = history(1100, THANKSGIVINGS, steps=1)
    _, days = put_on(US, daily)
    assert days[date(2026, 11, 26)][0, 1] == pytest.approx(50, rel=0.1)
    weekly = Series("web", "x", 0, 7 * DAY_US, np.ones(60), 0.0)
    assert without(weekly, US)[0] is weekly


def test_the_course_of_the_day_is_learned_too() -> None:
    series = history(1100)
    day, phase = phases_of(series, 1 - len(series.values), 1)
    values = series.values.copy()
    for at in (date(2023, 11, 23), date(2024, 11, 28), date(2025, 11, 27)):
        values[(day == (at - EPOCH).days) & (phase < 12)] *= 0.5
    _, days = put_on(US, replace(series, values=values))
    hours = days[date(2026, 11, 26)][:, 1]
    assert hours[:12].mean() == pytest.approx(50, rel=0.12) and hours[12:].mean() == pytest.approx(100, rel=0.12)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1e300) | st.just(float("nan")), min_size=1, max_size=200),
    st.sampled_from([HOUR_US, DAY_US, 6 * HOUR_US, 7 * HOUR_US]),
    st.sampled_from([0.0, -np.inf]),
)
def test_any_history_stays_finite_and_levels_never_cross(values: list[float], interval: int, lower: float) -> None:
    last = (END - EPOCH).days * DAY_US // interval * interval
    series = Series("web", "x", last, interval, np.array(values) * (1 if lower == 0 else -1), lower)
    calendar = replace(US, events=(sale(), sale(3.0, at=date(2026, 11, 25)), sale(None, at=date(2026, 11, 10))))
    plain, back = without(series, calendar)
    assert (np.isfinite(plain.values) == np.isfinite(series.values)).all()
    made = back(flat(plain, 14))
    assert np.isfinite(made.quantiles).all() and (np.diff(made.quantiles, axis=1) >= 0).all()
    assert np.isfinite(made.mean).all()


@pytest.mark.slow
@settings(deadline=None)
@given(st.floats(1, 50), st.integers(0, 13), st.integers(0, 5))
def test_an_event_ahead_that_raises_demand_never_lowers_a_forecast(factor: float, start: int, length: int) -> None:
    series = SEEN
    at = END + timedelta(days=1 + start)
    more = Occasion("launch", at, at + timedelta(days=length), "", factor)
    usual, _ = put_on(replace(US, events=(sale(1.5),)), series)
    raised, _ = put_on(replace(US, events=(sale(1.5), more)), series)
    assert (raised.quantiles >= usual.quantiles).all() and (raised.mean >= usual.mean).all()


SEEN = history(400)
