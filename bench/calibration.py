"""How often demand stays under the quantiles, on real series held beside the repository: overall and where it matters.

    python bench/calibration.py DATA_FOLDER [m4 eia web bike service tweets vm cloudwatch]

The last non-overlapping windows of each series, as many as the set's line in SETS says (EIA's are spread over its
years), each forecast from what lies before it. A row a set: the share of readings under each level; how far q0.95 is
off, in points, at the worst hour of the day, eighth of the horizon and fifth of series by size, with the standard error
that so many independent windows would have; and the quantile loss as a share of demand, as wider bounds are only better
where that does not grow. Last, the share of spans of six intervals whose highest reading is under what is given as
its q0.95: the highest of the intervals' own, and the one from paths that hang together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from quartermaster.planner import frame
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.series import Series
from quartermaster.planner.together import over_lead

LEVELS = (0.5, 0.9, 0.95, 0.99)
SETS = {
    # file, history in steps, horizon, windows a series
    "eia": ("eia_demand_hourly", 2016, 168, 24),
    "web": ("web_requests_hourly", 1344, 168, 24),
    "bike": ("bike_demand_hourly", 2016, 168, 60),
    "service": ("service_hourly", 504, 48, 12),
    "tweets": ("tweet_volume_5min", 8064, 288, 24),
    "vm": ("vm_cpu_5min", 4032, 288, 12),
    "cloudwatch": ("cloudwatch_5min", 2880, 288, 12),
}
REACH = 5
Window = tuple[Series, "np.ndarray"]


def m4(data: Path) -> Iterator[Window]:
    test = {s.id: s.values for s in clean(frame.read(data / "m4_hourly_test.parquet")).series}
    for series in clean(frame.read(data / "m4_hourly_train.parquet")).series:
        yield series, test[series.id]


def rolling(data: Path, file: str, history: int, horizon: int, count: int, *, spread: bool) -> Iterator[Window]:
    """``count`` windows a series of a file: the last ones, or spread over all of it."""
    for s in clean(frame.read(data / f"{file}.parquet")).series:
        # Half of the history at least.
        far = (len(s.values) - history // 2) // horizon
        backs = np.linspace(1, far, count).astype(int) if spread else np.arange(1, min(count, far) + 1)
        for back in backs.tolist():
            past = s.before(back * horizon)
            past = Series(s.id, s.unit, past.last_us, s.interval_us, past.values[-history:], s.lower)
            came = s.values[len(s.values) - back * horizon :][:horizon]
            if np.isfinite(came).any() and past.known:
                yield past, came


def worst(under: np.ndarray, groups: np.ndarray, windows: np.ndarray) -> str:
    """The group whose share under q0.95 is furthest from it: points off, and their standard error."""
    off = {}
    for group in np.unique(groups):
        inside = groups == group
        by_window = np.array([under[inside & (windows == w)].mean() for w in np.unique(windows[inside])])
        error = by_window.std() / np.sqrt(len(by_window))
        off[group] = (100 * (under[inside].mean() - 0.95), 100 * error)
    group = max(off, key=lambda g: abs(off[g][0]))
    return f"{off[group][0]:+5.1f} ±{off[group][1]:3.1f} at {group:<3g}"


def measured(name: str, windows: list[Window]) -> str:
    horizon = len(windows[0][1])
    made = list(forecast_prepared([past for past, _ in windows], horizon, LEVELS, candidates()))
    came = np.array([y for _, y in windows])
    known = np.isfinite(came)
    quantiles = np.array([f.quantiles for f in made])
    under = came[..., None] <= quantiles
    short = np.where(known[..., None], came[..., None] - quantiles, 0.0)
    levels = np.array(LEVELS)
    loss = np.maximum(levels * short, (levels - 1) * short).sum(axis=1)
    size = np.array([np.nanmean(np.abs(np.append(past.values, y))) for past, y in windows])
    alone, together = [], []
    for y, f in zip(came, made, strict=True):
        if f.ranks is not None:
            top = np.lib.stride_tricks.sliding_window_view(y, REACH + 1).max(axis=1)
            for ranks, under_top in ((None, alone), (f.ranks, together)):
                bound = over_lead(f.quantiles, LEVELS, ranks, 1, REACH)[:-REACH, 2]
                under_top.append((top <= bound)[np.isfinite(top)])
    tops = " ".join(f"{np.concatenate(part).mean():.3f}" for part in (alone, together))
    share = (2 * loss.mean(axis=1) / (size * known.sum(axis=1) + 1e-300))[size > 0]
    hour = np.array([past.ahead(horizon).hour for past, _ in windows])
    eighth = np.broadcast_to(np.arange(horizon) * 8 // horizon, came.shape)
    fifth = np.broadcast_to((np.argsort(np.argsort(size)) * 5 // len(size))[:, None], came.shape)
    number = np.broadcast_to(np.arange(len(windows))[:, None], came.shape)
    at95 = under[..., LEVELS.index(0.95)]
    cover = " ".join(f"{under[known, i].mean():.3f}" for i in range(len(LEVELS)))
    parts = "  ".join(
        f"{label} {worst(at95[known], groups[known], number[known])}"
        for label, groups in (("hour", hour), ("eighth", eighth), ("fifth", fifth))
    )
    return f"{name:10s} {len(windows):4d} windows  under {cover}  {parts}  loss {share.mean():.4f}  six {tops}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", nargs="*", default=["m4", *SETS])
    args = parser.parse_args()
    sys.stdout.write(f"levels {LEVELS}; points off at q0.95\n")
    for name in args.sets:
        found = m4(args.data) if name == "m4" else rolling(args.data, *SETS[name], spread=name == "eia")
        sys.stdout.write(measured(name, list(found)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
