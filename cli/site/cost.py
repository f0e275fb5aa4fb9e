"""What the cost page shows: the cost as the last ``up`` left it, how it came about, and what the plan makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quartermaster.cli.session import Session

__all__ = ["spent"]

_LOOKED_BACK = 60
"""Runs of ``up``."""


def spent(ops: Session) -> dict[str, Any]:
    """``now``: the cost of the last ``up`` (None: there was none), ``past``: of those that moved it, oldest first,
    each with its share of the highest in hundredths; ``planned``: by cluster. From the journal and the last plan."""
    from quartermaster.cli.plan_summary import costs

    rows = ops.journal.runs("provision_up", stack=ops.stack, states=("done",), limit=_LOOKED_BACK)
    known = [(row, cost) for row in rows if isinstance(cost := (row.result or {}).get("cost_per_month"), dict)]
    moved = [(row, cost) for row, cost in reversed(known) if cost["delta"]]
    highest = max((cost["after"] for _, cost in moved), default=0.0) or 1.0
    return {
        "now": known[0][1] if known else None,
        "at": known[0][0].ended_at if known else None,
        "past": [{"run": row, "cost": cost, "share": round(100 * cost["after"] / highest, 1)} for row, cost in moved],
        "planned": costs(ops.workspace.folder("reports"), ops.stack),
    }
