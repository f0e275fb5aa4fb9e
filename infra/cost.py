"""What a stack costs a month, from its resources and the dated price table. Pure.

Only what is paid for whether it is used or not has a figure. Charges by use (traffic, requests, stored data) are
named, not guessed. A group is priced at the hosts that it holds at least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from quartermaster.fleet.prices import HOURS_A_MONTH, Prices, load_prices
from quartermaster.infra.resources import Resource

__all__ = ["Line", "MonthlyCost", "change", "monthly_cost"]


@dataclass(frozen=True, slots=True)
class Line:
    """The cost of one resource."""

    urn: str
    name: str
    type: str
    usd_per_month: Decimal
    why: str
    """How the figure comes about, e.g. ``3 hosts (the group's min) of m6i.large``."""


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """Cost of a set of resources a month."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    """What costs something and has no price here, named with the reason."""
    by_use: tuple[str, ...]
    """Charges that depend on use, and so are not in the total."""
    currency: str
    dated: str
    """Date of the price table."""

    @property
    def total(self) -> Decimal:
        """Sum of the lines, to the cent."""
        return sum((line.usd_per_month for line in self.lines), Decimal(0)).quantize(Decimal("0.01"))

    def to_json(self) -> dict[str, Any]:
        """With figures as numbers."""
        return {
            "total": float(self.total),
            "currency": self.currency,
            "dated": self.dated,
            "lines": [
                {"name": one.name, "type": one.type, "per_month": float(round(one.usd_per_month, 2)), "why": one.why}
                for one in self.lines
            ],
            "unknown": list(self.unknown),
            "by_use": list(self.by_use),
        }


class _NoPriceError(Exception):
    """The resource costs something that the table does not know; the text says what."""


@dataclass(frozen=True, slots=True)
class _World:
    """What pricing one resource may look at."""

    prices: Prices
    region: str
    resources: tuple[Resource, ...]

    def rate(self, name: str, resource: Resource) -> Decimal:
        region = self.region_of(resource)
        found = self.prices.rate(name, region)
        if found is None:
            raise _NoPriceError(f"no {name} of {region} in the price table")
        return found * HOURS_A_MONTH if name.endswith("_hour") else found

    def region_of(self, resource: Resource) -> str:
        return str(resource.inputs.get("region") or self.region)

    def find(self, type_: str, name: str) -> Resource | None:
        return next((one for one in self.resources if one.type == type_ and one.name == name), None)


def monthly_cost(resources: Iterable[Resource], region: str, prices: Prices | None = None) -> MonthlyCost:
    """The cost of these resources; each in its own region where it says one, else in ``region``."""
    everything = tuple(resources)
    world = _World(prices or load_prices(), region, everything)
    lines, unknown, by_use = [], [], dict[str, None]()
    for resource in everything:
        if resource.type in _BY_USE:
            by_use[_BY_USE[resource.type]] = None
        price = _PRICED.get(resource.type)
        if price is None:
            if _may_cost(resource):
                unknown.append(f"{resource.name} ({resource.type}): no price for this type")
            continue
        try:
            usd, why = price(resource, world)
        except _NoPriceError as exc:
            unknown.append(f"{resource.name} ({resource.type}): {exc}")
        else:
            lines.append(Line(resource.urn, resource.name, resource.type, usd, why))
    return MonthlyCost(tuple(lines), tuple(unknown), tuple(by_use), world.prices.currency, world.prices.dated)


def change(before: MonthlyCost, after: MonthlyCost) -> dict[str, Any]:
    """``cost_per_month`` of a preview: {before, after, currency, unknown}."""
    return {
        "before": float(before.total),
        "after": float(after.total),
        "currency": after.currency,
        "unknown": list(after.unknown),
    }


_Priced = tuple[Decimal, str]


def _flat(name: str, what: str) -> Callable[[Resource, _World], _Priced]:
    return lambda resource, world: (world.rate(name, resource), what)


def _balancer(resource: Resource, world: _World) -> _Priced:
    kind = resource.inputs.get("loadBalancerType") or "application"
    if kind not in ("application", "network"):
        raise _NoPriceError(f"no price for a balancer of kind {kind}")
    usd, why = world.rate(f"{kind}_balancer_hour", resource), f"{kind} balancer"
    subnets = resource.inputs.get("subnets")
    if not resource.inputs.get("internal") and isinstance(subnets, list | tuple):
        usd += len(subnets) * world.rate("public_address_hour", resource)
        why += f" with {len(subnets)} public addresses"
    return usd, why


def _endpoint(resource: Resource, world: _World) -> _Priced:
    if (resource.inputs.get("vpcEndpointType") or "Gateway") == "Gateway":
        return Decimal(0), "gateway endpoints are free"
    zones = len(resource.inputs.get("subnetIds") or [None])
    return zones * world.rate("interface_endpoint_hour", resource), f"interface endpoint in {zones} zones"


def _group(resource: Resource, world: _World) -> _Priced:
    template = world.find("aws:ec2/launchTemplate:LaunchTemplate", resource.name)
    least = resource.inputs.get("minSize")
    if template is None:
        raise _NoPriceError("its launch template, of the same name, is not among the resources")
    if not isinstance(least, int | float):
        raise _NoPriceError("its min size is not known yet")
    each, why = _host(template, world)
    return int(least) * each, f"{int(least)} hosts (the group's min) of {why}"


def _host(resource: Resource, world: _World) -> _Priced:
    kind = str(resource.inputs.get("instanceType"))
    hour = world.prices.instance_hour(kind, world.region_of(resource))
    if hour is None:
        raise _NoPriceError(f"no price of {kind} in {world.region_of(resource)}")
    disks = sum(int(disk.get("volumeSize") or 0) for disk in _disks(resource))
    storage = disks * world.rate("volume_gp3_gib_month", resource) if disks else Decimal(0)
    return hour * HOURS_A_MONTH + storage, f"{kind} with {disks} GiB"


def _disks(resource: Resource) -> Iterator[Mapping[str, Any]]:
    for mapping in resource.inputs.get("blockDeviceMappings") or ():
        if isinstance(mapping, Mapping) and isinstance(mapping.get("ebs"), Mapping):
            yield mapping["ebs"]
    root = resource.inputs.get("rootBlockDevice")
    if isinstance(root, Mapping):
        yield root


def _database(resource: Resource, world: _World) -> _Priced:
    inputs = resource.inputs
    source = None
    if inputs.get("replicateSourceDb"):
        source = world.find(resource.type, resource.name.split("-replica-")[0])
    engine = inputs.get("engine") or (source.inputs.get("engine") if source else None)
    if engine != "postgres":
        raise _NoPriceError(f"no price for engine {engine}")
    kind, standby = str(inputs.get("instanceClass")), inputs.get("multiAz") is True
    hour = world.prices.database_hour(kind, world.region_of(resource), standby=standby)
    if hour is None:
        raise _NoPriceError(f"no price of {kind} in {world.region_of(resource)}")
    gib = inputs.get("allocatedStorage") or (source.inputs.get("allocatedStorage") if source else None)
    if not isinstance(gib, int | float):
        raise _NoPriceError("its storage is not known")
    copies = 2 if standby else 1
    storage = copies * int(gib) * world.rate("database_gp3_gib_month", resource)
    return hour * HOURS_A_MONTH + storage, f"{kind}{' with a standby' if standby else ''}, {int(gib)} GiB"


def _table(resource: Resource, _world: _World) -> _Priced:
    if resource.inputs.get("billingMode") == "PAY_PER_REQUEST":
        return Decimal(0), "paid by request"
    raise _NoPriceError("no price for provisioned throughput")


def _volume(resource: Resource, world: _World) -> _Priced:
    size, kind = resource.inputs.get("size"), resource.inputs.get("type")
    if kind != "gp3" or not isinstance(size, int | float):
        raise _NoPriceError(f"no price for a volume of type {kind}")
    return int(size) * world.rate("volume_gp3_gib_month", resource), f"{int(size)} GiB of gp3"


def _may_cost(resource: Resource) -> bool:
    """Types of other providers and our components cost nothing here; the free ones of AWS are listed."""
    return resource.type.startswith("aws:") and resource.type not in _BY_USE and not resource.type.startswith(_FREE)


_PRICED: Mapping[str, Callable[[Resource, _World], _Priced]] = {
    "aws:autoscaling/group:Group": _group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _flat("alarm_month", "alarm"),
    "aws:dynamodb/table:Table": _table,
    "aws:ebs/volume:Volume": _volume,
    "aws:ec2/eip:Eip": _flat("public_address_hour", "public address"),
    "aws:ec2/instance:Instance": _host,
    "aws:ec2/natGateway:NatGateway": _flat("nat_gateway_hour", "NAT gateway"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:kms/key:Key": _flat("key_month", "key; each yearly rotation adds as much, twice at most"),
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:rds/instance:Instance": _database,
    "aws:route53/healthCheck:HealthCheck": _flat("health_check_month", "health check"),
    "aws:route53/zone:Zone": _flat("hosted_zone_month", "hosted zone"),
    "aws:secretsmanager/secret:Secret": _flat("secret_month", "secret"),
}

_BY_USE: Mapping[str, str] = {
    "aws:backup/vault:Vault": "stored recovery points, their copies and restores",
    "aws:cloudwatch/logGroup:LogGroup": "logs taken in and stored",
    "aws:dynamodb/table:Table": "DynamoDB requests and storage",
    "aws:ec2/launchTemplate:LaunchTemplate": "detailed monitoring of hosts, hosts above the group's min",
    "aws:ec2/natGateway:NatGateway": "data through NAT gateways",
    "aws:ec2/vpc:Vpc": "traffic between zones and to the internet",
    "aws:kms/key:Key": "KMS requests",
    "aws:lb/loadBalancer:LoadBalancer": "capacity units of balancers",
    "aws:rds/instance:Instance": "database backups beyond the size of the database",
    "aws:s3/bucket:Bucket": "S3 storage and requests",
}
"""Charges by use that come with a type."""

_FREE = (
    "aws:autoscaling/",
    "aws:backup/",
    "aws:ec2/flowLog:",
    "aws:ec2/internetGateway:",
    "aws:ec2/keyPair:",
    "aws:ec2/networkAcl:",
    "aws:ec2/route:",
    "aws:ec2/routeTable:",
    "aws:ec2/routeTableAssociation:",
    "aws:ec2/securityGroup",
    "aws:ec2/subnet:",
    "aws:iam/",
    "aws:index/",
    "aws:kms/alias:",
    "aws:lb/",
    "aws:rds/parameterGroup:",
    "aws:rds/subnetGroup:",
    "aws:route53/record:",
    "aws:s3/bucket",
    "aws:secretsmanager/secretVersion:",
    "aws:sns/topic",
    "aws:vpc/securityGroup",
)
"""Types, or beginnings of types, that cost nothing by themselves."""
