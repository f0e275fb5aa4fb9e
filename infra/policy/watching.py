"""That somebody notices: logs, alarms, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.fleet.names import TAG_FLEET, TAG_STACK
from quartermaster.infra.inputs import HIDDEN, items, texts
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
_TAGGED = (
    "aws:autoscaling/group:Group",
    "aws:backup/vault:Vault",
    "aws:dynamodb/table:Table",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
)
"""What must be found again by its tags, and costs or holds something."""


def log_retention(scene: Scene) -> Broken:
    """Logs expire."""
    for one in scene.of("aws:cloudwatch/logGroup:LogGroup"):
        if not one.inputs.get("retentionInDays"):
            yield Breach(one, f"log group {one.name} is kept for ever")


def alarms_exist(scene: Scene) -> Broken:
    """Every cluster and database of the fleet has an alarm."""
    watched = {alarm.name for alarm in scene.of(_ALARM)}
    for one in scene.of("aws:autoscaling/group:Group", "aws:rds/instance:Instance", "aws:dynamodb/table:Table"):
        here = scene.region_of(one) == scene.fleet.region
        if here and not any(name.startswith(f"{one.name}-") for name in watched):
            yield Breach(one, f"nothing watches {one.name}")


def alarms_notify(scene: Scene) -> Broken:
    """Alarms tell somebody."""
    for one in scene.of(_ALARM):
        if one.inputs.get("alarmActions") not in HIDDEN and not texts(one.inputs.get("alarmActions")):
            yield Breach(one, f"alarm {one.name} tells nobody")


def tags(scene: Scene) -> Broken:
    """What costs or holds something says which fleet and stack it is of."""
    for one in scene.of(*_TAGGED):
        carried = _tags(one.inputs.get("tags"))
        missing = [name for name in (TAG_FLEET, TAG_STACK) if carried is not None and name not in carried]
        if missing:
            yield Breach(one, f"{one.name} does not say its {' and '.join(missing)}")


def _tags(value: Any) -> Mapping[str, Any] | None:
    """Tags by key; of a group they are a list. None where they are not known yet."""
    if value in HIDDEN:
        return None
    if isinstance(value, Mapping):
        return value
    return {str(item.get("key")): item.get("value") for item in items(value)}


RULES = (log_retention, alarms_exist, alarms_notify, tags)
