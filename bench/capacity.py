"""How well plans would have done, and how fast an instance type is chosen, on real series held beside the repository.

    python bench/capacity.py [DATA_FOLDER] [--instances N] [--changes N]

Replay: the last weeks of the web and service traces, planned day by day, beside a static peak of the four weeks before,
AWS's target tracking, and a stand-in for its predictive scaling. Instances are so large that the highest readings need
N. Sizing: the least-regret choice over 50 types in 1,024 worlds. Without a folder only the sample in examples/ is used.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from quartermaster.fleet.prices import load_prices
from quartermaster.planner import frame
from quartermaster.planner.capacity import Rules
from quartermaster.planner.clean import clean
from quartermaster.planner.forecasters.registry import candidates
from quartermaster.planner.replay import replay
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.series import Series
from quartermaster.planner.settings import Settings
from quartermaster.planner.sizing import choose, worlds
from quartermaster.planner.unit import UnitCapacity
from quartermaster.planner.within_hour import by_hour

FILES = ("web_requests_hourly", "service_hourly", "service_rates_1min")
WAYS = ("planner", "floors_only", "static_peak", "target_tracking", "predictive_scaling")


def judged(series: Series, instances: int, changes: int) -> str:
    """One trace: every way at the quantile 0.99, and with just enough in hand for 1 % of hours."""
    fine = series if series.interval_us < HOUR_US else None
    hourly = by_hour(series, series.id)[0] if fine is not None else series
    known = series.values[np.isfinite(series.values)]
    rules = Rules(float(np.quantile(known, 0.999)) / instances)
    started = time.perf_counter()
    found = replay(hourly, rules, 0.99, 10, changes, candidates(), fine)
    if isinstance(found, str):
        return f"{series.id}: {found}"
    lines = [f"{series.id}: {found.days} days, {time.perf_counter() - started:.1f} s"]
    for way in WAYS:
        o = getattr(found, way)
        enough = found.at_one_percent[way]
        better = found.better.get(way)
        lines.append(
            f"  {way:19s} short in {o.under_share:7.2%} of hours {o.under_time:7.2%} of time"
            f", over {o.over_provisioning:7.1%}"
            f"; over at 1 % of hours {'never' if enough is None else format(enough, '.1%'):>7s}"
            + (
                f"; beaten both ways ({better.outcome.under_share:.2%}, {better.outcome.under_time:.2%}, "
                f"{better.outcome.over_provisioning:.1%}) by {better.told}"
                if better
                else ""
            )
        )
    return "\n".join(lines)


def sizing() -> str:
    """Time and error of the choice over 50 types."""
    types = sorted(load_prices().instance_types())
    fit = [t for t in types if t.split(".")[0] in ("m5", "m6i", "m6a", "m7i", "r5", "r6i")][:50]
    scale, unit = worlds("bench", np.linspace(0.7, 1.8, 1024), UnitCapacity(20, 17, 23, "learned", ""))
    demand = 400_000 + 200_000 * np.sin(np.arange(336) * np.pi / 12)
    started = time.perf_counter()
    found = choose(demand, Rules(20.0), "m6i.large", "eu-west-1", scale, unit, fit)
    spent = time.perf_counter() - started
    return f"sizing: {len(found.candidates)} types judged of {len(fit)}, 1,024 worlds, {spent:.3f} s: {found.reason}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--instances", type=int, default=30)
    parser.add_argument("--changes", type=int, default=Settings().changes_per_day)
    args = parser.parse_args()
    sys.stdout.write(sizing() + "\n")
    folder = args.data or Path(__file__).parents[1] / "examples" / "metrics"
    for file in FILES if args.data else FILES[:1]:
        for series in clean(frame.read(folder / f"{file}.parquet")).series:
            # Latency is no demand.
            if series.unit != "milliseconds":
                sys.stdout.write(judged(series, args.instances, args.changes) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
