"""Cleaning: each fault within a series is found, placed, and handled as it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.samples import demand

Mutation = Callable[[pd.DataFrame], pd.DataFrame]


def _at(rows: list[int], value: float) -> Mutation:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[rows, "value"] = value
        return frame

    return change


def _jitter(frame: pd.DataFrame) -> pd.DataFrame:
    seconds = pd.to_timedelta(np.arange(len(frame)) % 7 - 3, unit="s")
    return frame.assign(timestamp=frame["timestamp"] + seconds)


CASES: dict[str, tuple[Mutation, str, int]] = {
    "twice": (lambda f: pd.concat([f, f.iloc[10:13]]).sort_values("timestamp"), "duplicate", 3),
    "late": (lambda f: pd.concat([f.iloc[:50], f.iloc[55:], f.iloc[50:55]]), "out_of_order", 1),
    "off the grid": (_jitter, "irregular", 288),
    "rows missing": (lambda f: f.drop(index=range(20, 30)), "gap", 10),
    "below zero": (_at([7, 8], -3.0), "negative", 2),
    "stuck": (_at(list(range(100, 148)), 77.0), "stuck", 48),
    "absurd": (_at([40], 1e9), "absurd", 1),
    "spike": (_at([40], 2000.0), "spike", 1),
    "infinite": (_at([3], np.inf), "infinite", 1),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_found_with_place_and_remedy(name: str) -> None:
    change, kind, rows = CASES[name]
    found = [f for f in clean(change(demand(days=14))).findings if f.kind == kind]
    assert [f.rows for f in found] == [rows]
    assert found[0].where and found[0].remedy and found[0].series == "web"


def test_a_sound_series_has_no_finding() -> None:
    cleaned = clean(demand(days=14))
    assert cleaned.findings == ()
    assert np.array_equal(cleaned.series[0].values, demand(days=14)["value"].to_numpy())


def test_order_and_repeats_do_not_change_the_grid() -> None:
    frame = demand(days=14)
    shuffled = pd.concat([frame, frame.iloc[::3]]).sample(frac=1, random_state=5)
    assert np.array_equal(clean(shuffled).series[0].values, clean(frame).series[0].values)


def test_trailing_null_rows_stay_part_of_the_grid() -> None:
    frame = demand(days=14)
    frame.loc[frame.index[-5:], "value"] = None
    series = clean(frame).series[0]
    assert len(series.values) == len(frame)
    assert np.isnan(series.values[-5:]).all()


def test_a_stray_old_date_costs_no_memory() -> None:
    frame = demand(days=14, interval_us=60_000_000)
    frame.loc[0, "timestamp"] = pd.Timestamp("1970-01-01T00:00:00Z")
    cleaned = clean(frame)
    assert len(cleaned.series[0].values) < 121_000
    assert "too_old" in {f.kind for f in cleaned.findings}


def test_a_series_that_is_negative_by_nature_is_kept_and_named() -> None:
    frame = demand(days=14).assign(value=lambda f: f["value"] - 100)
    cleaned = clean(frame)
    assert {f.kind for f in cleaned.findings} == {"negative_series"}
    assert cleaned.series[0].lower == -np.inf
