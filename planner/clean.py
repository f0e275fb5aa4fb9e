"""Cleaning within each series: every finding is reported with its place and remedy, nothing is dropped in silence.

A reading that cannot be demand (negative among positives, absurdly large, a sensor that is stuck) counts as no reading;
a spike that may be real is only told of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.findings import Finding
from quartermaster.planner.grid import grid, iso
from quartermaster.planner.seasons import Seasons
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Cleaned", "clean"]

_FEW_NEGATIVE = 0.05
_SPIKE = 12.0
_ABSURD = 1000.0
"""Robust deviations (median absolute deviation times 1.4826) beyond which a reading is told of, and is not used."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Every series of a frame on its grid, sorted by name, and what was met on the way."""

    series: tuple[Series, ...]
    findings: tuple[Finding, ...]


def clean(frame: pd.DataFrame) -> Cleaned:
    """Regular series from a valid long frame (see :mod:`quartermaster.planner.frame`)."""
    times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    values = frame["value"].to_numpy(dtype="float64")
    codes, names = frame["series_id"].factorize(sort=True)
    units = frame["unit"].to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    findings: list[Finding] = []
    series = []
    for i, name in enumerate(names):
        rows = order[bounds[i] : bounds[i + 1]]
        series.append(_one(str(name), str(units[rows[0]]), times[rows], values[rows], findings))
    return Cleaned(tuple(series), tuple(findings))


def _one(
    name: str, unit: str, times: NDArray[np.int64], values: NDArray[np.float64], findings: list[Finding]
) -> Series:
    def report(kind: str, where: str, rows: int, detail: str, remedy: str) -> None:
        findings.append(Finding(name, kind, where, rows, detail, remedy))

    infinite = np.isinf(values)
    if infinite.any():
        report(
            "infinite",
            iso(times[infinite.argmax()]),
            int(infinite.sum()),
            "infinite: counts as no reading",
            "export the value as empty",
        )
        values = np.where(infinite, np.nan, values)
    on_grid, interval = grid(times, values, report)
    last = int(times.max())

    def at(step: int) -> str:
        return iso(last - (len(on_grid) - 1 - step) * interval)

    lower = 0.0
    negative = on_grid < 0
    if negative.any():
        known = int(np.isfinite(on_grid).sum())
        where = at(int(negative.argmax()))
        if negative.sum() <= _FEW_NEGATIVE * known:
            report(
                "negative",
                where,
                int(negative.sum()),
                "negative among positive readings: counts as no reading",
                "check the source: demand is never negative",
            )
            on_grid[negative] = np.nan
        else:
            lower = -np.inf
            report(
                "negative_series",
                where,
                int(negative.sum()),
                "often negative: used as it is, but it is no demand",
                "plan capacity from a series that counts demand",
            )
    for start, length in _stuck(on_grid, Seasons.of_interval(interval)):
        report(
            "stuck",
            f"{at(start)}/{at(start + length - 1)}",
            length,
            f"the same value {on_grid[start]:g} for {length} intervals in a series that else moves: no reading",
            "check the exporter in that time",
        )
        on_grid[start : start + length] = np.nan
    absurd, spikes = _spikes(on_grid)
    if absurd.any():
        report(
            "absurd",
            at(int(absurd.argmax())),
            int(absurd.sum()),
            f"over {_ABSURD:g} robust deviations from the median: counts as no reading",
            "check for a change of unit or a counter exported as a rate",
        )
        on_grid[absurd] = np.nan
    if spikes.any():
        report(
            "spike",
            at(int(spikes.argmax())),
            int(spikes.sum()),
            "single readings far outside their neighbours: used, as they may be demand",
            "if they are not demand, leave them empty",
        )
    return Series(name, unit, last, interval, on_grid, lower)


def _stuck(values: NDArray[np.float64], seasons: Seasons) -> list[tuple[int, int]]:
    """Start and length of runs of one non-zero value for a cycle or longer, where repeats are otherwise rare."""
    need = max(12, min(seasons.cycle, 288))
    if len(values) < 4 * need:
        return []
    same = np.append(np.diff(values) == 0, False)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    long = [(int(s), int(e - s) + 1) for s, e in zip(starts, ends, strict=True) if e - s + 1 >= need and values[s] != 0]
    inside = sum(length - 1 for _, length in long)
    rest = len(values) - sum(length for _, length in long)
    repeats = int(same.sum()) - inside
    return long if rest > 2 * need and repeats < 0.05 * rest else []


def _spikes(values: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of absurd readings (against all of the series) and of isolated spikes (against their neighbours)."""
    none = np.zeros(len(values), dtype=bool)
    known = np.isfinite(values)
    if known.sum() < 12:
        return none, none
    usable = values[known]
    middle = float(np.median(usable))
    # The interquartile range backs up the median deviation, which is 0 where over half of the readings are equal.
    quarters = np.percentile(usable, [25, 75])
    spread = max(1.4826 * float(np.median(np.abs(usable - middle))), float(quarters[1] - quarters[0]))
    if spread <= 0:
        spread = abs(middle)
    absurd = known & (np.abs(values / 2 - middle / 2) > _ABSURD / 2 * spread) if spread > 0 else none
    if absurd.sum() > 0.01 * known.sum():
        absurd = none
    padded = np.where(known & ~absurd, values, np.nan)
    before, after = np.roll(padded, 1), np.roll(padded, -1)
    before[0] = after[-1] = np.nan
    high = np.fmax(before, after)
    spikes = np.isfinite(high) & (padded - high > _SPIKE * spread) if spread > 0 else none
    return absurd, spikes
