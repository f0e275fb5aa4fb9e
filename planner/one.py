"""The forecast of each series: scale, back-test, mixture, quantiles; a stated fallback where there is too little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.planner.backtest import Rolled, origins_of, roll
from quartermaster.planner.bounds import averaged
from quartermaster.planner.cycles import Shape, shape_of
from quartermaster.planner.forecasters.base import Forecaster
from quartermaster.planner.forecasters.registry import NAIVE, SEASONLESS
from quartermaster.planner.quantiles import around
from quartermaster.planner.series import Series
from quartermaster.planner.together import ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Choice", "Score", "SeriesForecast", "forecast_all", "forecast_series"]

_LONGEST_LEAD = 5_000
"""Trailing intervals without a reading that are forecast one by one; beyond, whole weeks of them are left out."""
_BATCH_NUMBERS = 100_000
"""Readings and steps ahead in a batch: enough that Python costs little, few enough that features stay in caches."""
_FEWEST_READINGS = 12


@dataclass(frozen=True, slots=True)
class Score:
    """How one forecaster did."""

    model: str
    relative_error: float | None
    """Mean absolute error over that of the best seasonal naive on the same hours; None where it was not run."""
    reason: str
    """What part it has, or why none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which forecasters a series got, and why."""

    series: str
    model: str
    """The forecaster with the largest part."""
    reason: str
    runner_up: str
    fallback: bool
    """Whether there was too little history to judge, so that a plain rule stood in."""
    origins: int
    """Past origins it was judged at."""
    scores: tuple[Score, ...]
    confidence: str = "normal"
    """``normal``, or ``low`` where demand changed so lately that little is known of how it goes on."""
    confidence_reason: str = ""
    """Why it is low."""
    left_out: int = 0
    """Readings older than forecasters look back: not used."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesForecast:
    """Mean and quantiles for the steps after the last row."""

    series: Series
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    """Shape (horizon, levels), ascending along levels; NaN all over where the series has no reading."""
    levels: tuple[float, ...]
    choice: Choice | None
    """None where the series is refused."""
    ranks: NDArray[np.uint8] | None = None
    """(origins, horizon): how past origins' errors ranked at each step (planner/together.py); None of a plain rule."""

    def at(self, level: float) -> NDArray[np.float64]:
        """The quantile of one of ``levels``."""
        return self.quantiles[:, self.levels.index(level)]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A series made ready: its readings from the first to the last, scaled by a power of two."""

    series: Series
    values: NDArray[np.float64]
    lead: int
    """Intervals without a reading at its end: they are forecast too, and left out."""
    exponent: int


def forecast_series(
    series: Series, horizon: int, levels: Sequence[float], forecasters: Sequence[Forecaster]
) -> SeriesForecast:
    """Forecast ``horizon`` steps after the last row. Deterministic; depends on nothing but this series."""
    return next(forecast_all([series], horizon, levels, forecasters))


def forecast_all(
    many: Sequence[Series], horizon: int, levels: Sequence[float], forecasters: Sequence[Forecaster]
) -> Iterator[SeriesForecast]:
    """``forecast_series`` for each, in order; those of one shape are worked on together."""
    asked = tuple(sorted(set(levels)))
    done: dict[int, SeriesForecast] = {}
    batches: dict[tuple[Shape, int], list[tuple[int, _Job]]] = {}
    for i, series in enumerate(many):
        job = _ready(series)
        if job is None:
            empty = np.full((horizon, len(asked)), np.nan)
            done[i] = SeriesForecast(series, empty[:, 0].copy(), empty, asked, None)
        elif not _judgeable(job):
            done[i] = _fallback(job, horizon, asked)
        else:
            shape = shape_of(len(job.values), series.seasons)
            blocks = -(-(job.lead + horizon) // shape.steps)
            batches.setdefault((shape, blocks), []).append((i, job))
    for (shape, blocks), jobs in batches.items():
        size = max(1, _BATCH_NUMBERS // ((shape.count + blocks) * shape.steps))
        for start in range(0, len(jobs), size):
            part = jobs[start : start + size]
            results = _batch([job for _, job in part], shape, blocks, horizon, asked, forecasters)
            done.update(zip([i for i, _ in part], results, strict=True))
    return (done[i] for i in range(len(many)))


def _ready(series: Series) -> _Job | None:
    known = np.flatnonzero(np.isfinite(series.values))
    if not len(known):
        return None
    values = series.values[known[0] : known[-1] + 1]
    lead = len(series.values) - 1 - int(known[-1])
    if lead > _LONGEST_LEAD:
        lead = lead % max(series.seasons.week, 1)
    # A power of two, so that scaling loses no bit; models then never see extremes of the float range.
    largest = float(np.abs(values[np.isfinite(values)]).max())
    exponent = -int(np.frexp(largest)[1]) if largest > 0 else 0
    return _Job(series, np.ldexp(values, exponent), lead, exponent)


def _judgeable(job: _Job) -> bool:
    usable = job.values[np.isfinite(job.values)]
    return bool(len(usable) >= _FEWEST_READINGS and usable.min() < usable.max())


def _batch(
    jobs: Sequence[_Job],
    shape: Shape,
    blocks: int,
    horizon: int,
    levels: tuple[float, ...],
    forecasters: Sequence[Forecaster],
) -> list[SeriesForecast]:
    rolled = roll([j.values for j in jobs], shape, blocks * shape.steps, forecasters) if origins_of(shape) else None
    if rolled is None:
        return [_fallback(job, horizon, levels) for job in jobs]
    paths = rolled.mixture.paths
    bounds = around(paths, rolled.came, shape.steps, np.asarray(levels))
    quantiles, flat = bounds.quantiles, np.zeros(len(jobs))
    if any(f.name == SEASONLESS for f in forecasters):
        quantiles, flat = averaged(bounds, rolled.mixture, rolled.past, rolled.came, np.asarray(levels))
    ranks = ranked(rolled.came - paths[:, :-1], shape.steps)
    out = []
    for i, job in enumerate(jobs):
        ahead = slice(job.lead, job.lead + horizon)
        if not (np.isfinite(paths[i, -1]).all() and np.isfinite(quantiles[i]).all()):
            out.append(_fallback(job, horizon, levels))
            continue
        choice = _choice(job, rolled, i, float(flat[i]))
        out.append(_made(job, paths[i, -1, ahead], quantiles[i, ahead], levels, choice, ranks[i, :, ahead]))
    return out


def _choice(job: _Job, rolled: Rolled, i: int, flat: float) -> Choice:
    """The parts of the mixture, put into words; ``flat`` is the last days' share of the upper quantiles."""
    names, errors = rolled.mixture.names, rolled.mixture.errors[i]
    parts = rolled.mixture.weights[i].mean(axis=1)
    naive = [error for name, error in zip(names, errors, strict=True) if name in NAIVE]
    reference = min(naive, default=float(errors.min()))
    scores = []
    for k in np.lexsort((errors, -parts)):
        error = float(errors[k])
        # Within floats of any size: a reference of 1e-310 would overflow the ratio.
        relative = error / max(reference, 1e-200) if error > reference else min(1.0, error / (reference or 1.0))
        if parts[k] > 0:
            reason = f"{parts[k]:.0%} of the mixture"
        elif not np.isfinite(error):
            reason = "refused: it diverged"
        elif error > reference:
            reason = "not used: worse than the best seasonal naive"
        else:
            reason = "not used: others did better"
        scores.append(Score(names[k], float(min(relative, 1e9)) if np.isfinite(error) else None, reason))
    first = scores[0]
    reason = f"least error over {rolled.origins} origins"
    if first.relative_error is not None:
        reason += f", {first.relative_error:.2f} of the best seasonal naive's"
    if flat >= 0.005:
        reason += f"; upper quantiles to {flat:.0%} those of the last days' readings at whatever hour"
    others = [s.model for s in scores[1:2] if s.reason.endswith("mixture")]
    told = tuple(Score(name, None, f"not run: {why}") for name, why in rolled.refused)
    older = job.values[: len(job.values) - rolled.past.shape.count * rolled.past.shape.steps]
    return Choice(
        job.series.id,
        first.model,
        reason,
        others[0] if others else "",
        False,
        rolled.origins,
        (*scores, *told),
        left_out=int(np.isfinite(older).sum()),
    )


