"""What an account already runs: groups, balancers, databases and their network, read for a first fleet.yaml.

Read-only. Nothing here knows fleet.yaml; ``adopt_text`` writes it, ``adopt_import`` takes things into the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quartermaster.fleet.aws import Cloud

__all__ = ["Balancer", "Database", "Found", "Group", "discover"]


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer with the one target group and listener that a group stands behind."""

    arn: str
    name: str
    kind: str
    internal: bool
    subnets: tuple[str, ...]
    targets: Mapping[str, Any]
    """The target group as AWS describes it."""
    attributes: Mapping[str, str]
    """Of the target group."""
    listeners: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """An auto-scaling group."""

    name: str
    low: int
    high: int
    subnets: tuple[str, ...]
    zones: tuple[str, ...]
    template: Mapping[str, Any]
    """LaunchTemplateData; empty where the group has none."""
    balancers: tuple[Balancer, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """An RDS instance or a DynamoDB table, as AWS describes it."""

    name: str
    engine: str
    described: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """All that was asked for."""

    account: str
    region: str
    vpcs: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    databases: tuple[Database, ...] = ()
    other: tuple[str, ...] = field(default=())
    """Balancers behind which no group stands, by name."""


def discover(cloud: Cloud, *, tag: tuple[str, str] | None = None, vpc: str = "") -> Found:
    """Everything in the region, or what bears the tag, or what stands in the network. Raises botocore's errors."""
    subnets = _subnets(cloud, vpc)
    groups, others = _groups(cloud, subnets, tag, vpc)
    used = {subnet for group in groups for subnet in group.subnets}
    vpcs = {subnets[item]["VpcId"] for item in used if item in subnets} | ({vpc} if vpc else set())
    return Found(
        account=str(cloud.client("sts").get_caller_identity()["Account"]),
        region=cloud.region,
        vpcs=tuple(sorted(vpcs)),
        groups=groups,
        databases=(*_instances(cloud, tag, vpc), *(_tables(cloud, tag) if not vpc else ())),
        other=others,
    )


def _subnets(cloud: Cloud, vpc: str) -> dict[str, Mapping[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}] if vpc else []
    return {row["SubnetId"]: row for row in _all(cloud, "ec2", "describe_subnets", "Subnets", Filters=filters)}


def _groups(
    cloud: Cloud, subnets: Mapping[str, Mapping[str, Any]], tag: tuple[str, str] | None, vpc: str
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    balancers = {
        row["LoadBalancerArn"]: row for row in _all(cloud, "elbv2", "describe_load_balancers", "LoadBalancers")
    }
    targets = {row["TargetGroupArn"]: row for row in _all(cloud, "elbv2", "describe_target_groups", "TargetGroups")}
    found, behind = [], set()
    for row in _all(cloud, "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        placed = tuple(item for item in row.get("VPCZoneIdentifier", "").split(",") if item)
        if not _wanted(row.get("Tags", []), tag) or (vpc and not set(placed) & subnets.keys()):
            continue
        front = [
            _balancer(cloud, balancers[arn], targets[group])
            for group in row.get("TargetGroupARNs", [])
            if group in targets
            for arn in targets[group].get("LoadBalancerArns", [])
        ]
        behind |= {item.arn for item in front}
        found.append(
            Group(
                name=row["AutoScalingGroupName"],
                low=row["MinSize"],
                high=row["MaxSize"],
                subnets=placed,
                zones=tuple(sorted({subnets[item]["AvailabilityZone"] for item in placed if item in subnets})),
                template=_template(cloud, row),
                balancers=tuple(front),
            )
        )
    alone = [row["LoadBalancerName"] for arn, row in balancers.items() if arn not in behind and not tag]
    return tuple(found), tuple(sorted(name for name in alone if not vpc))


def _template(cloud: Cloud, group: Mapping[str, Any]) -> Mapping[str, Any]:
    mixed = (group.get("MixedInstancesPolicy") or {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    asked = group.get("LaunchTemplate") or mixed
    if not asked:
        return {}
    rows = cloud.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=asked["LaunchTemplateId"], Versions=[str(asked.get("Version") or "$Default")]
    )["LaunchTemplateVersions"]
    data: Mapping[str, Any] = rows[0]["LaunchTemplateData"] if rows else {}
    return data


def _balancer(cloud: Cloud, row: Mapping[str, Any], targets: Mapping[str, Any]) -> Balancer:
    elb = cloud.client("elbv2")
    attributes = elb.describe_target_group_attributes(TargetGroupArn=targets["TargetGroupArn"])["Attributes"]
    listeners = elb.describe_listeners(LoadBalancerArn=row["LoadBalancerArn"])["Listeners"]
    return Balancer(
        arn=row["LoadBalancerArn"],
        name=row["LoadBalancerName"],
        kind=row["Type"],
        internal=row.get("Scheme") == "internal",
        subnets=tuple(zone["SubnetId"] for zone in row["AvailabilityZones"]),
        targets=targets,
        attributes={item["Key"]: item["Value"] for item in attributes},
        listeners=tuple(listeners),
    )


def _instances(cloud: Cloud, tag: tuple[str, str] | None, vpc: str) -> list[Database]:
    return [
        Database(row["DBInstanceIdentifier"], row["Engine"], row)
        for row in _all(cloud, "rds", "describe_db_instances", "DBInstances")
        if _wanted(row.get("TagList", []), tag) and (not vpc or (row.get("DBSubnetGroup") or {}).get("VpcId") == vpc)
    ]


def _tables(cloud: Cloud, tag: tuple[str, str] | None) -> list[Database]:
    dynamodb = cloud.client("dynamodb")
    found = []
    for name in _all(cloud, "dynamodb", "list_tables", "TableNames"):
        row = dynamodb.describe_table(TableName=name)["Table"]
        if tag is None or _wanted(dynamodb.list_tags_of_resource(ResourceArn=row["TableArn"])["Tags"], tag):
            found.append(Database(name, "dynamodb", row))
    return found


def _wanted(tags: Iterable[Mapping[str, str]], tag: tuple[str, str] | None) -> bool:
    return tag is None or any((item["Key"], item["Value"]) == tag for item in tags)


def _all(cloud: Cloud, service: str, operation: str, key: str, **arguments: Any) -> Sequence[Any]:
    pages = cloud.client(service).get_paginator(operation).paginate(**arguments)
    return [row for page in pages for row in page[key]]
