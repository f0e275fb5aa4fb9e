"""``ops schedule``: a month on a page, and the same as an iCalendar file."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quartermaster.cli.group import Group
from quartermaster.cli.month import first_day, month_of
from quartermaster.cli.outfile import check_out, writing
from quartermaster.cli.output import emit, say, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.errors import InputError

if TYPE_CHECKING:
    from quartermaster.planner.agenda import Entry
    from quartermaster.planner.drill_schedule import DrillSchedule
    from quartermaster.planner.month import Month

__all__ = ["attach", "group"]

group = Group("schedule", "The calendar of the stack: patch windows, drills, backups, freezes, holidays.")

Ics = Annotated[Path | None, typer.Option("--ics", help="iCalendar file to write, or to update.")]


def attach(drill: Group) -> None:
    """Put ``ops drill schedule`` among the commands for drills."""
    drill.command("schedule", example="ops drill schedule --ics drills.ics")(drills)


@group.command("show", example="ops schedule show --month 2026-12 --ics shop.ics")
def show(
    month: Annotated[str, typer.Option(help="Month as YYYY-MM; default: this one.")] = "",
    ics: Ics = None,
) -> None:
    """Show a month on a page: patch windows, drills, freezes, holidays, backups, what was done and what is due."""
    ops = session()
    found = month_of(ops, first_day(month or f"{ops.clock.now().astimezone(ops.fleet.tz):%Y-%m}"))
    if ics is not None:
        _write(ops, ics, found.entries)
    document = {
        "month": f"{found.first:%Y-%m}",
        "entries": [
            {"kind": e.kind, "title": e.title, "starts_at": e.starts_at, "ends_at": e.ends_at, "uid": e.uid,
             "note": e.note}
            for e in found.entries
        ],
        "done": list(found.done),
        "infeasible": [item.to_json() for item in found.plan.infeasible] if found.plan else [],
    }  # fmt: skip
    emit(document, _page(ops, found).rstrip("\n") + _impossible(found.plan, "due, and not possible"))


def _write(ops: Session, file: Path, entries: Sequence[Entry]) -> None:
    """Write the entries to the file, or update it: events that it has keep their identity."""
    from quartermaster.planner.ical import ical

    check_out(file, "--ics")
    name = f"{ops.fleet.fleet} {ops.stack}"
    with writing(file, "--ics"):
        before = file.read_bytes() if file.exists() else b""
        try:
            after = ical(name, entries, ops.fleet.tz, ops.clock.now(), before)
        except InputError as exc:
            raise InputError(f"{file} cannot be updated: {exc.message}", remedy=exc.remedy) from exc
        file.write_bytes(after)
    say(f"wrote {file}: {len(entries)} events")


def drills(
    days: Annotated[int, typer.Option(help="Days to look ahead.", min=1, max=366)] = 14,
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
    text = table(["drill", "of", "starts", "#risk", "why"], rows) if rows else ""
    if not ops.fleet.recovery.drills:
        text = "no drills are declared: recovery.drills in fleet.yaml"
    emit(found.to_json(), text + _impossible(found, "not possible") or f"no drill is due in {days} days")


def _page(ops: Session, month: Month) -> str:
    """A week a row. What happens on every day of the month stands below it once."""
    cells = {day: [f"{day.day}", *(line.text for line in lines)] for day, lines in month.days().items()}
    rows = [["\n".join(cells.get(day, [])) + "\n" for day in week] for week in month.weeks]
    title = f"{ops.fleet.fleet} {ops.stack}, {month.first:%B %Y}, {month.zone.key}"
    text = table(list(calendar.day_abbr), rows, title=title, named=False)
    return text + "".join(f"every day {line}\n" for line in month.daily())


def _impossible(plan: DrillSchedule | None, words: str) -> str:
    """What has no hour: of each drill the first such run, as later ones mostly meet the same rules, and how many."""
    runs: dict[tuple[str, str], list[str]] = {}
    for item in plan.infeasible if plan else ():
        runs.setdefault((item.kind, item.of), []).append(item.rule)
    return "".join(
        f"\n{words}: {kind} of {of}: {rules[0]}" + (f"; and {len(rules) - 1} later of its runs" if rules[1:] else "")
        for (kind, of), rules in runs.items()
    )
