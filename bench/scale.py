"""How ``ops forecast run`` grows: time and memory from a thousand series on, two Dask workers against one, one killed.

    python bench/scale.py [COUNT ...] [--data FOLDER] [--workers N] [--dask COUNT]

Histories are eight weeks of hours, made from real ones by a seed: two of them mixed, scaled, with noise. Horizon 168,
four levels. Time is processor time of all processes (elapsed time beside it), memory their proportional share (PSS).
Growth is the processor time of each further series between one count and the next: the start-up is no part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client

from quartermaster.planner import frame
from quartermaster.planner.clean import clean

HOURS, HORIZON = 8 * 7 * 24, 168
FILES = ("eia_demand_hourly", "web_requests_hourly", "bike_demand_hourly")
BIN = Path(sys.executable).parent
AT_ONCE = 700
"""Series in a row group: a million rows, as most writers make them."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    elapsed: float
    processor: float
    peak_mib: float
    digest: str


def real(data: Path | None) -> np.ndarray:
    """Eight-week windows of real series, each divided by its mean. Shape (windows, hours)."""
    folder = data or Path(__file__).parents[1] / "examples" / "metrics"
    windows = []
    for file in FILES:
        if not (folder / f"{file}.parquet").exists():
            continue
        for series in clean(frame.read(folder / f"{file}.parquet")).series:
            known = series.values[np.isfinite(series.values)]
            if len(known) < HOURS:
                known = np.tile(known[-7 * 24 * (len(known) // 168) :], -(-HOURS // 168))
            starts = range(0, len(known) - HOURS + 1, 13 * 168)
            windows += [w / w.mean() for s in starts if (w := known[s : s + HOURS]).mean() > 0]
    return np.array(windows)


def make(path: Path, count: int, shapes: np.ndarray) -> None:
    """A file of that many series, in order of name."""
    text, stamp = pa.string(), pa.timestamp("us", "UTC")
    schema = pa.schema([("series_id", text), ("timestamp", stamp), ("value", pa.float64()), ("unit", text)])
    hours = np.datetime64("2026-01-05T00", "us") + np.arange(HOURS) * np.timedelta64(1, "h").astype("timedelta64[us]")
    with pq.ParquetWriter(path, schema, compression="zstd") as out:
        for first in range(0, count, AT_ONCE):
            numbers = np.arange(first, min(first + AT_ONCE, count))
            values = np.concatenate([one(n, shapes) for n in numbers])
            names = pa.array([f"host-{n:06d}" for n in numbers])
            ids = names.take(pa.array(np.repeat(np.arange(len(numbers)), HOURS)))
            units = pa.repeat("requests/h", len(values))
            stamps = pa.array(np.tile(hours, len(numbers))).cast(stamp)
            out.write_table(pa.table([ids, stamps, pa.array(values), units], schema=schema))


def one(number: int, shapes: np.ndarray) -> np.ndarray:
    """The history of one number, always the same."""
    random = np.random.default_rng([20261121, number])
    a, b = shapes[random.integers(len(shapes), size=2)]
    part = random.random()
    noise = 1 + 0.05 * random.standard_normal(HOURS)
    values: np.ndarray = 10 ** random.uniform(0, 5) * np.maximum((part * a + (1 - part) * b) * noise, 0)
    return values


def measured(metrics: Path, *words: str, kill: psutil.Process | None = None) -> Run:
    """Forecast the file. ``kill`` dies when a third of the rows is written."""
    out = metrics.with_name("out.parquet")
    command = [BIN / "ops", "forecast", "run", "--metrics", metrics, "--horizon", str(HORIZON), "--out", out, *words]
    spent: dict[int, float] = {}
    peak, started = 0.0, time.perf_counter()
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=said, stderr=said) as ops:
        tree = psutil.Process(ops.pid)
        while ops.poll() is None:
            now = 0
            with suppress(psutil.Error):
                for process in [tree, *tree.children(recursive=True)]:
                    with suppress(psutil.Error):
                        used = process.cpu_times()
                        spent[process.pid] = used.user + used.system
                        now += process.memory_full_info().pss
            peak = max(peak, now / 2**20)
            part = out.with_name(out.name + ".part")
            if kill is not None and part.exists() and part.stat().st_size > 100_000:
                kill.send_signal(signal.SIGKILL)
                kill = None
            time.sleep(0.3)
        if ops.returncode or kill is not None:
            said.seek(0)
            raise SystemExit(f"ops ended with {ops.returncode}: {said.read().decode()[-2000:]}")
    digest = hashlib.sha256(out.read_bytes()).hexdigest()[:12]
    return Run(time.perf_counter() - started, sum(spent.values()), peak, digest)


def growth(folder: Path, counts: list[int], shapes: np.ndarray, workers: int) -> None:
    before: tuple[int, float] | None = None
    slopes = []
    for count in sorted(counts):
        make(folder / "in.parquet", count, shapes)
        run = measured(folder / "in.parquet", "--workers", str(workers))
        line = f"  {count:7,d} series, {workers} processes: {run.processor:8.1f} s of processor"
        line += f", {run.elapsed:8.1f} s elapsed, peak {run.peak_mib:6.0f} MiB"
        if before is not None:
            slopes.append((run.processor - before[1]) / (count - before[0]) * 1e3)
            line += f", {slopes[-1]:6.2f} ms a further series"
        before = (count, run.processor)
        print(line, flush=True)
    if len(slopes) > 1:
        print(f"  most over least of these: {max(slopes) / min(slopes) - 1:.1%}")


@contextmanager
def dask(workers: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler and workers as people start them, commands of their own; in that order, when all have joined."""
    address = f"tcp://127.0.0.1:{20_000 + os.getpid() % 10_000}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    wanted = [["scheduler", "--host", address, "--dashboard-address", "127.0.0.1:0"]]
    wanted += [["worker", address, "--nthreads", "1", "--no-nanny", "--dashboard-address", "127.0.0.1:0"]] * workers
    single = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [subprocess.Popen([BIN / "dask", *words], env=single, **quiet) for words in wanted]  # type: ignore[call-overload]
    try:
        with Client(address, timeout=120) as client:
            client.wait_for_workers(workers, timeout=120)
        yield address, [psutil.Process(process.pid) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


def seconds(processes: list[psutil.Process]) -> list[float]:
    """Processor time that each has taken; 0 of one that is gone."""
    spent = []
    for process in processes:
        spent.append(0.0)
        with suppress(psutil.Error):
            used = process.cpu_times()
            spent[-1] = used.user + used.system
    return spent


def clusters(folder: Path, count: int, shapes: np.ndarray) -> None:
    make(folder / "in.parquet", count, shapes)
    runs = []
    for title, workers, lost in (("one worker", 1, False), ("two workers", 2, False), ("two, one killed", 2, True)):
        with dask(workers) as (address, processes):
            before = seconds(processes)
            runs.append(measured(folder / "in.parquet", "--dask", address, kill=processes[1] if lost else None))
            scheduler, *used = (b - a for a, b in zip(before, seconds(processes), strict=True))
        run, first = runs[-1], runs[0]
        line = f"  {count:,} series, {title:15s}: {run.elapsed:7.1f} s elapsed ({first.elapsed / run.elapsed:.2f}x)"
        if not lost:
            line += f", asker {run.processor:.1f} s, scheduler {scheduler:.1f} s, workers"
            line += f" {' + '.join(f'{u:.1f}' for u in used)} s of processor"
        same = "same file" if run.digest == first.digest else "ANOTHER FILE"
        print(f"{line}, {same} ({run.digest})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", type=int, nargs="*", default=[500, 1000, 2000])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask", type=int, default=2000, metavar="COUNT", help="series for the clusters; 0: leave out")
    args = parser.parse_args()
    shapes = real(args.data)
    with tempfile.TemporaryDirectory(prefix="quartermaster-scale-") as folder:
        print(f"scale: {HOURS} hours, horizon {HORIZON}, four levels, from {len(shapes)} real windows")
        growth(Path(folder), args.counts, shapes, args.workers)
        if args.dask:
            clusters(Path(folder), args.dask, shapes)


if __name__ == "__main__":
    main()
