"""Cleaning within each series: every finding is reported with its place and remedy, nothing is dropped in silence.

A reading that cannot be demand (negative among positives, absurdly large, a sensor that is stuck) counts as no reading;
a spike that may be real is only told of; one that is less than was asked for, or in another unit, is put right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.cleaning import counters
from quartermaster.planner.cleaning.overload import SIGNS, asked, overloaded
from quartermaster.planner.cleaning.spikes import ABSURD, spikes
from quartermaster.planner.cleaning.stuck import stuck
from quartermaster.planner.cleaning.units import rescaled
from quartermaster.planner.clock import infer
from quartermaster.planner.findings import Finding
from quartermaster.planner.grid import grid, iso
from quartermaster.planner.months import instants
from quartermaster.planner.outages import outages
from quartermaster.planner.regimes import shifts, told
from quartermaster.planner.seasons import DAY_US
from quartermaster.planner.series import Series
from quartermaster.planner.trend_breaks import trend_break
from quartermaster.planner.unit import is_companion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Cleaned", "clean"]

_FEW_NEGATIVE = 0.05
_FEWEST_DAYS = 7
"""Days that show which times of day are never read."""
_FEWEST_SILENT = 12
"""Intervals, and a day, that a series may end before the others without being told of."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Every series of a frame on its grid, sorted by name, and what was met on the way."""

    series: tuple[Series, ...]
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Notes:
    """What is found in one series."""

    name: str
    all: list[Finding]

    def __call__(self, kind: str, where: str, rows: int, detail: str, remedy: str) -> None:
        self.all.append(Finding(self.name, kind, where, rows, detail, remedy))


def clean(frame: pd.DataFrame) -> Cleaned:
    """Regular series from a valid long frame (see :mod:`quartermaster.planner.frame`)."""
    times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    values = frame["value"].to_numpy(dtype="float64")
    codes, names = frame["series_id"].factorize(sort=True)
    units = frame["unit"].to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    findings: list[Finding] = []
    series: dict[str, Series] = {}
    for i, name in enumerate(names):
        rows = order[bounds[i] : bounds[i + 1]]
        report = _Notes(str(name), findings)
        series[str(name)] = _one(str(name), str(units[rows[0]]), times[rows], values[rows], report)
    newest = max((s.last_us for s in series.values()), default=0)
    for name, one in series.items():
        report = _Notes(name, findings)
        if any(name + sign in series for sign in SIGNS):
            one = series[name] = _not_overloaded(one, series, report)
        _tell_early_end(one, newest, report)
        if not is_companion(name):
            _tell_unread(one, report)
            _tell_changes(one, report)
    return Cleaned(tuple(series.values()), tuple(sorted(findings, key=lambda f: f.series)))


def _one(name: str, unit: str, times: NDArray[np.int64], values: NDArray[np.float64], report: _Notes) -> Series:
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
    series = Series(name, unit, int(times.max()), interval, on_grid, 0.0)
    if not is_companion(name):
        series = _in_one_unit(_per_second(series, report), report)
    return _without_faults(series, report)


def _per_second(series: Series, report: _Notes) -> Series:
    """A counter as the rate that it counted."""
    values, name = series.values, series.id
    resets = counters.resets(values)
    rises = counters.only_rises(values)
    if len(resets) or (rises and name.endswith("_total")):
        known = np.flatnonzero(np.isfinite(values))
        how = f"reset {len(resets)} times" if len(resets) else "by its name"
        report(
            "counter",
            _at(series, int(resets[0]) if len(resets) else int(known[0])),
            len(known),
            f"a counter ({how}): forecast as its rate per second; the first reading gives none",
            "export the rate, or sync it from Prometheus as rate(...)",
        )
        unit = series.unit if "/" in series.unit else f"{series.unit}/s"
        return replace(series, unit=unit, values=counters.rates(values, series.interval_us))
    if rises:
        report(
            "rises",
            _at(series, int(np.isfinite(values).argmax())),
            series.known,
            "it only ever rises, as a counter does that was never reset: used as it is",
            "if it counts, export what it counts per second",
        )
    return series


def _in_one_unit(series: Series, report: _Notes) -> Series:
    values = series.values
    for part in rescaled(values, series.seasons.day, of_bytes="byte" in series.unit.lower()):
        if values is series.values:
            values = values.copy()
        times = f"{part.factor:g} times" if part.factor >= 1 else f"1/{1 / part.factor:g} of"
        report(
            "unit_change",
            f"{_at(series, part.start)}/{_at(series, part.stop - 1)}",
            int(np.isfinite(values[part.start : part.stop]).sum()),
            f"in another unit than the series has now: {times} the reading is used",
            "export all of it in one unit",
        )
        values[part.start : part.stop] *= part.factor
    return replace(series, values=values)


