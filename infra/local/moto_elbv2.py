"""Target groups as AWS behaves: registration and deregistration take time, health is what HAProxy found.

Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from quartermaster.infra.local.balancer import Health, Pool, Server
from quartermaster.infra.local.moto_zonal_shift import away
from quartermaster.infra.local.world import World

__all__ = [
    "advance",
    "correct",
    "deregister",
    "draining",
    "install",
    "observe",
    "register",
    "servers",
    "states",
]

_INITIAL = ("Elb.RegistrationInProgress", "Target registration is in progress")
_CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")
_DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
_SHIFTED = {
    "State": "zonal_shift_active",
    "Reason": "AdministrativeOverride.ZonalShiftActive",
    "Description": "Zonal shift is active for the Availability Zone of the target",
}
_NOT_SHIFTED = {
    "State": "no_override",
    "Reason": "AdministrativeOverride.NoOverride",
    "Description": "No override is currently active on target",
}
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AdministrativeOverride.html"""


@dataclass
class _Target:
    """A target between registration and the end of its deregistration delay."""

    id: str
    port: int
    since: float
    state: str = "initial"
    reason: tuple[str, str] = _INITIAL
    away: bool = False
    """A zonal shift keeps new requests from its zone."""
    drained: bool = False
    """HAProxy sends it none."""


