"""Faults on AWS as experiments of Fault Injection Service: values that bear their end, their scope and what stops them.

Pure. An experiment that lacks one of the three is none: ``lacks`` names what, and nobody starts it (ADR 27).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.names import TAG_FLEET, TAG_STACK, tags

__all__ = [
    "MOST_STOPS",
    "OUTAGE_MINUTES",
    "TAG_DRILL",
    "Action",
    "Experiment",
    "Target",
    "fail_over",
    "lose_host",
    "lose_zone",
]

TAG_DRILL = "ops:drill"
"""On templates and experiments: what is lost. By it one that is under way is found again."""
MOST_STOPS = 5
"""Stop conditions of one template: https://docs.aws.amazon.com/fis/latest/userguide/fis-quotas.html"""
OUTAGE_MINUTES = 30
"""After which AWS gives a zone back, whatever becomes of us: as long as its own scenario of a power loss, and as the
longest drill. A drill that ends earlier ends it."""

_ENDS: Mapping[str, str] = {
    "aws:ec2:terminate-instances": "",
    "aws:ec2:stop-instances": "startInstancesAfterDuration",
    "aws:ec2:asg-insufficient-instance-capacity-error": "duration",
    "aws:network:disrupt-connectivity": "duration",
    "aws:rds:reboot-db-instances": "",
}
"""Action → the parameter that says when AWS ends it; empty: it is over once it is done.

https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Resources of one type that bear all these tags, and are as the filters and parameters say."""

    type: str
    tags: Mapping[str, str]
    filters: Mapping[str, str] = field(default_factory=dict)
    """Attribute, as the describing call of the type tells it, → value."""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As FIS takes it."""
        found: dict[str, Any] = {"resourceType": self.type, "resourceTags": dict(self.tags), "selectionMode": "ALL"}
        if self.filters:
            found["filters"] = [{"path": path, "values": [value]} for path, value in self.filters.items()]
        if self.parameters:
            found["parameters"] = dict(self.parameters)
        return found


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that FIS does to one target."""

    id: str
    role: str
    """What the action calls its target."""
    target: str
    """Name of the experiment's target."""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As FIS takes it."""
        return {"actionId": self.id, "parameters": dict(self.parameters), "targets": {self.role: self.target}}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One fault."""

    of: str
    """What is lost: ``host/i-0abc``, ``zone/eu-west-1a``, ``database/shop-prod-orders``."""
    says: str
    scope: Mapping[str, str]
    """The stack's tags: every target bears them."""
    targets: Mapping[str, Target]
    actions: Mapping[str, Action]
    stops: tuple[str, ...] = ()
    """ARNs of CloudWatch alarms: one that rings ends the experiment, and FIS takes back what it did."""
    partly: bool = False
    """May a target be empty? A zone without a database is lost all the same; a host that is not there cannot be."""

    def stopped_by(self, alarms: tuple[str, ...]) -> Experiment:
        """The same with these stop conditions, given by ARN; the first that FIS takes count."""
        return replace(self, stops=alarms[:MOST_STOPS])

    def lacks(self) -> tuple[str, ...]:
        """What keeps it from being started; empty when AWS ends it, it strikes this stack only and can be stopped."""
        return tuple(self._lacking())

    def require(self) -> None:
        """Raises GuardRefused naming all that it lacks."""
        if lacking := self.lacks():
            raise GuardRefused(
                f"the loss of {self.of} may not be made on AWS: {'; '.join(lacking)}",
                remedy="ops provision up makes the alarms and tags; else rehearse it on a local stack",
            )

    def template(self, role_arn: str) -> dict[str, Any]:
        """The body of CreateExperimentTemplate, without its client token."""
        return {
            "description": self.says,
            "targets": {name: target.to_json() for name, target in self.targets.items()},
            "actions": {name: action.to_json() for name, action in self.actions.items()},
            "stopConditions": [{"source": "aws:cloudwatch:alarm", "value": arn} for arn in self.stops],
            "roleArn": role_arn,
            "experimentOptions": {
                "accountTargeting": "single-account",
                "emptyTargetResolutionMode": "skip" if self.partly else "fail",
            },
            "tags": self.tags,
        }

    @property
    def tags(self) -> dict[str, str]:
        """Of the template and of the experiment."""
        return {**self.scope, TAG_DRILL: self.of}

    def _lacking(self) -> Iterator[str]:
        if not self.stops:
            yield "no CloudWatch alarm of the stack would stop it"
        for name, action in self.actions.items():
            if action.id not in _ENDS:
                yield f"{name} ({action.id}) is not known to end by itself"
            elif (said := _ENDS[action.id]) and not action.parameters.get(said):
                yield f"{name} ({action.id}) has no {said}, so AWS would not end it"
            if action.target not in self.targets:
                yield f"{name} has no target {action.target!r}"
        for name, target in self.targets.items():
            bound = {TAG_FLEET, TAG_STACK} <= self.scope.keys() and self.scope.items() <= target.tags.items()
            if not bound:
                yield f"target {name} is not bound to the stack by its tags"


