"""What the report is made of, read from store, journal and fleet.yaml. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quartermaster.cli.forecasts import known_plan
from quartermaster.cli.month import months_of
from quartermaster.cli.patch_report import compliance_of, history_of
from quartermaster.cli.spent import spent

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.planner.report import ReportData

__all__ = ["gather"]

_MONTHS = 2
"""Of the calendar: this one and the next."""
_DRILLS = 50
"""The newest; ``ops drill report`` tells of all."""


def gather(ops: Session) -> ReportData:
    """The session's stack as it stands in the books; asks no cloud."""
    from quartermaster.planner.report import ReportData
    from quartermaster.planner.verification import verify

    plan = known_plan(ops)
    forecasts = ops.workspace.folder("reports") / "forecasts"
    verified = {} if plan is None else {name: verify(forecasts, c) for name, c in plan.clusters.items()}
    patching = compliance_of(ops, list(ops.fleet.clusters))
    now = ops.clock.now()
    months = months_of(ops, now.astimezone(ops.fleet.tz).date().replace(day=1), _MONTHS)
    rows = ops.journal.runs("drill", stack=ops.stack, limit=_DRILLS)
    return ReportData(
        fleet=ops.fleet.fleet,
        stack=ops.stack,
        target=ops.declared.target,
        generated_at=now,
        plan=plan,
        verified={name: found for name, found in verified.items() if found is not None},
        drills=months[0].plan.to_json() if months[0].plan and ops.fleet.recovery.drills else None,
        patching={name: {"compliance": found, **history_of(ops, name)} for name, found in patching.items()},
        drill_results=[dict(row.result) for row in rows if row.result],
        zone=ops.fleet.tz,
        spent=spent(ops),
        months=months,
    )
