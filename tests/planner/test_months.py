"""Monthly and weekly readings: calendar months are an interval, and the year is their season."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from quartermaster.planner.clean import clean
from quartermaster.planner.forecast import forecast
from quartermaster.planner.months import one_each
from quartermaster.planner.seasons import DAY_US, HOUR_US, MONTH_US, Seasons


def yearly(stamps: pd.DatetimeIndex) -> pd.DataFrame:
    """Demand that is highest in winter, to the half higher than in summer."""
    values = 100 + 20 * np.cos(2 * np.pi * (stamps.day_of_year.to_numpy() - 1) / 365.25)
    return pd.DataFrame({"series_id": "web", "timestamp": stamps, "value": values, "unit": "x"})


@pytest.mark.parametrize("by", ["MS", "ME"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_months_are_forecast_as_months_with_the_season_of_the_year(by: str, zone: str) -> None:
    stamps = pd.date_range("2018-01-01", periods=108, freq=by, tz=zone).tz_convert("UTC")
    made = forecast(yearly(stamps[:84]), 24, (0.05, 0.5, 0.95))
    assert made.findings == () and made.series[0].series.interval_us == MONTH_US
    ahead = pd.DatetimeIndex(made.frame["timestamp"])
    # Of the clock's zone nothing is known: summer moves months by its hour.
    assert (abs(ahead - stamps[84:]) <= pd.Timedelta(hours=2)).all()
    np.testing.assert_allclose(made.frame["q0.5"], yearly(stamps)["value"][84:], atol=4)


def test_months_without_a_row_are_gaps_at_their_place() -> None:
    frame = yearly(pd.date_range("2018-01-01", periods=60, freq="MS", tz="UTC")).drop(index=[20, 21])
    (series,), (finding,) = (lambda c: (c.series, c.findings))(clean(frame))
    assert np.flatnonzero(np.isnan(series.values)).tolist() == [20, 21]
    assert (finding.kind, finding.where, finding.rows) == ("gap", "2019-09-01T00:00:00Z", 2)


def test_weeks_have_the_season_of_the_year() -> None:
    stamps = pd.date_range("2018-01-07", periods=52 * 8, freq="7D", tz="UTC")
    made = forecast(yearly(stamps[: 52 * 7]), 52, (0.05, 0.5, 0.95))
    np.testing.assert_allclose(made.frame["q0.5"], yearly(stamps)["value"][52 * 7 :], atol=5)


def test_what_is_of_one_length_is_no_month() -> None:
    days = np.arange(40) * DAY_US
    assert not one_each(days) and not one_each(30 * days) and not one_each(28 * days) and not one_each(91 * days)
    assert [Seasons.of_interval(n * DAY_US).cycle for n in (1, 2, 7, 14, 30, 366)] == [7, 183, 52, 26, 12, 1]
    assert Seasons.of_interval(HOUR_US).year == 1
