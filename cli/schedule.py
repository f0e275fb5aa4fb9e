"""``ops schedule``: a month on a page, and the same as an iCalendar file."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.output import emit, say, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.planner.agenda import Entry
    from quartermaster.planner.drill_schedule import DrillSchedule

__all__ = ["attach", "group"]

group = Group("schedule", "The calendar of the stack: patch windows, drills, backups, freezes, holidays.")

_DAY = timedelta(days=1)
Ics = Annotated[Path | None, typer.Option("--ics", help="Write it as iCalendar, or update such a file.")]


def attach(drill: Group) -> None:
    """Put ``ops drill schedule`` among the commands for drills."""
    drill.command("schedule", example="ops drill schedule --ics drills.ics")(drills)


@group.command("show", example="ops schedule show --month 2026-12 --ics shop.ics")
def show(
    month: Annotated[str, typer.Option(help="YYYY-MM; default: this one.")] = "",
    ics: Ics = None,
) -> None:
    """Show a month on a page: patch windows, drills, freezes, holidays, backups, what was done and what is due."""
    from quartermaster.cli.forecasts import drill_plan
    from quartermaster.planner.agenda import agenda

    ops = session()
    now = ops.clock.now()
    first = _month(month) if month else now.astimezone(ops.fleet.tz).date().replace(day=1)
    start, end = (_midnight(ops, day) for day in (first, _next(first)))
    ahead = (end - now).days + 1
    plan = drill_plan(ops, ahead) if ahead > 0 else None
    entries = agenda(ops.fleet, ops.stack, plan.drills if plan else (), start, end)
    if ics is not None:
        _write(ops, ics, entries)
    document = {
        "month": f"{first:%Y-%m}",
        "entries": [
            {"kind": e.kind, "title": e.title, "starts_at": e.starts_at, "ends_at": e.ends_at, "uid": e.uid,
             "note": e.note}
            for e in entries
        ],
        "done": _done(ops, start, end),
        "infeasible": [item.to_json() for item in plan.infeasible] if plan else [],
    }  # fmt: skip
    emit(document, _page(ops, first, entries, document["done"]) + _due(plan))  # type: ignore[arg-type]


def _write(ops: Session, file: Path, entries: Sequence[Entry]) -> None:
    """Write the entries to the file, or update it: events that it has keep their identity."""
    from quartermaster.planner.ical import ical

    before = file.read_bytes() if file.exists() else b""
    name = f"{ops.fleet.fleet} {ops.stack}"
    file.write_bytes(ical(name, entries, ops.fleet.tz, ops.clock.now(), before))
    say(f"wrote {file}: {len(entries)} events")


def drills(
    days: Annotated[int, typer.Option(help="How far ahead.", min=1, max=366)] = 14,
    ics: Ics = None,
) -> None:
    """Choose an hour for each declared drill from the forecast, with the reason and the runner-up."""
    from quartermaster.cli.forecasts import drill_plan
    from quartermaster.planner.agenda import drill_entries

    ops = session()
    found = drill_plan(ops, days)
    if ics is not None:
        _write(ops, ics, drill_entries(ops.fleet, ops.stack, found.drills))
    rows = [
        (
            d.kind,
            d.of,
            f"{d.starts_at.astimezone(ops.fleet.tz):%a %Y-%m-%d %H:%M %Z}",
            "unknown" if d.risk is None else f"{d.risk:.2%}",
            f"{d.why}\nrunner-up: {d.runner_up or 'none'}",
        )
        for d in found.drills
    ]
    text = table(["drill", "of", "starts", "#risk", "why"], rows)
    text += "".join(f"\nnot possible: {item.kind} of {item.of}: {item.rule}" for item in found.infeasible)
    emit(found.to_json(), text)


def _page(ops: Session, first: date, entries: Sequence[Entry], done: Sequence[dict[str, str]]) -> str:
    """A week a row. What happens on every day of the month stands below it once."""
    zone = ops.fleet.tz
    days = calendar.monthrange(first.year, first.month)[1]
    often = Counter((e.kind, e.title) for e in entries)
    daily = {name for name, count in often.items() if count >= days and name[0] == "backup"}
    cells: dict[date, list[str]] = {first + i * _DAY: [f"{i + 1}"] for i in range(days)}
    for run in done:
        cells[datetime.fromisoformat(run["at"]).astimezone(zone).date()].append(f"{run['what']}: {run['state']}")
    for entry in entries:
        if (entry.kind, entry.title) in daily:
            continue
        day, last = (at.astimezone(zone).date() for at in (entry.starts_at, entry.ends_at - timedelta(seconds=1)))
        text = entry.title if entry.whole_days else f"{entry.starts_at.astimezone(zone):%H:%M} {entry.title}"
        for each in (day + i * _DAY for i in range((last - day).days + 1 if entry.whole_days else 1)):
            if each in cells:
                cells[each].append(text)
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    rows = [["\n".join(cells.get(day, [])) + "\n" for day in week] for week in weeks]
    text = table(list(calendar.day_abbr), rows, title=f"{ops.fleet.fleet} {ops.stack}, {first:%B %Y}, {zone.key}")
    times = {e.title: f"{e.starts_at.astimezone(zone):%H:%M}" for e in entries if (e.kind, e.title) in daily}
    return text + "".join(f"every day {at}: {title}\n" for title, at in sorted(times.items()))


def _due(plan: DrillSchedule | None) -> str:
    return "".join(f"due, and not possible: {i.kind} of {i.of}: {i.rule}\n" for i in plan.infeasible) if plan else ""


def _done(ops: Session, start: datetime, end: datetime) -> list[dict[str, str]]:
    """Drills and patch cycles that were run in the month."""
    from quartermaster.cli.history import state_of

    rows = [row for kind in ("drill", "patch") for row in ops.journal.runs(kind, stack=ops.stack)]
    return [
        {
            "run": row.id,
            "what": row.subject if row.kind == "drill" else f"patch {row.subject}",
            "state": state_of(row),
            "at": row.started_at.isoformat(),
        }
        for row in sorted(rows, key=lambda row: row.started_at)
        if start <= row.started_at < end
    ]


def _month(text: str) -> date:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        raise InputError(f"{text!r} is no month", remedy="YYYY-MM, such as 2026-12")
    return date.fromisoformat(f"{text}-01")


def _next(first: date) -> date:
    return (first + 31 * _DAY).replace(day=1)


def _midnight(ops: Session, day: date) -> datetime:
    return datetime.combine(day, time(), ops.fleet.tz).astimezone(UTC)
