"""EC2 as AWS behaves: states take time, an instance is a host, its profile and key come from the launch template.

Patches moto's classes once a process; every function here runs under ``World.lock``.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Set
from typing import Any

from quartermaster.infra.local import imds
from quartermaster.infra.local.host import HostSpec
from quartermaster.infra.local.network import overlapping, routes
from quartermaster.infra.local.world import World, log

__all__ = ["advance", "find", "install", "metadata", "observe", "powered_off", "specs", "zones"]

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = 0, 16, 32, 48, 64, 80
_NAMES = {0: "pending", 16: "running", 32: "shutting-down", 48: "terminated", 64: "stopping", 80: "stopped"}
_SECRET = secrets.token_urlsafe(30)


def install(world: World) -> None:
    """Give moto's EC2 the behaviour of this module. Call once, before the first request."""
    import moto.ec2.models
    import moto.ec2.models.instances

    EC2Backend: Any = moto.ec2.models.EC2Backend  # noqa: N806 - a class
    Instance: Any = moto.ec2.models.instances.Instance  # noqa: N806 - a class
    begin, terminate, create_vpc = Instance.__init__, Instance.terminate, EC2Backend.create_vpc

    def born(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self.ops_finish_termination = lambda: terminate(self)
        self.ops_host_ok, self.ops_host_failed_at = True, 0.0
        self.ops_target_lifecycle = ""
        self.ops_reboots = 0
        set_state(world, self, PENDING)

    def shut_down(self: Any) -> Any:
        before = _copy(self)
        if self._state.code not in (SHUTTING_DOWN, TERMINATED):
            set_state(world, self, SHUTTING_DOWN)
        return before

    def stop(self: Any) -> Any:
        before = _copy(self)
        if self._state.code in (PENDING, RUNNING):
            set_state(world, self, STOPPING)
        return before

    def start(self: Any) -> Any:
        before = _copy(self)
        if self._state.code == STOPPED:
            set_state(world, self, PENDING)
        return before

    def reboot(self: Any) -> None:
        self.ops_reboots += 1

    def status(self: Any) -> dict[str, Any]:
        if self.state_code != RUNNING:
            return {"Status": "not-applicable"}
        fresh = world.now() - self.ops_since < world.timing["launch_boot"]
        word = "initializing" if fresh else "ok" if self.ops_host_ok else "impaired"
        passed = {"initializing": "initializing", "ok": "passed", "impaired": "failed"}[word]
        return {"Details": [{"Name": "reachability", "Status": passed}], "Status": word}

    def checked_vpc(self: Any, cidr_block: str, *args: Any, **kwargs: Any) -> Any:
        if world.with_hosts and not kwargs.get("is_default"):
            _refuse_overlap(world, cidr_block)
        return create_vpc(self, cidr_block, *args, **kwargs)

    Instance.__init__ = born
    Instance.terminate, Instance.stop, Instance.start, Instance.reboot = shut_down, stop, start, reboot
    Instance.instance_status = property(status)
    EC2Backend.create_vpc = checked_vpc


def set_state(world: World, instance: Any, code: int) -> None:
    """Move an instance to a state, remembering since when."""
    instance._state.code, instance._state.name = code, _NAMES[code]
    instance.ops_since = world.now()


def instances(world: World) -> Iterator[Any]:
    """Every instance that moto knows."""
    for backend in world.backends("ec2"):
        for reservation in list(backend.reservations.values()):
            yield from reservation.instances


def find(world: World, instance_id: str) -> Any:
    """The instance, or None."""
    return next((found for found in instances(world) if found.id == instance_id), None)


def advance(world: World, present: Set[str]) -> None:
    """Let states arrive whose time has come. ``present``: ids of hosts that still exist on this machine."""
    now, wait = world.now(), world.timing
    for instance in instances(world):
        code, age = instance._state.code, now - instance.ops_since
        if code == PENDING and age >= wait["launch_pending"]:
            set_state(world, instance, RUNNING)
            for nic in instance.nics.values():
                nic.start()
        elif code == STOPPING and age >= wait["stop"]:
            set_state(world, instance, STOPPED)
        elif code == SHUTTING_DOWN and age >= wait["terminate"] and instance.id not in present:
            instance.ops_finish_termination()  # frees the address: the host must be gone by now
            instance.ops_since = now


def specs(world: World) -> dict[str, HostSpec]:
    """The hosts that should exist: instances running (booted once ``launch_boot`` has passed) or stopped."""
    wanted: dict[str, HostSpec] = {}
    for instance in instances(world):
        code = instance._state.code
        if code not in (RUNNING, STOPPING, STOPPED) or not instance.subnet_id:
            continue
        if code == RUNNING and world.now() - instance.ops_since < world.timing["launch_boot"]:
            continue
        backend = instance.ec2_backend
        vpc = backend.get_vpc(instance.vpc_id)
        key = backend.key_pairs.get(instance.key_name) if instance.key_name else None
        wanted[instance.id] = HostSpec(
            id=instance.id,
            zone=instance.placement.zone,
            vpc=vpc.id,
            vpc_cidr=vpc.cidr_block,
            address=instance.private_ip,
            public_key=key.public_key if key else "",
            user_data=str(instance.user_data or ""),
            region=instance.region_name,
            wanted_on=code == RUNNING,
            reboot=instance.ops_reboots,
        )
    return wanted


def powered_off(world: World, instance_id: str) -> None:
    """The host switched itself off: the instance stops, or terminates where it was launched so."""
    instance = find(world, instance_id)
    if instance is None or instance._state.code != RUNNING:
        return
    ends = instance.instance_initiated_shutdown_behavior == "terminate"
    log.info("host %s powered itself off", instance_id)
    set_state(world, instance, SHUTTING_DOWN if ends else STOPPING)


def zones(world: World) -> set[str]:
    """Zones in which there is a subnet of a VPC that is not the default one."""
    return {
        subnet.availability_zone
        for backend in world.backends("ec2")
        for by_id in backend.subnets.values()
        for subnet in by_id.values()
        if str(backend.vpcs[subnet.vpc_id].is_default).lower() != "true"
    }


def observe(world: World, instance_id: str, ok: bool) -> None:
    """Take over whether the instance's host is up."""
    instance = find(world, instance_id)
    if instance is not None:
        if instance.ops_host_ok and not ok:
            instance.ops_host_failed_at = world.now()
        instance.ops_host_ok = ok


def metadata(world: World, vpc: str, address: str) -> Mapping[str, str]:
    """What the metadata service says to the host at an address: path below /latest → text."""
    with world.lock:
        instance = _at(world, vpc, address)
        if instance is None:
            return {}
        backend = instance.ec2_backend
        zone, region = instance.placement.zone, instance.region_name
        facts = {
            "meta-data/ami-id": instance.image_id,
            "meta-data/hostname": instance.private_dns_name,
            "meta-data/instance-id": instance.id,
            "meta-data/instance-type": instance.instance_type,
            "meta-data/local-hostname": instance.private_dns_name,
            "meta-data/local-ipv4": instance.private_ip,
            "meta-data/placement/availability-zone": zone,
            "meta-data/placement/region": region,
            "dynamic/instance-identity/document": _document(world, instance),
        }
        key = backend.key_pairs.get(instance.key_name) if instance.key_name else None
        if key is not None:
            facts["meta-data/public-keys/0/openssh-key"] = key.public_key
        if instance.user_data:
            facts["user-data"] = base64.b64decode(str(instance.user_data)).decode(errors="replace")
        for tag in instance.get_tags():
            facts[f"meta-data/tags/instance/{tag['key']}"] = tag["value"]
        target = instance.ops_target_lifecycle
        if target:
            facts["meta-data/autoscaling/target-lifecycle-state"] = target
        role = _role(backend, instance)
        if role:
            facts[f"meta-data/iam/security-credentials/{role}"] = imds.credentials(_SECRET, instance.id)
        return facts


def _at(world: World, vpc: str, address: str) -> Any:
    alive = (RUNNING, STOPPING, SHUTTING_DOWN)
    for instance in instances(world):
        if instance._state.code in alive and instance.private_ip == address and instance.vpc_id == vpc:
            return instance
    return None


def _role(backend: Any, instance: Any) -> str:
    association = backend.iam_instance_profile_associations.get(instance.id)
    roles = association.iam_instance_profile.roles if association else []
    return str(roles[0].name) if roles else ""


def _document(world: World, instance: Any) -> str:
    import json

    return json.dumps(
        {
            "accountId": world.account,
            "availabilityZone": instance.placement.zone,
            "imageId": instance.image_id,
            "instanceId": instance.id,
            "instanceType": instance.instance_type,
            "privateIp": instance.private_ip,
            "region": instance.region_name,
            "version": "2017-09-30",
        }
    )


def _copy(instance: Any) -> Any:
    from moto.ec2.models.instances import InstanceState

    return InstanceState(instance._state.name, instance._state.code)


def _refuse_overlap(world: World, cidr: str) -> None:
    from moto.ec2.exceptions import EC2ClientError

    ours = [(vpc.cidr_block, vpc.id) for backend in world.backends("ec2") for vpc in backend.vpcs.values()
            if str(vpc.is_default).lower() != "true"]  # fmt: skip
    machine = [row for row in routes() if not row[1].startswith(world.prefix)]
    clash = overlapping(cidr, [*machine, *ours])
    if clash:
        raise EC2ClientError(
            "InvalidVpc.Range",
            f"The CIDR '{cidr}' overlaps {clash[0]} ({clash[1]}), which this machine already routes: hosts there "
            "could not be reached. Choose another network.cidr.",
        )
