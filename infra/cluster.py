"""A cluster: identical hosts over the zones, started from a launch template by an auto-scaling group."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import TAG_URN
from quartermaster.fleet.schema import Cluster as Declared
from quartermaster.fleet.schema.planning import Capacity
from quartermaster.fleet.schema.rules.servers import SCHEDULED_ACTIONS
from quartermaster.infra.access import ClusterAccess
from quartermaster.infra.balancer import Balancer
from quartermaster.infra.component import Component
from quartermaster.infra.floors import next_floors
from quartermaster.infra.images import Image
from quartermaster.infra.keyring import Keys
from quartermaster.infra.layout import GROUP, Layout, urn_tag
from quartermaster.infra.scaling import policies, warm_pool, warmup_seconds
from quartermaster.infra.template import launch_template

__all__ = ["HOOK", "Cluster"]

HOOK = "converged"
"""Launch hook: a host joins when it has made itself what its role says, or is given up.

There is no hook at the other end: the group deregisters a leaving host and waits out the balancer's drain before it
terminates it, and logs are shipped as they are written."""

_HOOK_SETTINGS: Any = {
    "lifecycle_transition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "default_result": "ABANDON",
    "heartbeat_timeout": 900,
}
_GRACE_SECONDS = 30
"""From joining to the first health check that counts. The hook has waited for boot and converge; what is left is
registration and two checks of five seconds. Longer would only hide a host that is lost soon after it joined."""
_COOLDOWN_SECONDS = 300
"""AWS's own; only simple scaling, which nobody uses here, heeds it. Said, so that another value is drift."""
_METRICS = (
    "GroupDesiredCapacity", "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize", "GroupPendingInstances",
    "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances",
)  # fmt: skip
"""Free, and what alarms and the dashboard read."""
_LEAVE = -1
"""A scheduled action that leaves this size as it is."""


class Cluster(Component):
    """Launch template, group, scheduled floors, scaling. ``desired`` is nobody's here: the scaler owns it."""

    def __init__(
        self,
        layout: Layout,
        name: str,
        declared: Declared,
        *,
        image: Image,
        user_data: str,
        floor: int,
        now: datetime,
        timezone: str,
        keys: Keys,
        access: ClusterAccess,
        subnets: list[pulumi.Output[str]],
        balancer: Balancer | None,
        ready: Sequence[pulumi.Resource],
        capacity: Capacity,
    ) -> None:
        super().__init__("Cluster", f"{name}-cluster")
        self._layout, self._name, self._declared = layout, name, declared
        self._adopted = any((item.type, item.name) == (GROUP, name) for item in layout.adopted)
        self._warmup = warmup_seconds(declared, hook=bool(user_data))
        self._template = launch_template(
            layout, name, declared, image=image, user_data=user_data, keys=keys, access=access, opts=self.child()
        )
        self.group = self._group(floor, subnets, balancer, ready, hook=bool(user_data))
        if user_data and self._adopted:
            aws.autoscaling.LifecycleHook(
                name, name=HOOK, autoscaling_group_name=self.group.name, **_HOOK_SETTINGS, opts=self.child()
            )
        self._schedule(now, timezone)
        policies(name, declared, capacity, group=self.group, balancer=balancer, warmup=self._warmup, opts=self.child())
        self.register_outputs({"group": self.group.name})

    def _group(
        self,
        floor: int,
        subnets: list[pulumi.Output[str]],
        balancer: Balancer | None,
        ready: Sequence[pulumi.Resource],
        *,
        hook: bool,
    ) -> aws.autoscaling.Group:
        # A group that was there before the fleet cannot be born with it: it gets it when it starts our hosts.
        hooks: Any = [{"name": HOOK, **_HOOK_SETTINGS}] if hook and not self._adopted else None
        metrics: Any = list(_METRICS)
        needed = [*ready, *([balancer.listener] if balancer else [])]
        force = not self._layout.protect
        return aws.autoscaling.Group(
            self._name,
            name=self._layout.name(self._name),
            min_size=floor,
            max_size=self._declared.size.max,
            launch_template={
                "id": self._template.id,
                # A number, not $Latest: AWS rolls no replacement back in a group that names that.
                "version": self._template.latest_version.apply(str),
            },
            vpc_zone_identifiers=subnets,
            target_group_arns=[balancer.targets.arn] if balancer else None,
            health_check_type="ELB" if balancer else "EC2",
            health_check_grace_period=_GRACE_SECONDS,
            default_cooldown=_COOLDOWN_SECONDS,
            default_instance_warmup=self._warmup,
            # Replaces spot instances before they are taken away; none of ours is one.
            capacity_rebalance=False,
            enabled_metrics=metrics,
            metrics_granularity="1Minute",
            initial_lifecycle_hooks=hooks,
            wait_for_capacity_timeout="15m",
            force_delete=force,
            tags=self._group_tags(),
            opts=self.child(depends_on=needed, ignore_changes=["desiredCapacity"]),
            **warm_pool(self._declared, force=force),
        )

    def _group_tags(self) -> Any:
        launched = {"Name": self._layout.name(self._name), **self._layout.tags(self._name)}
        tags = [{"key": key, "value": value, "propagate_at_launch": True} for key, value in sorted(launched.items())]
        own = urn_tag(self.child_urn(self._layout, "aws:autoscaling/group:Group", self._name))
        return [*tags, {"key": TAG_URN, "value": own, "propagate_at_launch": False}]

    def _schedule(self, now: datetime, timezone: str) -> None:
        declared, later = next_floors(self._declared.schedule, now)
        if later:
            first = later[0].at
            pulumi.log.warn(
                f"{self._name}: a group takes {SCHEDULED_ACTIONS} scheduled actions, an old plan's and a new one's "
                f"together; {len(later)} floors from {first:%Y-%m-%d %H:%M} UTC on are not declared yet: "
                "run `ops provision up` again before then",
                self,
            )
        for entry in declared:
            start = f"{entry.at:%Y-%m-%dT%H:%M:%SZ}" if entry.at is not None else None
            name = f"floor-{entry.at:%Y%m%dT%H%M}" if entry.at else f"floor-{_words(entry.cron)}"
            aws.autoscaling.Schedule(
                f"{self._name}-{name}",
                autoscaling_group_name=self.group.name,
                scheduled_action_name=name,
                min_size=entry.min,
                max_size=_LEAVE,
                desired_capacity=_LEAVE,
                recurrence=entry.cron or None,
                time_zone=timezone if entry.cron else None,
                start_time=start,
                opts=self.child(),
            )


def _words(cron: str) -> str:
    """A cron rule as part of a name: what has no letter is spelled."""
    return cron.replace("*", "any").replace("/", "by").replace(",", "and").replace(" ", "_")
