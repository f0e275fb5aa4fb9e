"""A frame written bit by bit as ``.parquet`` or ``.csv``: whole under its name, or not at all."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part"]


class Part:
    """Rows go to ``NAME.part``, which gets its name when the block ends well.

    Raises InputError for another ending or a folder that is not there.
    """

    def __init__(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if suffix not in (".parquet", ".pq", ".csv"):
            raise InputError(f"output {path} ends in {suffix!r}", remedy="name it .parquet or .csv")
        if not path.parent.is_dir():
            raise InputError(f"folder {path.parent} of output {path.name} is not there", remedy="make the folder first")
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._csv = suffix == ".csv"
        self._out: Any = None

    def add(self, frame: pd.DataFrame) -> None:
        """Append rows: a row group. All frames have the columns of the first."""
        if self._csv:
            first = self._out is None
            self._out = self._part.open("w", encoding="utf-8", newline="") if first else self._out
            frame.to_csv(self._out, index=False, header=first, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(frame, preserve_index=False)
        if self._out is None:
            self._out = pq.ParquetWriter(self._part, table.schema, compression="zstd")
        self._out.write_table(table)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if self._out is not None:
                self._out.close()
            if kind is None:
                self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)
