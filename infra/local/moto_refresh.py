"""Instance refresh, which moto lacks: the API's four operations, and the turns of those under way.

As with everything of a group, its refreshes live as long as the daemon. Every function here runs under ``World.lock``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quartermaster.infra.local import refreshes
from quartermaster.infra.local.moto_autoscaling import facts, group_of, leave, refusal
from quartermaster.infra.local.refreshes import Preferences, Refresh
from quartermaster.infra.local.world import World, log

__all__ = ["advance", "install"]

_KEPT = 50
_WORDS = {
    "MinHealthyPercentage": "min_healthy", "MaxHealthyPercentage": "max_healthy", "InstanceWarmup": "warmup",
    "CheckpointPercentages": "checkpoints", "CheckpointDelay": "checkpoint_delay", "BakeTime": "bake",
    "SkipMatching": "skip_matching", "StandbyInstances": "standby", "ScaleInProtectedInstances": "protected",
    "AutoRollback": "auto_rollback",
}  # fmt: skip


@dataclass
class _Record:
    """A refresh with what was said at its start and when it happened."""

    refresh: Refresh
    preferences: Mapping[str, Any]
    desired: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None = None
    rollback: dict[str, Any] = field(default_factory=dict)


def install(world: World) -> None:
    """Give moto's auto-scaling the operations. Call once."""
    import moto.autoscaling.models as models
    import moto.autoscaling.responses as responses
    from moto.core.responses import ActionResult

    response: Any = responses.AutoScalingResponse
    group_class: Any = models.FakeAutoScalingGroup
    begin = group_class.__init__

    def born(self: Any, *args: Any, **kwargs: Any) -> None:
        self.ops_refreshes = []
        begin(self, *args, **kwargs)

    def start(self: Any) -> Any:
        record = _begun(group_of(self), self._get_params(), world.now())
        return ActionResult({"InstanceRefreshId": record.refresh.id})

    def cancel(self: Any) -> Any:
        record = _under_way(group_of(self))
        _put(record, refreshes.cancelled(record.refresh))
        return ActionResult({"InstanceRefreshId": record.refresh.id})

    def roll_back(self: Any) -> Any:
        record = _under_way(group_of(self))
        if not record.refresh.before or record.refresh.status not in ("Pending", "InProgress", "Baking"):
            raise refusal("This instance refresh has no configuration to go back to.", "IrreversibleInstanceRefresh")
        _put(record, record.refresh.back("RollbackInstanceRefresh was called", world.now()))
        return ActionResult({"InstanceRefreshId": record.refresh.id})

    def describe(self: Any) -> Any:
        group, ids = group_of(self), self._get_param("InstanceRefreshIds", [])
        rows = [_row(group, item) for item in group.ops_refreshes if not ids or item.refresh.id in ids]
        return ActionResult({"InstanceRefreshes": rows})

    methods: dict[str, Callable[[Any], Any]] = {
        "start_instance_refresh": start,
        "cancel_instance_refresh": cancel,
        "rollback_instance_refresh": roll_back,
        "describe_instance_refreshes": describe,
    }
    group_class.__init__ = born
    for name, method in methods.items():
        setattr(response, name, method)


def advance(world: World) -> None:
    """Let every refresh under way take its next turn. To be called before the groups take theirs."""
    for backend in world.backends("autoscaling"):
        for group in list(backend.autoscaling_groups.values()):
            record = next((item for item in group.ops_refreshes if item.refresh.busy), None)
            if record is None:
                continue
            group.ops_launch_version = record.refresh.target
            found = facts(world, backend, group)
            done = refreshes.turn(
                record.refresh, found, _ringing(group), world.now(), patience=world.timing["refresh_patience"]
            )
            group.ops_extra = done.extra
            for member in done.leave:
                leave(
                    world,
                    group,
                    member,
                    f"an instance was taken out of service by instance refresh {record.refresh.id}",
                )
            _put(record, done.refresh)
            if not done.refresh.busy:
                _end(group, record)


