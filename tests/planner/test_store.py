"""Importing into the store: once is enough, and what changed is said."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError
from quartermaster.planner.frame import write
from quartermaster.planner.partitions import shelf
from quartermaster.planner.readings import TIERS, Readings
from quartermaster.planner.samples import demand
from quartermaster.planner.store import import_file, list_series, load, show


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.parquet"
    write(demand(days=3), path)
    return path


def test_importing_twice_adds_nothing(file: Path, tmp_path: Path) -> None:
    assert import_file(file, tmp_path / "store").added == 72
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*.*")}
    again = import_file(file, tmp_path / "store")
    assert (again.added, again.changed) == (0, 0)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*.*")} == before


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
    assert {p.parent.parent for p in tmp_path.rglob("*.parquet")} == {tmp_path / "store"}


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


def rolled_up(store: Path, name: str) -> pd.DataFrame:
    """A roll-up of web, as it is stored."""
    return pd.DataFrame(asdict(shelf(store, "web").rollup(TIERS[name])))


def test_roll_ups_say_mean_highest_percentile_and_number(tmp_path: Path) -> None:
    frame = demand(days=2, interval_us=60_000_000)
    write(frame, tmp_path / "m.parquet")
    import_file(tmp_path / "m.parquet", tmp_path / "store")
    hours = rolled_up(tmp_path / "store", "1h").iloc[1:-1]
    by_hand = frame["value"].to_numpy()[59:-1].reshape(-1, 60)
    assert len(hours) == 47
    assert hours["mean"].to_numpy() == pytest.approx(by_hand.mean(axis=1))
    assert (hours["max"].to_numpy() == by_hand.max(axis=1)).all()
    assert (hours["p95"].to_numpy() == np.sort(by_hand, axis=1)[:, 56]).all()
    assert set(hours["count"]) == {60}


def test_a_roll_up_is_never_finer_than_what_was_read(file: Path, tmp_path: Path) -> None:
    import_file(file, tmp_path / "store")
    (found,) = list_series(tmp_path / "store")
    assert [(t.name, t.rows, t.first[:13], t.last[:13], t.missing) for t in found.tiers] == [
        ("as read", 72, "2026-02-27T01", "2026-03-02T00", 0),
        ("1h", 72, "2026-02-27T01", "2026-03-02T00", 0),
        ("1day", 4, "2026-02-27T00", "2026-03-02T00", 0),
    ]


def test_when_only_roll_ups_are_left_late_rows_are_refused_and_all_else_stays(tmp_path: Path) -> None:
    store = tmp_path / "store"
    write(demand(days=40, interval_us=60_000_000), tmp_path / "m.parquet")
    import_file(tmp_path / "m.parquet", store)
    before = {name: rolled_up(store, name) for name in ("5min", "1h", "1day")}
    shelf(store, "web").keep_rollups("2026-01", "older than 30 days")
    for name, frame in before.items():
        assert rolled_up(store, name).equals(frame)
    late = import_file(tmp_path / "m.parquet", store)
    assert (late.added, late.changed) == (0, 0)
    assert late.series[0].refused == 11 * 1440 - 1, "the rows of January, from the 21st at 00:01 on"
    assert rolled_up(store, "1min")["times"].min() == datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1e6
    assert load(store, "web")["timestamp"].diff().dropna().dt.total_seconds().unique().tolist() == [300.0]
    assert show(store, "web")["rolled"] == {"2026-01": "older than 30 days"}


def test_a_store_of_the_old_form_is_taken_over(file: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    write(demand(days=3), store / "web-4b5e57f6eb2f.parquet")
    write(demand("own", days=3), store / "own.parquet")
    assert load(store).equals(demand(days=3))
    assert [p.name for p in store.glob("*.parquet")] == ["own.parquet"], "a file that is somebody's own stays"
    assert import_file(file, store).added == 0


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 6), minutes=st.sampled_from([1, 5, 15, 60]))
def test_in_what_portions_readings_come_makes_no_difference(seed: int, number: int, minutes: int) -> None:
    frame = demand(days=2, interval_us=minutes * 60_000_000, end=datetime(2026, 3, 2, 7, 5, tzinfo=UTC))
    times = frame["timestamp"].to_numpy(dtype="datetime64[us]").view("int64")
    values, portion = frame["value"].to_numpy(), np.random.default_rng(seed).integers(0, number, len(frame))
    with TemporaryDirectory() as folder:
        once, parts = shelf(Path(folder), "once"), shelf(Path(folder), "parts")
        once.add(Readings.of(times, values, minutes * 60))
        for mine in (portion == i for i in [*range(number), 0]):
            parts.add(Readings.of(times[mine], values[mine], minutes * 60))
        files = [{p.name: p.read_bytes() for p in Path(folder).glob(f"{n}-*/*.parquet")} for n in ("once", "parts")]
        assert files[0] == files[1]


@pytest.mark.slow
def test_a_killed_import_leaves_what_can_be_read_and_done_again(tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "m.parquet"
    write(demand(days=400, interval_us=300_000_000), file)
    code = "import sys, pathlib, quartermaster.planner.store as s; s.import_file(*map(pathlib.Path, sys.argv[1:]))"
    child = subprocess.Popen([sys.executable, "-c", code, file, store])
    while len(list(store.rglob("*.parquet"))) < 3:
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    some = len(rolled_up(store, "1h"))
    assert 0 < some < 400 * 24
    import_file(file, store)
    assert list_series(store)[0].rows == 400 * 288
    assert not list(store.rglob("*.part"))