def install(world: World) -> None:
    """Give moto's target groups the behaviour of this module. Call once."""
    import moto.elbv2.exceptions
    import moto.elbv2.models

    target_group: Any = moto.elbv2.models.FakeTargetGroup
    backend: Any = moto.elbv2.models.ELBv2Backend
    status: Any = moto.elbv2.models.FakeHealthStatus
    begin, orig_register, orig_deregister = target_group.__init__, target_group.register, target_group.deregister
    delete = backend.delete_load_balancer

    def born(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self.ops_targets = {}

    def add(self: Any, targets: list[dict[str, Any]]) -> None:
        orig_register(self, targets)
        for target in targets:
            found = self.ops_targets.get(target["Id"])
            if found is None or found.state == "draining":
                port = int(target.get("Port") or self.port)
                self.ops_targets[target["Id"]] = _Target(target["Id"], port, world.now())

    def remove(self: Any, targets: list[dict[str, Any]]) -> None:
        orig_deregister(self, targets)
        for target in targets:
            _drain(world, self, target["Id"])

    def remove_terminated(self: Any, instance_ids: list[str]) -> None:
        for instance_id in instance_ids:
            if self.targets.pop(instance_id, None):
                _drain(world, self, instance_id)

    def health_for(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        found = self.ops_targets.get(target["Id"])
        port = found.port if found else target.get("Port", self.port)

        def said(state: str, reason: str | None = None, description: str | None = None) -> Any:
            answer = status(target["Id"], port, self.health_check_port, state, reason, description)
            shifted = found is not None and found.away and (found.drained or not world.with_hosts)
            answer.administrative_override = _SHIFTED if shifted else _NOT_SHIFTED
            return answer

        if found is None:
            return said("unused", "Target.NotRegistered", "Target is not registered to the target group")
        if found.state == "draining":
            return said("draining", *_DRAINING)
        if not _in_use(self):
            return said("unused", "Target.NotInUse", "Target group is not configured to receive traffic")
        instance = ec2_backend.get_instance_by_id(found.id)
        if instance is not None and instance.state == "stopped":
            return said("unused", "Target.InvalidState", "Target is in the stopped state")
        return said(found.state, *(found.reason if found.state != "healthy" else (None, None)))

    def describe(self: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        group = self.target_groups.get(target_group_arn)
        if group is None:
            raise moto.elbv2.exceptions.TargetGroupNotFoundError
        wanted = targets or [{"Id": name} for name in group.ops_targets]
        return [group.health_for(target, self.ec2_backend) for target in wanted]

    def delete_balancer(self: Any, arn: str) -> None:
        found = self.load_balancers.get(arn)
        if found is not None and vars(found).get("ops_address"):
            found.subnets[0].del_subnet_ip(found.ops_address)
            for subnet, address in found.ops_legs.values():
                subnet.del_subnet_ip(address)
        delete(self, arn)

    target_group.__init__, target_group.register, target_group.deregister = born, add, remove
    target_group.deregister_terminated_instances = remove_terminated
    target_group.health_for = health_for
    backend.describe_target_health = describe
    backend.delete_load_balancer = delete_balancer
    correct()


def correct() -> None:
    """Let moto do what AWS does: say in the ARN which kind a balancer is, refuse a name that is taken, and take a
    deregistration delay of an hour. Call once."""
    import moto.elbv2.exceptions
    import moto.elbv2.models

    backend: Any = moto.elbv2.models.ELBv2Backend
    create, modify = backend.create_load_balancer, backend.modify_target_group_attributes
    delay = "deregistration_delay.timeout_seconds"

    def created(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if any(found.name == name for found in self.load_balancers.values()):
            raise moto.elbv2.exceptions.DuplicateLoadBalancerName
        made = create(self, name, *args, **kwargs)
        if made.type == "network" and ":loadbalancer/app/" in made.arn:
            before, made.arn = made.arn, made.arn.replace(":loadbalancer/app/", ":loadbalancer/net/")
            self.load_balancers[made.arn] = self.load_balancers.pop(before)
            self.tagging_service.copy_tags(before, made.arn)
            self.tagging_service.delete_all_tags_for_resource(before)
        return made

    def modified(self: Any, target_group_arn: str, attributes: dict[str, Any]) -> None:
        longest = str(attributes.get(delay)) == "3600"
        modify(self, target_group_arn, {**attributes, delay: "3599"} if longest else attributes)
        if longest:
            self.target_groups[target_group_arn].attributes[delay] = "3600"

    backend.create_load_balancer, backend.modify_target_group_attributes = created, modified


def advance(world: World) -> None:
    """Follow zonal shifts, end deregistration delays whose time has come; without real hosts, call targets healthy."""
    now = world.now()
    for group in _groups(world):
        _shift(world, group)
        delay = float(group.attributes.get("deregistration_delay.timeout_seconds", 300))
        for name, target in list(group.ops_targets.items()):
            if target.state == "draining" and (now - target.since >= delay or not _in_use(group)):
                del group.ops_targets[name]
            elif target.state == "initial" and now - target.since >= world.timing["target_register"]:
                target.reason = _CHECKING
                if not world.with_hosts:
                    target.state = "healthy"


def register(world: World, arn: str, instance_id: str) -> None:
    """Register an instance with a target group that still exists."""
    group = _group(world, arn)
    if group is not None and (instance_id not in group.targets):
        group.register([{"Id": instance_id, "Port": group.port}])


def deregister(world: World, arn: str, instance_id: str) -> None:
    """Deregister an instance where it is registered."""
    group = _group(world, arn)
    if group is not None and group.targets.pop(instance_id, None):
        _drain(world, group, instance_id)


def draining(world: World, arn: str, instance_id: str) -> bool:
    """Whether the target's deregistration delay still runs."""
    group = _group(world, arn)
    target = group.ops_targets.get(instance_id) if group is not None else None
    return target is not None and target.state == "draining"


def states(world: World, arn: str) -> dict[str, str]:
    """Instance → state in a target group; empty where the group is gone or unused."""
    group = _group(world, arn)
    if group is None or not _in_use(group):
        return {}
    return {name: target.state for name, target in group.ops_targets.items()}


def observe(world: World, pool: Pool, found: Mapping[str, Health]) -> None:
    """Take over what HAProxy found of a pool's servers."""
    group = _group(world, pool.arn)
    if group is None:
        return
    for name, health in found.items():
        target = group.ops_targets.get(name)
        if target is None or target.state == "draining":
            continue
        target.drained = health.state in ("drain", "maint")
        if health.state == "up" or (target.away and target.drained and health.passed):
            target.state = "healthy"
        elif health.state == "down" and not health.on_trial:
            target.state, target.reason = "unhealthy", health.reason


def servers(world: World, pool: Pool) -> dict[str, Server]:
    """The servers that a pool should have now, by instance id."""
    group = _group(world, pool.arn)
    now, wanted = world.now(), {}
    for name, target in group.ops_targets.items() if group is not None else ():
        age = now - target.since
        if target.state == "initial" and age < world.timing["target_register"]:
            continue
        instance = group.ec2_backend.get_instance_by_id(name)
        if instance is None or not instance.private_ip:
            continue
        leaving = target.state == "draining" and age >= world.timing["target_deregister"]
        wanted[name] = Server(name, instance.private_ip, target.port, leaving=leaving, away=target.away)
    return wanted


def _shift(world: World, group: Any) -> None:
    """Mark the targets that a zonal shift keeps new requests from. A group of one zone only has no other to go to:
    https://docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.resource-types.app-load-balancers.html
    """
    now = datetime.now(UTC)
    left = {away(world, arn, now) for arn in group.load_balancer_arns} - {""}
    zones = {name: _zone(group, name) for name in group.ops_targets} if left else {}
    apart = len(set(zones.values())) > 1
    for name, target in group.ops_targets.items():
        target.away = apart and zones[name] in left


def _zone(group: Any, instance_id: str) -> str:
    instance = group.ec2_backend.get_instance_by_id(instance_id)
    return str(instance.placement.zone) if instance is not None else ""


def _groups(world: World) -> Iterator[Any]:
    for backend in world.backends("elbv2"):
        yield from list(backend.target_groups.values())


def _group(world: World, arn: str) -> Any:
    return next((group for group in _groups(world) if group.arn == arn), None)


def _in_use(group: Any) -> bool:
    from moto.elbv2.models import elbv2_backends

    return bool(elbv2_backends[group.account_id][group.region_name]._any_listener_using(group.arn))


def _drain(world: World, group: Any, instance_id: str) -> None:
    target = group.ops_targets.get(instance_id)
    if target is not None and target.state != "draining":
        target.state, target.reason, target.since = "draining", _DRAINING, world.now()
