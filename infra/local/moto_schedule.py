"""Scheduled actions of auto-scaling groups: kept a group each, and executed when their time comes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from quartermaster.infra.cron import due
from quartermaster.infra.local.moto_autoscaling import named, refusal, suspended
from quartermaster.infra.local.world import World, log

__all__ = ["MOST", "advance", "install", "is_due", "sizes"]

MOST = 125
"""Scheduled actions of a group."""


def install() -> None:
    """Give moto's scheduled actions the behaviour of this module. Call once."""
    import moto.autoscaling.models as models

    backend: Any = models.AutoScalingBackend
    put = backend.put_scheduled_update_group_action

    def stored(self: Any, *args: Any, **kwargs: Any) -> Any:
        named(self, kwargs["name"])
        start = kwargs.get("start_time")
        if start and instant(start) < datetime.now(UTC):
            raise refusal("Given start time is in the past")
        _check_room(self.scheduled_actions.values(), kwargs["name"], kwargs["scheduled_action_name"], start)
        made = put(self, *args, **kwargs)
        # moto keys them by name alone: two groups' actions of one name would be one.
        self.scheduled_actions.pop(made.scheduled_action_name)
        made.ops_seen = datetime.now(UTC)
        self.scheduled_actions[_key(made.auto_scaling_group_name, made.scheduled_action_name)] = made
        return made

    def removed(self: Any, auto_scaling_group_name: str, scheduled_action_name: str) -> None:
        if self.scheduled_actions.pop(_key(auto_scaling_group_name, scheduled_action_name), None) is None:
            raise refusal("Scheduled action name not found")

    backend.put_scheduled_update_group_action = stored
    backend.delete_scheduled_action = removed


def advance(world: World, now: datetime) -> None:
    """Execute the actions whose time lies between the last look and ``now``. Runs under ``World.lock``."""
    for backend in world.backends("autoscaling"):
        for key, action in list(backend.scheduled_actions.items()):
            group = backend.autoscaling_groups.get(action.auto_scaling_group_name)
            seen, action.ops_seen = action.ops_seen, now
            start = instant(action.start_time) if action.start_time else None
            end = instant(action.end_time) if action.end_time else None
            recurrence, zone = action.recurrence or "", action.time_zone or "UTC"
            if group is None or not is_due(recurrence, zone, start, end, seen, now):
                continue
            if "ScheduledActions" in suspended(group):
                log.info("group %s: scheduled action %s skipped: suspended", group.name, action.scheduled_action_name)
            else:
                current = (int(group.min_size), int(group.max_size), int(group.desired_capacity or 0))
                wanted = (action.min_size, action.max_size, action.desired_capacity)
                group.min_size, group.max_size, group.desired_capacity = sizes(current, wanted)
                log.info("group %s: scheduled action %s", group.name, action.scheduled_action_name)
            if not recurrence:
                del backend.scheduled_actions[key]  # AWS drops a one-off action once it has run


def is_due(
    recurrence: str, zone: str, start: datetime | None, end: datetime | None, seen: datetime, now: datetime
) -> bool:
    """Whether an action falls into (seen, now]. Pure."""
    if end is not None and now > end:
        return False
    if not recurrence:
        return start is not None and seen < start <= now
    if start is not None and now < start:
        return False
    return due(recurrence, zone, max(seen, start - timedelta(minutes=1)) if start else seen, now)


def sizes(current: tuple[int, int, int], wanted: tuple[int | None, ...]) -> tuple[int, int, int]:
    """(min, max, desired) after an action: what it leaves out stays, and desired is moved between the bounds. Pure."""
    low = current[0] if wanted[0] is None else wanted[0]
    high = current[1] if wanted[1] is None else wanted[1]
    desired = current[2] if wanted[2] is None else wanted[2]
    return low, max(low, high), min(max(desired, low), max(low, high))


def _check_room(actions: Iterable[Any], group: str, name: str, start: Any) -> None:
    """Quotas: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html; unique times:
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    others = [item for item in actions if item.auto_scaling_group_name == group and item.scheduled_action_name != name]
    if len(others) >= MOST:
        raise refusal(f"A group takes {MOST} scheduled actions, and {group} has them.", "LimitExceeded")
    times = {instant(item.start_time) for item in others if item.start_time}
    if start and instant(start) in times:
        raise refusal(f"A scheduled action with start time {start} exists already")


def instant(value: Any) -> datetime:
    """An aware instant from what the API was given."""
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _key(group_name: str, action_name: str) -> str:
    return f"{group_name}/{action_name}"
