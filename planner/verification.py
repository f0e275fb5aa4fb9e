"""Forecasts as they came true: each day keeps the forecast that its plan went by, and later readings are held to it.

Forecast verification in the sense of Murphy & Winkler (1987): nothing but what was written before the hour counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from quartermaster.fleet.files import replacing
from quartermaster.planner.hourly import instant, peaks
from quartermaster.planner.plan import CapacityPlan, ClusterPlan
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.within_hour import by_hour

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Lead", "Verification", "keep", "verify"]

_DAY = 24
_LEADS = (("first day", 0, _DAY), ("second to seventh day", _DAY, 7 * _DAY), ("second week", 7 * _DAY, 14 * _DAY))
"""Name, and hours from the making of a forecast."""
_SHOWN_HOURS = 14 * _DAY


@dataclass(frozen=True, slots=True)
class Lead:
    """How forecasts did so long after they were made."""

    name: str
    forecasts: int
    hours: int
    """Readings they were held to; an hour counts once for each forecast of it."""
    error: float
    """Sum of absolute errors of the median over the sum of demand."""
    bias: float
    """Sum of errors over the sum of demand: above 0 where forecasts were too high."""
    under: float | None
    """Share of readings up to the plan's quantile; None where forecasts were made for another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The forecasts of one cluster, looked back at."""

    quantile: float
    leads: tuple[Lead, ...]
    times: tuple[datetime, ...]
    """The last two weeks, as far as there was a forecast."""
    came: NDArray[np.float64]
    median: NDArray[np.float64]
    """As last forecast before the hour began."""
    upper: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        return {"quantile": self.quantile, "leads": [asdict(lead) for lead in self.leads]}


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    made_us: int
    level: float
    times_us: NDArray[np.int64]
    median: NDArray[np.float64]
    upper: NDArray[np.float64]


def keep(folder: Path, plan: CapacityPlan, made_at: datetime) -> None:
    """Write down what each cluster's plan expects, one file a day (UTC) and cluster; the last plan of a day stays."""
    import pandas as pd

    for name, cluster in plan.clusters.items():
        hours = cluster.forecast
        # Of the hours' means, as readings come by the hour: the headroom within them is the plan's, not the forecast's.
        over = np.ones(len(hours.times))
        if cluster.within_hour is not None:
            over = cluster.within_hour.over(np.array([_microseconds(t) for t in hours.times], dtype=np.int64))
        level = cluster.settings.quantile
        frame = pd.DataFrame(
            {
                "made_at": [made_at] * len(hours.times),
                "level": level,
                "timestamp": list(hours.times),
                "median": hours.at(0.5) / over,
                "upper": hours.at(level) / over,
            }
        )
        path = folder / quote(name, safe="") / f"{made_at:%Y-%m-%d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            frame.to_parquet(draft, index=False)


def verify(folder: Path, cluster: ClusterPlan) -> Verification | None:
    """What became of the forecasts kept of this cluster; None where no reading came after one yet."""
    kept = list(_kept(folder / quote(cluster.name, safe="")))
    known_us, demand = _came(cluster)
    quantile = cluster.settings.quantile
    found = [(one, *_met(one, known_us, demand)) for one in kept]
    leads = []
    for name, start, end in _LEADS:
        parts = []
        for one, hours, came in found:
            ahead = (one.times_us[hours] - one.made_us) / HOUR_US
            some = (ahead >= start) & (ahead < end)
            if some.any():
                parts.append((one.level == quantile, came[some], one.median[hours][some], one.upper[hours][some]))
        total = sum(float(np.abs(came).sum()) for _, came, _, _ in parts)
        if total > 0:
            off = np.concatenate([median - came for _, came, median, _ in parts])
            below = [came <= upper for same, came, _, upper in parts if same]
            under = float(np.concatenate(below).mean()) if below else None
            error, bias = float(np.abs(off).sum()) / total, float(off.sum()) / total
            leads.append(Lead(name, len(parts), len(off), error, bias, under))
    if not leads:
        return None
    newest: dict[int, tuple[float, float, float]] = {}
    for one, hours, came in sorted(found, key=lambda item: item[0].made_us):
        before = one.times_us[hours] >= one.made_us
        rows = (one.times_us[hours][before], came[before], one.median[hours][before], one.upper[hours][before])
        for t, *values in zip(*(column.tolist() for column in rows), strict=True):
            newest[t] = values[0], values[1], values[2]
    shown = sorted(t for t in newest if t > known_us[-1] - _SHOWN_HOURS * HOUR_US)
    came, median, upper = np.array([newest[t] for t in shown]).reshape(-1, 3).T
    return Verification(quantile, tuple(leads), tuple(map(instant, shown)), came, median, upper)


def _kept(folder: Path) -> Iterator[_Kept]:
    import pandas as pd

    for path in sorted(folder.glob("????-??-??.parquet")):
        frame = pd.read_parquet(path)
        stamps = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
        made = frame["made_at"].to_numpy(dtype="datetime64[us]").view("int64")
        median, upper = (frame[name].to_numpy(dtype="float64") for name in ("median", "upper"))
        if len(frame):
            yield _Kept(int(made[0]), float(frame["level"].iloc[0]), stamps, median, upper)


def _came(cluster: ClusterPlan) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Instants and demand, of the kind that the plan forecasts: by the hour, or the interval where that is longer."""
    series = cluster.series
    if series.interval_us < HOUR_US and cluster.within_hour is not None:
        series = by_hour(series, series.id)[0]
    stamps = series.last_us - series.interval_us * np.arange(len(series.values) - 1, -1, -1)
    return (stamps, series.values) if series.interval_us >= HOUR_US else peaks(stamps, series.values)


def _met(
    one: _Kept, known_us: NDArray[np.int64], demand: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of a forecast's hours have a reading by now, and those readings."""
    at = np.searchsorted(known_us, one.times_us).clip(max=len(known_us) - 1)
    came = np.where(known_us[at] == one.times_us, demand[at], np.nan)
    there = np.isfinite(came)
    return there, came[there]


def _microseconds(at: datetime) -> int:
    return (at - instant(0)) // timedelta(microseconds=1)
