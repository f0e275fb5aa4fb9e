"""How well and how fast the planner does beside its peers: the same windows, the same machine, one run.

    python bench/peers.py [DATA_FOLDER] [SET ...] [--series N] [--origins N] [--runs N] [--methods NAME ...] [--full]

Accuracy: OWA on M4 hourly, against Naive2; elsewhere the mean weighted quantile loss (0.5, 0.9, 0.95), the mean over
series. Under q0.95: share of the readings. Series a second: on one core, by processor time, median of the runs (one
that takes over 20 s is not repeated). Sizing: a choice of instance type beside service-capacity-modeling's.

Peers live in an environment of their own in the user's cache, as bench/peers-requirements.txt pins them.
By default the first 60 series of each hourly set at two origins; ``--full`` takes all, and the slower peers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from capacity import sizing
from planner import LEVELS, SETS, naive2, pinball, smape

from quartermaster.infra.setup import cache
from quartermaster.planner import frame
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.one import forecast_all
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series

HERE = Path(__file__).parent
PEERS = (
    "statsforecast naive of the day",
    "statsforecast naive of the week",
    "statsforecast mstl",
    "mlforecast lightgbm",
    "prophet",
)
SLOWER = ("statsforecast optimised theta", "statsforecast auto ets")
OURS = {"quartermaster": (), "week median": ("week_median", "naive")}
HOURLY = ("m4", "eia", "web", "bike", "service")
ONE_CORE = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")}


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A history, what came after it, and which origin it is, counted from the end."""

    past: Series
    future: np.ndarray
    origin: int


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a method says of all windows of a set."""

    mean: np.ndarray
    quantiles: np.ndarray
    """Shape (windows, horizon, levels)."""
    seconds: list[float]


def environment(lock: Path = HERE / "peers-requirements.txt") -> Path | None:
    """Python of the peers' environment, made on first use; None, and a line that says why, where it cannot be made."""
    place = cache.root() / "peers" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    python = place / "bin" / "python"
    with cache.locked(place.parent / ".lock"):
        if not (place / "complete").exists():
            print(f"peers: installing {lock.name} into {place}", flush=True)
            cache.remove(place)
            make = [
                [sys.executable, "-m", "venv", place],
                [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock],
            ]
            for command in make:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                    print(f"peers: none can be installed, so all are left out: {' '.join(last)}")
                    return None
            (place / "complete").touch()
    return python


def versions(python: Path, asked: Path = HERE / "peers-requirements.in") -> str:
    """Of the peers, by what their environment says."""
    names = [line for line in asked.read_text().split() if line]
    code = f"from importlib.metadata import version\nprint(', '.join(f'{{n}} {{version(n)}}' for n in {names}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def windows(data: Path, name: str, limit: int, most: int) -> list[Window]:
    """M4: its own split. Others: non-overlapping windows, as in bench/planner.py."""
    if name == "m4":
        train = clean(frame.read(data / "m4_hourly_train.parquet")).series[:limit]
        test = {s.id: s.values for s in clean(frame.read(data / "m4_hourly_test.parquet")).series}
        return [Window(series, test[series.id], 1) for series in train]
    file, history, horizon, count = SETS[name]
    found = []
    for s in clean(frame.read(data / f"{file}.parquet")).series[:limit]:
        far = (len(s.values) - history) // horizon
        spread = np.linspace(1, far, count).astype(int) if name == "eia" else np.arange(1, min(count, far) + 1)
        for back in spread[np.linspace(0, len(spread) - 1, min(most, len(spread))).astype(int)]:
            end = len(s.values) - int(back) * horizon
            values, y = s.values[max(0, end - history) : end], s.values[end : end + horizon]
            last = s.last_us - int(back) * horizon * s.interval_us
            past = Series(s.id, s.unit, last, s.interval_us, values, s.lower)
            # Peers take no gaps: they get them filled, which needs readings to fill from.
            if np.isfinite(y).any() and past.known > len(values) / 2:
                found.append(Window(past, y, int(back)))
    return found


def ours(some: list[Window], models: tuple[str, ...], runs: int) -> Answers:
    series, horizon = [w.past for w in some], len(some[0].future)
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        found = list(forecast_all(series, horizon, LEVELS, candidates(models)))
        seconds.append(time.process_time() - started)
    return Answers(np.array([f.mean for f in found]), np.array([f.quantiles for f in found]), seconds)


