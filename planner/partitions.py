"""The store's files: a folder a series, in it one Parquet file a month and ``series.json``.

A month's file holds its readings (``tier`` 0) and the roll-ups made of them (``tier`` in seconds), so that both change
together: it is written aside and renamed, and a killed writer leaves the old one or the new one. A store of the old
form (one file a series, beside the folders) is taken over when it is first touched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np

from quartermaster.planner.frame import read
from quartermaster.planner.readings import TIERS, Readings, Rollup, merge, periods, roll_up

__all__ = ["About", "Shelf", "Written", "locked", "months", "shelf", "shelves"]

_ABOUT = "series.json"
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a series beside its readings."""

    series: str
    unit: str
    origin: str = ""
    """Where ``ops metrics sync`` reads it; empty for an imported one."""
    asked: tuple[int, int] | None = None
    """The time for which the origin has been asked, in microseconds since 1970 UTC."""
    rolled: Mapping[str, str] = field(default_factory=dict)
    """Months of which only roll-ups are left, and why."""


@dataclass(frozen=True, slots=True)
class Written:
    """What writing changed."""

    added: int = 0
    changed: int = 0
    refused: int = 0
    """Readings of months of which only roll-ups are left."""


class Shelf:
    """The files of one series. What was read is kept: take a new one to see what others wrote since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def about(self) -> About | None:
        """None: there is no such series."""
        try:
            found = json.loads((self._folder / _ABOUT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return About(**{**found, "asked": tuple(found["asked"]) if found["asked"] else None})

    def tell(self, about: About) -> None:
        """Write down what is known of the series."""
        if about == self.about():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / (_ABOUT + ".part")
        part.write_text(json.dumps(asdict(about), indent=1), encoding="utf-8")
        part.replace(self._folder / _ABOUT)

    def months(self) -> tuple[str, ...]:
        """Such as ``2026-01``, in order."""
        return tuple(sorted(path.stem for path in self._folder.glob("????-??.parquet")))

    def readings(self, month: str | None = None) -> Readings:
        """Of one month, or all of them."""
        if month is not None:
            table = self._table(month, 0)
            names = ("timestamp", "mean", "seconds")
            return Readings(*(table[n] for n in names)) if len(table) else Readings.none()
        return Readings.joined([Readings.none(), *(self.readings(m) for m in self.months())])

    def rollup(self, tier: int) -> Rollup:
        """All buckets of ``tier`` seconds: as stored, or made now of readings that are no finer."""
        parts = []
        for month in self.months():
            table = self._table(month, tier)
            if len(table):
                names = ("timestamp", "mean", "max", "p95", "count")
                parts.append(Rollup(*(table[n] for n in names)))
            else:
                parts.append(roll_up(self.readings(month), tier))
        return Rollup.joined([roll_up(Readings.none(), tier), *parts])

    def extent(self, month: str, tier: int) -> tuple[int, int, int] | None:
        """Number, first and last instant of a month's stored buckets, from the file's footer; None: none are stored."""
        import pyarrow.parquet as pq

        found = pq.read_metadata(self._path(month))
        groups = [found.row_group(g) for g in range(found.num_row_groups)]
        times = [(g.num_rows, g.column(1).statistics) for g in groups if g.column(0).statistics.min == tier]
        if not times:
            return None
        return sum(n for n, _ in times), min(t.min_raw for _, t in times), max(t.max_raw for _, t in times)

    def add(self, readings: Readings) -> Written:
        """Merge readings in, month by month; a month in which nothing changes is not written."""
        about = self.about()
        rolled = about.rolled if about is not None else {}
        done = Written()
        for month, new in months(readings):
            if month in rolled:
                done = replace(done, refused=done.refused + len(new))
                continue
            merged, added, changed = merge(self.readings(month), new)
            if added or changed:
                self._write(month, merged)
                done = replace(done, added=done.added + added, changed=done.changed + changed)
        return done

    def keep_rollups(self, month: str, why: str) -> None:
        """Leave a month's readings out and keep its roll-ups of five minutes and more."""
        about = self.about()
        readings = self.readings(month)
        if about is None or not len(readings):
            return
        # Told first: killed in between, the next call goes on; the other way round late readings would replace the lot.
        self.tell(replace(about, rolled={**about.rolled, month: why}))
        self._write(month, readings, least=TIERS["5min"])

    def _table(self, month: str, tier: int) -> dict[str, np.ndarray]:
        import pyarrow.parquet as pq

        if (month, tier) in self._read:
            return self._read[month, tier]
        if not self._path(month).exists():
            return {}
        with pq.ParquetFile(self._path(month)) as file:
            groups = range(file.metadata.num_row_groups)
            # A tier is written as row groups of its own: the statistics of the first column tell which.
            mine = [g for g in groups if file.metadata.row_group(g).column(0).statistics.min == tier]
            if not mine:
                return {}
            table = file.read_row_groups(mine)
        columns = {name: table.column(name).to_numpy() for name in table.column_names if name != "timestamp"}
        found = {"timestamp": table.column("timestamp").cast("int64").to_numpy(), **columns}
        self._read[month, tier] = found
        return found

    def _write(self, month: str, readings: Readings, *, least: int = 0) -> None:
        """The month's file, with roll-ups that are coarser than its finest readings. ``least``: only such tiers."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        finest = int(periods(readings).min()) if len(readings) else 0
        stamp = pa.timestamp("us", tz="UTC")
        schema = pa.schema(
            [("tier", pa.int32()), ("timestamp", stamp), ("mean", pa.float64()), ("max", pa.float64()),
             ("p95", pa.float64()), ("count", pa.int32()), ("seconds", pa.int32())]
        )  # fmt: skip
        path = self._path(month)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        columns: list[np.ndarray]
        with pq.ParquetWriter(part, schema, compression="zstd") as out:
            for tier in (0, *TIERS.values()):
                if tier and tier > finest and tier >= least:
                    rows = roll_up(readings, tier)
                    columns = [rows.times, rows.mean, rows.max, rows.p95, rows.count, np.full(len(rows.times), tier)]
                elif not tier and not least:
                    v, ones = readings.values, np.isfinite(readings.values).astype(np.int32)
                    columns = [readings.times, v, v, v, ones, readings.seconds]
                else:
                    continue
                if not len(columns[0]):
                    continue  # an empty row group has no statistics to be found by
                arrays = [pa.array(np.full(len(columns[0]), tier, np.int32))]
                arrays += [pa.array(c).cast(f.type) for c, f in zip(columns, list(schema)[1:], strict=True)]
                out.write_table(pa.table(arrays, schema=schema))
        part.replace(path)
        self._read.clear()

    def _path(self, month: str) -> Path:
        return self._folder / f"{month}.parquet"


def shelf(store: Path, series: str) -> Shelf:
    """The place of a series, whether or not it has any files."""
    return Shelf(store / _name(series))


def shelves(store: Path) -> Mapping[str, Shelf]:
    """Every series in the store, by name."""
    if not store.is_dir():
        return {}
    if any(store.glob("*.parquet")):
        with locked(store):
            _take_over(store)
    found = {}
    for path in store.glob(f"*/{_ABOUT}"):
        place = Shelf(path.parent)
        about = place.about()
        if about is not None:
            found[about.series] = place
    return dict(sorted(found.items()))


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """One writer at a time; the lock of a killed one is free."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def months(readings: Readings) -> Iterator[tuple[str, Readings]]:
    """The readings of each month (UTC) that has any."""
    of = readings.times.astype("datetime64[us]").astype("datetime64[M]")
    for month in np.unique(of):
        yield str(month), readings.where(of == month)


def _take_over(store: Path) -> None:
    """Files of the old form into folders. What a folder has already is newer; a killed take-over is done again."""
    for path in sorted(store.glob("*.parquet")):
        frame = read(path)
        series, unit = str(frame["series_id"].iloc[0]), str(frame["unit"].iloc[0])
        if path.stem != _name(series):
            continue  # somebody's own file
        times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
        place = shelf(store, series)
        old = Readings.of(times, frame["value"].to_numpy(dtype="float64"))
        merged, _, _ = merge(old, place.readings())
        place.add(merged)
        if place.about() is None:
            place.tell(About(series, unit))
        path.unlink()


def _name(series: str) -> str:
    """A folder name that people can read and no series name can escape from."""
    digest = hashlib.sha256(series.encode()).hexdigest()[:12]
    return f"{quote(series, safe='')[:80]}-{digest}"
