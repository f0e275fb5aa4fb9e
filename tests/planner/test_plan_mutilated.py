"""Whatever the history holds, a plan comes out as JSON, or the series is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from quartermaster.planner.plan import plan
from quartermaster.planner.purchase import Commitment
from quartermaster.planner.samples import demand
from quartermaster.planner.seasons import HOUR_US
from quartermaster.planner.settings import Settings

OWN = Settings(
    unit=20.0,
    horizon_days=2,
    largest=30,
    budget_per_month=100.0,
    vcpu_quota=1,
    address_room=0,
    commitments=(Commitment(3),),
)


def mutilated(values: np.ndarray, how: str) -> np.ndarray:
    random = np.random.default_rng(7)
    out, n = values.copy(), len(values)
    match how:
        case "zero":
            out[:] = 0
        case "constant":
            out[:] = 5
        case "holes":
            out[random.random(n) < 0.7] = np.nan
        case "ends early":
            out[-200:] = np.nan
        case "gap":
            out[n // 3 : 2 * n // 3] = np.nan
        case "huge":
            out *= 1e300
        case "tiny":
            out *= 1e-300
        case "stops":
            out[-200:] = 0
        case "absurd":
            out[random.integers(0, n, 5)] = 1e12
        case "rare":
            out = np.where(random.random(n) < 0.02, out, 0)
        case "one":
            out[:] = np.nan
            out[n // 2] = 3
    return out


HOWS = ("zero", "constant", "holes", "ends early", "gap", "huge", "tiny", "stops", "absurd", "rare", "one")


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("interval", "days"), [(HOUR_US // 60, 3), (HOUR_US // 12, 12), (HOUR_US, 40), (HOUR_US, 210)])
def test_a_plan_or_a_refusal(how: str, interval: int, days: int) -> None:
    frame = demand(days=days, interval_us=interval)
    frame = frame.assign(value=mutilated(frame["value"].to_numpy(), how))
    found = plan(frame, default=OWN, models=("day_median", "naive"))
    json.dumps(found.to_json(), allow_nan=False)
    assert len(found.clusters) + len(found.refused) == 1
    for cluster in found.clusters.values():
        assert len(cluster.requirement) == 48
        assert all(1 <= r.instances <= 30 for r in cluster.requirement)
