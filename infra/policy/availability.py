"""Whether what must go on goes on when a zone or a host is lost."""

from __future__ import annotations

from quartermaster.fleet.reach import as_declared, verdicts
from quartermaster.infra.inputs import HIDDEN, texts
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_GROUP = "aws:autoscaling/group:Group"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_SUBJECTS = (_GROUP, "aws:rds/instance:Instance", "aws:dynamodb/table:Table")


def spread_over_zones(scene: Scene) -> Broken:
    """Groups and balancers stand in as many zones as the fleet uses, or as the recovery region has."""
    for one in scene.of(_GROUP, _BALANCER):
        there = scene.region_of(one) == scene.fleet.recovery_region
        zones = len(scene.fleet.zone_names(recovery=True)) if there else scene.fleet.zones
        key = "vpcZoneIdentifiers" if one.type == _GROUP else "subnets"
        subnets = one.inputs.get(key)
        if subnets not in HIDDEN and len(texts(subnets)) < zones:
            reason = f"{one.name} stands in {len(texts(subnets))} of {zones} zones"
            yield Breach(one, reason, f"{key}: a subnet in each zone")


def balancer_health(scene: Scene) -> Broken:
    """A group behind a balancer replaces what the balancer finds unhealthy."""
    for one in scene.of(_GROUP):
        if one.inputs.get("targetGroupArns") and one.inputs.get("healthCheckType") not in ("ELB", *HIDDEN):
            yield Breach(one, f"{one.name} keeps hosts that its balancer finds unhealthy")


def survives_zone(scene: Scene) -> Broken:
    """At its smallest, a group has hosts left when the zones are lost that capacity says may be."""
    for one in scene.of(_GROUP):
        least, lost = one.inputs.get("minSize"), scene.fleet.capacity_of(one.name).survive.zones
        # A pilot light holds no hosts on purpose.
        if not isinstance(least, int | float) or not least or one.name not in scene.fleet.clusters:
            continue
        # Spread evenly: as soon as there is one more than zones are lost, a zone that stays has one.
        if least <= lost:
            zones, hosts = (f"{n} {what}{'s' if n > 1 else ''}" for n, what in ((lost, "zone"), (int(least), "host")))
            reason = f"with {zones} lost nothing is left of {one.name}'s {hosts}"
            yield Breach(one, reason, f"clusters.{one.name}.size.min: {lost + 1} or more")


def objective_in_reach(scene: Scene) -> Broken:
    """What the fleet's settings allow at best meets every objective; what is only assumed accuses nobody."""
    for verdict in verdicts(scene.fleet):
        one = next((one for type_ in _SUBJECTS for one in scene.of(type_) if one.name == verdict.name), None)
        if one is None or verdict.reachable is not False:
            continue
        aim = f"{verdict.scope} {verdict.metric.upper()} of {as_declared(verdict.objective_seconds)}"
        least = verdict.impossible or f"takes {as_declared(verdict.surely_seconds or 0)} at least"
        yield Breach(one, f"{verdict.name} cannot meet its {aim}: {least}", verdict.remedy)


def desired_unmanaged(scene: Scene) -> Broken:
    """No group says how many hosts it has now."""
    for one in scene.of(_GROUP):
        if one.inputs.get("desiredCapacity") is not None:
            yield Breach(one, f"{one.name} would be set to {one.inputs['desiredCapacity']} hosts by every `up`")


RULES = (spread_over_zones, balancer_health, survives_zone, objective_in_reach, desired_unmanaged)