def _without_faults(series: Series, report: _Notes) -> Series:
    """Without readings that cannot be."""
    on_grid = series.values.copy()
    negative = on_grid < 0
    if negative.any():
        known = int(np.isfinite(on_grid).sum())
        where = _at(series, int(negative.argmax()))
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
            series = replace(series, lower=-np.inf)
            report(
                "negative_series",
                where,
                int(negative.sum()),
                "often negative: used as it is, but it is no demand",
                "plan capacity from a series that counts demand",
            )
    for start, length in stuck(on_grid, series.seasons):
        report(
            "stuck",
            f"{_at(series, start)}/{_at(series, start + length - 1)}",
            length,
            f"the same value {on_grid[start]:g} for {length} intervals in a series that else moves: no reading",
            "check the exporter in that time",
        )
        on_grid[start : start + length] = np.nan
    absurd, isolated = spikes(on_grid)
    if absurd.any():
        report(
            "absurd",
            _at(series, int(absurd.argmax())),
            int(absurd.sum()),
            f"over {ABSURD:g} robust deviations from the median: counts as no reading",
            "check for a change of unit or a counter exported as a rate",
        )
        on_grid[absurd] = np.nan
    if isolated.any():
        report(
            "spike",
            _at(series, int(isolated.argmax())),
            int(isolated.sum()),
            "single readings far outside their neighbours: used, as they may be demand",
            "if they are not demand, leave them empty",
        )
    return replace(series, values=on_grid)


def _not_overloaded(series: Series, by_name: Mapping[str, Series], report: _Notes) -> Series:
    """Demand as it was asked for rather than as it was served."""
    mask, lost = overloaded(series, by_name)
    if not mask.any():
        return series
    report(
        "overloaded",
        _at(series, int(mask.argmax())),
        int(mask.sum()),
        "overloaded then, so that demand was at least what was read: what was turned away is added, "
        "and what the same hour of other weeks suggests is used where that is more",
        "none at the source; a larger size.max lets such demand be served and seen",
    )
    return replace(series, values=asked(series.values, mask, lost, series.seasons.week))


def _tell_early_end(series: Series, newest_us: int, report: _Notes) -> None:
    limit = max(DAY_US, _FEWEST_SILENT * series.interval_us)
    behind = newest_us - series.last_us
    # A series that ended longer ago than it ever ran is of another time, not cut short.
    if limit < behind <= len(series.values) * series.interval_us:
        report(
            "ends_early",
            iso(series.last_us),
            0,
            f"its last row is {behind / DAY_US:.1f} days before the newest of the file: forecast from there on",
            "check the exporter, or leave the series out if what it measured is gone",
        )
    known = np.flatnonzero(np.isfinite(series.values))
    silent = len(series.values) - 1 - int(known[-1]) if len(known) else 0
    if silent * series.interval_us > limit:
        report(
            "silent",
            _at(series, int(known[-1])),
            silent,
            "no reading in any row after that: the forecast bridges them",
            "check the exporter, or end the rows where measuring ended",
        )


def _tell_unread(series: Series, report: _Notes) -> None:
    """Times of day that no day has a reading of, as of what is only measured while it is open."""
    day = series.seasons.day
    days = len(series.values) // day
    if day < 2 or days < _FEWEST_DAYS:
        return
    read = np.isfinite(series.values[-days * day :].reshape(days, day)).any(axis=0)
    if not read.any() or read.all():
        return
    first = len(series.values) - day + int((~read & np.roll(read, 1)).argmax())
    report(
        "unread_hours",
        _at(series, first),
        days * int((~read).sum()),
        f"{int((~read).sum())} of the {day} intervals of a day never have a reading: what was read before them goes on",
        "if nothing is asked for then, write 0; if it is not measured, read nothing from the forecast there",
    )


def _tell_changes(series: Series, report: _Notes) -> None:
    """What forecasts do about the readings, though no reading is wrong."""
    for outage in outages(series):
        report(
            "outage",
            f"{_at(series, outage.start)}/{_at(series, outage.stop - 1)}",
            int(np.isfinite(series.values[outage.start : outage.stop]).sum()),
            "next to nothing at hours that never are: forecasts go on as if it had not been read, but on named days",
            "leave it empty if it was not measured; if it was planned, put it into events",
        )
    for shift in shifts(series):
        report(
            "level_shift",
            _at(series, shift.step),
            int(np.isfinite(series.values[: shift.step]).sum()),
            f"{told(series, shift)}: readings before it are drawn to the level after it, or left out where their "
            "days have another shape",
            "if the readings are wrong, leave them empty; if it was planned, put it into events",
        )
    broken = trend_break(series)
    if broken is not None:
        report(
            "trend_break",
            _at(series, broken.step),
            int(np.isfinite(series.values[: broken.step]).sum()),
            f"{broken.told(series)}: the forecasters that go by recent weeks are judged by those",
            "if it was planned, put it into events; growth to come is told by ops capacity whatif --growth",
        )
    zone = infer(series)
    if zone is not None:
        report(
            "daylight_saving",
            iso(series.last_us),
            0,
            f"its days move by an hour when clocks change by the rule of {zone.key}: forecast by that clock",
            "say which zone it is: timezone in fleet.yaml, or --timezone",
        )


def _at(series: Series, step: int) -> str:
    back = np.array([step - len(series.values) + 1])
    return iso(int(instants(series.last_us, series.interval_us, back)[0]))
