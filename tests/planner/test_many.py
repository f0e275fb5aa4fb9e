"""Any number of series: the same bits however the work is split, lost or sorted; whole files or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from quartermaster.fleet.errors import InputError
from quartermaster.planner import many, pieces, row_groups
from quartermaster.planner.forecast import Forecast, forecast
from quartermaster.planner.frame import write
from quartermaster.planner.many import Ask, Report, forecast_many
from quartermaster.planner.samples import demand
from quartermaster.planner.store import import_file

CHEAP = ("naive", "seasonal_naive_day", "seasonal_naive_week", "regression_near")
ASK: Ask = partial(forecast, horizon=24, levels=(0.5, 0.95), models=CHEAP)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of three series; any file counts as large."""
    monkeypatch.setattr(pieces, "_SERIES", 3)
    monkeypatch.setattr(pieces, "_WHOLE_ROWS", 0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0) as made:
        yield made.scheduler_address


def history() -> pd.DataFrame:
    """Eleven series, sorted by name: of several lengths and intervals, one empty, one short, two without a unit."""
    frames = [demand(f"s{i:02d}", days=15 + i, noise=0.1 * i) for i in range(8)]
    frames += [demand("t", days=3, interval_us=300_000_000), demand("dead").assign(value=np.nan), demand("v").tail(2)]
    frames[2]["unit"] = None
    frames[3].loc[frames[3].index[:200], "unit"] = None
    return pd.concat(frames, ignore_index=True).sort_values("series_id", kind="stable", ignore_index=True)


def whole() -> pd.DataFrame:
    """What one call says of all of it."""
    valid = pieces.of_frame(history().assign(unit="requests/s")).pieces
    return ASK(pd.concat([piece.frame() for piece in valid])).frame


def spread(frame: pd.DataFrame, folder: Path, files: int, rows: int) -> Path:
    """The frame over so many files, in row groups of so many rows: ends of files and groups lie within series."""
    folder.mkdir()
    for n, part in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[part].to_parquet(folder / f"{n:02d}.parquet", index=False, row_group_size=rows)
    return folder


def run(path: Path, out: Path, ask: Ask = ASK, workers: int = 1, dask: str = "") -> Report:
    steps = forecast_many(pieces.of_file(path, out.parent), ask, out, workers=workers, dask=dask)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: Report = end.value
            return report


def same(out: Path, expected: pd.DataFrame) -> bool:
    found = pd.read_parquet(out)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    return True


@pytest.mark.parametrize(("files", "rows"), [(1, 10**6), (2, 500), (7, 333)])
def test_files_and_row_groups_change_no_bit(tmp_path: Path, files: int, rows: int) -> None:
    report = run(spread(history(), tmp_path / "in", files, rows), tmp_path / "out.parquet")
    assert same(tmp_path / "out.parquet", whole())
    assert (report.series, report.rows) == (11, 11 * 24)
    assert [r["name"] for r in report.to_json()["refused"]] == ["dead"]
    assert len(report.to_json()["choices"]) == 10


@pytest.mark.slow
def test_processes_and_a_cluster_change_no_bit(tmp_path: Path, cluster: str) -> None:
    path = spread(history(), tmp_path / "in", 3, 400)
    run(path, tmp_path / "one.parquet")
    run(path, tmp_path / "two.parquet", workers=2)
    run(path, tmp_path / "dask.parquet", dask=cluster)
    one = (tmp_path / "one.parquet").read_bytes()
    assert (tmp_path / "two.parquet").read_bytes() == one
    assert (tmp_path / "dask.parquet").read_bytes() == one


def test_unsorted_rows_are_put_together_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "_HELD_ROWS", 1500)
    spilled = []
    spill = row_groups.RowGroups._spill
    monkeypatch.setattr(row_groups.RowGroups, "_spill", lambda self, *args: spilled.append(1) or spill(self, *args))
    mixed = history().sort_values("timestamp", kind="stable")
    run(spread(mixed, tmp_path / "in", 2, 700), tmp_path / "out.parquet")
    assert same(tmp_path / "out.parquet", whole())
    assert spilled
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.parquet"]


def test_sorted_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "_HELD_ROWS", 1500)
    monkeypatch.setattr(row_groups.RowGroups, "_spill", None)
    loaded = []
    load = row_groups.RowGroups._loaded
    monkeypatch.setattr(row_groups.RowGroups, "_loaded", lambda self, n: loaded.append(n) or load(self, n))
    run(spread(history(), tmp_path / "in", 2, 700), tmp_path / "out.parquet")
    assert loaded == sorted(set(loaded))


def test_types_that_need_conversion_are_converted(tmp_path: Path) -> None:
    frame = history()
    text = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    odd = frame.assign(
        timestamp=text, value=frame["value"].astype(str), series_id=frame["series_id"].astype("category")
    )
    run(spread(odd, tmp_path / "in", 2, 700), tmp_path / "out.parquet")
    assert same(tmp_path / "out.parquet", whole())


