"""Entries as an iCalendar file (RFC 5545). Times are in UTC: right whatever clocks do where it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from quartermaster.fleet.errors import InputError
from quartermaster.planner.agenda import Entry

__all__ = ["ical"]

_COMPARED = ("summary", "dtstart", "dtend", "description", "categories")


def ical(name: str, entries: Iterable[Entry], zone: tzinfo, now: datetime, before: bytes = b"") -> bytes:
    """The calendar as a file. The same entries give the same bytes again.

    ``before`` is the file as it was: what has not changed in it keeps its DTSTAMP and SEQUENCE, what has takes ``now``
    and the next SEQUENCE, by which calendars that know the UID move it. Raises InputError where it is no calendar.
    """
    import icalendar

    known = _known(before)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//quartermaster//schedule//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    for entry in entries:
        event = icalendar.Event()
        event.add("uid", entry.uid)
        event.add("summary", entry.title)
        event.add("categories", [entry.kind])
        if entry.note:
            event.add("description", entry.note)
        for field, at in (("dtstart", entry.starts_at), ("dtend", entry.ends_at)):
            event.add(field, at.astimezone(zone).date() if entry.whole_days else at)
        if entry.whole_days:
            event.add("transp", "TRANSPARENT")
        old = known.get(entry.uid)
        same = old is not None and _content(old) == _content(event)
        event.add("dtstamp", old["dtstamp"].dt if same and old is not None else now.replace(microsecond=0))
        event.add("sequence", 0 if old is None else int(old.get("sequence", 0)) + (not same))
        calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text


def _known(before: bytes) -> Mapping[str, Any]:
    """Events of the former file by UID."""
    import icalendar

    if not before:
        return {}
    try:
        return {str(event["uid"]): event for event in icalendar.Calendar.from_ical(before).walk("VEVENT")}
    except (ValueError, KeyError) as exc:
        raise InputError(f"it is no calendar: {str(exc)[:100]!r}", remedy="another --ics FILE") from exc


def _content(event: Any) -> tuple[bytes, ...]:
    return tuple(event[field].to_ical() if field in event else b"" for field in _COMPARED)
