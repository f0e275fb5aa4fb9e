"""Holidays and planned events: taken out of what the engine learns from, and put upon the days ahead.

What a named day did is how far it lay from what its weekday usually is, less how far the days around it did. Few days
of a name are ever seen and weather does as much on any day, so an effect counts only as far as it stands out of that
(the non-negative garrote, Breiman 1995): of ``t`` standard errors, ``1 - proof / t²`` of it. A holiday whose own effect
is not proven goes the part of the way to the quietest weekday that all holidays of the series go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet import holidays
from quartermaster.planner.calendar import Calendar
from quartermaster.planner.deviations import Scale, cells_of, phases_in, phases_of, quietest, rest_of
from quartermaster.planner.garrote import garrote, part_of_the_way
from quartermaster.planner.one import SeriesForecast
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["named_days", "over_days", "without"]

_EPOCH = date(1970, 1, 1)
_PROOF = {"event": 1.0, "holiday": 9.0, "near": 9.0}
"""Of a day's size. Who names an event knows of an effect; that of a holiday must show itself."""
_FEWEST_DAYS = 28
_UNKNOWN = float(np.log(2)) / NormalDist().inv_cdf(0.9)
"""Deviation of an effect that nobody states and no past day shows: with a chance of one in ten, demand doubles."""
_TOLD = 0.01
"""Share of demand below which an effect is not worth a word."""


