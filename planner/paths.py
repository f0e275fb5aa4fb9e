"""Months ahead: sample paths of each week's highest demand, for runway dates and for what to commit to.

A robust line (Theil-Sen) through the weekly peaks, with the season of the year where two years show it. A path draws
its slope by resampling what the line left over, in blocks of four weeks so that long deviations stay long (Künsch
1989); then come such left-overs again, and a walk of the level where levels were seen to walk. A slope that the
history does not prove fades out (Gardner & McKenzie 1985, damped trend).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ahead", "ahead", "seed_of"]

_FEWEST_WEEKS = 6
_MOST_WEEKS = 156
_YEAR = 52
_BLOCK = 4
_PAIRS = 1000
_SLOPES = 256
"""Slopes drawn; paths share them in turn."""
_FADE = 0.98
"""A week's part of what is left of an unproven slope: it ends after some 50 weeks' worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """Weekly peaks to come."""

    paths: NDArray[np.float64]
    """(paths, weeks)."""
    level: float
    """Of the line now."""
    slope: float
    """A week."""
    slope_low: float
    slope_high: float
    """80 % interval."""
    proven: bool
    """Whether that interval excludes 0."""
    weeks: int
    """Of history."""


def seed_of(*names: str) -> np.random.Generator:
    """A generator that depends on nothing but these names."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def ahead(series: Series, weeks: int, count: int = 1024) -> Ahead | str:
    """Paths of so many weeks after the last row, or why there are none. Deterministic."""
    width = round(7 * DAY_US / series.interval_us)
    whole = min(_MOST_WEEKS, len(series.values) // width) if width else 0
    if whole < _FEWEST_WEEKS:
        return f"needs {_FEWEST_WEEKS} weeks of history, has {whole}"
    blocks = series.values[len(series.values) - whole * width :].reshape(whole, width)
    enough = np.isfinite(blocks).sum(axis=1) > width / 2
    if enough.sum() < _FEWEST_WEEKS:
        return f"only {int(enough.sum())} weeks have readings"
    peaks = np.where(np.isfinite(blocks[enough]), blocks[enough], -np.inf).max(axis=1)
    at = (np.flatnonzero(enough) - (whole - 1)).astype(np.float64)
    season = _season(peaks, at)
    plain = peaks / season[at.astype(int) % _YEAR]
    random = seed_of(series.id, "weeks ahead")
    pairs = _pairs(len(at), random)
    slope, level = _line(plain[None], at, pairs)
    rest = plain - (level[0] + slope[0] * at)
    again = level[0] + slope[0] * at + _drawn(rest, (_SLOPES, len(at)), random)
    slopes, levels = _line(again, at, pairs)
    low, high = np.quantile(slopes, [0.1, 0.9])
    proven = bool(low > 0 or high < 0)
    step = np.arange(1, weeks + 1)
    grown = step if proven else _FADE * (1 - _FADE**step) / (1 - _FADE)
    some = np.arange(count) % _SLOPES
    paths = levels[some, None] + slopes[some, None] * grown + _drawn(rest, (count, weeks), random)
    walk = _walk(rest) * random.standard_normal((count, -(-weeks // _BLOCK)))
    paths += np.repeat(walk.cumsum(axis=1), _BLOCK, axis=1)[:, :weeks]
    paths = np.maximum(paths, series.lower) * season[step % _YEAR]
    return Ahead(paths, float(level[0]), float(slope[0]), float(low), float(high), proven, whole)


def _pairs(count: int, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.triu_indices(count, 1)
    some = slice(None) if len(first) <= _PAIRS else random.choice(len(first), _PAIRS, replace=False)
    return first[some], second[some]


def _line(
    rows: NDArray[np.float64], at: NDArray[np.float64], pairs: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Theil-Sen slope and level at week 0 of each row."""
    first, second = pairs
    slope = np.median((rows[:, second] - rows[:, first]) / (at[second] - at[first]), axis=1)
    return slope, np.median(rows - slope[:, None] * at, axis=1)


def _drawn(rest: NDArray[np.float64], shape: tuple[int, int], random: np.random.Generator) -> NDArray[np.float64]:
    """Left-overs of runs of weeks, wrapped round at the end."""
    rows, length = shape
    starts = random.integers(0, len(rest), (rows, -(-length // _BLOCK)))
    index = (starts[:, :, None] + np.arange(_BLOCK)).reshape(rows, -1)[:, :length]
    return np.asarray(rest[index % len(rest)])


def _walk(rest: NDArray[np.float64]) -> float:
    """How far the level moves in a block, beyond what medians of that noise would do anyhow."""
    size = float(np.abs(rest).max())
    rest = rest / size if size > 0 else rest
    blocks = [np.median(rest[i : i + _BLOCK]) for i in range(len(rest) % _BLOCK, len(rest), _BLOCK)]
    if len(blocks) < 4:
        return 0.0
    noise = 1.4826 * float(np.median(np.abs(np.diff(rest)))) / np.sqrt(2)
    # A median of n draws has pi/2 times the variance of their mean; the difference of two, twice that.
    return size * float(np.sqrt(max(0.0, np.var(np.diff(blocks)) - np.pi * noise**2 / _BLOCK)))


def _season(peaks: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factor of each week of the year, over three weeks; 1 all along below two years."""
    out = np.ones(_YEAR)
    if at[-1] - at[0] < 2 * _YEAR - 1 or peaks.min() <= 0:
        return out
    slope, level = _line(peaks[None], at, np.triu_indices(len(at), 1))
    line = level[0] + slope[0] * at
    ratio = peaks / np.maximum(line, 0.1 * np.median(peaks))
    week = at.astype(int) % _YEAR
    for own in range(_YEAR):
        near = (np.abs(week - own) <= 1) | (np.abs(week - own) >= _YEAR - 1)
        out[own] = np.median(ratio[near])
    return out / np.median(out)
