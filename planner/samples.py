"""Made-up metric history from a seed, for tests, documents and benchmarks. Never mixed with measured series."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import DAY_US, HOUR_US

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["demand"]


def demand(
    series: str = "web",
    days: float = 56,
    *,
    interval_us: int = HOUR_US,
    level: float = 100.0,
    daily: float = 0.4,
    weekly: float = 0.15,
    noise: float = 0.05,
    growth: float = 0.0,
    unit: str = "requests/s",
    end: datetime = datetime(2026, 3, 2, tzinfo=UTC),
) -> pd.DataFrame:
    """A long frame of one series with a day, a week, growth (share a week) and noise; the seed is its name."""
    import pandas as pd

    count = max(1, round(days * DAY_US / interval_us))
    step = np.arange(count)
    day = 2 * np.pi * step * interval_us / DAY_US
    seed = int.from_bytes(hashlib.sha256(series.encode()).digest()[:8], "big")
    shape = 1 + daily * np.sin(day - 2) + weekly * np.sin(day / 7) + growth * step * interval_us / (7 * DAY_US)
    values = level * shape * (1 + noise * np.random.default_rng(seed).standard_normal(count))
    last = np.datetime64(end.astimezone(UTC).replace(tzinfo=None), "us")
    stamps = last - interval_us * step[::-1].astype("timedelta64[us]")
    return pd.DataFrame(
        {
            "series_id": pd.Series([series] * count, dtype="str"),
            "timestamp": pd.DatetimeIndex(stamps).tz_localize("UTC"),
            "value": np.maximum(values, 0.0),
            "unit": pd.Series([unit] * count, dtype="str"),
        }
    )
