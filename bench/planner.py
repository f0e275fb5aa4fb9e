"""How well and how fast the planner forecasts, on real series held beside the repository.

    python bench/planner.py [DATA_FOLDER] [m4 eia web bike service tweets vm cloudwatch] [--series N] [--cheap]

M4 hourly: OWA against Naive2, as the competition defines it. The others: the last non-overlapping windows
as origins, weighted quantile loss relative to week median with back-test bounds, the share of demand under q0.95, and
seconds a series. Without a folder only the sample in examples/ is measured.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from pathlib import Path

import numpy as np

from quartermaster.planner import frame
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import forecast_series
from quartermaster.planner.series import Series

LEVELS = (0.5, 0.9, 0.95)
CHEAP = ("naive", "seasonal_naive_day", "seasonal_naive_week", "level_median", "day_median", "week_median")
SETS = {
    # file, history in steps, horizon, origins
    "eia": ("eia_demand_hourly", 2016, 168, 6),
    "sample": ("web_requests_hourly", 1008, 48, 8),
    "web": ("web_requests_hourly", 1344, 168, 12),
    "bike": ("bike_demand_hourly", 2016, 168, 12),
    "service": ("service_hourly", 672, 48, 4),
    "tweets": ("tweet_volume_5min", 8064, 288, 3),
    "vm": ("vm_cpu_5min", 4032, 288, 3),
    "cloudwatch": ("cloudwatch_5min", 4032, 288, 3),
}


def naive2(past: np.ndarray, steps: int, period: int = 24) -> np.ndarray:
    """The M4 reference: naive on seasonally adjusted data where the 90 % test finds a season (multiplicative)."""
    centred = past - past.mean()
    acf = np.array([(centred[k:] * centred[: len(past) - k]).sum() for k in range(period + 1)]) / (centred**2).sum()
    limit = 1.645 * np.sqrt((1 + 2 * (acf[1:period] ** 2).sum()) / len(past))
    if abs(acf[period]) <= limit or past.min() <= 0:
        return np.full(steps, past[-1])
    kernel = np.r_[0.5, np.ones(period - 1), 0.5] / period
    trend = np.convolve(past, kernel, mode="valid")
    ratio = past[period // 2 : period // 2 + len(trend)] / trend
    phase = (period // 2 + np.arange(len(trend))) % period
    index = np.array([ratio[phase == p].mean() for p in range(period)])
    index /= index.mean()
    last = past[-1] / index[(len(past) - 1) % period]
    return np.asarray(last * index[(len(past) + np.arange(steps)) % period])


def smape(y: np.ndarray, f: np.ndarray) -> float:
    both = np.abs(y) + np.abs(f)
    return float(np.mean(np.where(both > 0, 200 * np.abs(y - f) / np.where(both > 0, both, 1), 0)))


def m4(data: Path, forecasters: tuple[Forecaster, ...], limit: int) -> str:
    train = clean(frame.read(data / "m4_hourly_train.parquet")).series[:limit]
    test = {s.id: s.values for s in clean(frame.read(data / "m4_hourly_test.parquet")).series}
    ours, ref, covered = [], [], []
    started = time.perf_counter()
    for s in train:
        f = forecast_series(s, 48, LEVELS, forecasters)
        y, scale = test[s.id], float(np.abs(s.values[24:] - s.values[:-24]).mean())
        n2 = naive2(s.values, 48)
        ours.append((smape(y, np.maximum(f.mean, 0)), float(np.abs(y - f.mean).mean()) / scale))
        ref.append((smape(y, n2), float(np.abs(y - n2).mean()) / scale))
        covered.append([(y <= f.at(level)).mean() for level in LEVELS])
    spent = (time.perf_counter() - started) / len(train)
    (s1, m1), (s0, m0) = np.mean(ours, axis=0), np.mean(ref, axis=0)
    owa = (s1 / s0 + m1 / m0) / 2
    cover = " ".join(f"q{a:g} {c:.3f}" for a, c in zip(LEVELS, np.mean(covered, axis=0), strict=True))
    scores = f"OWA {owa:.3f} (sMAPE {s1:.2f}, MASE {m1:.3f})"
    return f"m4         {len(train):3d} series  {scores}  under {cover}  {spent:.3f} s/series"


def pinball(y: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(y)
    short = y[known, None] - q[known]
    levels = np.array(LEVELS)
    return 2 * float(np.maximum(levels * short, (levels - 1) * short).mean(axis=1).sum()), float(np.abs(y[known]).sum())


def rolling(name: str, data: Path, forecasters: tuple[Forecaster, ...], limit: int) -> str:
    file, history, horizon, count = SETS[name]
    week = candidates(("week_median",)) + candidates(("naive",))
    ratios, covered, spent, runs = [], [], 0.0, 0
    for s in clean(frame.read(data / f"{file}.parquet")).series[:limit]:
        ours = other = 0.0
        far = (len(s.values) - history) // horizon
        # EIA spans years: its origins are spread over them, the others are the last windows.
        gaps = np.linspace(1, far, count).astype(int) if name == "eia" else np.arange(1, min(count, far) + 1)
        for back in gaps:
            end = len(s.values) - int(back) * horizon
            past = Series(s.id, s.unit, 0, s.interval_us, s.values[max(0, end - history) : end], s.lower)
            y = s.values[end : end + horizon]
            if not np.isfinite(y).any() or not past.known:
                continue
            started = time.perf_counter()
            f = forecast_series(past, horizon, LEVELS, forecasters)
            spent, runs = spent + time.perf_counter() - started, runs + 1
            g = forecast_series(past, horizon, LEVELS, week)
            ours += pinball(y, f.quantiles)[0]
            other += pinball(y, g.quantiles)[0]
            covered.append((y[np.isfinite(y)] <= f.at(0.95)[np.isfinite(y)]).mean())
        if other > 0:
            ratios.append(ours / other)
    return (
        f"{name:10s} {len(ratios):3d} series {runs:4d} windows  loss / week median {np.mean(ratios):.3f}"
        f"  under q0.95 {np.mean(covered):.3f}  {spent / max(runs, 1):.3f} s/series"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("sets", nargs="*", default=["m4", *(s for s in SETS if s != "sample")])
    parser.add_argument("--series", type=int, default=10**6)
    parser.add_argument("--cheap", action="store_true", help="without the statsmodels forecasters")
    args = parser.parse_args()
    forecasters = candidates(CHEAP) if args.cheap else candidates()
    if args.data is None:
        args.data, args.sets = Path(__file__).parents[1] / "examples" / "metrics", ["sample"]
    for name in args.sets:
        measure = m4 if name == "m4" else functools.partial(rolling, name)
        line = measure(args.data, forecasters, args.series)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
