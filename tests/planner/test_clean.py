"""Cleaning: each fault within a series is found, placed, and handled as it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.forecast import forecast
from quartermaster.planner.samples import demand
from tests.planner.living import living

Mutation = Callable[[pd.DataFrame], pd.DataFrame]


def _at(rows: list[int], value: float) -> Mutation:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[rows, "value"] = value
        return frame

    return change


def _jitter(frame: pd.DataFrame) -> pd.DataFrame:
    seconds = pd.to_timedelta(np.arange(len(frame)) % 7 - 3, unit="s")
    return frame.assign(timestamp=frame["timestamp"] + seconds)


def _times(rows: slice, factor: float) -> Mutation:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame.index[rows], "value"] *= factor
        return frame

    return change


def _counter(frame: pd.DataFrame) -> pd.DataFrame:
    """Counts an hour's requests on and on, and begins anew twice."""
    counted = frame["value"].to_numpy() * 3600
    parts = [np.cumsum(part) for part in np.split(counted, [100, 250])]
    return frame.assign(value=np.concatenate(parts), unit="requests")


def _beside(**companions: tuple[str, slice, float]) -> Mutation:
    """Adds companions: unit, where they show something, and what."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frames = [frame]
        for suffix, (unit, rows, value) in companions.items():
            shown = np.zeros(len(frame))
            shown[rows] = value
            frames.append(frame.assign(series_id=f"web:{suffix}", value=shown, unit=unit))
        return pd.concat(frames)

    return change


def _beside_a_newer(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, demand("zz", days=14, end=frame["timestamp"].max().to_pydatetime() + timedelta(days=3))])


CASES: dict[str, tuple[Mutation, str, int]] = {
    "open from 7:00": (lambda f: f[f["timestamp"].dt.hour >= 7], "unread_hours", 7 * 13),
    "twice": (lambda f: pd.concat([f, f.iloc[10:13]]).sort_values("timestamp"), "duplicate", 3),
    "late": (lambda f: pd.concat([f.iloc[:50], f.iloc[55:], f.iloc[50:55]]), "out_of_order", 1),
    "off the grid": (_jitter, "irregular", 288),
    "rows missing": (lambda f: f.drop(index=range(20, 30)), "gap", 10),
    "below zero": (_at([7, 8], -3.0), "negative", 2),
    "stuck": (_at(list(range(100, 148)), 77.0), "stuck", 48),
    "absurd": (_at([40], 1e9), "absurd", 1),
    "spike": (_at([40], 2000.0), "spike", 1),
    "infinite": (_at([3], np.inf), "infinite", 1),
    "counter": (_counter, "counter", 336),
    "milliseconds for a while": (_times(slice(60, 90), 1000), "unit_change", 30),
    "minutes until lately": (_times(slice(0, 280), 60), "unit_change", 280),
    "hours at the end": (_times(slice(326, None), 1 / 3600), "unit_change", 10),
    "busy hosts": (_beside(utilisation=("percent", slice(30, 36), 97.0)), "overloaded", 6),
    "turned away": (_beside(rejected=("requests/s", slice(30, 34), 20.0)), "overloaded", 4),
    "failed": (_beside(errors=("requests/s", slice(30, 33), 20.0)), "overloaded", 3),
    "no host in reach": (_beside(surge=("connections/s", slice(30, 32), 5.0)), "overloaded", 2),
    "ended early": (_beside_a_newer, "ends_early", 0),
    "fell silent": (_at(list(range(300, 336)), np.nan), "silent", 36),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_found_with_place_and_remedy(name: str) -> None:
    change, kind, rows = CASES[name]
    found = [f for f in clean(change(demand(days=14))).findings if f.kind == kind]
    assert [f.rows for f in found] == [rows]
    assert kind not in {f.kind for f in clean(demand(days=14)).findings}
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


def test_a_stray_old_date_among_several_readings_a_minute_is_told_with_its_own_instant() -> None:
    frame = demand(days=14, interval_us=60_000_000)
    frame.loc[0, "timestamp"] = pd.Timestamp("1970-01-01T00:00:00Z")
    again = frame.iloc[500:600].assign(timestamp=lambda f: f["timestamp"] + pd.Timedelta(seconds=1))
    told = {f.kind: f for f in clean(pd.concat([frame, again])).findings}
    assert "crowded" in told
    assert (told["too_old"].where, told["too_old"].rows) == ("1970-01-01T00:00:00Z/1970-01-01T00:00:00Z", 1)


def test_a_series_that_is_negative_by_nature_is_kept_and_named() -> None:
    frame = demand(days=14).assign(value=lambda f: f["value"] - 100)
    cleaned = clean(frame)
    assert {f.kind for f in cleaned.findings} == {"negative_series"}
    assert cleaned.series[0].lower == -np.inf


@pytest.mark.parametrize(
    ("rows", "factor", "unit"),
    [
        (slice(60, 90), 1000, "requests/s"),
        (slice(0, 280), 1 / 3600, "requests/s"),
        (slice(60, 90), 1 / 1024**2, "bytes/s"),
        (slice(330, None), 100, "percent"),
    ],
)
def test_another_unit_is_converted_to_the_one_of_now(rows: slice, factor: float, unit: str) -> None:
    frame = demand(days=14, unit=unit, noise=0.01)
    sound = frame["value"].to_numpy().copy()
    assert clean(_times(rows, factor)(frame)).series[0].values == pytest.approx(sound)


def test_a_lasting_change_of_level_is_told_of() -> None:
    (found,) = clean(_times(slice(1300, None), 2.0)(demand(days=70))).findings
    assert (found.kind, found.rows) == ("level_shift", 1300)
    assert clean(demand(days=70)).findings == ()


@pytest.mark.parametrize("rows", [slice(60, 90), slice(200, None)])
@pytest.mark.parametrize("factor", [45, 500, 7.0])
def test_a_jump_by_no_factor_of_units_is_none(factor: float, rows: slice) -> None:
    cleaned = clean(_times(rows, factor)(demand(days=14, noise=0.02)))
    assert "unit_change" not in {f.kind for f in cleaned.findings}


def test_bursts_are_no_change_of_unit() -> None:
    random = np.random.default_rng(1)
    frame = demand(days=14).assign(value=lambda f: f["value"] * np.where(random.random(len(f)) < 0.2, 60, 1))
    assert "unit_change" not in {f.kind for f in clean(frame).findings}


def test_a_counter_becomes_what_it_counted_per_second() -> None:
    frame = _counter(demand(days=14)).drop(index=range(150, 153))
    series = clean(frame).series[0]
    expected = demand(days=14)["value"].to_numpy()
    assert series.unit == "requests/s"
    assert np.isnan(series.values[0])
    # What was counted while no row was written is spread over those hours.
    assert series.values[150:154] == pytest.approx(expected[150:154].mean())
    assert np.delete(series.values, [0, *range(150, 154)]) == pytest.approx(np.delete(expected, [0, *range(150, 154)]))


def test_what_only_rises_is_told_of_and_a_total_is_a_counter() -> None:
    rising = demand(days=14).assign(value=lambda f: f["value"].cumsum())
    cleaned = clean(rising)
    assert [f.kind for f in cleaned.findings] == ["rises"]
    assert np.array_equal(cleaned.series[0].values, rising["value"].to_numpy())
    named = clean(rising.assign(series_id="requests_total"))
    assert [f.kind for f in named.findings] == ["counter"]


def test_a_sawtooth_of_a_gauge_is_no_counter() -> None:
    saw = demand(days=14).assign(value=50.0 + np.arange(336) % 24)
    assert "counter" not in {f.kind for f in clean(saw).findings}


def test_overloaded_hours_count_as_what_was_asked_for() -> None:
    frame = demand(days=56)
    sound = frame["value"].to_numpy().copy()
    peak = slice(1000, 1010)
    capped = frame.assign(value=np.where(np.arange(len(frame)) // 10 == 100, 40.0, sound))
    busy = clean(_beside(utilisation=("share", peak, 0.97))(capped)).series[0].values
    # As much as the same hours of other weeks.
    assert busy[peak] == pytest.approx(sound[peak], rel=0.2)
    turned = clean(_beside(rejected=("requests/min", peak, 60 * 900.0))(capped)).series[0].values
    assert turned[peak] == pytest.approx(940.0)
    for values in (busy, turned):
        assert np.array_equal(np.delete(values, np.arange(1000, 1010)), np.delete(sound, np.arange(1000, 1010)))


def test_a_handful_of_failures_is_no_overload() -> None:
    few = _beside(errors=("requests/s", slice(None), 0.2), rejected=("requests/s", slice(None), 0.01))
    cleaned = clean(few(demand(days=14)))
    assert cleaned.findings == ()
    assert np.array_equal(cleaned.series[0].values, demand(days=14)["value"].to_numpy())


@pytest.mark.parametrize("factor", [12, 1 / 12])
def test_companions_of_another_interval_are_understood(factor: float) -> None:
    frame = demand(days=14)
    other = demand("web:utilisation", days=14, interval_us=round(3_600_000_000 / factor)).assign(unit="share")
    hot = (other["timestamp"] >= frame["timestamp"].iloc[100]) & (other["timestamp"] < frame["timestamp"].iloc[124])
    cleaned = clean(pd.concat([frame, other.assign(value=np.where(hot, 0.99, 0.2))]))
    (found,) = [f for f in cleaned.findings if f.kind == "overloaded"]
    assert found.rows == pytest.approx(24, abs=12)


def test_the_clock_that_days_follow_is_told() -> None:
    frame = living("Europe/Berlin", datetime(2026, 4, 25, tzinfo=UTC))
    (found,) = [f for f in clean(frame).findings if f.kind == "daylight_saving"]
    assert "Europe/Berlin" in found.detail


def test_a_series_that_ended_early_is_forecast_from_its_own_end() -> None:
    made = forecast(_beside_a_newer(demand(days=14)), 30, models=("naive",)).frame
    assert (made.groupby("series_id").size() == 30).all()
    first = made[made["series_id"] == "web"]["timestamp"].iloc[0]
    assert first == demand(days=14)["timestamp"].max() + pd.Timedelta("1h")
