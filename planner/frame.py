"""The long frame of metrics: its columns, reading it from Parquet and CSV, writing it back.

One row per series and instant: ``series_id`` (string), ``timestamp`` (UTC, microseconds), ``value`` (float64, null = no
reading), ``unit`` (string). Faults of the file's structure are refused here, all at once; what is irregular within a
series is the business of :mod:`quartermaster.planner.clean`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import Fault, InputError
from quartermaster.planner.part import Part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "UNKNOWN_UNIT", "read", "validate", "write"]

COLUMNS = ("series_id", "timestamp", "value", "unit")
UNKNOWN_UNIT = "unknown"
_ZONED = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_NULLS = ["", "NaN", "nan", "null", "NULL", "None", "NA"]
_SHOWN = 5


def read(path: Path) -> pd.DataFrame:
    """The valid long frame in a ``.parquet`` or ``.csv`` file, rows in the file's order. Raises InputError."""
    if not path.is_file():
        raise InputError(f"metrics file {path} is not there", remedy="give the path of a .parquet or .csv file")
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return validate(_read_parquet(path), path.name)
    if suffix == ".csv":
        return validate(_read_csv(path), path.name, first_line=2)
    raise InputError(f"metrics file {path} ends in {suffix!r}", remedy="convert it to .parquet or .csv")