def lose_host(fleet: str, stack: str, host_id: str) -> Experiment:
    """One host is terminated without its group's doing: the group must notice."""
    scope = dict(tags(fleet, stack))
    host = Target("aws:ec2:instance", scope, {"InstanceId": host_id, "State.Name": "running"})
    return Experiment(
        of=f"host/{host_id}",
        says=f"Quartermaster drill of {fleet}/{stack}: host {host_id} is lost",
        scope=scope,
        targets={"host": host},
        actions={"lose": Action("aws:ec2:terminate-instances", "Instances", "host")},
    )


def lose_zone(fleet: str, stack: str, zone: str, *, minutes: int = OUTAGE_MINUTES) -> Experiment:
    """A zone as if its power were cut: hosts stop and none starts there, its subnets fall silent, primaries fail over.

    The parts of AWS's own scenario that a stack has:
    https://docs.aws.amazon.com/fis/latest/userguide/az-availability-scenario.html
    """
    scope, span = dict(tags(fleet, stack)), f"PT{minutes}M"
    targets = {
        "hosts": Target(
            "aws:ec2:instance", scope, {"Placement.AvailabilityZone": zone, "State.Name": "running"}
        ),
        "groups": Target("aws:ec2:autoscaling-group", scope),
        "subnets": Target("aws:ec2:subnet", scope, parameters={"availabilityZoneIdentifier": zone}),
        "databases": Target("aws:rds:db", scope, parameters={"availabilityZoneIdentifiers": zone}),
    }  # fmt: skip
    # Groups replace stopped hosts, so by the end some are gone: to FIS that is well, too.
    stopped = {"startInstancesAfterDuration": span, "completeIfInstancesTerminated": "true"}
    launches = {"availabilityZoneIdentifiers": zone, "duration": span, "percentage": "100"}
    actions = {
        "stop-hosts": Action("aws:ec2:stop-instances", "Instances", "hosts", stopped),
        "refuse-launches": Action(
            "aws:ec2:asg-insufficient-instance-capacity-error", "AutoScalingGroups", "groups", launches
        ),
        "cut-network": Action(
            "aws:network:disrupt-connectivity", "Subnets", "subnets", {"duration": span, "scope": "all"}
        ),
        "fail-over": Action("aws:rds:reboot-db-instances", "DBInstances", "databases", {"forceFailover": "true"}),
    }
    return Experiment(
        of=f"zone/{zone}",
        says=f"Quartermaster drill of {fleet}/{stack}: zone {zone} is lost for {minutes} minutes at most",
        scope=scope,
        targets=targets,
        actions=actions,
        partly=True,
    )


def fail_over(fleet: str, stack: str, instance: str) -> Experiment:
    """A database's standby takes over, forced; ``instance`` is its identifier in RDS."""
    scope = dict(tags(fleet, stack))
    database = Target("aws:rds:db", scope, {"DBInstanceIdentifier": instance})
    return Experiment(
        of=f"database/{instance}",
        says=f"Quartermaster drill of {fleet}/{stack}: database {instance} fails over",
        scope=scope,
        targets={"database": database},
        actions={
            "fail-over": Action("aws:rds:reboot-db-instances", "DBInstances", "database", {"forceFailover": "true"})
        },
    )
