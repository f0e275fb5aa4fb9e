"""The headroom for the busiest minutes of an hour."""

from __future__ import annotations

import numpy as np
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.plan import plan
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.within_hour import WithinHour, by_hour, finer_of, learn

FIVE = HOUR_US // 12


def fine(days: int, peak: float = 1.5, noon: float = 2.0, start_hour: int = 0) -> Series:
    """Twelve readings an hour, the first of which stands above the others' mean of 100 by a known factor."""
    hours = np.arange(days * 24) + start_hour
    blocks = np.full((len(hours), 12), 100.0)
    factor = np.where(hours % 24 == 12, noon, peak)
    blocks[:, 0] = factor * 100
    blocks[:, 1:] = (12 - factor[:, None]) / 11 * 100
    values = blocks.ravel()
    return Series("web:5min", "x/s", (start_hour + len(hours)) * HOUR_US - FIVE, FIVE, values, 0.0)


def test_it_is_the_ratio_of_peak_to_mean_by_hour_of_the_day() -> None:
    found = learn(fine(60))
    assert isinstance(found, WithinHour)
    assert found.factor[3] == pytest.approx(1.5)
    assert found.factor[12] == pytest.approx(2.0, abs=0.1)
    assert (found.low <= found.factor).all() and (found.factor <= found.high).all()
    assert "within_hour" in found.told()


def test_hours_are_those_of_the_clock() -> None:
    whole = fine(3, start_hour=5)
    cut = Series(whole.id, whole.unit, whole.last_us, FIVE, whole.values[7:], 0.0)
    hourly, peak = by_hour(cut, "web")
    assert hourly.last_us == whole.last_us - whole.last_us % HOUR_US
    assert len(hourly.values) == 3 * 24 - 1
    assert np.allclose(hourly.values, 100) and peak[-1] == pytest.approx(150)


def test_idle_and_broken_hours_say_nothing() -> None:
    series = fine(5)
    values = series.values.copy()
    values[:12] = [0.001] + [0.0] * 11
    values[12:20] = np.nan
    found = learn(Series(series.id, series.unit, series.last_us, FIVE, values, 0.0))
    assert isinstance(found, WithinHour)
    assert found.hours == 5 * 24 - 2
    assert isinstance(learn(series.before(4 * 288 + 1)), str)


def test_a_burst_in_a_quiet_hour_is_none_of_a_busy_one() -> None:
    series = fine(40, peak=1.2, noon=1.2)
    values = series.values.reshape(-1, 12).copy()
    values[::5] = [60.0] + [5.0] * 11
    found = learn(Series(series.id, series.unit, series.last_us, FIVE, values.ravel(), 0.0))
    assert isinstance(found, WithinHour)
    assert found.factor.max() == pytest.approx(1.2, abs=0.01)


def test_a_plan_names_it_and_carries_it() -> None:
    coarse = demand(days=40)
    shown = {s.id: s for s in clean(coarse).series}
    assert finer_of(shown["web"], shown) is None
    five = demand("web:5min", days=10, interval_us=FIVE, noise=0.2)
    import pandas as pd

    own = Settings(unit=20.0, horizon_days=1)
    bare = plan(coarse, default=own, models=("day_median",)).clusters["web"]
    both = plan(pd.concat([coarse, five]), default=own, models=("day_median",)).clusters
    assert list(both) == ["web"]
    web = both["web"]
    assert web.within_hour is not None and any("within_hour" in s for s in web.statements)
    factor = web.within_hour.factor[[r.at.hour for r in web.requirement]]
    assert np.allclose(web.forecast.at(0.99), bare.forecast.at(0.99) * factor)
    assert all(a.needed >= b.needed for a, b in zip(web.requirement, bare.requirement, strict=True))
