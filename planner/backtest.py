"""Choosing a forecaster by rolling-origin back-test: each is asked at past origins and judged on what then came.

An origin's forecast sees only readings before it; holes are filled after the cut for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.fill import filled
from quartermaster.planner.forecasters.base import Diverged, Forecaster
from quartermaster.planner.forecasters.blend import Blend
from quartermaster.planner.forecasters.registry import REFERENCES
from quartermaster.planner.seasons import Seasons

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Origins", "Score", "Trial", "origins", "pasts", "trial"]

_MOST_ORIGINS = 28
_FEWER_ORIGINS = 14
"""Of series finer than a quarter of an hour, whose pasts are long and whose horizons are short."""
_SCREENING = 4
"""Origins that a costly forecaster is first tried on."""
_WORSE = 1.05
"""A costly one that is worse than the best simple one by this factor there is not run on."""
_KIN = 1.15
"""Blended are forecasters within this factor of the best; a blend may cost 1 % of error, as it is steadier."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the back-test stands: origin ``i`` sees ``values[:ends[i]]`` and is judged on the ``steps`` after it."""

    ends: tuple[int, ...]
    steps: int
    window: int
    """Readings each forecast is given; one length for all, so that they go as one batch."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one forecaster did."""

    model: str
    relative_error: float | None
    """Mean absolute error over that of the best seasonal naive on the same hours; None where it was not run."""
    reason: str
    """Why it was or was not used."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The outcome of a back-test for one series."""

    chosen: tuple[Forecaster, ...]
    """In order of preference; the next stands in where one diverges on the full history."""
    scores: tuple[Score, ...]
    origins: Origins
    paths: NDArray[np.float64]
    """What the first of ``chosen`` said at each origin, shape (origins, steps)."""
    actual: NDArray[np.float64]
    """What came, same shape; NaN where nothing was read."""


def origins(length: int, seasons: Seasons, horizon: int) -> Origins | None:
    """Origins for a history of that length, or None where it is too short to judge anything.

    They step by one cycle, so that each stands at the hour of day that the real forecast stands at; at least half
    of the history, and two weeks where there are that many, stays before the first.
    """
    before = max(length // 2, min(2 * seasons.week, (2 * length) // 3), 3)
    room = length - before
    most = _MOST_ORIGINS if seasons.cycle <= 96 else _FEWER_ORIGINS
    steps = min(horizon, max(1, (2 * room) // 3), 4 * max(seasons.week, 48))
    by_cycle = seasons.cycle > 1 and room - steps >= 3 * seasons.cycle
    stride = seasons.cycle if by_cycle else max(1, (room - steps) // most)
    count = min(most, (room - steps) // stride + 1)
    if count < 3:
        return None
    ends = tuple(length - steps - i * stride for i in reversed(range(count)))
    longest = max(8 * seasons.week, 32 * seasons.cycle, 512)
    return Origins(ends, steps, min(ends[0], longest))


def pasts(values: NDArray[np.float64], seasons: Seasons, ends: Sequence[int], window: int) -> NDArray[np.float64]:
    """The windows before each of ``ends``, holes filled within each, shape (ends, window)."""
    rows = np.stack([values[end - window : end] for end in ends])
    for i in np.flatnonzero(~np.isfinite(rows).all(axis=1)):
        rows[i] = filled(rows[i], seasons) if np.isfinite(rows[i]).any() else 0.0
    return rows


def trial(
    values: NDArray[np.float64], seasons: Seasons, horizon: int, forecasters: Sequence[Forecaster]
) -> Trial | None:
    """Judge the forecasters on one series (NaN = no reading), or None where its history is too short."""
    at = origins(len(values), seasons, horizon)
    if at is None:
        return None
    rows = pasts(values, seasons, at.ends, at.window)
    actual = np.stack([values[end : end + at.steps] for end in at.ends])
    if not np.isfinite(actual).any():
        return None
    paths, scores = _run(rows, actual, seasons, at, forecasters)
    errors = {f: _error(path, actual) for f, path in paths.items()}
    if not errors:
        return None
    reference = min((errors[f] for f in REFERENCES if f in errors), default=max(errors.values()))
    ranked = sorted(errors, key=lambda f: (errors[f], f.name))
    good = [f for f in ranked if errors[f] <= reference]
    blended = _blend(good, errors, paths, actual)
    if blended is not None:
        blend, path = blended
        paths[blend], errors[blend] = path, _error(path, actual)
        good.insert(0, blend)
        ranked.insert(0, blend)
    scores = [*_told(ranked, errors, reference), *scores]
    return Trial(tuple(good), tuple(scores), at, paths[good[0]], actual)


def _run(
    rows: NDArray[np.float64],
    actual: NDArray[np.float64],
    seasons: Seasons,
    at: Origins,
    forecasters: Sequence[Forecaster],
) -> tuple[dict[Forecaster, NDArray[np.float64]], list[Score]]:
    """Paths of the forecasters that ran at every origin, and why the others did not."""
    paths: dict[Forecaster, NDArray[np.float64]] = {}
    out: list[Score] = []
    few = np.unique(np.linspace(0, len(rows) - 1, _SCREENING).astype(int))
    for f in sorted(forecasters, key=lambda f: f.costly):
        reason = f.refuses(rows.shape[1], seasons)
        if reason:
            out.append(Score(f.name, None, f"not run: {reason}"))
            continue
        try:
            if f.costly and paths and len(few) < len(rows):
                screen = _error(f.predict(rows[few], seasons, at.steps), actual[few])
                best = min(_error(p[few], actual[few]) for p in paths.values())
                if screen > _WORSE * best:
                    worse = f"{min(screen / max(best, 1e-300), 1e9):.2f} times the error of the best simple one"
                    out.append(Score(f.name, None, f"not used: {worse} at {len(few)} origins"))
                    continue
            paths[f] = f.predict(rows, seasons, at.steps)
        except Diverged as exc:
            out.append(Score(f.name, None, f"refused: {exc}"))
    return paths, out


def _blend(
    good: Sequence[Forecaster],
    errors: dict[Forecaster, float],
    paths: dict[Forecaster, NDArray[np.float64]],
    actual: NDArray[np.float64],
) -> tuple[Forecaster, NDArray[np.float64]] | None:
    """The mean of the best three, else two, where they are about as good as the best and differ enough to gain."""
    best = errors[good[0]]
    for count in (3, 2):
        if len(good) >= count and errors[good[count - 1]] <= _KIN * best:
            path = np.mean([paths[f] for f in good[:count]], axis=0)
            if _error(path, actual) <= 1.01 * best:
                return Blend(tuple(good[:count])), path
    return None


def _error(path: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    known = np.isfinite(actual)
    return float(np.abs(path - actual)[known].mean()) if known.any() else 0.0


def _told(ranked: Sequence[Forecaster], errors: dict[Forecaster, float], reference: float) -> list[Score]:
    out = []
    for i, f in enumerate(ranked):
        relative = errors[f] / reference if reference > 0 else (1.0 if errors[f] <= reference else float("inf"))
        if i == 0:
            reason = "chosen: least error in the back-test"
        elif errors[f] > reference:
            reason = "not used: worse than the best seasonal naive"
        else:
            reason = "runner-up" if i == 1 else "not used: others did better"
        out.append(Score(f.name, float(min(relative, 1e9)), reason))
    return out
