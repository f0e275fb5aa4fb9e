"""Parquet files as Arrow reads them: opened, their columns looked at, a batch of rows in its types."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import COLUMNS, UNKNOWN_UNIT, validate

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

__all__ = ["Batch", "batch_of", "group_rows", "opened", "unreadable"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some rows of a row group in their types."""

    names: list[str]
    units: list[str | None]
    series: NDArray[np.int32]
    """Place in ``names``."""
    unit: NDArray[np.int32]
    """Place in ``units``."""
    times: NDArray[np.int64]
    values: NDArray[np.float64]


def opened(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        names = ["series_id", "unit"] if _plain(schema) else None
        # Columns of a large row group are read by pages.
        return pq.ParquetFile(path, read_dictionary=names, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise unreadable(path, exc) from exc


def group_rows(file: pq.ParquetFile, path: Path) -> list[int]:
    """Rows of each row group. Raises InputError where a column is not there, or twice."""
    names = file.schema_arrow.names
    if any(names.count(name) > 1 for name in COLUMNS):
        raise InputError(f"metrics file {path} names a column twice", remedy="keep one column of each name")
    if set(COLUMNS) - set(names) and file.metadata.num_rows:
        validate(next(file.iter_batches(1)).to_pandas(), path.name)
    return [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]


def _plain(schema: pa.Schema) -> bool:
    """Whether the columns have the types they should have; others are converted, or refused, by ``validate``."""
    import pyarrow as pa

    def text(kind: pa.DataType) -> bool:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    if any(schema.names.count(name) != 1 for name in COLUMNS):
        return False
    series, time, value, unit = (schema.field(name).type for name in COLUMNS)
    numbers = pa.types.is_floating(value) or pa.types.is_integer(value)
    return text(series) and text(unit) and numbers and pa.types.is_timestamp(time) and bool(time.tz)


def batch_of(batch: pa.RecordBatch, label: str) -> Batch:
    """The rows in their types. Raises InputError, by ``validate``."""
    import pyarrow as pa

    if not (_plain(batch.schema) and _named(batch)):
        frame = batch.to_pandas()
        # Without units: which one a row lacks shows only beside all rows of its series.
        valid = validate(frame.assign(unit=UNKNOWN_UNIT), label)
        units = [unit if isinstance(unit, str) else None for unit in frame["unit"]]
        batch = pa.RecordBatch.from_pandas(valid.drop(columns="unit"), preserve_index=False)
        batch = batch.append_column("unit", pa.array(units, pa.string()))
    series, unit = (_dictionary(batch.column(name)) for name in ("series_id", "unit"))
    times = batch.column("timestamp").cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    texts = unit.dictionary.to_pylist()
    return Batch(
        series.dictionary.to_pylist(),
        [*(text if text is not None and text.strip() else None for text in texts), None],
        series.indices.to_numpy().astype(np.int32, copy=False),
        unit.indices.fill_null(len(texts)).to_numpy().astype(np.int32, copy=False),
        times.to_numpy(),
        batch.column("value").cast(pa.float64()).to_numpy(zero_copy_only=False),
    )


def _named(batch: pa.RecordBatch) -> bool:
    """Whether every row has its name and its instant."""
    names = _dictionary(batch.column("series_id"))
    if names.null_count or batch.column("timestamp").null_count:
        return False
    return all(name is not None and name.strip() for name in names.dictionary.to_pylist())


def _dictionary(column: pa.Array) -> pa.DictionaryArray:
    import pyarrow as pa

    return column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()


def unreadable(path: Path, exc: Exception) -> InputError:
    return InputError(f"metrics file {path} cannot be read as Parquet: {exc}", remedy="export it again")