def theirs(python: Path, method: str, some: list[Window], folder: Path, runs: int) -> Answers | str:
    """A peer's answers, or why there are none."""
    filled = []
    for w in some:
        known = np.flatnonzero(np.isfinite(w.past.values))
        filled.append(np.interp(np.arange(len(w.past.values)), known, w.past.values[known]))
    interval = some[0].past.interval_us
    day = 24 * HOUR_US // interval
    np.savez(
        folder / "windows.npz",
        past=np.concatenate(filled),
        lengths=[len(v) for v in filled],
        last_us=[w.past.last_us for w in some],
        origin=[w.origin for w in some],
        horizon=len(some[0].future),
        interval_us=interval,
        seasons=[day, 7 * day],
        levels=LEVELS,
    )
    command = [
        python,
        HERE / "peers" / "forecasts.py",
        method,
        folder / "windows.npz",
        folder / "answers.npz",
        str(runs),
    ]
    done = subprocess.run(command, env=ONE_CORE, capture_output=True, text=True, check=False)
    if done.returncode:
        return "\n".join(done.stderr.strip().splitlines()[-1:])
    held = np.load(folder / "answers.npz")
    return Answers(held["mean"], held["quantiles"], list(held["seconds"]))


def score(name: str, some: list[Window], found: Answers) -> str:
    """Accuracy, coverage and speed of one method on one set."""
    covered = [w.future <= q[:, -1] for w, q in zip(some, found.quantiles, strict=True)]
    known = [np.isfinite(w.future) for w in some]
    share = np.concatenate([c[k] for c, k in zip(covered, known, strict=True)]).mean()
    if name == "m4":
        pairs = []
        for w, mean in zip(some, found.mean, strict=True):
            scale = np.abs(w.past.values[24:] - w.past.values[:-24]).mean()
            for f in (np.maximum(mean, 0), naive2(w.past.values, len(w.future))):
                pairs.append((smape(w.future, f), np.abs(w.future - f).mean() / scale))
        (s1, m1), (s0, m0) = np.mean(pairs[::2], axis=0), np.mean(pairs[1::2], axis=0)
        accuracy = f"OWA  {(s1 / s0 + m1 / m0) / 2:6.3f}"
    else:
        losses: dict[str, list[tuple[float, float]]] = {}
        for w, q in zip(some, found.quantiles, strict=True):
            losses.setdefault(w.past.id, []).append(pinball(w.future, q))
        sums = [np.sum(of, axis=0) for of in losses.values()]
        accuracy = f"wQL  {np.mean([loss / len(LEVELS) / size for loss, size in sums if size > 0]):6.4f}"
    speed = len(some) / statistics.median(found.seconds)
    return f"{accuracy}   under q0.95 {share:6.1%}   {speed:9.1f} series/s (median of {len(found.seconds)})"


def table(name: str, some: list[Window], python: Path | None, args: argparse.Namespace) -> None:
    series = len({w.past.id for w in some})
    print(f"{name}: {series} series, {len(some)} windows, horizon {len(some[0].future)}", flush=True)
    for method in args.methods:
        if method in OURS:
            found: Answers | str = ours(some, OURS[method], args.runs)
        elif python is None:
            continue
        else:
            with tempfile.TemporaryDirectory() as folder:
                found = theirs(python, method, some, Path(folder), args.runs)
        shown = f"none: {found}" if isinstance(found, str) else score(name, some, found)
        print(f"  {method:32s} {shown}", flush=True)


def sizes(python: Path | None, runs: int, many: tuple[int, ...]) -> None:
    print(f"  quartermaster: {sizing()}")
    for simulations in many if python else ():
        command = [python, HERE / "peers" / "sizing.py", str(simulations), str(runs)]
        done = subprocess.run(command, env=ONE_CORE, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"  service-capacity-modeling: none: {done.stderr.strip().splitlines()[-1]}")
            return
        told = json.loads(done.stdout.splitlines()[-1])
        seconds = f"{statistics.median(told['seconds']):.2f} s (median of {runs})"
        print(
            f"  service-capacity-modeling, stateless, {simulations} simulations: {seconds}: {', '.join(told['chosen'])}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("sets", nargs="*", default=HOURLY)
    parser.add_argument("--series", type=int, default=60)
    parser.add_argument("--origins", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--methods", nargs="*", default=[*OURS, *PEERS])
    parser.add_argument("--full", action="store_true", help="all series, all origins, all peers")
    args = parser.parse_args()
    if args.full:
        args.series, args.origins, args.methods = 10**6, 10**6, [*OURS, *PEERS, *SLOWER]
    if args.data is None:
        args.data, args.sets = HERE.parent / "examples" / "metrics", ["sample"]
    python = environment()
    print(f"peers: {versions(python) if python else 'none'}; Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    for name in args.sets:
        table(name, windows(args.data, name, args.series, args.origins), python, args)
    print("sizing: least regret over instance types")
    sizes(python, args.runs, (128, 512) if args.full else (128,))


if __name__ == "__main__":
    main()