def _fallback(job: _Job, horizon: int, levels: tuple[float, ...]) -> SeriesForecast:
    """A plain rule for a series that is constant or too short to judge anything on; always finite."""
    values = job.values
    known = values[np.isfinite(values)]
    middle = float(np.median(known[-min(len(known), max(job.series.seasons.day, 3)) :]))
    if known.min() == known.max():
        seen = f"constant over {len(known)} readings" if len(known) > 1 else "a single reading"
        reason = f"{seen}: it goes on"
        rule, offsets = "constant", np.zeros(len(levels))
    else:
        seen = f"only {len(known)} readings over {len(values)} intervals"
        reason = f"{seen}: the median of the last, with the spread of all"
        rule = "level"
        # Beyond what was seen, on both sides, half the range again: few readings show no tail.
        reach = float(known.max() - known.min()) / 2
        grades = np.array([0.0, 0.05, 0.5, 0.95, 1.0])
        marks = np.array([known.min() - reach, known.min(), middle, known.max(), known.max() + reach])
        offsets = np.interp(levels, grades, marks) - middle
    path = np.full(horizon, middle)
    choice = Choice(job.series.id, rule, reason, "", True, 0, ())
    return _made(job, path, path[:, None] + offsets[None, :], levels, choice)


def _made(
    job: _Job,
    mean: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    levels: tuple[float, ...],
    choice: Choice,
    ranks: NDArray[np.uint8] | None = None,
) -> SeriesForecast:
    lower = job.series.lower
    return SeriesForecast(
        job.series,
        _unscaled(np.maximum(mean, lower), -job.exponent),
        _unscaled(np.maximum(quantiles, lower), -job.exponent),
        levels,
        choice,
        ranks,
    )


def _unscaled(values: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    largest = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(values, exponent), -largest, largest)
