"""The store of metric history in ``.ops/metrics``: readings of every series, each instant once, and roll-ups of them.

Importing is idempotent. On the same instant the newer reading wins, and the report says so; an empty value never erases
a reading. Files: :mod:`quartermaster.planner.partitions`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.planner.clean import clean
from quartermaster.planner.frame import UNKNOWN_UNIT, read
from quartermaster.planner.grid import MAX_STEPS, iso
from quartermaster.planner.partitions import About, Shelf, locked, shelf, shelves
from quartermaster.planner.readings import TIERS, Readings, periods
from quartermaster.planner.stored import StoredSeries, describe, gaps
from quartermaster.planner.unit import is_companion
from quartermaster.planner.within_hour import FINER

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "ImportReport",
    "SeriesImport",
    "StoredSeries",
    "import_file",
    "list_series",
    "load",
    "load_one",
    "names",
    "show",
]

_US = 1_000_000
_GAPS_SHOWN = 20
_FINER_DAYS = 28
"""Each hour of the week four times."""


@dataclass(frozen=True, slots=True)
class SeriesImport:
    """What an import did to one series."""

    series: str
    unit: str
    rows: int
    """Rows of this series in the file."""
    added: int
    """Instants that the store did not have."""
    changed: int
    """Instants whose reading is another now."""
    repeated: int
    """Rows of the file that a later row of the same instant replaced."""
    refused: int = 0
    """Rows of months of which the store keeps roll-ups only."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What ``ops metrics import`` did."""

    file: str
    series: tuple[SeriesImport, ...]
    note: str = ""
    """What was done to the rows before: renamed, moved in time."""

    @property
    def added(self) -> int:
        return sum(s.added for s in self.series)

    @property
    def changed(self) -> int:
        return sum(s.changed for s in self.series)

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "added": self.added,
            "changed": self.changed,
            "series": [asdict(s) for s in self.series],
            "note": self.note,
        }


def import_file(path: Path, store: Path, *, rename: str = "", until: datetime | None = None) -> ImportReport:
    """Merge a Parquet or CSV file into the store. Raises InputError, before anything is written, for a bad file.

    ``rename`` names the file's only series anew; ``until`` moves all rows by whole weeks, so that hours and days of the
    week stay, and leaves out what then lies after that instant (for samples and rehearsals, never for real history).
    """
    frame, note = _adapted(read(path), path, rename, until)
    groups = {str(name): group for name, group in frame.groupby("series_id", sort=True)}
    shelves(store)
    faults, abouts = [], {}
    for name, group in groups.items():
        unit = str(group["unit"].iloc[0])
        known = shelf(store, name).about() or About(name, unit)
        if UNKNOWN_UNIT in (known.unit, unit):
            known = replace(known, unit=known.unit if unit == UNKNOWN_UNIT else unit)
        elif known.unit != unit:
            faults.append(
                Fault(
                    "unit",
                    f"series {name!r} comes in {unit!r}, the store has it in {known.unit!r}",
                    "convert it, or import it under another series_id",
                    file=path.name,
                )
            )
        abouts[name] = known
    if faults:
        raise InputError(f"{path.name}: {faults[0].problem}", faults, remedy=faults[0].remedy)
    with locked(store):
        done = tuple(_import(shelf(store, name), abouts[name], group) for name, group in groups.items())
    return ImportReport(path.name, done, note)


def names(store: Path) -> tuple[str, ...]:
    """The names of all series in the store, in order. Reads no readings."""
    return tuple(name for name, place in shelves(store).items() if place.months())


def list_series(store: Path) -> tuple[StoredSeries, ...]:
    """Every series in the store, by name."""
    described = (describe(place) for place in shelves(store).values())
    return tuple(found for found in described if found is not None)


def load(store: Path, series: str | None = None, *, finer: bool = False) -> pd.DataFrame:
    """The long frame of all series, or of one. Raises InputError where there is none.

    Readings as they came; of a series that came at several intervals, or in more rows than forecasters take, the means
    of the finest roll-up that has all, without the bucket that is still running. ``finer``: beside demand that is then
    by the hour or slower, its last weeks by the minute (``NAME:1min``) or five.
    """
    import pandas as pd

    frames = []
    for name, place in _wanted(store, series).items():
        seconds = _uniform(place)
        unit = _unit(place)
        frames.append(_frame(name, unit, *_rows(place, seconds)))
        if finer and seconds >= TIERS["1h"] and not is_companion(name):
            frames += [_frame(f"{name}{ending}", unit, *rows) for ending, rows in _finest(place)]
    return pd.concat(frames, ignore_index=True)


def load_one(store: Path, series: str) -> pd.DataFrame:
    """What ``load`` gives of one series that is there, without a look at the others."""
    place = shelf(store, series)
    return _frame(series, _unit(place), *_rows(place, _uniform(place)))


