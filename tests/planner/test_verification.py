"""Forecasts are held to what came after them, and to nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.plan import CapacityPlan, plan
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.settings import Settings
from quartermaster.planner.verification import keep, verify

HISTORY = demand(days=50)
FINE = demand(days=30, interval_us=HOUR_US // 12, noise=0.3)
END = HISTORY["timestamp"].iloc[-1].to_pydatetime()
OWN = Settings(unit=20.0, horizon_days=9, quantile=0.95)


@cache
def planned(until: datetime, fine: bool = False, own: Settings = OWN) -> CapacityPlan:
    frame = FINE if fine else HISTORY
    return plan(frame[frame["timestamp"] <= until], default=own, models=("day_median", "naive"))


def kept(folder: Path, *days: int) -> None:
    for back in days:
        made = END - timedelta(days=back)
        keep(folder, planned(made), made + timedelta(hours=1))


def test_before_the_first_reading_after_a_forecast_there_is_nothing_to_tell(tmp_path: Path) -> None:
    cluster = planned(END).clusters["web"]
    assert verify(tmp_path, cluster) is None
    kept(tmp_path, 0)
    assert verify(tmp_path, cluster) is None


def test_errors_bias_and_share_under_are_those_of_the_kept_numbers(tmp_path: Path) -> None:
    kept(tmp_path, 8, 3)
    found = verify(tmp_path, planned(END).clusters["web"])
    assert found is not None
    first, week, second = found.leads
    assert (first.forecasts, first.hours) == (2, 48)
    assert (week.forecasts, week.hours) == (2, 6 * 24 + 2 * 24)
    assert (second.forecasts, second.hours) == (1, 24)
    frame = pd.read_parquet(tmp_path / "web" / f"{END - timedelta(days=8) + timedelta(hours=1):%Y-%m-%d}.parquet")
    came = HISTORY["value"].to_numpy()[-24:]
    last = frame.iloc[7 * 24 : 8 * 24]
    off = last["median"].to_numpy() - came
    assert second.error == pytest.approx(np.abs(off).sum() / came.sum())
    assert second.bias == pytest.approx(off.sum() / came.sum())
    assert second.under == pytest.approx((came <= last["upper"].to_numpy()).mean())


def test_an_hour_is_shown_as_last_forecast_before_it(tmp_path: Path) -> None:
    kept(tmp_path, 8, 3)
    found = verify(tmp_path, planned(END).clusters["web"])
    assert found is not None
    assert len(found.times) == 8 * 24 and found.times[-1] == END
    newest = pd.read_parquet(tmp_path / "web" / f"{END - timedelta(days=3) + timedelta(hours=1):%Y-%m-%d}.parquet")
    assert found.median[-72:] == pytest.approx(newest["median"].to_numpy()[:72])
    assert found.came == pytest.approx(HISTORY["value"].to_numpy()[-8 * 24 :])


def test_forecasts_for_another_quantile_say_nothing_of_this_one(tmp_path: Path) -> None:
    made = END - timedelta(days=3)
    keep(tmp_path, planned(made, own=Settings(unit=20.0, horizon_days=9, quantile=0.9)), made + timedelta(hours=1))
    found = verify(tmp_path, planned(END).clusters["web"])
    assert found is not None and found.leads[0].under is None


def test_headroom_within_hours_is_no_error_of_the_forecast(tmp_path: Path) -> None:
    end = FINE["timestamp"].iloc[-1].to_pydatetime()
    made = end - timedelta(days=2)
    before = planned(made, True)
    plan, within = before.clusters["web"], before.clusters["web"].within_hour
    assert within is not None and within.factor.min() > 1.2
    keep(tmp_path, before, made)
    frame = pd.read_parquet(tmp_path / "web" / f"{made:%Y-%m-%d}.parquet")
    hours = np.array([t.hour for t in plan.forecast.times])
    assert frame["median"].to_numpy() == pytest.approx(plan.forecast.at(0.5) / within.factor[hours])
    found = verify(tmp_path, planned(end, True).clusters["web"])
    assert found is not None
    # Beside hours' means, as they came.
    hourly = FINE.groupby(FINE["timestamp"].dt.floor("h"))["value"].mean()
    assert found.came == pytest.approx(hourly.loc[list(found.times)].to_numpy())
