"""What is open to whom."""

from __future__ import annotations

from quartermaster.infra.inputs import HIDDEN, covers, holds, is_world, items, sources, texts
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_ADMIN_PORTS = {22: "ssh", 3389: "remote desktop", 5432: "PostgreSQL", 6379: "Redis", 9200: "Elasticsearch"}
_INGRESS = ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:ec2/securityGroupRule:SecurityGroupRule")
_GROUP = "aws:ec2/securityGroup:SecurityGroup"


def no_public_database(scene: Scene) -> Broken:
    """Databases have no public address."""
    for one in scene.of("aws:rds/instance:Instance"):
        if one.inputs.get("publiclyAccessible") is True:
            yield Breach(one, f"database {one.name} is reachable from the internet")


def no_open_admin_port(scene: Scene) -> Broken:
    """No port that administers is open to the world."""
    for one in scene.of(*_INGRESS, _GROUP):
        if one.inputs.get("type") == "egress":
            continue
        for rule in items(one.inputs.get("ingress")) if one.type == _GROUP else [one.inputs]:
            open_ports = [what for port, what in _ADMIN_PORTS.items() if covers(rule, port)]
            if open_ports and any(is_world(cidr) for cidr in sources(rule)):
                yield Breach(
                    one, f"{', '.join(open_ports)} {'is' if len(open_ports) == 1 else 'are'} open to the world"
                )


def no_public_host(scene: Scene) -> Broken:
    """Hosts get no public address."""
    for one in scene.of("aws:ec2/launchTemplate:LaunchTemplate"):
        faces = items(one.inputs.get("networkInterfaces"))
        if any(face.get("associatePublicIpAddress") in (True, "true") for face in faces):
            yield Breach(one, f"hosts of {one.name} have a public address")
    for one in scene.of("aws:ec2/instance:Instance"):
        if one.inputs.get("associatePublicIpAddress") is True:
            yield Breach(one, f"{one.name} has a public address")
    for one in scene.of("aws:ec2/subnet:Subnet"):
        if holds(one.inputs.get("mapPublicIpOnLaunch")) and not one.name.startswith("public"):
            yield Breach(one, f"subnet {one.name} gives public addresses", "mapPublicIpOnLaunch: false")


def flow_logs(scene: Scene) -> Broken:
    """Every network of ours logs its flows."""
    logged: dict[str, int] = {}
    for log in scene.of("aws:ec2/flowLog:FlowLog"):
        if log.inputs.get("trafficType") in ("ALL", *HIDDEN):
            logged[scene.region_of(log)] = logged.get(scene.region_of(log), 0) + 1
    for one in scene.of("aws:ec2/vpc:Vpc"):
        here = scene.region_of(one)
        # The id of a network is not known before it is made: its logs are counted by region.
        if not logged.get(here):
            yield Breach(one, f"nothing logs the flows of {one.name} in {here}")
        else:
            logged[here] -= 1


def open_egress(scene: Scene) -> Broken:
    """Groups of databases and balancers have no way out to everywhere."""
    answering = {
        id_
        for one in scene.of("aws:rds/instance:Instance", "aws:lb/loadBalancer:LoadBalancer")
        for key in ("vpcSecurityGroupIds", "securityGroups")
        for id_ in texts(one.inputs.get(key))
        if id_ not in HIDDEN
    }
    names = {one.name for one in scene.of("aws:lb/loadBalancer:LoadBalancer")}
    for one in scene.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"):
        group = one.inputs.get("securityGroupId")
        # Ids are not known before the group is made: its rule then bears the group's name.
        meant = group in answering or (group in HIDDEN and one.name in {f"{name}-balancer" for name in names})
        if meant and one.inputs.get("ipProtocol") == "-1" and any(is_world(cidr) for cidr in sources(one.inputs)):
            yield Breach(one, f"{one.name} may call anywhere")


def single_nat(scene: Scene) -> Broken:
    """A fleet with a zone objective has a NAT gateway in each zone."""
    bound = [name for name, aims in scene.fleet.recovery.objectives.items() if aims.zone is not None]
    gateways = list(scene.of("aws:ec2/natGateway:NatGateway"))
    for region in {scene.region_of(one) for one in gateways}:
        here = [one for one in gateways if scene.region_of(one) == region]
        if bound and len(here) < scene.fleet.zones:
            reason = (
                f"{len(here)} of {scene.fleet.zones} zones have a NAT gateway, and {', '.join(bound)} must outlive one"
            )
            yield Breach(here[0], reason)


RULES = (no_public_database, no_open_admin_port, no_public_host, flow_logs, open_egress, single_nat)
