"""What a sync asks a source for, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.planner.frame import write
from quartermaster.planner.partitions import shelf
from quartermaster.planner.readings import Readings
from quartermaster.planner.samples import demand
from quartermaster.planner.sources import Answer, Query, Retention, Stretch
from quartermaster.planner.sources.counters import rate, total
from quartermaster.planner.store import import_file, list_series, load, show
from quartermaster.planner.sync import SeriesSync, drop_minutes, sync
from tests.planner.test_store import rolled_up

START = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Query("web", "requests/s", "memory web")
MINUTE, US = 60, 1_000_000


def us(instant: datetime) -> int:
    return round(instant.timestamp()) * US


class Memory:
    """A source with CloudWatch's retention, whose value at each minute since START is its number."""

    def __init__(self, silent: Sequence[range] = (), late: Sequence[range] = ()) -> None:
        self.absent = {i for r in (*silent, *late) for i in r}
        self.asked: list[Stretch] = []
        self.fails_after = 10**9

    def retention(self, now: datetime) -> tuple[Retention, ...]:
        return tuple(Retention(s, now - timedelta(days=d)) for s, d in ((60, 15), (300, 63), (3600, 455)))

    def read(self, wanted: Sequence[tuple[Query, Stretch]]) -> Iterator[Answer]:
        for query, stretch in wanted:
            self.asked.append(stretch)
            if len(self.asked) > self.fails_after:
                raise OpsError("gone")
            times = np.arange(stretch.start_us, stretch.end_us, stretch.seconds * US, dtype=np.int64)
            number = (times - us(START)) // (MINUTE * US)
            there = (number >= 0) & ~np.isin(number, list(self.absent))
            yield Answer(query, stretch, Readings.of(times[there], number[there].astype(float), stretch.seconds))


def run(store: Path, source: Memory, now: datetime, query: Query = WEB, since: datetime | None = None) -> SeriesSync:
    (done,) = sync(store, source, [query], now, since=since)
    return done


def test_each_stretch_is_asked_at_the_finest_resolution_that_still_exists(tmp_path: Path) -> None:
    source, now = Memory(), START + timedelta(days=500, minutes=17)
    run(tmp_path, source, now)
    assert [(s.seconds, round((s.end_us - s.start_us) / 86_400e6)) for s in source.asked] == [
        (3600, 392), (300, 48), (60, 15),
    ]  # fmt: skip
    assert [a.end_us for a in source.asked[:-1]] == [b.start_us for b in source.asked[1:]], "no overlap and no hole"
    assert show(tmp_path, "web")["gaps"] == []


def test_a_second_sync_adds_nothing_and_writes_nothing(tmp_path: Path) -> None:
    now = START + timedelta(days=40, minutes=3)
    assert run(tmp_path, Memory(), now).added > 20_000
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")}
    source = Memory()
    again = run(tmp_path, source, now)
    assert (again.added, again.changed, again.asked) == (0, 0, 60)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.*")} == before


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 3 * 1440), max_size=6), st.booleans())
def test_how_often_it_is_synced_makes_no_difference(minutes: list[int], counted: bool) -> None:
    """Within the time that the finest resolution is kept."""
    query = Query("web", "requests/s", "memory web", silence_is_zero=counted)
    source, end = Memory(silent=[range(700, 1500), range(5000, 5001)]), START + timedelta(days=3)
    with TemporaryDirectory() as folder:
        once, often = Path(folder, "once"), Path(folder, "often")
        run(once, source, end, query, since=START)
        for now in [*sorted(START + timedelta(minutes=m) for m in minutes), end]:
            run(often, source, now, query, since=START if not often.exists() else None)
        assert load(once, "web").equals(load(often, "web"))


def test_history_outlives_the_source(tmp_path: Path) -> None:
    run(tmp_path, Memory(), START + timedelta(days=10), since=START)
    run(tmp_path, Memory(), START + timedelta(days=100))
    minutes = rolled_up(tmp_path, "1min")
    assert minutes["times"].iloc[0] == START.timestamp() * 1e6
    hours = load(tmp_path, "web")
    assert set(hours["timestamp"].diff().dropna().dt.total_seconds()) == {3600.0}, "one interval, and no gap"
    assert len(hours) == 2400
    assert hours["value"].iloc[:3].tolist() == [29.5, 89.5, 149.5]
    beside = load(tmp_path, finer=True).groupby("series_id")["timestamp"]
    assert beside.first().to_dict() == {"web": START, "web:1min": START + timedelta(days=85)}


def test_a_gap_is_filled_when_asked_for(tmp_path: Path) -> None:
    now = START + timedelta(days=3)
    run(tmp_path, Memory(late=[range(100, 400)]), now, since=START)
    assert show(tmp_path, "web")["gaps"] == [{"from": "2026-01-01T01:40:00Z", "to": "2026-01-01T06:40:00Z"}]
    assert run(tmp_path, Memory(), now).added == 0, "what was asked for is not asked for again and again"
    assert run(tmp_path, Memory(), now, since=START).added == 300
    assert show(tmp_path, "web")["gaps"] == []


