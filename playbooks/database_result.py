"""What the maintenance of a database came to, told from its events alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import Event, StepFinished, StepStarted
from quartermaster.fleet.write_probe import Measured
from quartermaster.playbooks.database_plan import DatabasePlan

__all__ = ["is_maintenance", "outcome", "planned"]


def is_maintenance(events: Iterable[Event]) -> bool:
    """Whether the first of a run's events begins the maintenance of a database."""
    first = next(iter(events), None)
    return isinstance(first, StepStarted) and first.step == "database"


def planned(rows: list[Event]) -> DatabasePlan:
    """The plan of a run. Raises InputError when its events hold none."""
    if not is_maintenance(rows):
        raise InputError("this run maintained no database", remedy="ops history, then name a patch run")
    return DatabasePlan.from_json(rows[0].detail["plan"])


def outcome(events: Iterable[Event], *, run: str) -> dict[str, Any]:
    """The contract's document: hosts, state, requests, run; and failover_seconds, lost_writes, acts. Pure."""
    rows = list(events)
    plan, state, why = planned(rows), "running", ""
    acts: dict[str, StepFinished] = {}
    measured: list[Measured] = []
    probes = 0
    for row in rows:
        if isinstance(row, StepStarted) and row.step in ("database", "recover"):
            state, why = "running", ""
        elif isinstance(row, StepFinished) and row.step == "probe":
            probes += 1
        elif isinstance(row, StepFinished) and row.step == "measure":
            measured.append(Measured(**row.detail))
        elif isinstance(row, StepFinished) and row.step == "database":
            state, why = row.detail["state"], row.detail["why"]
        elif isinstance(row, StepFinished) and row.step == "recover":
            state = "recovered"
        elif isinstance(row, StepFinished) and ":" in row.step:
            acts[row.step] = row
    told = [row.detail["event_seconds"] for row in acts.values() if row.detail["event_seconds"] is not None]
    # A pass that was killed took with it what its writes had met: then what RDS tells is all there is.
    whole_time = 0 < probes == len(measured)
    whole = len(acts) == len(plan.acts)
    last = list(acts.values())[-1].detail if acts else {"version": plan.version, "zone": plan.zone}
    host = {
        **{"id": plan.instance, "zone": last["zone"], "state": "patched" if whole else "pending"},
        **{"from": f"{plan.version} in {plan.zone}", "to": f"{last['version']} in {last['zone']}"},
        **{"seconds": round(sum(row.seconds for row in acts.values()), 3), "why": why},
    }
    return {
        "run": run,
        "database": plan.database,
        "state": state,
        "hosts": [host],
        "requests": {
            "sent": sum(one.sent for one in measured),
            "failed": sum(one.failed for one in measured),
        },
        "failover_seconds": max((one.away_seconds for one in measured) if whole_time else told, default=None),
        "measured_by": "writes" if whole_time else "events" if told else None,
        "lost_writes": sum(one.lost for one in measured) if whole_time else None,
        "acts": [{"name": name, "seconds": row.seconds, **row.detail} for name, row in acts.items()],
    }
