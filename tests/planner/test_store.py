"""Importing into the store: once is enough, and what changed is said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import write
from quartermaster.planner.samples import demand
from quartermaster.planner.store import import_file, list_series, load, show


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.parquet"
    write(demand(days=3), path)
    return path


def test_importing_twice_adds_nothing(file: Path, tmp_path: Path) -> None:
    assert import_file(file, tmp_path / "store").added == 72
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "store").iterdir()}
    again = import_file(file, tmp_path / "store")
    assert (again.added, again.changed) == (0, 0)
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "store").iterdir()} == before


def test_the_newer_reading_wins_and_is_reported(file: Path, tmp_path: Path) -> None:
    import_file(file, tmp_path / "store")
    frame = demand(days=3)
    frame.loc[0, "value"] = 5.0
    frame.loc[1, "value"] = None
    write(frame, file)
    report = import_file(file, tmp_path / "store")
    assert (report.added, report.changed) == (0, 1)
    kept = load(tmp_path / "store", "web")["value"]
    assert kept.iloc[0] == 5.0
    assert kept.notna().all(), "an empty value never erases a reading"


def test_the_last_of_repeated_rows_wins(file: Path, tmp_path: Path) -> None:
    import pandas as pd

    frame = demand(days=1)
    write(pd.concat([frame, frame.assign(value=9.0)]), file)
    report = import_file(file, tmp_path / "store")
    assert report.series[0].repeated == 24
    assert set(load(tmp_path / "store")["value"]) == {9.0}


def test_a_unit_that_differs_from_the_stores_is_refused_before_writing(file: Path, tmp_path: Path) -> None:
    import_file(file, tmp_path / "store")
    write(demand(days=9, unit="requests/h"), file)
    with pytest.raises(InputError, match="requests/h"):
        import_file(file, tmp_path / "store")
    assert len(load(tmp_path / "store")) == 72


def test_series_names_cannot_escape_the_store(tmp_path: Path) -> None:
    for i, name in enumerate(["../../evil", "a/b", "x" * 400, "ünï", "CON", ".."]):
        write(demand(name, days=1), tmp_path / f"{i}.csv")
        import_file(tmp_path / f"{i}.csv", tmp_path / "store")
    assert len(list_series(tmp_path / "store")) == 6
    assert {p.parent for p in tmp_path.rglob("*.parquet")} == {tmp_path / "store"}


def test_a_replay_ends_at_the_instant_given_with_its_hours_kept(file: Path, tmp_path: Path) -> None:
    now = datetime(2027, 5, 6, 7, 8, tzinfo=UTC)
    write(demand(days=30), file)
    import_file(file, tmp_path / "store", rename="shop", until=now)
    moved = load(tmp_path / "store", "shop")
    assert moved["timestamp"].iloc[-1].isoformat() == "2027-05-06T07:00:00+00:00"
    original = demand(days=30).set_index("timestamp")["value"]
    first = moved.iloc[0]
    weeks_back = first["timestamp"] - original.index[0]
    assert weeks_back.total_seconds() % (7 * 86_400) == 0
    assert first["value"] == original.iloc[0]


def test_an_unknown_series_is_named_with_those_there_are(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no metrics"):
        load(tmp_path / "store")
    import_file(file, tmp_path / "store")
    with pytest.raises(InputError) as caught:
        show(tmp_path / "store", "db")
    assert "web" in caught.value.remedy
    assert show(tmp_path / "store", "web")["rows"] == 72
