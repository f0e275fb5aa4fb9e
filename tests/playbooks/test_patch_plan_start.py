"""The start that a plan chooses within window and freezes, and its reasons; also in nights when clocks change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.schema import Fleet
from quartermaster.playbooks.outlook import Hour, Outlook
from quartermaster.playbooks.patch import plan
from quartermaster.playbooks.patch_plan import PatchPlan, Start
from quartermaster.playbooks.patch_start import Busy, ends_at, open_stretches, time_faults
from quartermaster.playbooks.patch_waves import Need
from tests.playbooks import fakes

FRIDAY = datetime(2026, 11, 20, 15, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
# 2026: the clocks of Dublin go forward on 29 March at 01:00 UTC and back on 25 October at 01:00 UTC, those of New York
# on 8 March at 07:00 and 1 November at 06:00, those of Lord Howe by half an hour on 4 April at 15:00 and 3 October at
# 15:30.
NIGHTS = [
    ("Europe/Dublin", "2026-03-29", 3.0),
    ("Europe/Dublin", "2026-10-25", 5.0),
    ("America/New_York", "2026-03-08", 3.0),
    ("America/New_York", "2026-11-01", 5.0),
    ("Australia/Lord_Howe", "2026-04-05", 4.5),
    ("Australia/Lord_Howe", "2026-10-04", 3.5),
    ("Asia/Kathmandu", "2026-03-29", 4.0),
]


def fleet(timezone: str = "UTC", freezes: tuple[dict[str, str], ...] = (), **patching: Any) -> Fleet:
    settings = {"window": "Sun 01:00-05:00", "canary": 1, "wave": 2, "soak_minutes": 0, **patching}
    return Fleet.model_validate(
        {
            "fleet": "shop",
            "timezone": timezone,
            "clusters": {"web": {"uses": ("orders",)}},
            "databases": {"orders": {}},
            "backups": {"rules": ({"name": "daily", "at": "23:00"},)},
            "patching": {"web": settings, "orders": {"window": "Sun 06:00-07:00"}},
            "freezes": freezes,
        }
    )


def outlook(demands: dict[int, float], rest: float = 1.0, days: int = 14, chance: float = 0.01) -> Outlook:
    """Hours from Friday on, of so much demand at those hours of the day; a demand of 1 needs three hosts.

    Demand exceeds what three carry with that chance, and half of it for each host more.
    """

    def hour(at: datetime) -> Hour:
        demand = demands.get(at.hour, rest)
        chances = tuple(min(1.0, demand * chance * 2.0 ** (3 - n)) for n in range(13))
        return Hour(at, demand, Need(round(demand * 3), 0, "test"), chances, (0.0,) * 13)

    begin = FRIDAY.replace(hour=0, minute=0)
    return Outlook(tuple(hour(begin + n * HOUR) for n in range(days * 24)), HOUR, "test")


def made(found: Fleet, now: datetime = FRIDAY, view: Outlook | None = None, others: tuple[Busy, ...] = ()) -> PatchPlan:
    group = fakes.group()
    seen = fakes.surveys(group, replace(fakes.PAGE, first_seen=FRIDAY.isoformat()))
    return plan(group, found, seen, now, drain_seconds=5, outlook=view, others=others, ahead=True)


def start(found: Fleet, now: datetime = FRIDAY, view: Outlook | None = None, others: tuple[Busy, ...] = ()) -> Start:
    chosen = made(found, now, view, others).start
    assert chosen is not None
    return chosen


def test_the_hour_of_least_risk_is_chosen_with_its_reason_and_runner_up() -> None:
    chosen = start(fleet(), view=outlook({3: 0.2, 4: 0.2}))
    assert chosen.starts_at == datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert chosen.closes_at == datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert chosen.risk is not None and chosen.runner_up is not None
    assert chosen.risk <= (chosen.runner_up.risk or 0)
    assert "at 20% of its highest" in chosen.why


def test_risk_goes_before_quiet() -> None:
    view = outlook({3: 1.0}, rest=0.9)
    sure = tuple(replace(hour, over=(0.0,)) if hour.starts_at.hour == 3 else hour for hour in view.hours)
    assert start(fleet(), view=replace(view, hours=sure)).starts_at == datetime(2026, 11, 22, 3, tzinfo=UTC)


def test_the_risk_is_that_of_the_wave_that_leaves_least() -> None:
    chosen = start(fleet(), view=outlook({}, rest=1.0))
    # Waves of two of six leave four: 0.01 * 2 ** (3 - 4) an hour, and the cycle touches one.
    assert chosen.risk == pytest.approx(0.005)


def test_without_a_forecast_the_first_open_time_is_taken_and_the_risk_is_unknown() -> None:
    chosen = start(fleet())
    assert (chosen.starts_at, chosen.risk) == (datetime(2026, 11, 22, 1, tzinfo=UTC), None)
    assert "the risk is unknown" in chosen.why


def test_a_start_from_which_the_cycle_does_not_end_in_time_is_worse_than_risk() -> None:
    chosen = start(fleet(soak_minutes=30), view=outlook({3: 0.1, 4: 0.1}))
    assert chosen.starts_at < datetime(2026, 11, 22, 3, tzinfo=UTC)


def test_a_window_under_way_can_be_started_in_at_once() -> None:
    now = datetime(2026, 11, 22, 3, 17, tzinfo=UTC)
    assert start(fleet(), now).starts_at == now


def test_a_freeze_moves_the_start_to_the_next_window_it_leaves() -> None:
    frozen = fleet(freezes=({"from": "2026-11-21", "to": "2026-12-01", "why": "sale"},))
    assert start(frozen).starts_at == datetime(2026, 12, 6, 1, tzinfo=UTC)


def test_a_fleet_that_says_nothing_is_patched_on_sunday_night_alone() -> None:
    found = Fleet.model_validate({"fleet": "shop", "clusters": {"web": {}}})
    assert "outside the window 'Sun 01:00-05:00'" in time_faults(found, "web", FRIDAY)[0]
    assert time_faults(found, "web", datetime(2026, 11, 22, 2, tzinfo=UTC)) == []


def test_no_start_within_five_weeks_is_refused() -> None:
    with pytest.raises(GuardRefused, match="leave no start"):
        start(fleet(freezes=({"from": "2026-11-01", "to": "2027-03-01"},)))


def test_backups_windows_of_databases_and_drills_are_kept_clear_of() -> None:
    quiet = outlook({1: 0.1, 2: 0.2, 3: 0.3})
    begin = datetime(2026, 11, 22, 1, tzinfo=UTC)
    assert start(fleet(), view=quiet).starts_at == begin
    drill = Busy(begin, begin + timedelta(minutes=30), "the drill zone_outage of web")
    assert start(fleet(), view=quiet, others=(drill,)).starts_at > begin
    own = fleet(window="Sun 06:00-09:00")  # the window of orders is from six to seven
    assert start(own, view=outlook({6: 0.1})).starts_at == datetime(2026, 11, 22, 7, tzinfo=UTC)
    nightly = fleet(window="Sat 22:00-01:00")  # the backup starts at eleven
    assert start(nightly, view=outlook({23: 0.1})).starts_at != datetime(2026, 11, 21, 23, tzinfo=UTC)


def test_what_cannot_be_kept_clear_of_is_said() -> None:
    night = datetime(2026, 11, 22, tzinfo=UTC)
    drill = Busy(night, night + timedelta(days=1), "the drill zone_outage of web")
    assert "at the same time as the drill zone_outage of web" in start(fleet(), others=(drill,)).why


def test_the_need_of_the_hours_of_the_cycle_shapes_its_waves() -> None:
    busy = made(fleet(), view=outlook({}, rest=2.0))
    quiet = made(fleet(), view=outlook({}, rest=1.0))
    assert (busy.prescale, quiet.prescale) == (2, 0)
    assert {wave.needed for wave in busy.waves} == {6}


def test_an_hour_without_hosts_to_add_is_better() -> None:
    chosen = start(fleet(), view=outlook({4: 1.3}, rest=1.7, chance=1e-5))
    assert (chosen.starts_at, chosen.prescale) == (datetime(2026, 11, 22, 4, tzinfo=UTC), 0)


def test_approvals_are_those_of_the_start() -> None:
    found = fleet(approve={"after_days": 1})
    assert made(found).waves  # first seen on Friday, one day old on Sunday
    assert not made(fleet(approve={"after_days": 10})).waves


def test_a_start_at_once_tells_its_risk_and_what_it_meets() -> None:
    group, late = fakes.group(), FRIDAY.replace(hour=23, minute=30)
    found = plan(group, fleet(window="always"), fakes.surveys(group), late, drain_seconds=5, outlook=outlook({}))
    assert found.start is not None
    assert found.start.why.startswith("now: demand exceeds what a wave leaves with a chance of 0.50%")
    assert found.start.why.endswith("at the same time as the backup daily")


def test_always_is_open_at_once_and_never_closes() -> None:
    chosen = start(fleet(window="always"))
    assert (chosen.starts_at, chosen.closes_at) == (FRIDAY, None)


@pytest.mark.parametrize(("zone", "day", "hours"), NIGHTS)
def test_in_nights_when_clocks_change_plan_and_end_go_by_the_wall(zone: str, day: str, hours: float) -> None:
    """The window from one to five is as long as the wall's clock makes it, and the run ends at five there."""
    found, tz = fleet(zone), ZoneInfo(zone)
    noon_before = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=tz) - timedelta(days=1)
    chosen = start(found, noon_before.astimezone(UTC))
    assert chosen.closes_at is not None
    assert (chosen.closes_at - chosen.starts_at) == timedelta(hours=hours)
    assert f"{chosen.closes_at.astimezone(tz):%Y-%m-%d %H:%M}" == f"{day} 05:00"
    inside = chosen.starts_at + timedelta(minutes=1)
    assert ends_at(found, "web", inside) == chosen.closes_at
    assert time_faults(found, "web", chosen.starts_at) == []
    last = chosen.closes_at - timedelta(minutes=1)
    assert (time_faults(found, "web", last) == [], time_faults(found, "web", chosen.closes_at) == []) == (True, False)


@pytest.mark.parametrize(("zone", "day", "hours"), NIGHTS)
def test_a_freeze_of_the_day_of_change_takes_all_of_it(zone: str, day: str, hours: float) -> None:
    frozen, tz = fleet(zone, ({"from": day, "to": day},), window="00:00-24:00"), ZoneInfo(zone)
    midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=tz)
    following = (midnight + timedelta(days=1)).astimezone(UTC)
    begin = midnight.astimezone(UTC)
    stretches = open_stretches(frozen, "web", begin - 2 * HOUR, following + 2 * HOUR)
    (_, closes), (opens, _) = stretches[:2]
    assert (closes, opens) == (begin, following)
    assert following - begin == timedelta(hours=20 + hours)
    assert ends_at(frozen, "web", begin - HOUR) == begin


@pytest.mark.parametrize("days", [2, 7])
def test_beyond_the_forecast_the_same_hour_of_an_earlier_day_stands_for_the_hour(days: int) -> None:
    view = outlook({3: 0.2}, days=days)
    later = view.hours[0].starts_at + timedelta(days=9, hours=3)
    assert [hour.demand for hour in view.between(later, later + HOUR)] == [0.2, 1.0]
