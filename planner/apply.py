"""From a plan to an edit of fleet.yaml: floors as a diff with their price, guarded by recent error."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.files import replacing
from quartermaster.planner.plan import ClusterPlan
from quartermaster.planner.prices import Cost, monthly
from quartermaster.planner.schedule import Floor

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Cluster

__all__ = ["Change", "propose", "write"]


@dataclass(frozen=True, slots=True)
class Change:
    """A reviewed edit: what the file was, what it becomes, and what that costs."""

    cluster: str
    before: str
    after: str
    diff: str
    """Unified; empty where nothing changes."""
    schedule: tuple[Floor, ...]
    cost_before: float | None
    """A month of the floors in the file, over the hours of the plan; None where that cannot be told."""
    cost_after: float | None
    currency: str

    @property
    def cost_delta(self) -> float | None:
        if self.cost_before is None or self.cost_after is None:
            return None
        return round(self.cost_after - self.cost_before, 2)

    def to_json(self) -> dict[str, Any]:
        return {
            "cluster": self.cluster,
            "diff": self.diff,
            "changed": bool(self.diff),
            "schedule": [f.to_json() for f in self.schedule],
            "cost_per_month": {
                "before": self.cost_before,
                "after": self.cost_after,
                "delta": self.cost_delta,
                "currency": self.currency,
            },
        }


def propose(plan: ClusterPlan, cluster: Cluster, text: str, now: datetime, file: str = "fleet.yaml") -> Change:
    """The edit of fleet.yaml's ``text`` that sets the plan's floors from now on, and what is tracked above them. Pure.

    A ``scaling.target`` in the file is its owner's word: then nothing is said of tracking. ``cluster`` is the same
    cluster as the text has it. Raises GuardRefused where the plan is over, or the forecast was of late further off than
    the plan has headroom.
    """
    from quartermaster.fleet.schema.edit import with_planned, with_schedule

    _guard(plan)
    schedule = _from_now(plan, now)
    after = with_schedule(text, plan.name, [f.to_entry() for f in schedule])
    if not plan.tracking.given and plan.tracking.target is not None:
        after = with_planned(after, plan.name, round(plan.tracking.utilisation, 3))
    diff = difflib.unified_diff(
        text.splitlines(keepends=True), after.splitlines(keepends=True), file, f"{file} (planned)"
    )
    return Change(
        plan.name,
        text,
        after,
        "".join(diff),
        schedule,
        _cost(plan, _standing(plan, cluster)),
        plan.cost.per_month,
        plan.cost.currency,
    )


def write(change: Change, path: Path) -> None:
    """Write the edited file, whole or not at all. Raises GuardRefused where it is no longer what was reviewed."""
    if path.read_text(encoding="utf-8") != change.before:
        raise GuardRefused(
            f"{path.name} was changed since the plan was shown", remedy="look at the new diff: ops capacity apply"
        )
    if not change.diff:
        return
    with replacing(path) as draft:
        draft.write_text(change.after, encoding="utf-8")
        draft.chmod(path.stat().st_mode)


def _guard(plan: ClusterPlan) -> None:
    if plan.replay is None:
        return
    error, headroom = plan.replay.recent_error, plan.headroom
    if error > headroom:
        raise GuardRefused(
            f"{plan.name}: in the last week demand exceeded the forecast by {error:.0%} in its worst hours, the plan "
            f"has {headroom:.0%} of headroom above it",
            remedy="wait until the history covers the change, raise capacity quantile, or lower target_utilisation",
        )


def _from_now(plan: ClusterPlan, now: datetime) -> tuple[Floor, ...]:
    end = plan.forecast.times[-1] + timedelta(minutes=plan.forecast.interval_minutes)
    if end <= now:
        raise GuardRefused(
            f"{plan.name}: the plan ends at {end:%Y-%m-%d %H:%M} UTC, before now",
            remedy="bring the metric history up to date (ops metrics import), then plan again",
        )
    later = [f for f in plan.schedule if f.starts_at > now]
    begun = [f for f in plan.schedule if f.starts_at <= now]
    # What the plan starts with holds from this hour on, also where it starts at the next one. No scheduled action can
    # set a floor that has begun: `provision up` sets it as the group's min.
    hour = now.replace(minute=0, second=0, microsecond=0)
    return (Floor(hour, (begun[-1] if begun else later[0]).instances), *later[0 if begun else 1 :])


def _standing(plan: ClusterPlan, cluster: Cluster) -> Sequence[Floor] | None:
    """The floors that the file already sets, over the plan's hours; None where recurring ones stand among them."""
    if any(entry.cron for entry in cluster.schedule):
        return None
    start = plan.forecast.times[0]
    entries = sorted((e.at, e.min) for e in cluster.schedule if e.at is not None)
    level = cluster.size.min
    out: list[Floor] = []
    for at, least in entries:
        if at <= start:
            level = least
        elif at < plan.forecast.times[-1]:
            out.append(Floor(at, least))
    return [Floor(start, level), *out]


def _cost(plan: ClusterPlan, standing: Sequence[Floor] | None) -> float | None:
    if standing is None:
        return None
    import numpy as np

    hours = plan.forecast
    peak = np.array([max(f.instances for f in standing)])
    cost: Cost = monthly(
        standing, hours.times, hours.interval_minutes, peak, plan.settings.instance, plan.settings.region
    )
    return cost.per_month
