"""The calendar as a file: another library reads what ours wrote, and a re-import moves events, adding none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import ics
import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.planner.agenda import Entry, agenda, drill_entries
from quartermaster.planner.drill_needs import Past
from quartermaster.planner.drill_schedule import ScheduledDrill, schedule
from quartermaster.planner.ical import ical

NOW = datetime(2026, 3, 1, 22, 17, tzinfo=UTC)
END = datetime(2026, 3, 31, 23, tzinfo=UTC)
TEXT = """
fleet: shop
timezone: Europe/Dublin
clusters: {web: {uses: [orders]}}
databases: {orders: {engine: postgres}}
patching: {web: {window: "Sun 01:30-03:30"}}
backups: {rules: [{name: monthly, at: "23:30", on: 1}]}
freezes: [{from: 2026-03-28, to: 2026-03-29, why: "sale; a, b"}]
recovery: {drills: [{kind: restore, of: orders, every_days: 7}]}
"""


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return read_text(TEXT).fleet


@pytest.fixture(scope="module")
def drills(fleet: Fleet) -> tuple[ScheduledDrill, ...]:
    return schedule(fleet, "dev", {}, NOW, 31).drills


@pytest.fixture(scope="module")
def entries(fleet: Fleet, drills: tuple[ScheduledDrill, ...]) -> list[Entry]:
    return agenda(fleet, "dev", drills, NOW, END)


def written(fleet: Fleet, entries: list[Entry], now: datetime = NOW, before: bytes = b"") -> bytes:
    return ical("shop dev", entries, fleet.tz, now, before)


def read(file: bytes) -> dict[str, ics.Event]:
    return {event.uid: event for event in ics.Calendar(file.decode()).events}


def test_another_library_reads_the_same_events(fleet: Fleet, entries: list[Entry]) -> None:
    found = read(written(fleet, entries))
    assert found.keys() == {entry.uid for entry in entries}
    assert {entry.kind for entry in entries} == {"drill", "patch", "backup", "freeze", "holiday"}
    for entry in entries:
        event = found[entry.uid]
        assert event.name == entry.title
        if entry.whole_days:
            assert event.all_day
            assert event.begin.date() == entry.starts_at.astimezone(fleet.tz).date()
        else:
            assert (event.begin.datetime, event.end.datetime) == (entry.starts_at, entry.ends_at)


def test_hours_are_right_over_the_change_of_clocks(fleet: Fleet, entries: list[Entry]) -> None:
    """01:30 is 01:30 UTC in winter; on 29 March the clock goes from 01:00 to 02:00, and 02:00 is 01:00 UTC."""
    found = read(written(fleet, entries))
    nights = sorted(event.begin.isoformat() for uid, event in found.items() if "patch" in uid)
    assert nights[-2:] == ["2026-03-22T01:30:00+00:00", "2026-03-29T01:00:00+00:00"]
    assert "DTSTART:20260329T010000Z" in written(fleet, entries).decode()


def test_the_same_again_is_the_same_file(fleet: Fleet, entries: list[Entry]) -> None:
    first = written(fleet, entries)
    assert written(fleet, entries, NOW + timedelta(days=3), before=first) == first


def test_a_drill_that_moves_is_the_same_event_with_the_next_sequence(
    fleet: Fleet, drills: tuple[ScheduledDrill, ...]
) -> None:
    """A freeze comes in between: the drill of that week takes another hour and keeps its name."""
    first = written(fleet, list(drill_entries(fleet, "dev", drills)))
    day = drills[1].starts_at.date()
    moved_fleet = read_text(TEXT.replace("freezes: [", f"freezes: [{{from: {day}, to: {day}}}, ")).fleet
    moved = schedule(moved_fleet, "dev", {}, NOW, 31).drills
    later = NOW + timedelta(hours=1)
    old, new = read(first), read(written(fleet, list(drill_entries(moved_fleet, "dev", moved)), later, first))
    assert old.keys() == new.keys()
    changed = [uid for uid in old if old[uid].begin != new[uid].begin]
    assert len(changed) == 1
    text = written(fleet, list(drill_entries(moved_fleet, "dev", moved)), later, first).decode()
    parts = {part.split("UID:")[1].splitlines()[0]: part for part in text.split("BEGIN:VEVENT")[1:]}
    for uid, part in parts.items():
        assert ("SEQUENCE:1" in part) == (uid in changed)
        assert ("DTSTAMP:20260301T231700Z" in part) == (uid in changed)


def test_a_run_keeps_its_name_when_those_before_it_are_done(fleet: Fleet, drills: tuple[ScheduledDrill, ...]) -> None:
    done = {("restore", "orders"): Past(1, drills[0].starts_at, 900.0)}
    rest = schedule(fleet, "dev", {}, drills[0].ends_at, 21, done).drills
    names = [[e.uid for e in drill_entries(fleet, "dev", some)] for some in (drills[1:], rest)]
    assert names[0][:2] == names[1][:2]


def test_what_is_no_calendar_is_not_overwritten(fleet: Fleet, entries: list[Entry]) -> None:
    with pytest.raises(InputError, match="no calendar"):
        written(fleet, entries, before=b"a shopping list\n")


def test_freezes_and_holidays_are_days_not_hours(fleet: Fleet, entries: list[Entry]) -> None:
    text = written(fleet, entries).decode()
    assert "DTSTART;VALUE=DATE:20260328\r\nDTEND;VALUE=DATE:20260330" in text
    assert "SUMMARY:freeze: sale\\; a\\, b" in text
    assert date(2026, 3, 17).strftime("DTSTART;VALUE=DATE:%Y%m%d") in text