def test_late_points_replace_what_was_there(tmp_path: Path) -> None:
    now = START + timedelta(hours=5)
    run(tmp_path, Memory(), now, since=START)
    shelf(tmp_path, "web").add(Readings.of(np.array([us(now) - 600 * US]), np.array([1e6]), 60))
    done = run(tmp_path, Memory(), now)
    assert (done.added, done.changed) == (0, 1)
    assert load(tmp_path, "web")["value"].max() == 299


def test_silence_of_a_counted_metric_becomes_zero_once_points_come_again(tmp_path: Path) -> None:
    query = Query("web", "requests/s", "memory web", silence_is_zero=True)
    source = Memory(silent=[range(100, 400)])
    run(tmp_path, source, START + timedelta(minutes=300), query, since=START)
    assert len(load(tmp_path, "web")) == 100
    run(tmp_path, source, START + timedelta(minutes=350), query)
    run(tmp_path, source, START + timedelta(minutes=500), query)
    values = load(tmp_path, "web")["value"].to_numpy()
    assert len(values) == 500
    assert (values[100:400] == 0).all()
    assert values[400] == 400


def test_before_the_first_point_there_is_no_zero(tmp_path: Path) -> None:
    query = Query("web", "requests/s", "memory web", silence_is_zero=True)
    run(tmp_path, Memory(), START + timedelta(minutes=30), query, since=START - timedelta(days=2))
    assert load(tmp_path, "web")["timestamp"].iloc[0] == START


def test_a_failed_sync_is_done_again_from_where_it_was(tmp_path: Path) -> None:
    source, now = Memory(), START + timedelta(days=100)
    source.fails_after = 1
    with pytest.raises(OpsError):
        run(tmp_path, source, now)
    assert list_series(tmp_path) == ()
    run(tmp_path, Memory(), now)
    assert len(load(tmp_path, "web")) == 2400


def test_another_unit_in_the_store_is_refused_before_reading(tmp_path: Path) -> None:
    write(demand(days=2, unit="requests/h"), tmp_path / "m.csv")
    import_file(tmp_path / "m.csv", tmp_path / "store")
    source = Memory()
    with pytest.raises(InputError, match="requests/h"):
        run(tmp_path / "store", source, START)
    assert not source.asked


def test_imported_history_is_gone_on_with(tmp_path: Path) -> None:
    write(demand(days=30, end=START - timedelta(hours=1)), tmp_path / "m.parquet")
    import_file(tmp_path / "m.parquet", tmp_path)
    run(tmp_path, Memory(), START + timedelta(days=2))
    hours = load(tmp_path, "web")
    assert len(hours) == 32 * 24
    assert set(hours["timestamp"].diff().dropna().dt.total_seconds()) == {3600.0}


def test_minutes_go_after_their_time_and_are_not_asked_for_again(tmp_path: Path) -> None:
    now = START + timedelta(days=14)
    run(tmp_path, Memory(), now, since=START)
    later = START + timedelta(days=70)
    before = rolled_up(tmp_path, "1h")
    assert drop_minutes(tmp_path, later, 31) == {"web": ("2026-01",)}
    assert drop_minutes(tmp_path, later, 31) == {}
    assert rolled_up(tmp_path, "1h").equals(before)
    assert run(tmp_path, Memory(), now, since=START).asked == 60
    assert load(tmp_path, "web")["timestamp"].diff().median() == timedelta(minutes=5)


def test_a_counter_that_begins_anew_has_counted_what_it_shows() -> None:
    edges = np.arange(5, dtype=np.int64) * 60 * US
    rates = rate(edges, np.array([100.0, 160.0, 30.0, 90.0, 90.0]), edges)
    assert rates.tolist() == [1.0, 0.5, 1.0, 0.0]


def test_scrapes_need_not_meet_the_minute() -> None:
    times = np.arange(15, 600, 30, dtype=np.int64) * US
    rates = rate(times, times / US * 2, np.arange(11, dtype=np.int64) * 60 * US)
    assert np.isnan(rates[[0, -1]]).all(), "of the first and last minute only a part is known"
    assert rates[1:-1] == pytest.approx(2)


def test_a_counter_unseen_for_long_says_nothing_of_that_time() -> None:
    times = np.array([0, 60, 120, 900, 960], dtype=np.int64) * US
    rates = rate(times, np.arange(5) * 60.0, np.arange(0, 1020, 60, dtype=np.int64) * US)
    assert np.isfinite(rates).nonzero()[0].tolist() == [0, 1, 15]


def test_the_sum_is_of_those_that_are_known() -> None:
    one, two = np.array([1.0, np.nan, np.nan]), np.array([2.0, 3.0, np.nan])
    np.testing.assert_array_equal(total([one, two], 3), [3.0, 3.0, np.nan])
