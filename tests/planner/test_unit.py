"""Unit capacity: learned where history allows, else the remedy says to give it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.clean import clean
from quartermaster.planner.samples import demand
from quartermaster.planner.unit import erlang_c, given, is_companion, knee, learn, period_seconds


def history(per_unit: float = 25.0, idle: float = 0.1, noise: float = 0.01, seed: int = 4) -> pd.DataFrame:
    load = demand(days=14)
    rng = np.random.default_rng(seed)
    count = 4 + (np.arange(len(load)) // 50) % 3
    busy = idle + load["value"] / count / per_unit * (0.6 - idle) + noise * rng.standard_normal(len(load))
    return pd.concat(
        [
            load,
            load.assign(series_id="web:instances", value=count.astype(float), unit="count"),
            load.assign(series_id="web:utilisation", value=100 * busy, unit="percent"),
        ]
    )


def test_it_is_learned_with_an_interval_that_holds_the_truth() -> None:
    by_name = {s.id: s for s in clean(history()).series}
    found = learn(by_name["web"], by_name, 0.6)
    assert found.value == pytest.approx(25, rel=0.05)
    assert found.low <= 25 <= found.high or found.high - found.low < 1
    assert found.source == "learned"
    assert found.told().startswith("24.99 an instance, 24.9") and " at 95 % (334 readings, corr" in found.told()
    assert given(40).told() == "40 an instance (given by hand)"


def test_outliers_do_not_move_it() -> None:
    frame = history()
    busy = (frame["series_id"] == "web:utilisation").to_numpy() & (np.arange(len(frame)) % 11 == 0)
    frame.loc[busy, "value"] = 88.0
    by_name = {s.id: s for s in clean(frame).series}
    assert learn(by_name["web"], by_name, 0.6).value == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (demand(days=14), "no history web:utilisation and web:instances"),
        (history().groupby("series_id").tail(20), "only"),
        (history(noise=5.0), "does not follow demand|only"),
        (history().replace({"unit": {"percent": "unknown"}}), "; 336 more are over 0.9 busy .* need the unit percent"),
    ],
)
def test_what_cannot_be_learned_asks_for_the_number(frame: pd.DataFrame, why: str) -> None:
    by_name = {s.id: s for s in clean(frame).series}
    with pytest.raises(InputError, match=why) as caught:
        learn(by_name["web"], by_name, 0.6)
    assert "--unit-capacity" in caught.value.remedy


def test_the_interval_of_many_histories_holds_the_truth() -> None:
    held = 0
    for seed in range(20):
        by_name = {s.id: s for s in clean(history(noise=0.03, seed=seed)).series}
        found = learn(by_name["web"], by_name, 0.6)
        held += found.low <= 25 <= found.high
    assert held >= 16


def with_latency(most: float) -> pd.DataFrame:
    frame = history()
    load = frame[frame["series_id"] == "web"]
    each = load["value"].to_numpy() / frame.loc[frame["series_id"] == "web:instances", "value"].to_numpy()
    slow = load.assign(series_id="web:latency", value=20 / np.maximum(1 - each / most, 0.02), unit="milliseconds")
    return pd.concat([frame, slow])


def test_latency_that_rises_holds_it_before_the_knee() -> None:
    by_name = {s.id: s for s in clean(with_latency(33.0)).series}
    found = learn(by_name["web"], by_name, 0.6, vcpu=2)
    # Two servers double their latency at sqrt(1/2) of what they can do at all.
    assert found.value == pytest.approx(33 * 0.5**0.5, rel=0.02)
    assert "latency doubles" in found.why and found.low <= found.value <= found.high
    far = {s.id: s for s in clean(with_latency(400.0)).series}
    assert learn(far["web"], far, 0.6, vcpu=2).value == pytest.approx(25, rel=0.05)


def test_erlang_c_is_that_of_the_tables() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 0.75) == pytest.approx(2 * 0.75**2 / 1.75)
    assert erlang_c(10, 0.8) == pytest.approx(0.409, abs=0.001)
    assert knee(1) == pytest.approx(0.5) and knee(2) == pytest.approx(0.5**0.5)
    assert knee(1) < knee(4) < knee(16) < 1


def test_what_tells_of_a_demand_is_none_itself() -> None:
    assert all(is_companion(f"web:{what}") for what in ("instances", "latency", "disk", "1min", "5min"))
    assert not is_companion("web")


@pytest.mark.parametrize("bad", [0, -3, float("nan"), float("inf")])
def test_a_unit_that_carries_nothing_is_refused(bad: float) -> None:
    with pytest.raises(InputError):
        given(bad)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("requests/s", 1),
        ("requests/h", 3600),
        ("mentions/5min", 300),
        ("percent", 1),
        ("x/day", 86_400),
        ("unknown", 1),
    ],
)
def test_the_period_of_a_reading_is_in_its_unit(unit: str, seconds: float) -> None:
    assert period_seconds(unit) == seconds
