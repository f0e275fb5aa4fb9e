"""The door: good files are read as they are, broken ones refused with every fault and a remedy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import COLUMNS, read, validate, write
from quartermaster.planner.samples import demand

HEAD = "series_id,timestamp,value,unit\n"
GOOD = "web,2026-03-01T00:00:00Z,1.5,requests/s\n"

BROKEN_CSV = {
    "empty file": ("", "empty"),
    "header only": (HEAD, "no rows"),
    "no value column": ("series_id,timestamp,unit\nweb,2026-03-01T00:00:00Z,x\n", "column 'value' is missing"),
    "no columns known": ("a,b\n1,2\n", "column 'series_id' is missing"),
    "text in value": (HEAD + GOOD + "web,2026-03-01T01:00:00Z,many,requests/s\n", "'many' is no number"),
    "comma decimal": (HEAD + 'web,2026-03-01T01:00:00Z,"1,5",requests/s\n', "'1,5' is no number"),
    "two units": (HEAD + GOOD + "web,2026-03-01T01:00:00Z,1,requests/h\n", "several units"),
    "naive time": (HEAD + "web,2026-03-01T00:00:00,1,x\n", "carries no time zone"),
    "date only": (HEAD + "web,2026-03-01,1,x\n", "carries no time zone"),
    "no time": (HEAD + "web,,1,x\n", "is no instant"),
    "words for time": (HEAD + "web,yesterday,1,x\n", "is no instant"),
    "month 13": (HEAD + "web,2026-13-01T00:00:00Z,1,x\n", "is no instant"),
    "epoch seconds": (HEAD + "web,1700000000,1,x\n", "timestamp"),
    "nameless series": (HEAD + ",2026-03-01T00:00:00Z,1,x\n", "is no name"),
    "blank series": (HEAD + "  ,2026-03-01T00:00:00Z,1,x\n", "is no name"),
    "ragged": (HEAD + GOOD + "web,2026-03-01T01:00:00Z,1,x,y,z\n", "cannot be read as CSV"),
}


def test_a_file_with_semicolons_is_told_to_use_commas(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text((HEAD + GOOD).replace(",", ";"))
    with pytest.raises(InputError) as refused:
        read(tmp_path / "m.csv")
    assert {fault.remedy for fault in refused.value.faults} == {"separate columns with commas"}


@pytest.mark.parametrize("name", BROKEN_CSV)
def test_a_broken_csv_is_refused_with_problem_and_remedy(name: str, tmp_path: Path) -> None:
    text, expected = BROKEN_CSV[name]
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    said = caught.value.message + "".join(f.problem for f in caught.value.faults)
    assert expected in said
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def _broken(**columns: object) -> pd.DataFrame:
    return demand(days=2).assign(**columns)


BROKEN_PARQUET = {
    "naive": lambda: _broken(timestamp=demand(days=2)["timestamp"].dt.tz_localize(None)),
    "text value": lambda: _broken(value="high"),
    "bool value": lambda: _broken(value=True),
    "time as value": lambda: _broken(value=demand(days=2)["timestamp"]),
    "number as series": lambda: _broken(series_id=7),
    "number as time": lambda: _broken(timestamp=7),
    "null time": lambda: _broken(timestamp=demand(days=2)["timestamp"].where([False] + [True] * 47)),
    "two units": lambda: _broken(unit=["a"] * 24 + ["b"] * 24),
    "no rows": lambda: demand(days=2).iloc[:0],
    "no unit": lambda: demand(days=2).drop(columns="unit"),
}


@pytest.mark.parametrize("name", BROKEN_PARQUET)
def test_a_broken_parquet_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.parquet"
    BROKEN_PARQUET[name]().to_parquet(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.faults
    assert all(f.remedy for f in caught.value.faults)


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEAD + GOOD + "web,never,x,requests/s\nweb,2026-03-01T02:00:00Z,1,kg\n")
    with pytest.raises(InputError) as caught:
        read(path)
    assert {(f.where, f.line) for f in caught.value.faults} == {("timestamp", 3), ("value", 3), ("unit", None)}


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"\xff\xfe\x00"])
def test_garbage_is_refused_not_raised(content: bytes, tmp_path: Path) -> None:
    for name in ("m.parquet", "m.csv", "m.txt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read(tmp_path / name)
    with pytest.raises(InputError):
        read(tmp_path / "absent.csv")


def test_csv_and_parquet_give_the_same_frame(tmp_path: Path) -> None:
    frame = demand(days=3)
    frame.loc[5, "value"] = None
    write(frame, tmp_path / "m.parquet")
    write(frame, tmp_path / "m.csv")
    pd.testing.assert_frame_equal(read(tmp_path / "m.parquet"), read(tmp_path / "m.csv"))


def test_offsets_are_read_as_utc_and_missing_units_filled() -> None:
    raw = pd.DataFrame(
        {"series_id": "a", "timestamp": ["2026-03-01T02:00:00+02:00", "2026-03-01T01:00:00Z"], "value": [1, 2],
         "unit": [None, "x"]}
    )  # fmt: skip
    frame = validate(raw)
    assert list(frame.columns) == list(COLUMNS)
    assert frame["timestamp"].iloc[0] == pd.Timestamp("2026-03-01T00:00:00Z")
    assert list(frame["unit"]) == ["x", "x"]


def test_output_is_refused_where_it_cannot_go(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write(demand(days=1), tmp_path / "no" / "m.parquet")
    with pytest.raises(InputError):
        write(demand(days=1), tmp_path / "m.xlsx")
