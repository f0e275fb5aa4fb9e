"""Demand of people who live by a clock, for tests."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import HOUR_US

__all__ = ["living"]


def living(
    zone: str,
    end: datetime,
    days: float = 84,
    interval_us: int = HOUR_US,
    *,
    noise: float = 0.02,
    weekend: float = 0.7,
) -> pd.DataFrame:
    """A long frame whose demand follows hours and weekdays of that zone's clock."""
    frame = demand(days=days, end=end, interval_us=interval_us)
    shown = frame["timestamp"].dt.tz_convert(ZoneInfo(zone))
    hour = (shown.dt.hour + shown.dt.minute / 60).to_numpy()
    # Sharp in the morning and late in the evening, so that an hour shows.
    shape = 1 + 2 * np.exp(-(((hour - 9) / 1.5) ** 2)) + 3 * np.exp(-(((hour - 20) / 2) ** 2))
    week = np.where(shown.dt.day_of_week.to_numpy() >= 5, weekend, 1.0)
    random = np.random.default_rng(5)
    return frame.assign(value=100 * shape * week * (1 + noise * random.standard_normal(len(frame))))
