"""Whatever happens to a history: its rows come out, sound, and each of its readings is used or named as not used."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clean import Cleaned, clean
from quartermaster.planner.forecast import forecast
from tests.planner.mutilated import mutilated

pytestmark = pytest.mark.slow

CHEAP = ("naive", "seasonal_naive_day", "seasonal_naive_week", "level_median", "day_median", "week_median")
LEVELS = (0.5, 0.9, 0.95, 0.99)
ZONES = (None, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
NOT_USED = {"infinite", "duplicate", "crowded", "too_old", "negative", "stuck", "absurd", "counter"}
CHANGED = {"counter", "unit_change", "overloaded", "crowded", "duplicate"}


def check(seed: int, models: tuple[str, ...]) -> None:
    frame = mutilated(np.random.default_rng(seed))
    zone = ZONES[seed % len(ZONES)]
    horizon = (1, 20, 75)[seed % 3]
    calendar = Calendar(zone=None if zone is None else ZoneInfo(zone), holidays="" if seed % 2 else "IE")
    result = forecast(frame, horizon, LEVELS, models=models, calendar=calendar)
    numbers = result.frame.select_dtypes("number")
    finite = np.isfinite(numbers).all(axis=1)
    assert (finite | numbers.isna().all(axis=1)).all()
    assert (np.diff(numbers[["q0.5", "q0.9", "q0.95", "q0.99"]][finite], axis=1) >= 0).all()
    for name, rows in result.frame.groupby("series_id"):
        last = frame.loc[frame["series_id"] == name, "timestamp"].max()
        steps = pd.Index(rows["timestamp"]).insert(0, last).diff()[1:]
        assert len(rows) == horizon and len(set(steps)) == 1
    account(frame, clean(frame))


def account(frame: pd.DataFrame, cleaned: Cleaned) -> None:
    """Each reading is in the series, or among the rows of a finding that says it is not."""
    for series in cleaned.series:
        mine = frame[frame["series_id"] == series.id].sort_values("timestamp", kind="stable")
        read = mine["value"].dropna().to_numpy()
        used = series.values[np.isfinite(series.values)]
        found = {f.kind: f.rows for f in cleaned.findings if f.series == series.id}
        named = sum(f.rows for f in cleaned.findings if f.series == series.id and f.kind in NOT_USED)
        assert len(read) - len(used) <= named
        if not found.keys() & (NOT_USED | CHANGED):
            assert np.array_equal(read, used)


@pytest.mark.parametrize("seed", range(200))
def test_no_mutilated_input_crashes_the_forecast(seed: int) -> None:
    # Every eighth with all forecasters.
    check(seed, () if seed % 8 == 0 else CHEAP)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 3000))
def test_no_mutilated_input_crashes_the_forecast_in_full(seed: int) -> None:
    check(seed, ())


def test_a_reading_that_is_lost_without_a_word_is_noticed() -> None:
    frame = mutilated(np.random.default_rng(1))
    cleaned = clean(frame)
    series = next(s for s in cleaned.series if s.known)
    series.values[np.isfinite(series.values).argmax()] = np.nan
    with pytest.raises(AssertionError):
        account(frame, Cleaned(cleaned.series, tuple(f for f in cleaned.findings if f.kind not in NOT_USED)))
