"""The store of metric history in ``.ops/metrics``: one Parquet file a series, in order, each instant once.

Importing is idempotent. On the same instant the newer reading wins, and the report says so; an empty value never erases
a reading.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.planner.clean import clean
from quartermaster.planner.frame import UNKNOWN_UNIT, read, write
from quartermaster.planner.grid import iso

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImportReport", "SeriesImport", "StoredSeries", "import_file", "list_series", "load", "show"]


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


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One line of ``ops metrics list``."""

    series: str
    unit: str
    rows: int
    readings: int
    first: str
    last: str
    interval_seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def import_file(path: Path, store: Path, *, rename: str = "", until: datetime | None = None) -> ImportReport:
    """Merge a Parquet or CSV file into the store. Raises InputError, before anything is written, for a bad file.

    ``rename`` names the file's only series anew; ``until`` moves all rows by whole weeks, so that hours and days of the
    week stay, and leaves out what then lies after that instant (for samples and rehearsals, never for real history).
    """
    frame, note = _adapted(read(path), path, rename, until)
    groups = {str(name): group for name, group in frame.groupby("series_id", sort=True)}
    faults, units = [], {}
    for name, group in groups.items():
        units[name] = str(group["unit"].iloc[0])
        known = _unit(_file(store, name))
        if known and UNKNOWN_UNIT in (known, units[name]):
            units[name] = known if units[name] == UNKNOWN_UNIT else units[name]
        elif known and known != units[name]:
            faults.append(
                Fault(
                    "unit",
                    f"series {name!r} comes in {units[name]!r}, the store has it in {known!r}",
                    "convert it, or import it under another series_id",
                    file=path.name,
                )
            )
    if faults:
        raise InputError(f"{path.name}: {faults[0].problem}", faults, remedy=faults[0].remedy)
    store.mkdir(parents=True, exist_ok=True)
    merged = tuple(_merge(store, name, units[name], group) for name, group in groups.items())
    return ImportReport(path.name, merged, note)


def list_series(store: Path) -> tuple[StoredSeries, ...]:
    """Every series in the store, by name."""
    out = [_describe(_read(path)) for path in sorted(store.glob("*.parquet"))] if store.is_dir() else []
    return tuple(sorted(out, key=lambda s: s.series))


def load(store: Path, series: str | None = None) -> pd.DataFrame:
    """The long frame of all series, or of one. Raises InputError where there is none."""
    import pandas as pd

    known = list_series(store)
    wanted = [s.series for s in known if series is None or s.series == series]
    if not wanted:
        there = ", ".join(s.series for s in known[:20]) or "nothing yet"
        what = "the store holds no metrics" if series is None else f"the store holds no series {series!r}"
        raise InputError(what, remedy=f"ops metrics import FILE; it holds: {there}")
    return pd.concat([_read(_file(store, name)) for name in wanted], ignore_index=True)


def show(store: Path, series: str) -> dict[str, Any]:
    """One series summed up: extent, quantiles, what cleaning finds. Raises InputError where there is none."""
    frame = load(store, series)
    values = frame["value"].dropna().to_numpy()
    marks = np.quantile(values, [0, 0.5, 0.95, 0.99, 1]) if len(values) else [None] * 5
    names = ("min", "median", "p95", "p99", "max")
    return {
        **_describe(frame).to_json(),
        "value": {n: None if m is None else float(m) for n, m in zip(names, marks, strict=True)},
        "findings": [f.to_json() for f in clean(frame).findings],
    }


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


def _merge(store: Path, name: str, unit: str, new: pd.DataFrame) -> SeriesImport:
    import pandas as pd

    path = _file(store, name)
    # Stable order and "last": a later row of the file wins, but a row without a reading loses to one with it.
    ranked = new.assign(_has=new["value"].notna()).sort_values(["timestamp", "_has"], kind="stable")
    once = ranked.drop_duplicates("timestamp", keep="last").set_index("timestamp")["value"]
    old = _read(path).set_index("timestamp")["value"] if path.exists() else once.iloc[:0]
    both = old.index.intersection(once.index)
    came, had = once[both], old[both]
    changed = int((came.notna() & (had.isna() | (came != had))).sum())
    added = len(once) - len(both)
    if added or changed or _unit(path) != unit:
        merged = once.combine_first(old).sort_index()
        frame = pd.DataFrame({"series_id": name, "timestamp": merged.index, "value": merged.to_numpy(), "unit": unit})
        write(frame.astype({"series_id": "str", "unit": "str"}), path)
    return SeriesImport(name, unit, len(new), added, changed, len(new) - len(once))


def _describe(frame: pd.DataFrame) -> StoredSeries:
    times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    gap = float(np.median(np.diff(times))) / 1e6 if len(times) > 1 else 0.0
    return StoredSeries(
        str(frame["series_id"].iloc[0]),
        str(frame["unit"].iloc[0]),
        len(frame),
        int(frame["value"].notna().sum()),
        iso(int(times[0])),
        iso(int(times[-1])),
        gap,
    )


def _file(store: Path, name: str) -> Path:
    """A file name that people can read and no series name can escape from."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return store / f"{quote(name, safe='')[:80]}-{digest}.parquet"


def _read(path: Path) -> pd.DataFrame:
    return read(path)


def _unit(path: Path) -> str:
    return str(_read(path)["unit"].iloc[0]) if path.exists() else ""
