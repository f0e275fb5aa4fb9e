"""RDS's windows are inside the one that was asked for, never overlap, and are what RDS takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.fleet.maintenance import Windows, windows
from quartermaster.fleet.schema.safety import BackupRule
from quartermaster.fleet.windows import DAYS, Window

DUBLIN = ZoneInfo("Europe/Dublin")
WINTER, SUMMER = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Dublin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                         "Pacific/Kiritimati", "America/St_Johns", "Africa/Casablanca"]).map(ZoneInfo)  # fmt: skip
RULES = st.lists(st.integers(0, 24 * 60 - 1).map(lambda m: f"{m // 60:02}:{m % 60:02}"), max_size=6).map(
    lambda hours: [BackupRule(name=f"r{number}", at=hour) for number, hour in enumerate(hours)]
)
NOW = st.integers(0, 24 * 730).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


@st.composite
def weekly(draw: st.DrawFn) -> Window:
    start, length = draw(st.integers(0, 24 * 60 - 1)), draw(st.integers(30, 12 * 60))
    stop = (start + length) % (24 * 60)
    text = f"{draw(st.sampled_from(DAYS))} {start // 60:02}:{start % 60:02}-{stop // 60:02}:{stop % 60:02}"
    return Window.parse(text)


def minutes(found: Windows) -> tuple[set[int], set[int]]:
    """Minutes of the week in which maintenance, and a backup, may run."""
    match = re.fullmatch(r"([a-z]{3}):(\d\d):(\d\d)-([a-z]{3}):(\d\d):(\d\d)", found.maintenance)
    assert match is not None, found
    names = [day.lower() for day in DAYS]

    def at(day: str, hour: str, minute: str) -> int:
        assert int(hour) < 24
        return names.index(day) * 1440 + int(hour) * 60 + int(minute)

    start, stop = at(*match.groups()[:3]), at(*match.groups()[3:])
    work = {(start + step) % 10080 for step in range((stop - start) % 10080)}
    daily = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", found.backup)
    assert daily is not None, found
    first, last = int(daily[1]) * 60 + int(daily[2]), int(daily[3]) * 60 + int(daily[4])
    assert max(first, last) < 1440
    length = (last - first) % 1440
    assert length >= 30
    return work, {(day * 1440 + first + step) % 10080 for day in range(7) for step in range(length)}


@settings(max_examples=100)
@given(weekly(), RULES, ZONES, NOW)
def test_the_windows_never_overlap_and_are_long_enough(
    window: Window, rules: list[BackupRule], zone: ZoneInfo, now: datetime
) -> None:
    work, backup = minutes(windows(window, rules, zone, now))
    assert len(work) >= 30
    assert not work & backup


@settings(max_examples=50)
@given(weekly(), ZONES, NOW)
def test_maintenance_is_inside_the_window_that_was_asked_for(window: Window, zone: ZoneInfo, now: datetime) -> None:
    work, _ = minutes(windows(window, [], zone, now))
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    later = (now + timedelta(weeks=week) for week in range(0, 52, 4))
    stays = {windows(window, [], zone, at).maintenance for at in later} == {windows(window, [], zone, now).maintenance}
    weeks = range(0, 52, 4) if stays else range(1)
    for week in weeks:
        for minute in sorted(work)[::7]:
            at = monday + timedelta(weeks=week, minutes=minute)
            # The nights in which clocks change are neither half of the year.
            steady = len({(at + timedelta(hours=h)).astimezone(zone).utcoffset() for h in (-48, 0, 48)}) == 1
            if steady and (len(weeks) > 1 or at.astimezone(zone).utcoffset() == now.astimezone(zone).utcoffset()):
                assert window.contains(at, zone), (minute, at)


def test_a_long_window_is_the_same_in_winter_and_in_summer() -> None:
    window = Window.parse("Sun 01:00-05:00")
    assert windows(window, [], DUBLIN, WINTER).maintenance == "sun:01:00-sun:04:00"
    assert windows(window, [], DUBLIN, SUMMER).maintenance == "sun:01:00-sun:04:00"


def test_a_short_window_follows_the_clocks() -> None:
    window = Window.parse("Sun 02:00-03:00")
    assert windows(window, [], DUBLIN, WINTER).maintenance == "sun:02:00-sun:03:00"
    assert windows(window, [], DUBLIN, SUMMER).maintenance == "sun:01:00-sun:02:00"


def test_backups_keep_away_from_the_vaults_own() -> None:
    rules = [BackupRule(name="daily", at="21:30")]
    assert windows(Window.parse("Sun 01:00-05:00"), [], ZoneInfo("UTC"), WINTER).backup == "21:00-22:00"
    assert windows(Window.parse("Sun 01:00-05:00"), rules, ZoneInfo("UTC"), WINTER).backup == "06:00-07:00"


def test_a_day_full_of_the_vaults_own_backups_still_leaves_maintenance_alone() -> None:
    rules = [BackupRule(name=f"r{hour}", at=f"{hour:02}:00") for hour in range(0, 24, 2)]
    found = windows(Window.parse("Sun 20:30-00:30"), rules, ZoneInfo("UTC"), WINTER)
    work, backup = minutes(found)
    assert not work & backup


@pytest.mark.parametrize("text", ["always", "Sat 20:00-24:00"])
def test_every_window_gives_one(text: str) -> None:
    minutes(windows(Window.parse(text), [], DUBLIN, WINTER))
