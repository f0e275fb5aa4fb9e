"""Unit capacity: learned where history allows, else the remedy says to give it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.planner.clean import clean
from quartermaster.planner.samples import demand
from quartermaster.planner.unit import given, learn, period_seconds


def history(per_unit: float = 25.0, idle: float = 0.1, noise: float = 0.01) -> pd.DataFrame:
    load = demand(days=14)
    rng = np.random.default_rng(4)
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
    ],
)
def test_what_cannot_be_learned_asks_for_the_number(frame: pd.DataFrame, why: str) -> None:
    by_name = {s.id: s for s in clean(frame).series}
    with pytest.raises(InputError, match=why) as caught:
        learn(by_name["web"], by_name, 0.6)
    assert "--unit-capacity" in caught.value.remedy


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
