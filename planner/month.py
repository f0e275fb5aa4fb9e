"""A month of a stack as one page of a calendar: what is to be done in it, on which day, and what was done. Pure."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from quartermaster.planner.agenda import FROZEN

if TYPE_CHECKING:
    from quartermaster.planner.agenda import Entry
    from quartermaster.planner.drill_schedule import DrillSchedule

__all__ = ["Month", "Noted"]

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Noted:
    """A line of one day."""

    kind: str
    """done or failed, or the entry's: drill, patch, backup, freeze, holiday."""
    text: str
    run: str = ""
    """Of what was done."""


@dataclass(frozen=True, slots=True)
class Month:
    """What is on in a month."""

    first: date
    zone: ZoneInfo
    entries: tuple[Entry, ...]
    done: tuple[Mapping[str, str], ...]
    """``run``, ``what``, ``state`` and ``at`` (ISO) of each drill and patch cycle that was run."""
    plan: DrillSchedule | None
    """Of the drills; None: the month is over."""

    @property
    def weeks(self) -> list[list[date]]:
        """Its weeks from Monday on, days of the months around it included."""
        return calendar.Calendar().monthdatescalendar(self.first.year, self.first.month)

    def days(self) -> dict[date, list[Noted]]:
        """Each day's lines: what was done first, then by time; but for what is on every day."""
        length = calendar.monthrange(self.first.year, self.first.month)[1]
        found: dict[date, list[Noted]] = {self.first + i * _DAY: [] for i in range(length)}
        for run in self.done:
            day = datetime.fromisoformat(run["at"]).astimezone(self.zone).date()
            kind = "failed" if run["state"] in ("failed", "stopped", "interrupted") else "done"
            found[day].append(Noted(kind, f"{run['what']}: {run['state']}", run["run"]))
        daily = self._daily
        for entry in self.entries:
            if (entry.kind, entry.title) in daily:
                continue
            day, last = (at.astimezone(self.zone).date() for at in (entry.starts_at, entry.ends_at - _SECOND))
            text = entry.title if entry.whole_days else f"{entry.starts_at.astimezone(self.zone):%H:%M} {entry.title}"
            text += " (frozen)" if entry.note == FROZEN else ""
            for each in (day + i * _DAY for i in range((last - day).days + 1 if entry.whole_days else 1)):
                if each in found:
                    found[each].append(Noted(entry.kind, text))
        return found

    def daily(self) -> list[str]:
        """What is on every day of it: the time, and what."""
        daily, ours = self._daily, self.zone
        times = {e.title: f"{e.starts_at.astimezone(ours):%H:%M}" for e in self.entries if (e.kind, e.title) in daily}
        return [f"{at}: {title}" for title, at in sorted(times.items())]

    @property
    def _daily(self) -> set[tuple[str, str]]:
        days = calendar.monthrange(self.first.year, self.first.month)[1]
        often = Counter((e.kind, e.title) for e in self.entries)
        return {name for name, count in often.items() if count >= days and name[0] == "backup"}