def _begun(group: Any, given: Mapping[str, Any], now: float) -> _Record:
    if any(item.refresh.busy for item in group.ops_refreshes):
        raise refusal("An Instance Refresh is already in progress and blocks another.", "InstanceRefreshInProgress")
    said = given.get("Preferences") or {}
    desired = given.get("DesiredConfiguration") or {}
    preferences = _preferences(group, said)
    own = str(group.launch_template_version)
    target = str((desired.get("LaunchTemplate") or {}).get("Version", "")) or own
    _check(preferences, said, target, desired=bool(desired))
    reversible = bool(desired) and not own.startswith("$") and not target.startswith("$") and own != target
    group.ec2_launch_template.get_version(target)
    refresh = Refresh(str(uuid.uuid4()), preferences, target, before=own if reversible else "", moved_at=now)
    record = _Record(refresh, said, desired, datetime.now(UTC))
    group.ops_refreshes.insert(0, record)
    del group.ops_refreshes[_KEPT:]
    log.info("group %s: instance refresh %s to version %s", group.name, refresh.id, target)
    return record


def _preferences(group: Any, said: Mapping[str, Any]) -> Preferences:
    values = {ours: said[theirs] for theirs, ours in _WORDS.items() if theirs in said}
    warmup = group.default_instance_warmup
    values.setdefault("warmup", group.health_check_grace_period if warmup is None else warmup)
    values["checkpoints"] = tuple(values.get("checkpoints", ()))
    alarms = (said.get("AlarmSpecification") or {}).get("Alarms") or []
    return Preferences(**values, alarms=tuple(alarms))


def _check(preferences: Preferences, said: Mapping[str, Any], target: str, *, desired: bool) -> None:
    """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html"""
    points = preferences.checkpoints
    if list(points) != sorted({*points}) or any(not 1 <= point <= 100 for point in points):
        raise refusal("Checkpoint percentages must be unique, ascending and from 1 to 100.")
    if not 0 <= preferences.min_healthy <= 100 <= preferences.max_healthy <= 200:
        raise refusal("MinHealthyPercentage is 0 to 100, MaxHealthyPercentage is 100 to 200.")
    if "MaxHealthyPercentage" in said and "MinHealthyPercentage" not in said:
        raise refusal("MaxHealthyPercentage needs MinHealthyPercentage.")
    if preferences.max_healthy - preferences.min_healthy > 100:
        raise refusal("MinHealthyPercentage and MaxHealthyPercentage differ by more than 100.")
    if preferences.auto_rollback and not desired:
        raise refusal("The AutoRollback parameter cannot be set to true when the DesiredConfiguration is empty")
    if preferences.auto_rollback and target.startswith("$"):
        raise refusal("AutoRollback needs a launch template version by its number.")


def _ringing(group: Any) -> list[str]:
    from moto.cloudwatch.models import cloudwatch_backends

    alarms = cloudwatch_backends[group.account_id][group.region].alarms
    return [alarm.name for alarm in alarms.values() if alarm.state_value == "ALARM"]


def _put(record: _Record, refresh: Refresh) -> None:
    before, record.refresh = record.refresh, refresh
    if refresh.status == before.status:
        return
    log.info("instance refresh %s: %s %s", refresh.id, refresh.status, refresh.why)
    if refresh.status == "RollbackInProgress":
        record.rollback = {
            "RollbackReason": refresh.why,
            "RollbackStartTime": datetime.now(UTC).isoformat(),
            "PercentageCompleteOnRollback": before.percentage,
            "InstancesToUpdateOnRollback": before.total - before.done,
        }


def _end(group: Any, record: _Record) -> None:
    group.ops_launch_version, group.ops_extra = "", 0
    record.ended_at = datetime.now(UTC)
    if record.refresh.status == "Successful" and record.desired:
        # Only now is the desired configuration the group's own.
        group.launch_template_version = group.provided_launch_template_version = record.refresh.target


def _row(group: Any, record: _Record) -> dict[str, Any]:
    refresh = record.refresh
    row = {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": group.name,
        "Status": refresh.status,
        "StartTime": record.started_at.isoformat(),
        "PercentageComplete": refresh.percentage,
        "InstancesToUpdate": refresh.total - refresh.done,
        "Preferences": dict(record.preferences),
        "Strategy": "Rolling",
    }
    optional = {
        "StatusReason": refresh.why,
        "EndTime": record.ended_at.isoformat() if record.ended_at else "",
        "DesiredConfiguration": dict(record.desired),
        "RollbackDetails": record.rollback,
    }
    return {**row, **{name: value for name, value in optional.items() if value}}


def _under_way(group: Any) -> _Record:
    for record in group.ops_refreshes:
        if record.refresh.busy:
            found: _Record = record
            return found
    raise refusal("No in progress or pending Instance Refresh found.", "ActiveInstanceRefreshNotFound")
