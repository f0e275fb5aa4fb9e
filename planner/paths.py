"""Months ahead: sample paths of each day's highest demand, for runway dates and for what to commit to.

With more than a year of history a path is made of runs of four weeks, each from the same season of some year that was
seen, a week or two off, brought to the level of now (a seasonal block bootstrap, after Politis 2001): so weeks, seasons
and their wild days come as they came. Its level goes as far from that of now as seasons were worth at past origins.
Growth is what days exceed those of a year before by. With less history a path is made of any runs, around the level of
the last half year. Its trend then goes on only where it was steady: for some months a season looks like growth, and
bench/long_horizon.py shows what believing it costs. Holidays and events are taken out before and put upon their days
after.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.calendar import Calendar
from quartermaster.planner.clock import localised
from quartermaster.planner.deviations import Scale
from quartermaster.planner.medians import nanmedian
from quartermaster.planner.occasions import over_days
from quartermaster.planner.regimes import shifts
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.settling import settled

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ahead", "ahead", "seed_of"]

_FEWEST_DAYS = 42
_MOST_DAYS = 1826
_YEAR = 364
"""Whole weeks, so that weekdays meet their like."""
_BLOCK = 28
_LEVEL = 112
"""Days that the level of now is taken from, in comparison with the same a year before."""
_FEWEST_YEARLY = _YEAR + _BLOCK
_SHIFT = 2
"""Weeks that a run may come from before or after its season."""
_WORTH = 3 / 4
"""Share of the way to last year's season that is gone where nothing is known of its worth,"""
_FEW_MONTHS = 12
"""which counts as so many months of the past."""
_MONTHS_AHEAD = 6
"""Months after a past origin that its worth is judged by."""
_FEWEST_GROWTHS = 6
"""Months of growth against a year before from which on it counts as seen."""
_HALF_YEAR = 182
_OTHER_THING = 30.0
"""A change of level by more than that factor is a stop or a start: it says nothing of levels."""
_STEADY = 1.6
"""Both halves of a steady trend lie within this factor of its slope,"""
_CLEAR = 10.0
"""and all of it comes to so many deviations of what it leaves over."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """Daily peaks to come."""

    paths: NDArray[np.float64]
    """(paths, days)."""
    level: float
    """A week's highest, now."""
    usual: float
    """A day's highest, now."""
    growth: float
    """A year, as a share of the level."""
    growth_low: float
    growth_high: float
    """80 % interval."""
    proven: bool
    """Whether paths go on with it: it stands out, and no season could be it."""
    years: int
    """Of history, whose seasons it shows; 0 below one and a month."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Paths of logarithms."""

    paths: NDArray[np.float64]
    growth: NDArray[np.float64]
    """In a year, as a share: what each path takes for it."""
    proven: bool