def test_the_store_is_read_by_the_piece(tmp_path: Path) -> None:
    frame = history().assign(unit="requests/s")
    write(frame, tmp_path / "in.parquet")
    import_file(tmp_path / "in.parquet", tmp_path / "store")
    out = tmp_path / "out.parquet"
    list(forecast_many(pieces.of_store(tmp_path / "store"), ASK, out))
    assert same(out, whole())


@pytest.mark.slow
def test_a_lost_worker_changes_no_number(tmp_path: Path) -> None:
    lost = tmp_path / "lost"

    def dies_once(frame: pd.DataFrame, *, lost: Path = lost, ask: Ask = ASK) -> Forecast:
        if "s05" in set(frame["series_id"]) and not lost.exists():
            lost.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return ask(frame)

    run(spread(history(), tmp_path / "in", 2, 700), tmp_path / "out.parquet", dies_once, workers=2)
    assert int(lost.read_text()) != os.getpid()
    assert same(tmp_path / "out.parquet", whole())


def test_a_failed_run_leaves_the_old_file(tmp_path: Path) -> None:
    def fails(frame: pd.DataFrame) -> Forecast:
        if "t" in set(frame["series_id"]):
            raise InputError("no")
        return ASK(frame)

    (tmp_path / "out.parquet").write_text("old")
    with pytest.raises(InputError, match="no"):
        run(spread(history(), tmp_path / "in", 1, 700), tmp_path / "out.parquet", fails)
    assert (tmp_path / "out.parquet").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.parquet"]


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    path = spread(history(), tmp_path / "in", 1, 700)
    code = f"""if True:
        import os, signal
        from pathlib import Path
        from quartermaster.planner import forecast, many, pieces
        pieces._SERIES, pieces._WHOLE_ROWS = 3, 0
        def ask(frame):
            if "t" in set(frame["series_id"]):
                os.kill(os.getpid(), signal.SIGKILL)
            return forecast.forecast(frame, 24, models={CHEAP})
        out = Path({str(tmp_path / "out.parquet")!r})
        list(many.forecast_many(pieces.of_file(Path({str(path)!r}), out.parent), ask, out))
    """
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out.parquet.part"]
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(tmp_path / "out.parquet.part")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.drop(columns="value"), "column 'value' is missing"),
        (lambda f: f.head(0), "no rows"),
        (lambda f: f.assign(timestamp=f["timestamp"].dt.tz_localize(None)), "naive"),
        (lambda f: f.assign(timestamp=f["timestamp"].where(f.index != 1400)), "is no instant"),
        (lambda f: f.assign(series_id=f["series_id"].where(f.index != 1400)), "is no name"),
        (lambda f: f.assign(unit=f["unit"].where(f.index != len(f) - 1, "s")), "'v' comes in several units"),
        (lambda f: f.assign(value="x"), "is no number"),
    ],
)
def test_faults_of_structure_are_found_before_anything_is_computed(tmp_path: Path, change: object, told: str) -> None:
    path = spread(change(history()), tmp_path / "in", 2, 700)  # type: ignore[operator]
    with pytest.raises(InputError, match=told):
        pieces.of_file(path, tmp_path)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.parquet file"):
        pieces.of_file(tmp_path, tmp_path)
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        pieces.of_file(tmp_path, tmp_path)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_or_made_of_other_code_is_refused(
    tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = spread(history(), tmp_path / "in", 1, 700)
    monkeypatch.setattr(many, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers at tcp://127"):
        run(path, tmp_path / "out.parquet", dask="tcp://127.0.0.1:9")
    monkeypatch.setattr(many, "_CONNECT_SECONDS", 15)
    monkeypatch.setattr(many, "_software", lambda: "something else")
    with pytest.raises(InputError, match="has other software"):
        run(path, tmp_path / "out.parquet", dask=cluster)


def test_csv_comes_out_as_it_did_at_once(tmp_path: Path) -> None:
    run(spread(history(), tmp_path / "in", 1, 700), tmp_path / "out.csv")
    write(whole(), tmp_path / "whole.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_pieces_are_bounded_in_series_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_ROWS", 100)
    assert pieces.cut([10] * 7) == [(0, 3), (3, 6), (6, 7)]
    assert pieces.cut([60, 60, 500, 1, 1]) == [(0, 1), (1, 2), (2, 3), (3, 5)]


@pytest.mark.slow
def test_dask_is_imported_only_when_used() -> None:
    code = "import sys; from quartermaster.planner import many, pieces; print('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_demand_series_stays_with_its_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_SERIES", 2)
    names = ["a", "b", "web", "web-2", "web:rejected", "web:utilisation", "z"]
    assert pieces.cut([10] * 7, names) == [(0, 2), (2, 6), (6, 7)]
    assert pieces.cut([10] * 7, [n.replace(":", "_") for n in names]) == [(0, 2), (2, 4), (4, 6), (6, 7)]
