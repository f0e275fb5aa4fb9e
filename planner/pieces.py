"""Histories by the piece: some hundred series at a time, in order of name, so that any number of them fits in memory.

What a piece holds follows from names and numbers of rows alone, never from files, row groups or workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.planner.frame import read
from quartermaster.planner.store import load, load_one, names
from quartermaster.planner.unit import is_companion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Histories", "Piece", "cut", "of_file", "of_frame", "of_store"]

_SERIES = 64
"""So few that the last piece keeps nobody waiting, so many that they are forecast as one batch."""
_ROWS = 400_000
"""A piece travels to its worker in one message."""
_STRETCHED = 4
"""So many times larger a piece may be, so that a demand series stays with its companions."""
_WHOLE_ROWS = 1_000_000
"""A Parquet file of so many rows or fewer is read at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The rows of some series that follow one another in order of name."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    codes: NDArray[np.int32]
    """For each row the place of its series in ``names``; rows stand in the source's order."""
    times: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    values: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """The long frame of these rows."""
        import pandas as pd

        return pd.DataFrame(
            {
                "series_id": pd.array(list(self.names), dtype="str").take(self.codes),
                "timestamp": pd.DatetimeIndex(self.times.view("datetime64[us]")).tz_localize("UTC"),
                "value": self.values,
                "unit": pd.array(list(self.units), dtype="str").take(self.codes),
            }
        )


@dataclass(frozen=True, slots=True)
class Histories:
    """A source of pieces that can be gone through once."""

    series: int
    """How many there are."""
    pieces: Iterator[Piece]


def of_file(path: Path, folder: Path) -> Histories:
    """Those of a CSV or Parquet file, or of a folder of Parquet files. Raises InputError for any fault of structure.

    What is large and unsorted is sorted on disk first, in a folder that is made in ``folder`` and goes with the pieces.
    """
    from quartermaster.planner.row_groups import RowGroups, count_rows

    if path.is_dir() or (path.suffix.lower() in (".parquet", ".pq") and count_rows(path) > _WHOLE_ROWS):
        groups = RowGroups(path)
        return Histories(len(groups.names), groups.pieces(folder))
    return of_frame(read(path))


def of_frame(frame: pd.DataFrame) -> Histories:
    """Those of a valid long frame."""
    codes, found = frame["series_id"].factorize(sort=True)
    return Histories(len(found), _of_frame(frame, codes, [str(name) for name in found]))


def of_store(store: Path) -> Histories:
    """Those of the metric store, read a few series at a time. Raises InputError where it holds none."""
    known = names(store)
    if not known:
        load(store)  # says what to do
    return Histories(len(known), _of_store(store, known))


def cut(rows: Sequence[int] | NDArray[np.int64], names: Sequence[str] = ()) -> list[tuple[int, int]]:
    """First and past-the-last series of each piece, from the number of rows of each series, in order of ``names``.

    A demand series and its companions go together, as those tell when it was overloaded.
    """
    together = _together(names)
    cuts, start, held = [], 0, 0
    for i, count in enumerate(rows):
        room = _STRETCHED if i < len(together) and together[i] else 1
        if i > start and (i - start >= room * _SERIES or held + count > room * _ROWS):
            cuts.append((start, i))
            start, held = i, 0
        held += int(count)
    return [*cuts, (start, len(rows))]


def _together(names: Sequence[str]) -> NDArray[np.bool_]:
    """Where a cut before a name would part a series from a companion."""
    place = {name: i for i, name in enumerate(names)}
    spans = np.zeros(len(names) + 1, dtype=np.int64)
    for i, name in enumerate(names):
        demand = place.get(name.rpartition(":")[0]) if is_companion(name) else None
        if demand is not None:
            spans[demand + 1] += 1
            spans[i + 1] -= 1
    return np.asarray(np.cumsum(spans[:-1]) > 0)


def _of_frame(frame: pd.DataFrame, codes: NDArray[np.int64], found: list[str]) -> Iterator[Piece]:
    times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    values = frame["value"].to_numpy(dtype="float64")
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(found) + 1))
    units = [str(unit) for unit in frame["unit"].iloc[order[bounds[:-1]]]]
    for a, b in cut(np.diff(bounds), found):
        rows = np.sort(order[bounds[a] : bounds[b]])
        own = (codes[rows] - a).astype(np.int32)
        yield Piece(tuple(found[a:b]), tuple(units[a:b]), own, times[rows], values[rows])


def _of_store(store: Path, known: Sequence[str]) -> Iterator[Piece]:
    import pandas as pd

    some: list[pd.DataFrame] = []
    start = 0
    for name in known:
        some.append(load_one(store, name))
        rows = [len(frame) for frame in some]
        if len(rows) <= _SERIES and sum(rows) <= _ROWS:
            continue
        if len(done := cut(rows, known[start : start + _STRETCHED * _SERIES + 1])) > 1:
            yield from of_frame(pd.concat(some[: done[0][1]])).pieces
            some, start = some[done[0][1] :], start + done[0][1]
    yield from of_frame(pd.concat(some)).pieces
