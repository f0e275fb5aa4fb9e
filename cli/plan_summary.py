"""What the last capacity plan of the store came to, in a small file: ``ops status`` reads it without the planner.

``.ops/reports/plan-STACK.json``; written whenever a plan is decided from the metric store.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.files import replacing
from quartermaster.fleet.status import Peak

if TYPE_CHECKING:
    from quartermaster.planner.plan import CapacityPlan

__all__ = ["costs", "keep", "peaks"]

_HOURS = 14 * 24
_AHEAD = timedelta(days=1)


def keep(folder: Path, stack: str, plan: CapacityPlan, now: datetime) -> None:
    """Write the summary. Clusters of an earlier plan that this one does not hold stay."""
    known = _known(folder, stack)
    for name, cluster in plan.clusters.items():
        known[name] = {
            "at": now.isoformat(),
            "hours": [[row.at.isoformat(), row.needed] for row in cluster.requirement[:_HOURS]],
            "runway": cluster.runway.to_json(),
            "cost": cluster.cost.to_json(),
        }
    with replacing(_path(folder, stack)) as draft:
        draft.write_text(json.dumps(known), encoding="utf-8")


def peaks(folder: Path, stack: str, now: datetime) -> dict[str, Peak]:
    """The busiest hour of the coming day of each cluster whose plan reaches that far. Read-only."""
    found = {}
    for name, kept in _known(folder, stack).items():
        hours = [(datetime.fromisoformat(at), needed) for at, needed in kept["hours"]]
        coming = [(at, needed) for at, needed in hours if now - timedelta(hours=1) < at < now + _AHEAD]
        if coming:
            at, needed = max(coming, key=lambda hour: hour[1])
            found[name] = Peak(at, needed, coming[0][1], datetime.fromisoformat(kept["at"]), kept["runway"])
    return found


def costs(folder: Path, stack: str) -> dict[str, dict[str, Any]]:
    """``planner.prices.Cost`` of each cluster's last plan as a JSON object. Read-only."""
    return {name: kept["cost"] for name, kept in _known(folder, stack).items() if "cost" in kept}


def _known(folder: Path, stack: str) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(_path(folder, stack).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return known


def _path(folder: Path, stack: str) -> Path:
    return folder / f"plan-{stack}.json"
