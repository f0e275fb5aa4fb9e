"""Pieces of Parquet files too large to be read at once: a row group at a time, series put together again.

A first pass reads names, units and instants: what is wrong with the files is found before anything is computed. Where
the rows of a piece lie close together (files in order of series) they are read as they are needed; else all rows are
first put into buckets on disk, each of them some pieces.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.planner.arrow_rows import Batch, batch_of, group_rows, opened, unreadable
from quartermaster.planner.frame import COLUMNS, UNKNOWN_UNIT, validate
from quartermaster.planner.pieces import Piece, cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RowGroups", "count_rows"]

_T = TypeVar("_T")
_BATCH_ROWS = 1_000_000
_HELD_ROWS = 4_000_000
"""Rows in memory, at 20 bytes each; a row group of more is read in batches, into buckets."""
_MOST_BUCKETS = 200
"""Files open at once."""
_TOO_MUCH = 2.0
"""How often rows are read on average before putting them into buckets is quicker."""

_Rows = tuple["NDArray[np.int32]", "NDArray[np.int64]", "NDArray[np.float64]"]
"""Place of the series in the order of names, instant, value: one each a row."""


@dataclass(frozen=True, slots=True)
class _Group:
    path: Path
    number: int
    rows: int


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, from its footer; 0 for one that cannot be read, whoever reads it says why."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return 0


class RowGroups:
    """The series in a large Parquet file or a folder of them. Raises InputError for faults of structure."""

    def __init__(self, path: Path) -> None:
        files = _files(path)
        if not files:
            raise InputError(f"metrics folder {path} holds no .parquet file", remedy="give a folder of Parquet files")
        self._opened = lru_cache(maxsize=8)(opened)
        self._groups = [
            _Group(file, number, rows)
            for file in files
            for number, rows in enumerate(group_rows(self._opened(file), file))
        ]
        self._index(path)

    def pieces(self, folder: Path) -> Iterator[Piece]:
        """Every series once; rows stand in the order of files, row groups and rows. ``folder`` is for buckets."""
        cuts = cut(self._rows, self.names)
        of = np.repeat(np.arange(len(cuts)), [b - a for a, b in cuts])
        needs: list[list[int]] = [[] for _ in cuts]
        for number, held in enumerate(self._held):
            for piece in np.unique(of[held]):
                needs[piece].append(number)
        if self._close_together(needs):
            yield from self._made(cuts, needs, _Lately(self._loaded, [group.rows for group in self._groups]))
            return
        with TemporaryDirectory(dir=folder, prefix=".quartermaster-rows-") as place:
            sizes = [int(self._rows[a:b].sum()) for a, b in cuts]
            bucket = np.cumsum(sizes) // max(_HELD_ROWS, sum(sizes) // _MOST_BUCKETS)
            numbers = list(range(int(bucket[-1]) + 1))
            self._spill([Path(place) / f"{n}.parquet" for n in numbers], bucket[of])
            buckets = _Lately(partial(_bucket, Path(place)), [_HELD_ROWS] * len(numbers))
            yield from self._made(cuts, [[int(b)] for b in bucket], buckets)

    def _index(self, path: Path) -> None:
        """Names, units, rows of each series; the series of each row group. Raises InputError."""
        known: dict[str, int] = {}
        units: list[set[str]] = []
        rows = np.zeros(0, np.int64)
        held = []
        for group in self._groups:
            here: set[int] = set()
            for batch in self._batches(group):
                counts = np.bincount(batch.series, minlength=len(batch.names))
                used = np.flatnonzero(counts)
                codes = [known.setdefault(batch.names[i], len(known)) for i in used]
                units += [set() for _ in range(len(known) - len(units))]
                rows = np.pad(rows, (0, len(known) - len(rows)))
                rows[codes] += counts[used]
                here.update(codes)
                pairs = batch.series.astype(np.int64) * len(batch.units) + batch.unit
                for pair in np.unique(pairs[np.append(True, np.diff(pairs) != 0)]):
                    unit = batch.units[pair % len(batch.units)]
                    if unit is not None:
                        units[known[batch.names[pair // len(batch.units)]]].add(unit)
            held.append(np.fromiter(here, np.int64))
        self.names = tuple(sorted(known))
        _refuse_faults({name: units[known[name]] for name in self.names}, path.name)
        order = np.array([known[name] for name in self.names])
        self._units = tuple(next(iter(units[i]), UNKNOWN_UNIT) for i in order)
        self._rows = rows[order]
        self._place = {name: i for i, name in enumerate(self.names)}
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        self._held = [places[codes] for codes in held]

    def _batches(self, group: _Group) -> Iterator[Batch]:
        import pyarrow as pa

        file = self._opened(group.path)
        try:
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group.number], columns=list(COLUMNS)):
                if len(batch):
                    yield batch_of(batch, f"{group.path.name}, row group {group.number + 1}")
        except (pa.ArrowException, OSError) as exc:
            raise unreadable(group.path, exc) from exc

    def _placed(self, group: _Group) -> Iterator[_Rows]:
        """The rows of a row group, by batches."""
        for batch in self._batches(group):
            # A file's list of names may hold some that none of these rows has.
            places = np.array([self._place.get(name, -1) for name in batch.names], dtype=np.int32)
            yield places[batch.series], batch.times, batch.values

    def _loaded(self, number: int) -> _Rows:
        return _joined(list(self._placed(self._groups[number])))

    def _close_together(self, needs: Sequence[Sequence[int]]) -> bool:
        sizes = [group.rows for group in self._groups]
        if max(sizes) > _HELD_ROWS:
            return False
        tried = _Lately(sizes.__getitem__, sizes)
        for number in (n for need in needs for n in need):
            _ = tried[number]
        return tried.rows <= _TOO_MUCH * sum(sizes)

    def _spill(self, places: Sequence[Path], bucket: NDArray[np.int64]) -> None:
        """Write every row into the bucket of its series, in order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("series", pa.int32()), ("time", pa.int64()), ("value", pa.float64())])
        out = [pq.ParquetWriter(place, schema, compression="lz4") for place in places]
        try:
            for group in self._groups:
                for rows in self._placed(group):
                    of = bucket[rows[0]]
                    order = np.argsort(of, kind="stable")
                    bounds = np.searchsorted(of[order], np.arange(len(places) + 1))
                    for n in np.flatnonzero(np.diff(bounds)):
                        mine = order[bounds[n] : bounds[n + 1]]
                        out[n].write_table(pa.table([pa.array(column[mine]) for column in rows], schema=schema))
        finally:
            for writer in out:
                writer.close()

    def _made(
        self, cuts: Sequence[tuple[int, int]], needs: Sequence[Sequence[int]], held: _Lately[_Rows]
    ) -> Iterator[Piece]:
        for (a, b), need in zip(cuts, needs, strict=True):
            parts = []
            for number in need:
                codes, times, values = held[number]
                mine = (codes >= a) & (codes < b)
                parts.append((codes[mine] - np.int32(a), times[mine], values[mine]))
            yield Piece(self.names[a:b], self._units[a:b], *_joined(parts))


