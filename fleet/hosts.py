"""Hosts and groups as the cloud shows them, and the acts on a group that patching and drills share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.errors import NotProvisioned
from quartermaster.fleet.names import TAG_CLUSTER, physical, tag_filters, tags

__all__ = ["Group", "Host", "Hosts", "RequestCounter", "Requests"]


@dataclass(frozen=True, slots=True)
class Host:
    """One instance of a cluster."""

    id: str
    cluster: str
    zone: str
    address: str
    """Private IPv4."""
    lifecycle: str
    """The group's word: InService, Standby, Pending:Wait, Terminating, …"""
    health: str
    """The balancer's word: healthy, unhealthy, initial, draining, unused; empty without a balancer."""
    shifted: bool = False
    """A zonal shift keeps new requests from it. It counts as serving: it does once the shift ends."""

    @property
    def serving(self) -> bool:
        """In service in its group and healthy at its balancer."""
        return self.lifecycle == "InService" and self.health in ("healthy", "")


@dataclass(frozen=True, slots=True)
class Group:
    """An auto-scaling group with its hosts, as read at one instant."""

    name: str
    cluster: str
    min: int
    max: int
    desired: int
    zones: tuple[str, ...]
    suspended: tuple[str, ...]
    """Names of suspended scaling processes."""
    target_group: str
    """ARN; empty without a balancer."""
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests as a balancer counted them, cumulative."""

    sent: int
    failed: int
    latency_ms: float | None = None
    """Response time of late, the one thing here that is not a sum: HAProxy's mean, CloudWatch's p99. None: unknown."""

    def __sub__(self, earlier: Requests) -> Requests:
        return Requests(self.sent - earlier.sent, self.failed - earlier.failed, self.latency_ms)


_MOST_VALUES = 200
"""Of one filter: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html"""
_REFRESHING = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
"""https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html: those that end by themselves."""


class RequestCounter(Protocol):
    """Reads a cluster's balancer counters: HAProxy's on the local cloud, CloudWatch's on aws."""

    def read(self, cluster: str) -> Requests:
        """Cumulative counts now. Read-only."""
        ...


