"""Seconds of processor that service-capacity-modeling takes to choose instance types, in the environment of the peers.

Its stateless model, its README's demand with intervals. Prints a JSON object: simulations, seconds of each run, choice.
"""

from __future__ import annotations

import json
import os
import sys

from service_capacity_modeling.capacity_planner import planner
from service_capacity_modeling.interface import CapacityDesires, DataShape, Interval, QueryPattern

REQUESTS = Interval(low=10_000, mid=100_000, high=1_000_000, confidence=0.98)


def processor_seconds() -> float:
    """Of this process and of those it started and saw end."""
    return sum(os.times()[:4])


def main() -> None:
    simulations, runs = map(int, sys.argv[1:])
    writes = Interval(low=1_000, mid=10_000, high=100_000, confidence=0.98)
    queries = QueryPattern(estimated_read_per_second=REQUESTS, estimated_write_per_second=writes)
    state = DataShape(estimated_state_size_gib=Interval(low=10, mid=100, high=1_000, confidence=0.98))
    desires = CapacityDesires(service_tier=1, query_pattern=queries, data_shape=state)
    seconds = []
    for _ in range(runs):
        started = processor_seconds()
        found = planner.plan(
            model_name="org.netflix.stateless-java", region="us-east-1", desires=desires, simulations=simulations
        )
        seconds.append(processor_seconds() - started)
    least = [plan.candidate_clusters for plan in found.least_regret]
    chosen = [(c.regional or c.zonal)[0].instance.name for c in least]
    print(json.dumps({"simulations": simulations, "seconds": seconds, "chosen": chosen}))


if __name__ == "__main__":
    main()
