"""How long a year of drills takes to schedule, and what it costs beside greedy and random search.

    python bench/schedule.py [--drills N] [--tries N]

About that many runs over a year, hour by hour, for clusters and databases that share zones; chances of too little
capacity as of a daily and weekly rhythm with noise.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.planner.assign import assign, total
from quartermaster.planner.drill_candidates import candidates
from tests.planner.drill_rivals import best_of_rivals, holds

NOW = datetime(2026, 1, 4, 12, tzinfo=UTC)


def fleet(drills: int) -> Fleet:
    """Two clusters a database; about fifty runs a year for these three, and two of the region."""
    lines = ["fleet: shop", "timezone: Europe/Dublin", "recovery_region: eu-central-1"]
    lines += ["network: {recovery_cidr: 10.21.0.0/16}", "dns: {zone: shop.example}", "clusters:"]
    databases = [f"d{i}" for i in range(max(1, round((drills - 2) / 50)))]
    clusters = [(f"{name}-{side}", name) for name in databases for side in ("a", "b")]
    lines += [f"  {cluster}: {{uses: [{name}], balancer: {{kind: application}}}}" for cluster, name in clusters]
    lines += ["databases:", *(f"  {name}: {{engine: postgres}}" for name in databases), "recovery:"]
    lines += [f"  {clusters[0][0]}: {{region: {{rto: 60m}}}}", "  drills:"]
    for kind, days, names in (
        ("restore", 14, databases),
        ("failover", 90, databases),
        ("instance_loss", 45, [cluster for cluster, _ in clusters]),
        ("zone_evacuation", 120, [cluster for cluster, _ in clusters]),
        ("region_failover", 180, [clusters[0][0]]),
    ):
        lines += [f"    - {{kind: {kind}, of: {name}, every_days: {days}}}" for name in names]
    return read_text("\n".join(lines)).fleet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drills", type=int, default=500)
    parser.add_argument("--tries", type=int, default=10_000)
    asked = parser.parse_args()
    began = time.perf_counter(), time.process_time()
    found, _, rules = candidates(fleet(asked.drills), "dev", {}, NOW, 365, {}, {})
    hours = rules.starts // 60
    rhythm = 0.5 + 0.3 * np.sin(hours % 24 / 24 * 2 * np.pi) + 0.2 * np.sin(hours % 168 / 168 * 2 * np.pi)
    rng = np.random.default_rng(1)
    risks = {
        of: np.clip(rhythm + rng.normal(0, 0.2, len(hours)), 0, 1) ** 6 for of in sorted({one.need.of for one in found})
    }
    wishes = [replace(one, costs=one.costs + risks[one.need.of]).wish() for one in found]
    picks = assign(wishes)
    took, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    options = sum(len(wish.costs) for wish in wishes)
    print(f"{len(wishes)} runs, {options} options: {took:.1f} s ({cpu:.1f} s of CPU), {picks.count(None)} left out")
    assert holds(wishes, picks)
    rivals = best_of_rivals(wishes, asked.tries)
    print(f"cost {total(wishes, picks):.6f}; best of greedy and {asked.tries} tries {rivals:.6f}")


if __name__ == "__main__":
    main()
