"""The contract of ``ops forecast run``: rows, columns, levels, fallbacks, refusals; and what holds for any input."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError
from quartermaster.planner.forecast import check_request, forecast
from quartermaster.planner.samples import demand

CHEAP = ("naive", "seasonal_naive_day", "seasonal_naive_week", "level_median", "day_median", "week_median")
LEVELS = (0.5, 0.9, 0.95, 0.99)


def test_every_series_gets_its_rows_in_its_own_interval() -> None:
    hours, minutes = demand("hours"), demand("minutes", days=6, interval_us=300_000_000)
    frame = forecast(pd.concat([minutes, hours]), 30, LEVELS, models=CHEAP).frame
    assert list(frame.columns) == ["series_id", "timestamp", "mean", "q0.5", "q0.9", "q0.95", "q0.99"]
    for source, step in ((hours, "1h"), (minutes, "5min")):
        mine = frame[frame["series_id"] == source["series_id"].iloc[0]]
        start = source["timestamp"].max() + pd.Timedelta(step)
        assert list(mine["timestamp"]) == list(pd.date_range(start, periods=30, freq=step))


def test_rows_are_counted_from_the_last_row_also_when_it_is_null() -> None:
    frame = demand()
    frame.loc[frame.index[-30:], "value"] = None
    result = forecast(frame, 24, LEVELS, models=CHEAP)
    assert result.frame["timestamp"].iloc[0] == frame["timestamp"].iloc[-1] + pd.Timedelta("1h")
    # Its phase is that of the clock, not of the last reading.
    expected = demand(days=57, end=(frame["timestamp"].iloc[-1] + pd.Timedelta("1D")).to_pydatetime(), noise=0)
    assert np.corrcoef(result.frame["mean"], expected["value"].tail(24))[0, 1] > 0.95


def test_an_empty_series_gets_nulls_and_is_named() -> None:
    frame = pd.concat([demand("web"), demand("dead").assign(value=np.nan)])
    result = forecast(frame, 5, LEVELS, models=CHEAP)
    dead = result.frame[result.frame["series_id"] == "dead"]
    assert len(dead) == 5
    assert dead[["mean", "q0.5", "q0.99"]].isna().all(axis=None)
    assert [r.name for r in result.refused] == ["dead"]


@pytest.mark.parametrize("count", [1, 2, 3, 11, 13, 30])
def test_a_short_series_gets_a_stated_finite_forecast(count: int) -> None:
    result = forecast(demand().tail(count), 48, LEVELS)
    assert np.isfinite(result.frame.select_dtypes("number")).all(axis=None)
    if count < 12:
        assert result.choices[0].fallback
        assert "reading" in result.choices[0].reason


def test_a_constant_series_goes_on() -> None:
    result = forecast(demand().assign(value=7.0), 10, LEVELS)
    assert set(result.frame[["mean", "q0.5", "q0.99"]].to_numpy().ravel()) == {7.0}
    assert result.choices[0].fallback


def test_a_season_is_found_and_none_is_invented() -> None:
    seasonal = forecast(demand(noise=0.02), 168, LEVELS, models=CHEAP).frame["mean"]
    assert seasonal.max() / seasonal.min() > 1.8
    rng = np.random.default_rng(3)
    flat = demand().assign(value=50 + np.cumsum(rng.standard_normal(56 * 24)))
    walk = forecast(flat, 24, LEVELS, models=CHEAP)
    assert walk.choices[0].model in ("naive", "level_median") or "naive" in walk.choices[0].model
    assert walk.frame["mean"].std() < 2


@pytest.mark.parametrize("days", [20, 29, 182, 300])
def test_readings_older_than_forecasters_look_back_are_counted(days: int) -> None:
    frame = demand(days=days)
    spoiled = frame.copy()
    (choice,) = forecast(frame, 24, LEVELS, models=CHEAP).choices
    assert (choice.left_out > 0) == (days >= 182)
    spoiled.loc[spoiled.index[: choice.left_out], "value"] *= 1 + np.arange(choice.left_out) % 2
    first, second = (forecast(f, 24, LEVELS, models=CHEAP).frame for f in (frame, spoiled))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.slow
def test_models_of_statsmodels_run_on_request() -> None:
    frame = demand(days=21, growth=0.25, noise=0.01, daily=0.5, weekly=0.0)
    scores = forecast(frame, 48, LEVELS, models=(*CHEAP, "ets", "mstl", "sarimax")).choices[0].scores
    ran = {s.model: s.relative_error for s in scores}
    assert all(ran[name] is not None and ran[name] < 0.9 for name in ("ets", "mstl"))
    assert ran["sarimax"] is not None


def test_a_model_worse_than_seasonal_naive_is_not_used() -> None:
    for score in forecast(demand(), 48, LEVELS).choices[0].scores:
        if score.relative_error is not None and score.relative_error > 1:
            assert "worse than the best seasonal naive" in score.reason


def test_adding_a_series_changes_no_other() -> None:
    alone = forecast(demand("a"), 24, LEVELS).frame
    both = forecast(pd.concat([demand("zz"), demand("a"), demand("b")]), 24, LEVELS).frame
    pd.testing.assert_frame_equal(alone, both[both["series_id"] == "a"].reset_index(drop=True))


@pytest.mark.parametrize("factor", [1e-300, 1e-12, 1e12, 1e305])
def test_any_scale_gives_the_same_forecast_scaled(factor: float) -> None:
    plain = forecast(demand(), 24, LEVELS, models=CHEAP).frame
    scaled = forecast(demand().assign(value=lambda f: f["value"] * factor), 24, LEVELS, models=CHEAP).frame
    assert np.allclose(scaled["q0.95"] / factor, plain["q0.95"], rtol=1e-6)


def test_bad_requests_are_refused_all_at_once() -> None:
    with pytest.raises(InputError) as caught:
        check_request(0, [0.5, 1.5])
    assert [f.where for f in caught.value.faults] == ["horizon", "levels"]
    with pytest.raises(InputError):
        check_request(10, [])
    with pytest.raises(InputError, match="no forecaster is called 'prophet'"):
        forecast(demand(days=2), 2, models=("prophet",))


def test_statsmodels_is_imported_only_when_used() -> None:
    code = (
        "import sys; from quartermaster.planner import plan, report, drill_schedule, store, apply, forecast, windows;"
        "print([m for m in ('pandas', 'statsmodels', 'scipy', 'plotly', 'jinja2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def _sound(frame: pd.DataFrame, horizon: int) -> None:
    numbers = frame.select_dtypes("number")
    finite = np.isfinite(numbers).all(axis=1)
    assert (finite | numbers.isna().all(axis=1)).all()
    assert (np.diff(numbers[["q0.5", "q0.9", "q0.95", "q0.99"]][finite], axis=1) >= 0).all()
    assert (frame.groupby("series_id").size() == horizon).all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=80),
    st.integers(1, 30),
)
def test_any_values_give_finite_uncrossed_deterministic_forecasts(values: list[float | None], horizon: int) -> None:
    frame = demand(days=len(values) / 24).assign(value=pd.Series(values, dtype="float64"))
    first = forecast(frame, horizon, LEVELS, models=CHEAP)
    _sound(first.frame, horizon)
    pd.testing.assert_frame_equal(first.frame, forecast(frame, horizon, LEVELS, models=CHEAP).frame)