class Hosts:
    """Reads and moves the hosts of one stack through the AWS API. All raise OpsError where AWS refuses."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._autoscaling = cloud.client("autoscaling")
        self._elb = cloud.client("elbv2")
        self._known: dict[str, str] = {}
        """Private addresses: an instance has the same one all its life."""

    @cached_property
    def _ec2(self) -> Any:
        """Made when first used: its description is the longest of all to read."""
        return self._cloud.client("ec2")

    def group(self, cluster: str) -> Group:
        """The cluster's group and hosts now, hosts sorted by zone and id. Read-only. Raises NotProvisioned if none."""
        found = self._groups(cluster)
        if not found:
            name = physical(self._cloud.fleet, self._cloud.stack, cluster)
            raise NotProvisioned(f"there is no auto-scaling group {name}", remedy="ops provision up")
        return self._read(found[0], cluster, self._addresses([item["InstanceId"] for item in found[0]["Instances"]]))

    def groups(self) -> dict[str, Group]:
        """Every group of the stack with its hosts, addresses left out, by cluster, read side by side. Read-only."""
        found = {_tag(group, TAG_CLUSTER): group for group in self._groups()}
        with ThreadPoolExecutor(max_workers=8) as pool:
            read = pool.map(lambda name: self._read(found[name], name, {}), found)
            return dict(sorted(zip(found, read, strict=True)))

    def told(self, group: Group) -> str:
        """What the group told last of its hosts: when, what and why; empty where it told nothing. Read-only."""
        answer = told(
            lambda: self._autoscaling.describe_scaling_activities(AutoScalingGroupName=group.name, MaxRecords=1)
        )
        for row in answer["Activities"]:
            why = row.get("StatusMessage") or row["Cause"]
            return f"{row['StartTime']:%H:%M} UTC {row['Description']} ({why})"
        return ""

    def _read(self, group: Mapping[str, Any], cluster: str, addresses: Mapping[str, str]) -> Group:
        arns = group.get("TargetGroupARNs", [])
        health = self._health(arns[0]) if arns else {}
        unknown = ("unused" if arns else "", False)
        hosts = [
            Host(
                id=item["InstanceId"],
                cluster=cluster,
                zone=item["AvailabilityZone"],
                address=addresses.get(item["InstanceId"], ""),
                lifecycle=item["LifecycleState"],
                health=health.get(item["InstanceId"], unknown)[0],
                shifted=health.get(item["InstanceId"], unknown)[1],
            )
            for item in group["Instances"]
        ]
        return Group(
            name=group["AutoScalingGroupName"],
            cluster=cluster,
            min=group["MinSize"],
            max=group["MaxSize"],
            desired=group["DesiredCapacity"],
            zones=tuple(sorted(group["AvailabilityZones"])),
            suspended=tuple(sorted(item["ProcessName"] for item in group.get("SuspendedProcesses", []))),
            target_group=arns[0] if arns else "",
            hosts=tuple(sorted(hosts, key=lambda host: (host.zone, host.id))),
        )

    def _groups(self, cluster: str = "") -> list[dict[str, Any]]:
        """By their tags: a group that was there before the fleet has a name of its own."""
        filters = tag_filters(tags(self._cloud.fleet, self._cloud.stack, cluster))
        pages = self._autoscaling.get_paginator("describe_auto_scaling_groups")
        found = told(lambda: list(pages.paginate(Filters=filters)))
        return [group for page in found for group in page["AutoScalingGroups"]]

    def enter_standby(self, group: Group, host_ids: Sequence[str]) -> None:
        """Take hosts out of service: the balancer drains them, the group keeps them and wants fewer. Changes AWS."""
        self._ask(
            "enter_standby",
            AutoScalingGroupName=group.name,
            InstanceIds=list(host_ids),
            ShouldDecrementDesiredCapacity=True,
        )

    def exit_standby(self, group: Group, host_ids: Sequence[str]) -> None:
        """Put hosts back into service; the group wants as many more. Changes AWS."""
        self._ask("exit_standby", AutoScalingGroupName=group.name, InstanceIds=list(host_ids))

    def suspend(self, group: Group, processes: Sequence[str]) -> None:
        """Suspend scaling processes by name. Changes AWS."""
        self._ask("suspend_processes", AutoScalingGroupName=group.name, ScalingProcesses=list(processes))

    def resume(self, group: Group, processes: Sequence[str]) -> None:
        """Resume scaling processes by name. Changes AWS."""
        self._ask("resume_processes", AutoScalingGroupName=group.name, ScalingProcesses=list(processes))

    def set_floor(self, group: Group, floor: int) -> None:
        """Set the group's min. Changes AWS."""
        self._ask("update_auto_scaling_group", AutoScalingGroupName=group.name, MinSize=floor)

    def set_desired(self, group: Group, desired: int) -> None:
        """Set how many hosts the group wants. Changes AWS."""
        self._ask("update_auto_scaling_group", AutoScalingGroupName=group.name, DesiredCapacity=desired)

    def terminate(self, host_id: str, *, replaced: bool = True) -> None:
        """Terminate one host, drained first; its group replaces it, or wants one fewer. Changes AWS."""
        self._ask(
            "terminate_instance_in_auto_scaling_group",
            InstanceId=host_id,
            ShouldDecrementDesiredCapacity=not replaced,
        )

    def refresh_running(self, group: Group) -> bool:
        """Whether an instance refresh of the group is under way. Read-only."""
        answer = self._ask("describe_instance_refreshes", AutoScalingGroupName=group.name)
        return any(item["Status"] in _REFRESHING for item in answer["InstanceRefreshes"])

    def drain_seconds(self, group: Group) -> int:
        """The deregistration delay of the group's target group, 0 without a balancer. Read-only."""
        if not group.target_group:
            return 0
        answer = told(lambda: self._elb.describe_target_group_attributes(TargetGroupArn=group.target_group))
        values = {item["Key"]: item["Value"] for item in answer["Attributes"]}
        return int(values.get("deregistration_delay.timeout_seconds", "300"))

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = told(lambda: getattr(self._autoscaling, operation)(**arguments))
        return answer

    def _health(self, target_group: str) -> dict[str, tuple[str, bool]]:
        """By host, the balancer's word for its health, and whether its zone is shifted away from."""
        answer = told(lambda: self._elb.describe_target_health(TargetGroupArn=target_group))
        return {
            item["Target"]["Id"]: (
                item["TargetHealth"]["State"],
                item.get("AdministrativeOverride", {}).get("State", "").startswith("zonal_shift"),
            )
            for item in answer["TargetHealthDescriptions"]
        }

    def _addresses(self, ids: Sequence[str]) -> dict[str, str]:
        unknown = [host_id for host_id in ids if host_id not in self._known]
        for first in range(0, len(unknown), _MOST_VALUES):
            asked = [{"Name": "instance-id", "Values": unknown[first : first + _MOST_VALUES]}]
            answer = told(partial(self._ec2.describe_instances, Filters=asked))
            instances = [item for r in answer["Reservations"] for item in r["Instances"]]
            self._known |= {
                item["InstanceId"]: item["PrivateIpAddress"] for item in instances if "PrivateIpAddress" in item
            }
        return self._known


def _tag(group: Mapping[str, Any], key: str) -> str:
    return next(str(tag["Value"]) for tag in group["Tags"] if tag["Key"] == key)
