"""The floor of a cluster at an instant, from its schedule: what `min` must be if the group is made or changed now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from quartermaster.fleet.schema.rules.servers import SCHEDULED_ACTIONS
from quartermaster.infra.cron import matches

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.servers import ScheduleEntry

__all__ = ["as_scheduled", "floor_at", "next_floors"]

_LOOK_BACK = timedelta(days=8)
"""A weekly rule has fired within it; a rarer one counts from its first action on."""


def floor_at(schedule: Sequence[ScheduleEntry], least: int, now: datetime, zone: ZoneInfo) -> int:
    """The floor in force: that of the entry which fired last, else ``least``."""
    fired = [(at, entry.min) for entry in schedule if (at := _last_fired(entry, now, zone)) is not None]
    return max(fired, key=lambda pair: pair[0])[1] if fired else least


def next_floors(schedule: Sequence[ScheduleEntry], now: datetime) -> tuple[list[ScheduleEntry], list[ScheduleEntry]]:
    """The entries to declare now and, soonest first, those for which the group has no room yet.

    What recurs is declared whole, and of the rest of the quota half: Pulumi makes a new plan's actions before it
    deletes the old one's, and both must fit. A plan may so look further ahead than a group can hold: refusing it would
    cut its horizon to ten days for want of room that is there again as soon as actions have run. What has been is
    left out: AWS refuses it, and the group's floor holds what it said.
    """
    recurring = [entry for entry in schedule if entry.at is None]
    once = sorted((entry for entry in schedule if entry.at is not None and entry.at > now), key=_instant)
    room = max(0, SCHEDULED_ACTIONS - len(recurring)) // 2
    return recurring + once[:room], once[room:]


def as_scheduled(fleet: Fleet, urn: str, property_: str, found: object, now: datetime) -> bool:
    """Is this difference between state and cloud what a scheduled action was declared to make? Pure.

    An action raises its group's ``min`` when its time comes, and one that was for once is gone then.
    """
    type_, name = urn.split("::")[-2:]
    if type_.endswith("aws:autoscaling/group:Group") and property_ == "minSize" and name in fleet.clusters:
        cluster = fleet.clusters[name]
        return found == floor_at(cluster.schedule, cluster.size.min, now, fleet.tz)
    if type_.endswith("aws:autoscaling/schedule:Schedule") and not property_:
        once = re.search(r"-floor-(\d{8}T\d{4})$", name)
        return once is not None and datetime.strptime(once.group(1) + "+0000", "%Y%m%dT%H%M%z") <= now
    return False


def _last_fired(entry: ScheduleEntry, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the entry last fired up to now, or None."""
    if entry.at is not None:
        return entry.at if entry.at <= now else None
    instant = now.replace(second=0, microsecond=0)
    while instant > now - _LOOK_BACK:
        if matches(entry.cron, instant.astimezone(zone)):
            return instant
        instant -= timedelta(minutes=1)
    return None


def _instant(entry: ScheduleEntry) -> datetime:
    assert entry.at is not None
    return entry.at