def validate(raw: pd.DataFrame, file: str = "", *, first_line: int | None = None) -> pd.DataFrame:
    """The four columns in their types. Raises InputError with every fault of structure.

    ``first_line`` is the line of the first row, for files that have lines.
    """
    faults = [
        Fault(
            name,
            f"column {name!r} is missing; there are: {', '.join(map(str, raw.columns)) or 'none'}",
            "separate columns with commas"
            if len(raw.columns) == 1 and ";" in str(raw.columns[0])
            else f"add a column {name!r}" + (" (UTC, ISO 8601)" if name == "timestamp" else ""),
            file=file,
        )
        for name in COLUMNS
        if name not in raw.columns
    ]
    if not len(raw):
        faults.append(Fault("rows", "the file holds no rows", "export at least one reading", file=file))
    if faults:
        raise _refused(file, faults)
    import pandas as pd

    ids = _series_ids(raw["series_id"], faults, file, first_line)
    frame = pd.DataFrame(
        {
            "series_id": ids,
            "timestamp": _timestamps(raw["timestamp"], faults, file, first_line),
            "value": _values(raw["value"], faults, file, first_line),
            "unit": _units(raw["unit"], ids, faults, file),
        }
    )
    if faults:
        raise _refused(file, faults)
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as ``.parquet`` or ``.csv``, whole or not at all. Raises InputError for another ending."""
    with Part(path) as part:
        part.add(frame)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise InputError(f"metrics file {path} cannot be read as Parquet: {exc}", remedy="export it again") from exc
    keep = [name for name in table.column_names if name in COLUMNS]
    if len(set(keep)) < len(keep):
        raise InputError(f"metrics file {path} names a column twice", remedy="keep one column of each name")
    frame: pd.DataFrame = table.select(keep).to_pandas() if set(keep) == set(COLUMNS) else table.to_pandas()
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(
            path, dtype=str, keep_default_na=False, na_values=_NULLS, encoding="utf-8-sig", skip_blank_lines=False
        )
    except pd.errors.EmptyDataError as exc:
        raise _refused(path.name, [Fault("rows", "the file is empty", "export at least one reading")]) from exc
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, ValueError) as exc:
        raise InputError(f"metrics file {path} cannot be read as CSV: {exc}", remedy="export it as UTF-8 CSV") from exc


def _series_ids(column: pd.Series[Any], faults: list[Fault], file: str, first_line: int | None) -> pd.Series[Any]:
    import pandas as pd

    plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    nameless = [v for v in pd.unique(plain) if not (isinstance(v, str) and v.strip())]
    bad = plain.isna() | plain.isin([v for v in nameless if not pd.isna(v)])
    _report(
        faults,
        "series_id",
        bad,
        column,
        "is no name",
        "give every row the name of its series as text",
        file,
        first_line,
    )
    return plain.astype("str") if not bad.any() else plain.map(str)


def _timestamps(column: pd.Series[Any], faults: list[Fault], file: str, first_line: int | None) -> pd.Series[Any]:
    import pandas as pd

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        remedy = "give every row its instant"
        _report(faults, "timestamp", column.isna(), column, "is no instant", remedy, file, first_line)
        utc: pd.Series[Any] = column.dt.tz_convert("UTC").dt.as_unit("us")
        return utc
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        faults.append(
            Fault(
                "timestamp",
                "the instants carry no time zone (naive)",
                "say which zone they are in: tz_localize('UTC') before exporting",
                file=file,
            )
        )
        return column
    text = column.map(lambda v: v.strip() if isinstance(v, str) else "")
    parsed = pd.to_datetime(text, utc=True, errors="coerce", format="ISO8601")
    unreadable = parsed.isna()
    naive = ~unreadable & ~text.map(lambda v: bool(_ZONED.search(v))).astype(bool)
    remedy = "write ISO 8601 in UTC: 2026-03-01T14:00:00Z"
    _report(faults, "timestamp", unreadable, column, "is no instant", remedy, file, first_line)
    remedy = "end it with Z for UTC, or +hh:mm"
    _report(faults, "timestamp", naive, column, "carries no time zone", remedy, file, first_line)
    return parsed.dt.as_unit("us")


def _values(column: pd.Series[Any], faults: list[Fault], file: str, first_line: int | None) -> pd.Series[Any]:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        faults.append(Fault("value", f"holds {column.dtype}, no numbers", "export the readings as float64", file=file))
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    if not pd.api.types.is_numeric_dtype(numbers.dtype):
        numbers = pd.Series([float("nan")] * len(column), index=column.index)
    text = numbers.isna() & column.notna()
    if pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype):
        text &= column.astype(str).str.strip().str.lower() != "nan"
    remedy = "write a number with a decimal point, or leave it empty for no reading"
    _report(faults, "value", text, column, "is no number", remedy, file, first_line)
    return numbers.astype("float64")


def _units(column: pd.Series[Any], ids: pd.Series[Any], faults: list[Fault], file: str) -> pd.Series[Any]:
    text = column.astype(object).map(lambda v: v if isinstance(v, str) and v.strip() else None)
    known = text.notna()
    counts = text[known].groupby(ids[known], sort=True).nunique()
    for series in list(counts.index[counts > 1])[:_SHOWN]:
        found = ", ".join(repr(u) for u in sorted(set(text[known & (ids == series)])))
        faults.append(
            Fault(
                "unit",
                f"series {series!r} comes in several units: {found}",
                "convert it to one unit, or give each unit a series of its own",
                file=file,
            )
        )
    # A row without a unit takes that of its series.
    own = text[known].groupby(ids[known]).first()
    filled = text.where(known, ids.map(own.to_dict()))
    return filled.where(filled.notna(), UNKNOWN_UNIT).astype("str")


def _report(
    faults: list[Fault],
    where: str,
    bad: pd.Series[Any],
    column: pd.Series[Any],
    problem: str,
    remedy: str,
    file: str,
    first_line: int | None,
) -> None:
    """Add one fault for each of the first few bad rows, and one that counts the rest."""
    rows = [i for i, b in enumerate(bad.to_numpy()) if b]
    for row in rows[:_SHOWN]:
        value = column.iloc[row]
        shown = repr(value) if isinstance(value, str | int | float) else str(value)
        line = None if first_line is None else row + first_line
        place = "" if line is not None else f" in row {row + 1}"
        faults.append(Fault(where, f"{shown}{place} {problem}", remedy, line=line, file=file))
    if len(rows) > _SHOWN:
        faults.append(Fault(where, f"{len(rows) - _SHOWN} more rows like these", remedy, file=file))


def _refused(file: str, faults: Sequence[Fault]) -> InputError:
    what = "; ".join(f"{f.where}: {f.problem}" for f in faults[:3]) + ("; ..." if len(faults) > 3 else "")
    return InputError(f"metrics file {file or '(frame)'} is refused: {what}", faults, remedy=faults[0].remedy)