@dataclass(frozen=True, slots=True)
class _Day:
    """What a day is called."""

    kind: str = ""
    """``event``, ``holiday`` or ``near`` one; empty where there is nothing but a factor."""
    name: str = ""
    place: int = 0
    """Which day of an event; of a near day, how far from the holiday."""
    factor: float = 1.0
    """Of events that state one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Effect:
    at: NDArray[np.float64]
    """By phase of the day, added on the scale."""
    deviation: float
    seen: int
    """Past days that showed it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What the past says of each name."""

    scale: Scale
    way: NDArray[np.float64]
    """(7, phases): what a holiday of no proven effect does on each weekday (day 0 is that of 1970-01-01)."""
    effects: dict[tuple[str, str, int], _Effect]
    fresh: dict[str, float]
    """Deviation of the effect of a name never seen, by kind."""
    own: dict[int, NDArray[np.float64]]
    """What each past event did, by day and phase."""

    def of(self, what: _Day, day: int) -> _Effect:
        way = self.way[day % 7] if what.kind == "holiday" else np.zeros(self.way.shape[1])
        known = self.effects.get((what.kind, what.name, what.place))
        if known is not None:
            return replace(known, at=way + known.at)
        return _Effect(way, self.fresh.get(what.kind, 0.0), 0)


def named_days(calendar: Calendar, series: str, first: int, last: int) -> dict[int, _Day]:
    """The named days from first to last, both counted from 1970."""
    out: dict[int, _Day] = {}
    if calendar.holidays:
        years = range(_date(first).year - 1, _date(last).year + 2)
        free = {_number(d): name for y in years for d, name in holidays.named(calendar.holidays, y).items()}
        for day, name in free.items():
            # The days between Christmas and New Year stand for themselves; other holidays reach a day to each side.
            reach = range(-1, 7) if (_date(day).month, _date(day).day) == (12, 25) else (-1, 1)
            for place in reach:
                out.setdefault(day + place, _Day("near", name, place))
        out |= {day: _Day("holiday", name) for day, name in free.items()}
    for event in calendar.events:
        if event.of in ("", series):
            for day in range(max(first, _number(event.starts)), min(last, _number(event.ends)) + 1):
                before = out.get(day, _Day())
                if event.factor is None:
                    out[day] = _Day("event", event.name, day - _number(event.starts), before.factor)
                else:
                    out[day] = replace(before, factor=before.factor * event.factor)
    return {day: what for day, what in sorted(out.items()) if first <= day <= last}


def without(series: Series, calendar: Calendar) -> tuple[Series, Callable[[SeriesForecast], SeriesForecast]]:
    """The series with its holidays and events made ordinary, and what puts those ahead upon a forecast of it.

    Days are those of the series' own clock. An effect that nothing is known of makes the forecast's confidence low.
    """
    found = _ordinary(series, calendar)
    if found is None:
        return series, lambda made: made
    plain, learned = found
    return plain, lambda made: _upon(made, series.id, calendar, learned)


def over_days(daily: Series, calendar: Calendar, days: int) -> tuple[Series, NDArray[np.float64], NDArray[np.float64]]:
    """The daily series made ordinary; for each of the days after it a factor, and the deviation of its logarithm."""
    factor, deviation = np.ones(days), np.zeros(days)
    found = _ordinary(daily, calendar)
    if found is None:
        return daily, factor, deviation
    plain, learned = found
    first = int(phases_of(daily, 1, 2)[0][0])
    for number, what in named_days(calendar, daily.id, first, first + days - 1).items():
        effect = learned.of(what, number)
        if learned.scale.logarithms:
            factor[number - first], deviation[number - first] = np.exp(effect.at[0]), effect.deviation
        factor[number - first] *= what.factor
    return plain, factor, deviation


def _ordinary(series: Series, calendar: Calendar) -> tuple[Series, _Learned] | None:
    """The series without its occasions, and what they were; None where there can be none."""
    if not (calendar.holidays or calendar.events) or DAY_US % series.interval_us or not series.known:
        return None
    day, phase = phases_of(series, 1 - len(series.values), 1)
    named = named_days(calendar, series.id, int(day[0]), int(day[-1]))
    learned = _learn(series, day, phase, named)
    values = series.values.copy()
    for number, what in named.items():
        at = np.flatnonzero((day == number) & np.isfinite(values))
        if what.kind == "event" or what.factor != 1:
            shift = learned.own.get(number)
            if shift is None:
                values[at] /= what.factor
                continue
        else:
            shift = learned.of(what, number).at
        if shift.any():
            values[at] = learned.scale.back(learned.scale.to(values[at]) - shift[phase[at]])
    return replace(series, values=values), learned


def _learn(series: Series, day: NDArray[np.int64], phase: NDArray[np.int64], named: dict[int, _Day]) -> _Learned:
    scale = Scale.of(series)
    first = int(day[0])
    cells = cells_of(scale.to(series.values), day - first, phase, phases_in(series.interval_us))
    count, phases = cells.shape
    unknown = _UNKNOWN if scale.logarithms else _UNKNOWN * float(np.nanstd(scale.to(series.values)))
    none = _Learned(scale, np.zeros((7, phases)), {}, {"event": unknown}, {})
    if count < _FEWEST_DAYS:
        return none
    rest, size_noise, shape_noise = rest_of(cells, [number - first for number in named])
    gap = quietest(cells, first)
    done = {n: rest[n - first] for n in named if np.isfinite(rest[n - first]).mean() > 0.5}
    done = {n: np.where(np.isfinite(row), row, np.nanmean(row)) for n, row in done.items()}
    free = [n for n in done if named[n].kind == "holiday"]
    part = part_of_the_way(np.array([gap[n % 7].mean() for n in free]), np.array([done[n].mean() for n in free]), gap)
    way = part * gap
    # Holidays never seen may do anything between nothing and what the quietest weekday does.
    fresh = {"event": unknown, "holiday": float(np.abs(gap.mean(axis=1)).mean()) / NormalDist().inv_cdf(0.9)}
    effects: dict[tuple[str, str, int], _Effect] = {}
    for kind, proof in _PROOF.items():
        groups: dict[tuple[str, str, int], list[NDArray[np.float64]]] = {}
        for n, row in done.items():
            if named[n].kind == kind and named[n].factor == 1:
                left = row - way[n % 7] if kind == "holiday" else row
                groups.setdefault((kind, named[n].name, named[n].place), []).append(left)
        found = {
            key: garrote(np.median(rows, axis=0), len(rows), proof, size_noise, shape_noise)
            for key, rows in groups.items()
        }
        missed = [float((row - found[key]).mean()) for key, rows in groups.items() for row in rows]
        spread = max(0.0, float(np.mean(np.square(missed))) - size_noise) if missed else 0.0
        for key, at in found.items():
            error = size_noise / len(groups[key]) if at.any() else 0.0
            effects[key] = _Effect(at, float(np.sqrt(spread + error)), len(groups[key]))
        if kind == "holiday" and missed:
            fresh[kind] = float(np.sqrt(spread))
    own = {
        n: garrote(row, 1, _PROOF["event"], size_noise, shape_noise)
        for n, row in done.items()
        if named[n].kind == "event" or named[n].factor != 1
    }
    return _Learned(scale, way, effects, fresh, own)


def _upon(made: SeriesForecast, series: str, calendar: Calendar, learned: _Learned) -> SeriesForecast:
    day, phase = phases_of(made.series, 1, len(made.mean) + 1)
    named = named_days(calendar, series, int(day[0]), int(day[-1]))
    mean, quantiles = made.mean.copy(), made.quantiles.copy()
    away = np.array([NormalDist().inv_cdf(level) for level in made.levels])
    scale, told, unknown = learned.scale, [], []
    # What leaves the range of floats is brought back at the end.
    with np.errstate(over="ignore"):
        for number, what in named.items():
            at = np.flatnonzero(day == number)
            effect = learned.of(what, number)
            if effect.at.any() or effect.deviation > 0:
                _shift(mean, quantiles, at, effect.at[phase[at]], away * effect.deviation, scale)
            mean[at] *= what.factor
            quantiles[at] *= what.factor
            if what.kind == "event" and not effect.seen:
                unknown.append(f"{what.name} on {_date(number)}")
            else:
                told.extend(_told(what, number, effect, scale))
    largest = np.finfo(np.float64).max
    low = max(made.series.lower, -largest)
    made = replace(made, mean=np.clip(mean, low, largest), quantiles=np.clip(quantiles, low, largest))
    return _said(made, told, unknown)


def _shift(
    mean: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    at: NDArray[np.int64],
    shift: NDArray[np.float64],
    more: NDArray[np.float64],
    scale: Scale,
) -> None:
    """Move the steps ``at`` by ``shift``, their quantiles apart by what is ``more`` uncertain by level."""
    middle = scale.to(mean[at]) + shift
    apart = scale.to(quantiles[at]) + shift[:, None] - middle[:, None]
    # Two independent deviations add up in squares; a level on the other side of the mean stays where it is.
    apart = np.where(apart * more >= 0, np.sign(more) * np.sqrt(apart**2 + more**2), apart) if more.any() else apart
    mean[at] = scale.back(middle)
    quantiles[at] = np.maximum.accumulate(scale.back(middle[:, None] + apart), axis=1)


def _told(what: _Day, number: int, effect: _Effect, scale: Scale) -> list[str]:
    name = (
        what.name
        if what.kind != "near"
        else f"{abs(what.place)} d {'before' if what.place < 0 else 'after'} {what.name}"
    )
    size = float(effect.at.mean())
    out = []
    if what.factor != 1:
        out.append(f"an event on {_date(number)}: x{what.factor:g} as stated")
    if what.kind and scale.logarithms and abs(size) >= _TOLD:
        learned = f"{effect.seen} past days" if effect.seen else "other holidays"
        out.append(f"{name} on {_date(number)}: x{np.exp(size):.2f} by {learned}")
    return out


def _said(made: SeriesForecast, told: list[str], unknown: list[str]) -> SeriesForecast:
    choice = made.choice
    if choice is None or not (told or unknown):
        return made
    if told:
        choice = replace(choice, reason="; ".join((choice.reason, *told)))
    if unknown:
        why = f"what {', '.join(unknown)} does to demand is not known: the bounds are wider; state its factor"
        both = "; ".join(reason for reason in (choice.confidence_reason, why) if reason)
        choice = replace(choice, confidence="low", confidence_reason=both)
    return replace(made, choice=choice)


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _number(day: date) -> int:
    return (day - _EPOCH).days
