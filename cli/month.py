"""The months of a stack: what its fleet.yaml, forecast and journal say of them. Read-only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from quartermaster.fleet.errors import InputError
from quartermaster.planner.month import Month

if TYPE_CHECKING:
    from quartermaster.cli.session import Session

__all__ = ["first_day", "month_of", "months_of"]


def first_day(text: str) -> date:
    """The first day of a month written YYYY-MM. Raises InputError for anything else."""
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise InputError(f"{text!r} is no month", remedy="YYYY-MM, such as 2026-12")
    return date.fromisoformat(f"{text}-01")


def month_of(ops: Session, first: date) -> Month:
    """The month that begins on ``first``. What is ahead takes a forecast."""
    return months_of(ops, first, 1)[0]


def months_of(ops: Session, first: date, count: int) -> tuple[Month, ...]:
    """The months from ``first`` on, with the drills of all of them chosen together."""
    from quartermaster.cli.forecasts import drill_plan
    from quartermaster.planner.agenda import agenda

    zone, firsts = ops.fleet.tz, [first]
    while len(firsts) <= count:
        firsts.append((firsts[-1] + timedelta(days=31)).replace(day=1))
    starts = [datetime.combine(day, time(), zone).astimezone(UTC) for day in firsts]
    ahead = (starts[-1] - ops.clock.now()).days + 1
    plan = drill_plan(ops, ahead) if ahead > 0 else None
    drills = plan.drills if plan else ()
    return tuple(
        Month(day, zone, tuple(agenda(ops.fleet, ops.stack, drills, start, end)), _done(ops, start, end), plan)
        for day, start, end in zip(firsts, starts, starts[1:], strict=False)
    )


def _done(ops: Session, start: datetime, end: datetime) -> tuple[Mapping[str, str], ...]:
    """Drills and patch cycles that were run in the month, oldest first."""
    from quartermaster.cli.history import state_of

    rows = [
        row for kind in ("drill", "patch") for row in ops.journal.runs(kind, stack=ops.stack, since=start, until=end)
    ]
    return tuple(
        {
            "run": row.id,
            "what": row.subject if row.kind == "drill" else f"patch {row.subject}",
            "state": state_of(row),
            "at": row.started_at.isoformat(),
        }
        for row in sorted(rows, key=lambda row: row.started_at)
    )
