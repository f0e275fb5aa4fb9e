"""Windows in people's time, on usual days and in both nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.windows import Window

DUBLIN = ZoneInfo("Europe/Dublin")
# In 2026 Ireland goes forward on 29 March (01:00 becomes 02:00) and back on 25 October (02:00 becomes 01:00).


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def week(window: str, start: str, days: int = 7) -> list[tuple[str, str]]:
    begin = utc(start)
    found = Window.parse(window).occurrences(begin, begin + timedelta(days=days), DUBLIN)
    return [(f"{a:%d %H:%M}", f"{b:%d %H:%M}") for a, b in found]


def test_days_are_read_in_the_zone() -> None:
    assert week("Mon-Wed 09:00-16:00", "2026-07-06") == [
        ("06 08:00", "06 15:00"),
        ("07 08:00", "07 15:00"),
        ("08 08:00", "08 15:00"),
    ]


def test_past_midnight_belongs_to_the_day_it_starts_on() -> None:
    window = Window.parse("Sat 22:00-02:00")
    assert window.contains(utc("2026-01-11T01:59"), DUBLIN)
    assert not window.contains(utc("2026-01-10T01:59"), DUBLIN)
    assert week("Sat 22:00-02:00", "2026-01-05") == [("10 22:00", "11 02:00")]


def test_days_wrap_over_the_weeks_end() -> None:
    assert [start for start, _ in week("Sat-Mon 01:00-02:00", "2026-01-05")] == ["05 01:00", "10 01:00", "11 01:00"]


def test_touching_parts_are_one_stretch() -> None:
    assert week("Sat 20:00-24:00; Sun 00:00-06:00", "2026-01-05") == [("10 20:00", "11 06:00")]


def test_occurrence_under_way_is_given_whole() -> None:
    found = Window.parse("Sun 01:00-05:00").occurrences(utc("2026-01-11T03:00"), utc("2026-01-11T04:00"), DUBLIN)
    assert found == [(utc("2026-01-11T01:00"), utc("2026-01-11T05:00"))]


def test_spring_forward_night_is_an_hour_shorter() -> None:
    [(start, end)] = Window.parse("Sun 01:00-05:00").occurrences(utc("2026-03-28"), utc("2026-03-30"), DUBLIN)
    assert (start, end) == (utc("2026-03-29T01:00"), utc("2026-03-29T04:00"))


def test_fall_back_night_is_an_hour_longer() -> None:
    [(start, end)] = Window.parse("Sun 01:00-05:00").occurrences(utc("2026-10-24"), utc("2026-10-26"), DUBLIN)
    assert (start, end) == (utc("2026-10-25T00:00"), utc("2026-10-25T05:00"))


def test_window_inside_the_repeated_hour_comes_twice() -> None:
    assert week("Sun 01:15-01:45", "2026-10-24", 2) == [("25 00:15", "25 00:45"), ("25 01:15", "25 01:45")]


def test_window_inside_the_lost_hour_does_not_come() -> None:
    assert week("Sun 01:15-01:45", "2026-03-28", 2) == []


def test_always_is_always() -> None:
    window = Window.parse("always")
    assert window.always
    assert window.contains(utc("2026-03-29T01:30"), DUBLIN)
    assert window.occurrences(utc("2026-01-01"), utc("2026-01-02"), DUBLIN) == [(utc("2026-01-01"), utc("2026-01-02"))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun",
        "Sun 1-2",
        "Sun 25:00-26:00",
        "Sun 23:00-24:01",
        "Sun 01:60-02:00",
        "Sun 24:00-01:00",
        "Sun 01:00-01:00",
        "Sun 05:00-01:00",
        "Xyz 01:00-02:00",
        "Sun,, 01:00-02:00",
        "Sun 01:00-02:00;",
    ],
)
def test_impossible_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Window.parse(text)


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window.parse("always").contains(datetime(2026, 1, 1), DUBLIN)  # noqa: DTZ001


WINDOWS = [
    "Sun 01:00-05:00",
    "Sat 22:00-02:00",
    "01:30-02:30",
    "Sat,Sun 00:00-24:00",
    "Sun 01:15-01:45; Sun 03:00-04:00",
]


ZONES = {
    # Zones by the days before their clocks change in 2026; Lord Howe's by half an hour, Santiago's at midnight.
    "Europe/Dublin": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "America/Santiago": ("2026-04-03", "2026-09-04"),
    "Australia/Lord_Howe": ("2026-04-03", "2026-10-02"),
    "Asia/Kathmandu": ("2026-07-04",),
}


@given(
    st.sampled_from(WINDOWS),
    st.sampled_from([(zone, night) for zone, nights in ZONES.items() for night in (*nights, "2026-07-04")]),
    st.integers(0, 3 * 1440),
)
def test_contains_and_occurrences_agree(text: str, where: tuple[str, str], minutes: int) -> None:
    window, zone, begin = Window.parse(text), ZoneInfo(where[0]), utc(where[1])
    instant = begin + timedelta(minutes=minutes)
    stretches = window.occurrences(begin, begin + timedelta(days=3, minutes=1), zone)
    assert window.contains(instant, zone) == any(start <= instant < end for start, end in stretches)