def show(store: Path, series: str) -> dict[str, Any]:
    """One series summed up: extent, tiers, gaps, quantiles, what cleaning finds. Raises InputError if there is none."""
    frame = load(store, series)
    (place,) = _wanted(store, series).values()
    described, about = describe(place), place.about()
    values = frame["value"].dropna().to_numpy()
    marks = np.quantile(values, [0, 0.5, 0.95, 0.99, 1]) if len(values) else [None] * 5
    names = ("min", "median", "p95", "p99", "max")
    missing = gaps(place.readings())
    return {
        **(described.to_json() if described else {}),
        "gaps": [{"from": iso(a), "to": iso(b)} for a, b in missing[:_GAPS_SHOWN]],
        "rolled": dict(about.rolled) if about else {},
        "value": {n: None if m is None else float(m) for n, m in zip(names, marks, strict=True)},
        "findings": [f.to_json() for f in clean(frame).findings],
    }


def _wanted(store: Path, series: str | None) -> dict[str, Shelf]:
    known = {name: place for name, place in shelves(store).items() if place.months()}
    wanted = {name: place for name, place in known.items() if series is None or name == series}
    if not wanted:
        there = ", ".join(list(known)[:20]) or "nothing yet"
        what = "the store holds no metrics" if series is None else f"the store holds no series {series!r}"
        raise InputError(what, remedy=f"ops metrics import FILE or ops metrics sync; it holds: {there}")
    return wanted


def _frame(name: str, unit: str, times: NDArray[np.int64], values: NDArray[np.float64]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "series_id": pd.Series([name] * len(times), dtype="str"),
            "timestamp": pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC"),
            "value": values,
            "unit": pd.Series([unit] * len(times), dtype="str"),
        }
    )


def _unit(place: Shelf) -> str:
    about = place.about()
    return about.unit if about else UNKNOWN_UNIT


def _rows(place: Shelf, seconds: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Instants and values of the buckets of a roll-up that have ended; 0 seconds: as they came."""
    if not seconds:
        readings = place.readings()
        return readings.times, readings.values
    found, last = place.rollup(seconds), place.readings()
    if not len(last):
        return found.times, found.mean
    ended = int(last.times[-1]) + int(periods(last)[-1]) * _US
    whole = found.times + seconds * _US <= ended
    return found.times[whole], found.mean[whole]


def _finest(place: Shelf) -> list[tuple[str, tuple[NDArray[np.int64], NDArray[np.float64]]]]:
    """The last weeks at the finest resolution there is, if one is finer than an hour."""
    for ending in FINER:
        times, values = _rows(place, TIERS[ending[1:]])
        if len(times):
            late = times >= times[-1] - _FINER_DAYS * TIERS["1day"] * _US
            return [(ending, (times[late], values[late]))]
    return []


def _uniform(place: Shelf) -> int:
    """Seconds of the roll-up in which a series is one; 0: its readings are."""
    about, readings = place.about(), place.readings()
    least = TIERS["5min"] if about and about.rolled else 0
    if len(readings) and (least or len(np.unique(readings.seconds)) > 1):
        least = max(least, int(periods(readings).max()))
    if not least and len(readings) <= MAX_STEPS:
        return 0
    fits = [s for s in TIERS.values() if s >= least and len(place.rollup(s).times) <= MAX_STEPS]
    return fits[0] if fits else TIERS["1day"]


def _import(place: Shelf, about: About, group: pd.DataFrame) -> SeriesImport:
    times = group["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    readings = Readings.of(times, group["value"].to_numpy(dtype="float64"))
    place.tell(about)
    done = place.add(readings)
    repeated = len(group) - len(readings)
    return SeriesImport(about.series, about.unit, len(group), done.added, done.changed, repeated, done.refused)


def _adapted(frame: pd.DataFrame, path: Path, rename: str, until: datetime | None) -> tuple[pd.DataFrame, str]:
    notes = []
    if rename:
        names = sorted(set(frame["series_id"]))
        if len(names) > 1:
            raise InputError(
                f"{path.name} holds {len(names)} series ({', '.join(names[:5])}), {rename!r} can name one only",
                remedy="split the file, or import it under its own names",
            )
        frame = frame.assign(series_id=rename).astype({"series_id": "str"})
        notes.append(f"{names[0]} is stored as {rename}")
    if until is not None:
        weeks = -((frame["timestamp"].max().to_pydatetime() - until) // timedelta(weeks=1))
        moved = frame.assign(timestamp=frame["timestamp"] + timedelta(weeks=weeks))
        frame = moved[moved["timestamp"] <= until]
        if not len(frame):
            raise InputError(f"{path.name}: less than a week of history cannot be moved", remedy="import it as it is")
        notes.append(
            f"moved by {weeks:+d} weeks: a replay of the past, not what was measured at these dates; "
            f"{len(moved) - len(frame)} rows lie after now and are left out"
        )
    return frame, "; ".join(notes)