def seed_of(*names: str) -> np.random.Generator:
    """A generator that depends on nothing but these names."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def ahead(series: Series, days: int, count: int = 1024, calendar: Calendar | None = None) -> Ahead | str:
    """Paths of so many days after the last row, or why there are none. Deterministic."""
    known = calendar or Calendar()
    if series.lower < 0:
        return "it is often negative"
    daily = _peaks(series, known)
    seen = int(np.isfinite(daily.values).sum())
    if len(daily.values) < _FEWEST_DAYS:
        return f"needs {_FEWEST_DAYS // 7} weeks of history, has {len(daily.values) // 7}"
    if seen < max(_FEWEST_DAYS, len(daily.values) // 2):
        return f"only {seen} of {len(daily.values)} days have readings"
    plain, factor, deviation = over_days(_level(daily), known, days)
    scale = Scale.of(plain)
    z = scale.to(_filled(plain.values)) if scale.logarithms else np.zeros(len(plain.values))
    random = seed_of(series.id, "days ahead")
    years = len(z) // _YEAR if len(z) >= _FEWEST_YEARLY else 0
    drawn = (_by_season if years else _by_level)(z, days, count, random)
    paths = drawn.paths + deviation * random.standard_normal((count, 1))
    paths = np.maximum(scale.back(paths) if scale.logarithms else 0.0 * paths, 0.0) * factor
    low, middle, high = np.quantile(drawn.growth, [0.1, 0.5, 0.9])
    now = scale.back(z[-_BLOCK:]) if scale.logarithms else z[-_BLOCK:]
    return Ahead(
        paths,
        float(np.median(now.reshape(-1, 7).max(axis=1))),
        float(now.mean()),
        float(middle),
        float(low),
        float(high),
        drawn.proven,
        years,
    )


def _peaks(series: Series, calendar: Calendar) -> Series:
    """The highest reading of each of the last whole days, of the local clock where it is known."""
    if calendar.zone is not None:
        series = localised(series, 1, calendar.zone).series
    width = max(1, DAY_US // series.interval_us)
    if series.interval_us > DAY_US:
        # A week's reading stands for each of its days.
        values = np.repeat(series.values, series.interval_us // DAY_US)
    else:
        whole = min(_MOST_DAYS, len(series.values) // width)
        blocks = series.values[len(series.values) - whole * width :].reshape(whole, width)
        enough = np.isfinite(blocks).sum(axis=1) > width / 2
        highest = np.where(np.isfinite(blocks), blocks, -np.inf).max(axis=1, initial=-np.inf)
        values = np.where(enough, highest, np.nan)
    values = values[int(np.append(np.isfinite(values), True).argmax()) :]
    # Days end with the last row's interval: their middle says which date they are.
    last = series.last_us + series.interval_us - (series.interval_us * width) // 2
    return Series(series.id, series.unit, last, DAY_US, values, series.lower)


def _level(daily: Series) -> Series:
    """The series at the level of now, where that changed for good; judged against the year before, if there is one."""
    if len(daily.values) < _FEWEST_YEARLY:
        return settled(daily)[0]
    before = daily.values[:-_YEAR]
    values = daily.values.copy()
    with np.errstate(over="ignore"):
        ratio = daily.values[_YEAR:] / np.where(before > 0, before, np.nan)
        for shift in shifts(replace(daily, values=np.where(np.isfinite(ratio), ratio, np.nan))):
            if 1 / _OTHER_THING < shift.by < _OTHER_THING:
                values[: _YEAR + shift.step] *= shift.by
    return replace(daily, values=np.where(np.isinf(values), daily.values, values))


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Days without a reading as up to four weeks before, else as a year apart, else as is usual on their weekday."""
    if np.isfinite(values).all():
        return values
    out = values
    around = np.pad(values, _YEAR, constant_values=np.nan)
    for back in (*range(7, _BLOCK + 1, 7), _YEAR, -_YEAR):
        out = np.where(np.isfinite(out), out, around[_YEAR - back :][: len(values)])
    weeks = np.pad(values, (0, -len(values) % 7), constant_values=np.nan).reshape(-1, 7)
    usual = np.resize(nanmedian(weeks.T), len(values))
    return np.where(np.isfinite(out), out, np.where(np.isfinite(usual), usual, np.nanmedian(values)))


