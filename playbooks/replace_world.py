"""What hosts of a group are started as, and its instance refreshes: the cloud's, or a fake in tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.hosts import Group, Hosts
from quartermaster.playbooks.replace_plan import ReplacePlan

__all__ = ["BUSY", "CloudRefreshes", "Launched", "Refresh", "Refreshes"]

BUSY = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
"""States of a refresh that is not over; a group has one such at most.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/check-status-instance-refresh.html"""
_MOST_PROTECTED = 50
"""In one call: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html"""


@dataclass(frozen=True, slots=True)
class Launched:
    """What the hosts of a group are started as."""

    template: str
    """Id of the launch template."""
    own: str
    """Version that the group names: a number, ``$Latest`` or ``$Default``."""
    latest: str
    hosts: Mapping[str, str]
    """Host → the version that it was started from; empty for one started without."""
    says: Mapping[str, Mapping[str, str]]
    """Version → what it says: image, instance type, user data (its hash), …"""
    protected: frozenset[str] = frozenset()
    """Hosts that are protected from scale-in."""

    def held(self, hosts: Iterable[str]) -> str:
        """Why those hosts cannot be told apart from others by protecting the others; empty when they can. Pure."""
        held = sorted(self.protected & {*hosts})
        return f"protected from scale-in, by which hosts that stay are told apart: {', '.join(held)}" if held else ""


@dataclass(frozen=True, slots=True)
class Refresh:
    """An instance refresh as AWS shows it."""

    id: str
    status: str
    target: str
    """Version of its desired configuration; empty without one."""
    percent: int = 0
    why: str = ""
    rollback: str = ""
    """Why it goes, or went, back."""

    @property
    def busy(self) -> bool:
        """Is it not over?"""
        return self.status in BUSY


class Refreshes(Protocol):
    """One cluster's group, and the replacement of its hosts. All raise OpsError where the cloud refuses."""

    def group(self) -> Group: ...

    def launched(self) -> Launched: ...

    def versions(self) -> Mapping[str, str]:
        """Host → the version that it was started from; empty for one started without. Read-only."""
        ...

    def history(self) -> tuple[Refresh, ...]:
        """The group's refreshes, the newest first. Read-only."""
        ...

    def name_version(self, version: str) -> None:
        """Let the group name that version of its template: what is launched from now on is of it."""
        ...

    def protect(self, hosts: Sequence[str], *, on: bool) -> None:
        """Protect those hosts from scale-in, or no longer."""
        ...

    def start(self, plan: ReplacePlan) -> str:
        """Start the refresh; its id."""
        ...

    def cancel(self) -> None:
        """Tell the running refresh to begin nothing more; what it began, AWS finishes."""
        ...

    def roll_back(self) -> None:
        """Tell the running refresh to bring the version before back."""
        ...


class CloudRefreshes:
    """The group of a cluster through the AWS API."""

    def __init__(self, cloud: Cloud, hosts: Hosts, cluster: str) -> None:
        self._hosts = hosts
        self._cluster = cluster
        self._ec2 = cloud.client("ec2")
        self._groups = cloud.client("autoscaling")

    def group(self) -> Group:
        return self._hosts.group(self._cluster)

    def launched(self) -> Launched:
        return told(self._launched)

    def versions(self) -> Mapping[str, str]:
        return told(lambda: self._versions(self._described()))

    def history(self) -> tuple[Refresh, ...]:
        name = self.group().name
        answer = told(lambda: self._groups.describe_instance_refreshes(AutoScalingGroupName=name))
        return tuple(_refresh(row) for row in answer["InstanceRefreshes"])

    def name_version(self, version: str) -> None:
        template = {"LaunchTemplateId": self.launched().template, "Version": version}
        self._act(self._groups.update_auto_scaling_group, LaunchTemplate=template)

    def protect(self, hosts: Sequence[str], *, on: bool) -> None:
        for first in range(0, len(hosts), _MOST_PROTECTED):
            some = list(hosts[first : first + _MOST_PROTECTED])
            self._act(self._groups.set_instance_protection, InstanceIds=some, ProtectedFromScaleIn=on)

    def start(self, plan: ReplacePlan) -> str:
        template = {"LaunchTemplateId": plan.template, "Version": plan.target}
        answer = self._act(
            self._groups.start_instance_refresh,
            Strategy="Rolling",
            DesiredConfiguration={"LaunchTemplate": template},
            Preferences=plan.preferences.to_aws(),
        )
        return str(answer["InstanceRefreshId"])

    def cancel(self) -> None:
        self._act(self._groups.cancel_instance_refresh)

    def roll_back(self) -> None:
        self._act(self._groups.rollback_instance_refresh)

    def _act(self, call: Callable[..., Any], **arguments: Any) -> Any:
        name = self.group().name
        return told(lambda: call(AutoScalingGroupName=name, **arguments))

    def _launched(self) -> Launched:
        group = self._described()
        own = group.get("LaunchTemplate")
        if own is None:
            raise InputError(
                f"group {group['AutoScalingGroupName']} starts its hosts from no launch template of its own",
                remedy=f"patching.{self._cluster}.method: in_place, or give the group a launch template",
            )
        template = own["LaunchTemplateId"]
        pages = self._ec2.get_paginator("describe_launch_template_versions").paginate(LaunchTemplateId=template)
        rows = [row for page in pages for row in page["LaunchTemplateVersions"]]
        return Launched(
            template=template,
            own=str(own["Version"]),
            latest=str(max(row["VersionNumber"] for row in rows)),
            hosts=self._versions(group),
            says={str(row["VersionNumber"]): _says(row["LaunchTemplateData"]) for row in rows},
            protected=frozenset(item["InstanceId"] for item in group["Instances"] if item.get("ProtectedFromScaleIn")),
        )

    def _described(self) -> dict[str, Any]:
        name = self.group().name
        found = self._groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        group: dict[str, Any] = found[0]
        return group

    @staticmethod
    def _versions(group: Mapping[str, Any]) -> dict[str, str]:
        """Of its own template alone: another's numbers mean something else."""
        own = (group.get("LaunchTemplate") or {}).get("LaunchTemplateId")
        started = {item["InstanceId"]: item.get("LaunchTemplate") or {} for item in group["Instances"]}
        return {
            host: str(said["Version"]) if said.get("LaunchTemplateId") == own else "" for host, said in started.items()
        }


def _says(data: Mapping[str, Any]) -> dict[str, str]:
    """A template's data, flat; user data by its hash, for it is long."""
    said = {"image": data.get("ImageId", ""), "instance type": data.get("InstanceType", "")}
    if text := data.get("UserData", ""):
        said["user data"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    rest = data.keys() - {"ImageId", "InstanceType", "UserData"}
    return {**said, **{name: str(data[name]) for name in sorted(rest)}}


def _refresh(row: Mapping[str, Any]) -> Refresh:
    template = (row.get("DesiredConfiguration") or {}).get("LaunchTemplate") or {}
    return Refresh(
        id=row["InstanceRefreshId"],
        status=row["Status"],
        target=str(template.get("Version", "")),
        percent=int(row.get("PercentageComplete", 0)),
        why=row.get("StatusReason", ""),
        rollback=(row.get("RollbackDetails") or {}).get("RollbackReason", ""),
    )
