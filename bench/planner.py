"""How well and how fast the planner forecasts, on real series held beside the repository, beside simple methods.

    python bench/planner.py [DATA_FOLDER] [m4 eia web bike service tweets vm cloudwatch] [--series N] [--mstl N]

M4 hourly: OWA against Naive2, as the competition defines it. The others: the windows of bench/calibration.py, as what
one factor leaves under in a few windows is a sample rather than a measure. Weighted quantile loss relative to week
median with back-test bounds (mean over series), and relative to the best simple method of that set (by the mean over
windows of loss over demand): seasonal naive of the day or the week and week median, with the same bounds, and MSTL
where --mstl names a number of windows. Risk for money: the median over windows of what is provisioned beyond demand
where one factor on one quantile of the whole set leaves 5 % of hours under, from the quantile that serves best, and so
for each simple method, the best of which is shown. Then the share of demand under q0.95 and seconds a series. Without
a folder only the sample in examples/ is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import calibration
import numpy as np

from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.prepared import forecast_prepared
from quartermaster.planner.series import Series

LEVELS = (0.5, 0.9, 0.95)
SETS = {"sample": ("web_requests_hourly", 1008, 48, 8), **calibration.SETS}
OURS, WEEK = "quartermaster", "week_median"
# Each with plain naive beside it, for histories too short for it.
SIMPLE = {name: (name, "naive") for name in ("seasonal_naive_day", "seasonal_naive_week", WEEK)}


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


def pinball(y: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(y)
    short = y[known, None] - q[known]
    levels = np.array(LEVELS)
    return 2 * float(np.maximum(levels * short, (levels - 1) * short).mean(axis=1).sum()), float(np.abs(y[known]).sum())


@dataclass
class Windows:
    """What one method said of the windows of a set, and what came."""

    series: list[str] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    demand: list[float] = field(default_factory=list)
    came: list[np.ndarray] = field(default_factory=list)
    made: list[SeriesForecast] = field(default_factory=list)
    spent: float = 0.0

    def add(self, past: Series, horizon: int, y: np.ndarray, models: tuple[str, ...]) -> None:
        started = time.perf_counter()
        made = next(forecast_prepared([past], horizon, LEVELS, candidates(models)))
        self.spent += time.perf_counter() - started
        loss, demand = pinball(y, made.quantiles)
        self.series.append(past.id)
        self.loss.append(loss)
        self.demand.append(demand)
        self.came.append(y)
        self.made.append(made)

    def share(self) -> float:
        """Loss as a share of demand, mean over windows with demand."""
        demand = np.array(self.demand)
        return float(np.mean(np.array(self.loss)[demand > 0] / demand[demand > 0]))

    def relative(self, other: Windows) -> float:
        """Mean over series of the loss relative to that of another method."""
        ratios = []
        for name in dict.fromkeys(self.series):
            mine = [i for i, s in enumerate(self.series) if s == name]
            theirs = sum(other.loss[i] for i in mine)
            if theirs > 0:
                ratios.append(sum(self.loss[i] for i in mine) / theirs)
        return float(np.mean(ratios))

    def under(self, level: float) -> float:
        return float(np.mean([(y <= f.at(level))[np.isfinite(y)].mean() for y, f in self._pairs()]))

    def over(self, level: float) -> float:
        """Median over windows of provisioning beyond demand, with 5 % of all hours under."""
        asked = []
        for y, f in self._pairs():
            known = np.isfinite(y)
            asked.append((y[known], f.at(level)[known]))
        demand = np.concatenate([y for y, _ in asked])
        given = np.concatenate([q for _, q in asked])
        with np.errstate(divide="ignore", invalid="ignore"):
            need = np.where(demand > 0, demand / given, 0.0)
        factor = float(np.quantile(need, 0.95, method="higher"))
        if not np.isfinite(factor):
            return np.inf
        return float(np.median([factor * q.sum() / y.sum() - 1 for y, q in asked if y.sum() > 0]))

    def _pairs(self) -> Iterator[tuple[np.ndarray, SeriesForecast]]:
        return ((y, f) for y, f in zip(self.came, self.made, strict=True) if np.isfinite(y).any())


def windows(name: str, data: Path, limit: int) -> Iterator[tuple[Series, int, np.ndarray]]:
    """What is known, the horizon, and what came."""
    found = calibration.m4(data) if name == "m4" else calibration.rolling(data, *SETS[name], spread=name == "eia")
    seen: set[str] = set()
    for past, came in found:
        seen.add(past.id)
        if len(seen) > limit:
            return
        yield past, len(came), came


def owa(known: list[Series], mine: Windows) -> str:
    ours, ref = [], []
    for s, y, f in zip(known, mine.came, mine.made, strict=True):
        scale = float(np.abs(s.values[24:] - s.values[:-24]).mean())
        n2 = naive2(s.values, 48)
        ours.append((smape(y, np.maximum(f.mean, 0)), float(np.abs(y - f.mean).mean()) / scale))
        ref.append((smape(y, n2), float(np.abs(y - n2).mean()) / scale))
    (s1, m1), (s0, m0) = np.mean(ours, axis=0), np.mean(ref, axis=0)
    return f"OWA {(s1 / s0 + m1 / m0) / 2:.3f} (sMAPE {s1:.2f}, MASE {m1:.3f})"


def measured(name: str, data: Path, limit: int, mstl: int) -> tuple[str, float]:
    """The set's line, and the loss relative to the best simple method."""
    known = []
    by = {method: Windows() for method in (OURS, *SIMPLE)}
    some, ours_there = Windows(), Windows()
    every = list(windows(name, data, limit))
    chosen = set(np.linspace(0, len(every) - 1, min(mstl, len(every))).astype(int).tolist())
    for i, (past, horizon, y) in enumerate(every):
        known.append(past)
        for method, found in by.items():
            found.add(past, horizon, y, SIMPLE.get(method, ()))
        if i in chosen:
            some.add(past, horizon, y, ("mstl", "naive"))
            ours_there.add(past, horizon, y, ())
    ours = by.pop(OURS)
    best = min(by, key=lambda method: by[method].share())
    ratio = ours.share() / by[best].share()
    spare = {m: min((found.over(level), level) for level in LEVELS) for m, found in by.items()}
    cheap = min(spare, key=lambda m: spare[m])
    least = spare[cheap][0]
    over, bought = min((ours.over(level), level) for level in LEVELS)
    parts = [
        f"{name:10s} {len(set(ours.series)):3d} series {len(ours.loss):4d} windows",
        owa(known, ours) if name == "m4" else f"loss / {WEEK} {ours.relative(by[WEEK]):.3f}",
        f"/ {best} {ratio:.3f}",
        f"over at 5 % under {over:.1%} (q{bought:g}), {cheap} {least:.1%} ({over / least - 1:+.0%})",
        f"under q0.95 {ours.under(0.95):.3f}",
        f"{ours.spent / max(len(ours.loss), 1):.3f} s/series",
    ]
    if chosen:
        parts.append(f"/ mstl {ours_there.share() / some.share():.3f} ({len(chosen)} windows)")
    return "  ".join(parts), ratio


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("sets", nargs="*", default=["m4", *(s for s in SETS if s != "sample")])
    parser.add_argument("--series", type=int, default=10**6)
    parser.add_argument("--mstl", type=int, default=0, help="windows of each set on which MSTL runs too, seconds each")
    args = parser.parse_args()
    if args.data is None:
        args.data, args.sets = Path(__file__).parents[1] / "examples" / "metrics", ["sample"]
    ratios = {}
    for name in args.sets:
        line, ratios[name] = measured(name, args.data, args.series, args.mstl)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    worst = max(ratios, key=lambda name: ratios[name])
    mean = np.mean(list(ratios.values()))
    sys.stdout.write(f"loss / the best simple method: mean of sets {mean:.3f}, worst {ratios[worst]:.3f} ({worst})\n")


if __name__ == "__main__":
    main()