class _Lately(Generic[_T]):
    """What was loaded lately, up to a number of rows."""

    def __init__(self, load: Callable[[int], _T], sizes: Sequence[int]) -> None:
        self._load = load
        self._sizes = sizes
        self._held: OrderedDict[int, _T] = OrderedDict()
        self._holding = 0
        self.rows = 0
        """Loaded so far."""

    def __getitem__(self, number: int) -> _T:
        size = self._sizes[number]
        if number not in self._held:
            while self._held and self._holding + size > _HELD_ROWS:
                self._holding -= self._sizes[self._held.popitem(last=False)[0]]
            self._held[number] = self._load(number)
            self._holding += size
            self.rows += size
        self._held.move_to_end(number)
        return self._held[number]


def _files(path: Path) -> list[Path]:
    """The file, or the Parquet files in the folder; names that start with . or _ are not meant."""
    if path.is_file():
        return [path]
    found = (file.relative_to(path) for file in path.rglob("*.parquet"))
    return sorted(path / file for file in found if not any(part[0] in "._" for part in file.parts))


def _refuse_faults(units: Mapping[str, Collection[str]], file: str) -> None:
    """Raise InputError where there is no row, or a series has several units: as ``validate`` tells it."""
    import pandas as pd

    told = [(name, unit) for name, own in units.items() if len(own) > 1 for unit in sorted(own)]
    if units and not told:
        return
    instant = pd.Timestamp(0, tz="UTC")
    rows = [(name, instant, 0.0, unit) for name, unit in told]
    validate(pd.DataFrame(rows, columns=list(COLUMNS)), file)


def _joined(parts: Sequence[_Rows]) -> _Rows:
    codes, times, values = zip(*parts, strict=True)
    return np.concatenate(codes), np.concatenate(times), np.concatenate(values)


def _bucket(folder: Path, number: int) -> _Rows:
    import pyarrow.parquet as pq

    codes, times, values = (column.to_numpy() for column in pq.read_table(folder / f"{number}.parquet").columns)
    return codes, times, values
