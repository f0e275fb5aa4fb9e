"""The risk of an hour: the chances of all hours touched; beyond the forecast those of the same hour of the week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from quartermaster.planner.drill_needs import Loss
from quartermaster.planner.drill_risk import Risks
from quartermaster.planner.hourly import Hourly
from quartermaster.planner.windows import exceedance

FIRST = datetime(2026, 3, 23, tzinfo=UTC)  # a Monday; in Dublin clocks go forward on the 29th
DUBLIN = ZoneInfo("Europe/Dublin")
LEVELS = (0.5, 0.9, 0.99)
ZONE = Loss(1, 0, "a zone")
LEFT = 2 * 40.0
"""Of three instances two carry 40 each when a zone is lost."""


def plan(hours: int = 168) -> Any:
    """Demand that is another in every hour, around what is left without a zone."""
    mean = 60.0 + np.arange(hours) * 37 % 41
    forecast = Hourly(
        tuple(FIRST + timedelta(hours=i) for i in range(hours)),
        60.0,
        mean,
        mean[:, None] * [1.0, 1.2, 1.4],
        LEVELS,
        None,
    )
    rules = SimpleNamespace(zones=3, surviving_unit=40.0)
    return SimpleNamespace(forecast=forecast, rules=rules, requirement=[SimpleNamespace(instances=3)] * hours)


def chance(*hours: int, of: Any = None) -> float:
    forecast = (of or plan()).forecast
    return min(1.0, sum(exceedance(list(forecast.quantiles[i]), LEVELS, LEFT) for i in hours))


def risk(at: datetime, minutes: int = 60, of: Any = None, clusters: tuple[str, ...] = ("web",)) -> float:
    starts = np.array([(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(minutes=1)], dtype=np.int64)
    need: Any = SimpleNamespace(length=timedelta(minutes=minutes), clusters=clusters)
    plans = {name: of or plan() for name in clusters}
    return float(Risks(plans, DUBLIN, starts).rate(need, ZONE).risk[0])


@pytest.mark.parametrize(
    ("start", "minutes", "hours"),
    [
        (0, 60, (0,)),
        (30, 30, (0,)),
        (30, 60, (0, 1)),
        (90, 120, (1, 2, 3)),
        (600, 180, (10, 11, 12)),
    ],
)
def test_every_hour_that_is_touched_counts_whole(start: int, minutes: int, hours: tuple[int, ...]) -> None:
    assert risk(FIRST + timedelta(minutes=start), minutes) == pytest.approx(chance(*hours))


def test_beyond_the_forecast_it_is_the_same_hour_by_the_clock_on_the_wall() -> None:
    """Ten on Tuesday the 31st is nine in UTC; a week before it was ten there."""
    assert risk(datetime(2026, 3, 31, 9, tzinfo=UTC)) == pytest.approx(chance(24 + 10))
    assert risk(datetime(2026, 4, 28, 9, tzinfo=UTC)) == pytest.approx(chance(24 + 10))


def test_the_edge_of_the_forecast_is_the_week_before() -> None:
    """A drill over its last hour and the first that it does not know: of Monday at midnight by the wall."""
    last = FIRST + timedelta(hours=167)
    assert risk(last, 60) == pytest.approx(chance(167))
    assert risk(last, 120) == pytest.approx(chance(167, 1))  # midnight UTC is one on Monday now: the hour of one then


def test_what_a_short_forecast_does_not_know_is_as_bad_as_its_worst_hour() -> None:
    short = plan(12)
    worst = max(chance(i, of=short) for i in range(12))
    assert risk(FIRST + timedelta(hours=15), of=short) == pytest.approx(worst)


def test_without_a_forecast_nothing_is_known() -> None:
    need: Any = SimpleNamespace(length=timedelta(hours=1), clusters=("web",))
    assert not Risks({}, DUBLIN, np.array([0], dtype=np.int64)).rate(need, ZONE).known
