"""Histories cut into cycles (days, where there are days), the last one ending where the forecast starts.

Every forecaster works on a batch of histories of one shape and forecasts from past origins as well: an origin is the
start of a cycle, and a forecast from it sees only the cycles before it. Holes are filled from what came before them,
never from what came after, so that this holds for them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cycles", "Shape", "cut", "shape_of"]

_PLAIN_CYCLE = 24
"""Steps in a cycle of a series whose interval leaves no season: only a unit to count origins in."""
_FEWEST_CYCLES = 4
_MOST_CYCLES = 182
_MOST_STEPS = 24_000
"""History used at most: half a year of days, and fewer of fine steps; what is older adds little and costs the same."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What series must share to be forecast as one batch. It depends on nothing but the series itself."""

    steps: int
    """Steps in a cycle."""
    week: int
    """Cycles in a week; 0 where a week is no whole number of cycles."""
    count: int
    """Cycles of history used."""
    seasonal: bool
    """Whether a cycle is a season, rather than a plain unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """A batch of histories."""

    shape: Shape
    values: NDArray[np.float64]
    """(series, cycles, steps), complete."""
    known: NDArray[np.bool_]
    """Where ``values`` was read rather than filled."""

    def __len__(self) -> int:
        return len(self.values)

    def came(self, origins: int, blocks: int) -> NDArray[np.float64]:
        """What came after each of the last ``origins`` origins, (series, origins, blocks * steps).

        NaN where nothing was read, and after the end of history.
        """
        series, count, steps = self.values.shape
        out = np.full((series, origins, blocks * steps), np.nan)
        read = np.where(self.known, self.values, np.nan)
        for i, origin in enumerate(range(count - origins, count)):
            seen = read[:, origin : origin + blocks].reshape(series, -1)
            out[:, i, : seen.shape[1]] = seen
        return out


def shape_of(length: int, seasons: Seasons) -> Shape:
    """The shape of a history of that length."""
    season = 1 < seasons.cycle <= length // _FEWEST_CYCLES
    steps = seasons.cycle if season else max(1, min(_PLAIN_CYCLE, length // 12))
    week = seasons.week // steps if season and seasons.day == steps else 0
    count = min(length // steps, _MOST_CYCLES, max(28, _MOST_STEPS // steps))
    # Lengths are rounded down so that many series share a shape: whole weeks from six on, then pairs of them.
    grain = 1 if count < 42 else 7 if count < 112 else 28
    return Shape(steps, week, count - count % grain, season)


def cut(histories: Sequence[NDArray[np.float64]], shape: Shape) -> Cycles:
    """The histories (NaN = no reading, at least one finite each) as a batch of that shape."""
    span = shape.count * shape.steps
    rows = np.stack([values[len(values) - span :] for values in histories])
    known = np.isfinite(rows)
    for i in np.flatnonzero(~known.all(axis=1)):
        rows[i] = _filled(rows[i], shape)
    size = (len(rows), shape.count, shape.steps)
    return Cycles(shape, rows.reshape(size), known.reshape(size))


def _filled(values: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Without NaN: as a week before, else a cycle before, else as last read; before the first reading as that."""
    out = values.copy()
    for period in (shape.week * shape.steps, shape.steps):
        for start in range(period, len(out), period) if period else ():
            part = out[start : start + period]
            part[:] = np.where(np.isfinite(part), part, out[start - period : start][: len(part)])
    finite = np.flatnonzero(np.isfinite(out))
    if not len(finite):
        return np.zeros_like(out)
    last = np.maximum.accumulate(np.where(np.isfinite(out), np.arange(len(out)), -1))
    return out[np.where(last >= 0, last, finite[0])]