def _by_season(z: NDArray[np.float64], days: int, count: int, random: np.random.Generator) -> _Drawn:
    length = len(z)
    years = (length - 7 * _SHIFT) // _YEAR
    yearly = z[_YEAR:] - z[:-_YEAR]
    months = np.array([np.median(part) for part in np.array_split(yearly, max(1, len(yearly) // _BLOCK))])
    recent = months[-2 * _YEAR // _BLOCK :]
    again = np.median(recent[random.integers(0, len(recent), (count, len(recent)))], axis=1)
    # Months that go together say less than as many that do not.
    middle = float(np.median(recent))
    growth = np.expm1(middle + (again - middle) * _longer(recent))
    low, high = np.quantile(growth, [0.1, 0.9])
    proven = bool(len(recent) >= _FEWEST_GROWTHS and (low > 0 or high < 0))
    trend = growth if proven else growth - np.median(growth)
    step = np.arange(days)
    block = (step + random.integers(0, _BLOCK, (count, 1))) // _BLOCK
    shape = (count, -(-days // _BLOCK) + 1)
    back = np.take_along_axis(random.integers(1, years + 1, shape), block, 1)
    shift = 7 * np.take_along_axis(random.integers(-_SHIFT, _SHIFT + 1, shape), block, 1)
    source = length + step - _YEAR * back + shift
    source -= _YEAR * np.maximum(0, (source - length + _YEAR) // _YEAR)
    source = np.where(source < 0, source % 7, source)
    # What the level of those days was below that of now.
    window = min(_LEVEL, length - _YEAR)
    rises = [0.0]
    for year in range(1, years + 2):
        early = z[max(0, length - window - _YEAR * year) : max(0, length - _YEAR * year)]
        rises.append(float(np.median(z[length - len(early) :] - early)) if len(early) >= _BLOCK else rises[-1])
    rise = np.interp((length - source) / _YEAR, np.arange(len(rises)), rises)
    spread = float(np.std(np.diff(months))) / np.sqrt(2) if len(months) > 3 else _usual_spread(np.diff(z[::7]))
    paths = z[source] + rise + spread * random.standard_normal((count, 1)) + _grown(trend, step)
    # As much of the way from the level of now as seasons were worth in the past.
    months = step // _BLOCK
    level = np.stack([np.median(paths[:, months == month], axis=1) for month in range(months[-1] + 1)], axis=1)
    stays = 1 - _season_worth(z)
    return _Drawn(paths + stays * (float(np.median(z[-2 * _BLOCK :])) - level)[:, months], growth, proven)


def _usual_spread(values: NDArray[np.float64]) -> float:
    """The standard deviation, or twice what half of the values say it is: days on which a shop is closed are none."""
    all_of_them = float(np.std(values))
    half = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return min(all_of_them, 2 * half) if half > 0 else all_of_them


def _season_worth(z: NDArray[np.float64]) -> float:
    """From 0 to 1: how far to go from the level of now to that of the season a year before.

    What would have been best at past origins, in the mean of squares of months; few of them say little.
    """
    months = np.median(z[len(z) % _BLOCK :].reshape(-1, _BLOCK), axis=1)
    year, window = _YEAR // _BLOCK, _LEVEL // _BLOCK
    stayed, apart = [], []
    for origin in range(year, len(months) - 1):
        some = np.arange(max(year, origin - window + 1), origin + 1)
        rise = float(np.median(months[some] - months[some - year]))
        now = float(months[origin - 1 : origin + 1].mean())
        came = months[origin + 1 : origin + 1 + _MONTHS_AHEAD]
        stayed.append(came - now)
        apart.append(months[origin + 1 - year :][: len(came)] + rise - now)
    if not stayed:
        return _WORTH
    error, way = np.concatenate(stayed), np.concatenate(apart)
    known = float(_FEW_MONTHS * (way**2).mean())
    power = float((way**2).sum()) + known
    return float(np.clip((float((error * way).sum()) + _WORTH * known) / power, 0.0, 1.0)) if power > 0 else _WORTH


def _by_level(z: NDArray[np.float64], days: int, count: int, random: np.random.Generator) -> _Drawn:
    weeks = z[len(z) % 7 :].reshape(-1, 7)
    at = np.arange(1.0 - len(weeks), 1.0)
    level = np.median(weeks, axis=1)
    size = np.exp(level - level[-1])
    slope, now = _line(size, at)
    steady = bool(now > 0 and _is_steady(size, at, slope, now))
    if steady:
        line = np.log(np.maximum(now + slope * at, size.min() / 2)) + level[-1]
    else:
        line = np.full(len(level), np.median(level[-_HALF_YEAR // 7 :]))
    rest = (weeks - line[:, None]).ravel()
    step = np.arange(days)
    starts = 7 * random.integers(0, len(weeks), (count, -(-days // _BLOCK)))
    source = (starts[:, :, None] + np.arange(_BLOCK)).reshape(count, -1)[:, :days] % len(rest)
    months = np.array([np.median(part) for part in np.array_split(level - line, max(2, len(level) // 4))])
    moves = float(np.sqrt((np.diff(months) ** 2).mean()))
    walk = moves * random.standard_normal((count, -(-days // _BLOCK))).cumsum(axis=1)
    # No further than months ever lay apart, and some more where few are known: what jumps to and fro does not drift.
    most = float(np.ptp(months)) * (1 + 2 / (len(months) - 1))
    walk = np.clip(walk, -most, most)
    paths = line[-1] + rest[source] + np.repeat(walk, _BLOCK, axis=1)[:, :days]
    yearly = 52 * slope / now if now > 0 else 0.0
    error = 52 * np.std(size - now - slope * at) / (now * len(at)) if now > 0 else 0.0
    # Nothing falls by more than all of it.
    growth = np.maximum(yearly + 4 * error * random.standard_normal(count), -1.0)
    return _Drawn(paths + (_grown(growth, step) if steady else 0.0), growth, steady)


def _is_steady(size: NDArray[np.float64], at: NDArray[np.float64], slope: float, now: float) -> bool:
    """Whether a trend is nothing that a part of a season could be."""
    half = len(at) // 2
    left = 1.4826 * float(np.median(np.abs(size - now - slope * at)))
    if abs(slope) * len(at) <= _CLEAR * left or slope == 0:
        return False
    parts = [_line(size[some], at[some])[0] / slope for some in (slice(half), slice(half, None))]
    return min(parts) > 1 / _STEADY and max(parts) < _STEADY


def _line(values: NDArray[np.float64], at: NDArray[np.float64]) -> tuple[float, float]:
    """Theil-Sen slope, and the level at 0."""
    first, second = np.triu_indices(len(at), 1)
    slope = float(np.median((values[second] - values[first]) / (at[second] - at[first])))
    return slope, float(np.median(values - slope * at))


def _grown(growth: NDArray[np.float64], step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the level after each step, (paths, days): growth adds the same every day, and none falls to 0."""
    return np.log(np.maximum(1 + growth[:, None] * (step + 1) / 365.25, 0.01))


def _longer(months: NDArray[np.float64]) -> float:
    """How much wider the mean of values that follow each other lies than that of as many on their own."""
    apart = months - months.mean()
    power = float((apart**2).sum())
    alike = float(np.clip((apart[1:] * apart[:-1]).sum() / power, 0.0, 0.9)) if power > 0 else 0.0
    return float(np.sqrt((1 + alike) / (1 - alike)))
