"""The cost as the last ``up`` left it, how it came about, and what the plan makes of it. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quartermaster.planner.spent import Moved, Spent

if TYPE_CHECKING:
    from quartermaster.cli.session import Session

__all__ = ["spent"]

_LOOKED_BACK = 60
"""Runs of ``up``."""


def spent(ops: Session) -> Spent:
    """Of the session's stack, from the journal and the last plan; asks no cloud."""
    from quartermaster.cli.plan_summary import costs

    rows = ops.journal.runs("provision_up", stack=ops.stack, states=("done",), limit=_LOOKED_BACK)
    known = [(row, cost) for row in rows if isinstance(cost := (row.result or {}).get("cost_per_month"), dict)]
    moved = [Moved(row.id, row.ended_at, cost["delta"], cost["after"]) for row, cost in known if cost["delta"]]
    return Spent(
        now=known[0][1] if known else None,
        at=known[0][0].ended_at if known else None,
        past=moved[::-1],
        planned=costs(ops.workspace.folder("reports"), ops.stack),
    )
