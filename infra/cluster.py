"""A cluster: identical hosts over the zones, started from a launch template by an auto-scaling group."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import TAG_URN
from quartermaster.fleet.schema import Cluster as Declared
from quartermaster.infra.access import ClusterAccess
from quartermaster.infra.balancer import Balancer
from quartermaster.infra.component import Component
from quartermaster.infra.keyring import Keys
from quartermaster.infra.layout import Layout, urn_tag

__all__ = ["HOOK", "Cluster"]

HOOK = "converged"
"""Launch hook: a host joins when it has made itself what its role says, or is given up."""

_HOOK_SECONDS = 900
_GRACE_SECONDS = 30
"""From joining to the first health check that counts. The hook has waited for boot and converge; what is left is
registration and two checks of five seconds. Longer would only hide a host that is lost soon after it joined."""
_LEAVE = -1
"""A scheduled action that leaves this size as it is."""


class Cluster(Component):
    """Launch template, group, scheduled floors. ``desired`` is nobody's here: the scaler owns it."""

    def __init__(
        self,
        layout: Layout,
        name: str,
        declared: Declared,
        *,
        image: str,
        user_data: str,
        floor: int,
        now: datetime,
        timezone: str,
        keys: Keys,
        access: ClusterAccess,
        subnets: list[pulumi.Output[str]],
        balancer: Balancer | None,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("Cluster", f"{name}-cluster")
        self._layout, self._name = layout, name
        self._template = self._launch_template(declared, image, user_data, keys, access)
        self.group = self._group(declared, floor, subnets, balancer, ready, hook=bool(user_data))
        self._schedule(declared, now, timezone)
        self.register_outputs({"group": self.group.name})

    def _launch_template(
        self, declared: Declared, image: str, user_data: str, keys: Keys, access: ClusterAccess
    ) -> aws.ec2.LaunchTemplate:
        return aws.ec2.LaunchTemplate(
            self._name,
            name=self._layout.name(self._name),
            image_id=image,
            instance_type=declared.instance,
            key_name=keys.pair.key_name,
            user_data=base64.b64encode(user_data.encode()).decode() if user_data else None,
            vpc_security_group_ids=[access.hosts.id],
            iam_instance_profile={"arn": access.profile.arn},
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "enabled",
            },
            monitoring={"enabled": True},
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "encrypted": "true",
                        "delete_on_termination": "true",
                        "volume_type": "gp3",
                        "volume_size": 20,
                    },
                }
            ],
            tag_specifications=[{"resource_type": "volume", "tags": dict(self._layout.tags(self._name))}],
            tags=dict(self._layout.tags(self._name)),
            opts=self.child(),
        )

    def _group(
        self,
        declared: Declared,
        floor: int,
        subnets: list[pulumi.Output[str]],
        balancer: Balancer | None,
        ready: Sequence[pulumi.Resource],
        *,
        hook: bool,
    ) -> aws.autoscaling.Group:
        hooks: Any = [
            {
                "name": HOOK,
                "lifecycle_transition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                "default_result": "ABANDON",
                "heartbeat_timeout": _HOOK_SECONDS,
            }
        ]
        needed = [*ready, *([balancer.listener] if balancer else [])]
        return aws.autoscaling.Group(
            self._name,
            name=self._layout.name(self._name),
            min_size=floor,
            max_size=declared.size.max,
            launch_template={
                "id": self._template.id,
                "version": self._template.latest_version.apply(str),
            },
            vpc_zone_identifiers=subnets,
            target_group_arns=[balancer.targets.arn] if balancer else None,
            health_check_type="ELB" if balancer else "EC2",
            health_check_grace_period=_GRACE_SECONDS,
            initial_lifecycle_hooks=hooks if hook else None,
            wait_for_capacity_timeout="15m",
            force_delete=not self._layout.protect,
            tags=self._group_tags(),
            opts=self.child(depends_on=needed, ignore_changes=["desiredCapacity"]),
        )

    def _group_tags(self) -> Any:
        launched = {"Name": self._layout.name(self._name), **self._layout.tags(self._name)}
        tags = [{"key": key, "value": value, "propagate_at_launch": True} for key, value in sorted(launched.items())]
        own = urn_tag(self.child_urn(self._layout, "aws:autoscaling/group:Group", self._name))
        return [*tags, {"key": TAG_URN, "value": own, "propagate_at_launch": False}]

    def _schedule(self, declared: Declared, now: datetime, timezone: str) -> None:
        for entry in declared.schedule:
            if entry.at is not None and entry.at <= now:
                continue  # has been: AWS refuses it, and the group's floor holds what it said
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
