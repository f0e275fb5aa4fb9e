"""Measured and made-up series with several accidents at once."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from quartermaster.planner import frame
from quartermaster.planner.samples import demand
from tests.planner.living import living

__all__ = ["mutilated"]

SAMPLE = Path(__file__).parents[2] / "examples" / "metrics" / "web_requests_hourly.parquet"
ACCIDENTS = 14


@cache
def _measured() -> pd.DataFrame:
    return frame.read(SAMPLE)


def mutilated(rng: np.random.Generator) -> pd.DataFrame:
    """A valid long frame; the same for the same generator."""
    out = _base(rng)
    values = out["value"].to_numpy().copy()
    beside: dict[str, tuple[str, np.ndarray]] = {}
    for accident in rng.choice(ACCIDENTS, size=3):
        values = np.clip(values, -1e300, 1e300)
        some = rng.random(len(values)) < rng.random()
        start, stop = np.sort(rng.integers(len(values) + 1, size=2))
        match int(accident):
            case 0:
                values[some] = np.nan
            case 1:
                values[start:] = np.nan
            case 2:
                values[some] = 0
            case 3:
                values[start:] *= 10.0 ** int(rng.integers(-12, 5))
            case 4:
                values[rng.integers(len(values))] = float(rng.choice([np.inf, -np.inf, 1e300, -1e300, 5e-324]))
            case 5:
                values = -values
            case 6:
                values = np.round(values / 60)
            case 7:
                values = np.cumsum(values)
            case 8:
                values = np.where(rng.random(len(values)) < 0.02, values * 1e6, values)
            case 9:  # another level
                values[start:] *= float(rng.uniform(0.2, 5))
            case 10:  # another unit for a while
                values[start:stop] *= float(rng.choice([60, 1000, 1024, 3600, 1 / 60, 1 / 1000]))
            case 11:  # a counter that begins anew
                values = np.concatenate([np.cumsum(part) for part in np.split(values, [start, stop])])
            case 12:  # stuck
                values[start:stop] = values[start - 1]
            case _:  # overloaded
                beside["rejected"] = ("requests/s", np.where(some, np.abs(rng.normal(0, 50, len(values))), np.nan))
                beside["utilisation"] = ("percent", rng.uniform(0, 150, len(values)))
    out = out.assign(value=values)
    name = str(out["series_id"].iloc[0])
    others = [out.assign(series_id=f"{name}:{k}", unit=unit, value=v) for k, (unit, v) in beside.items()]
    out = pd.concat([out, *others], ignore_index=True)
    keep = rng.random(len(out)) < rng.choice([1.0, 0.7, 0.2])
    out = out[keep] if keep.any() else out
    if rng.random() < 0.3:
        out = out.assign(timestamp=out["timestamp"] + pd.to_timedelta(rng.integers(0, 90, len(out)), unit="s"))
    return out.sample(frac=1 + (rng.random() < 0.3), replace=True, random_state=1) if rng.random() < 0.4 else out


def _base(rng: np.random.Generator) -> pd.DataFrame:
    """Measured, made up, or of people whose clock changes within the history or right after it."""
    interval = int(rng.choice([60, 300, 900, 3600, 86_400, 1234])) * 1_000_000
    count = int(rng.integers(1, 700))
    days = count * interval / 86_400e6
    kind = rng.integers(3)
    if kind == 0:
        whole = _measured()
        one = whole[whole["series_id"] == rng.choice(whole["series_id"].unique())]
        at = int(rng.integers(len(one)))
        return one.iloc[max(0, at - 1500) : at + 1].reset_index(drop=True)
    if kind == 1:
        zone = str(rng.choice(["Europe/Berlin", "America/New_York", "Australia/Sydney"]))
        end = datetime(2026, 3, 29, 1, tzinfo=UTC) + pd.Timedelta(hours=int(rng.integers(-30, 900)))
        return living(zone, end, days, interval)
    return demand(str(rng.integers(1e6)), days=days, interval_us=interval)
