"""Prices as AWS's Price List Query API tells them, region by region.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-query-api.html
The names of products and usage types are written from memory, and not proven against the API: what no product answers
to is told as left out, and keeps its built-in figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.price_file import OwnPrices
from quartermaster.fleet.prices import Prices

__all__ = ["API_REGION", "Fetched", "LeftOut", "Moved", "fetch_prices", "moved"]

API_REGION = "us-east-1"
"""One of the few in which the API answers, for all regions."""
_SOURCE = "AWS Price List Query API, list prices on demand"
_PAGE = 100
_DOUBTFUL = 5
"""A figure that many times the present one, or that part of it, is rather another product's."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A rate, and the product that it is the price of."""

    name: str
    service: str
    filters: Mapping[str, str]
    ending: str
    """Of the usage type; regions but us-east-1 put theirs and a dash before it."""
    units: tuple[str, ...]


_HOURS, _GIB, _IOPS = ("Hrs", "Hours"), ("GB-Mo",), ("IOPS-Mo",)
_DISK = {"productFamily": "Storage"}
_DATABASE_DISK = {
    "productFamily": "Database Storage", "databaseEngine": "PostgreSQL", "deploymentOption": "Single-AZ",
}  # fmt: skip
_RATES = (
    _Wanted("nat_gateway_hour", "AmazonEC2", {"productFamily": "NAT Gateway"}, "NatGateway-Hours", _HOURS),
    _Wanted(
        "application_balancer_hour", "AWSELB", {"productFamily": "Load Balancer-Application"}, "LoadBalancerUsage",
        _HOURS,
    ),
    _Wanted("network_balancer_hour", "AWSELB", {"productFamily": "Load Balancer-Network"}, "LoadBalancerUsage", _HOURS),
    _Wanted("interface_endpoint_hour", "AmazonVPC", {"productFamily": "VpcEndpoint"}, "VpcEndpoint-Hours", _HOURS),
    _Wanted(
        "public_address_hour", "AmazonVPC", {"group": "VPCPublicIPv4Address"}, "PublicIPv4:InUseAddress", _HOURS
    ),
    _Wanted("volume_gp2_gib_month", "AmazonEC2", {**_DISK, "volumeApiName": "gp2"}, "EBS:VolumeUsage.gp2", _GIB),
    _Wanted("volume_gp3_gib_month", "AmazonEC2", {**_DISK, "volumeApiName": "gp3"}, "EBS:VolumeUsage.gp3", _GIB),
    _Wanted("volume_io1_gib_month", "AmazonEC2", {**_DISK, "volumeApiName": "io1"}, "EBS:VolumeUsage.piops", _GIB),
    _Wanted("volume_io2_gib_month", "AmazonEC2", {**_DISK, "volumeApiName": "io2"}, "EBS:VolumeUsage.io2", _GIB),
    _Wanted(
        "volume_gp3_iops_month", "AmazonEC2", {"productFamily": "System Operation", "volumeApiName": "gp3"},
        "EBS:VolumeP-IOPS.gp3", _IOPS,
    ),
    _Wanted(
        "volume_io1_iops_month", "AmazonEC2", {"productFamily": "System Operation", "volumeApiName": "io1"},
        "EBS:VolumeP-IOPS.piops", _IOPS,
    ),
    _Wanted("database_gp2_gib_month", "AmazonRDS", _DATABASE_DISK, "RDS:GP2-Storage", _GIB),
    _Wanted("database_gp3_gib_month", "AmazonRDS", _DATABASE_DISK, "RDS:GP3-Storage", _GIB),
    _Wanted("database_io1_gib_month", "AmazonRDS", _DATABASE_DISK, "RDS:PIOPS-Storage", _GIB),
    _Wanted("key_month", "awskms", {"productFamily": "Encryption Key"}, "KMS-Keys", ("Keys", "Key-Mo")),
    _Wanted(
        "secret_month", "AWSSecretsManager", {"productFamily": "Secret"}, "AWSSecretsManager-Secrets",
        ("Secrets", "Secret-Mo"),
    ),
    _Wanted("alarm_month", "AmazonCloudWatch", {"productFamily": "Alarm"}, "CW:AlarmMonitorUsage", ("Alarms",)),
)  # fmt: skip
_INSTANCES = {
    "productFamily": "Compute Instance", "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
    "capacitystatus": "Used",
}  # fmt: skip
_DATABASES = {
    "productFamily": "Database Instance", "databaseEngine": "PostgreSQL", "deploymentOption": "Single-AZ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A figure that was not taken."""

    region: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the API told."""

    prices: OwnPrices
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure that is another now."""

    region: str
    name: str
    before: Decimal | None
    """None: there was no figure."""
    after: Decimal


def moved(present: Prices, fetched: OwnPrices) -> list[Moved]:
    """What the fetched figures change of the present ones, by region and name. Pure."""
    found = [
        Moved(region, f"db.{name}" if kind == "database_hour" else name, _present(present, kind, name, region), usd)
        for kind, regions in fetched.figures.items()
        for region, names in regions.items()
        for name, usd in names.items()
    ]
    return sorted((one for one in found if one.before != one.after), key=lambda one: (one.region, one.name))


def fetch_prices(client: Any, regions: Iterable[str], present: Prices, today: date) -> Fetched:
    """The prices of these regions, of the types and rates that the table knows. Read-only. Raises OpsError.

    ``client`` is boto3's for ``pricing``.
    """
    figures: dict[str, dict[str, dict[str, Decimal]]] = {"instance_hour": {}, "database_hour": {}, "rates": {}}
    left: list[LeftOut] = []
    for region in regions:
        machines = _by_type(_products(client, "AmazonEC2", {**_INSTANCES, "regionCode": region}))
        databases = _by_type(_products(client, "AmazonRDS", {**_DATABASES, "regionCode": region}))
        found = {
            "instance_hour": {name: machines.get(name, set()) for name in present.instance_types()},
            "database_hour": {
                name.removeprefix("db."): databases.get(name, set()) for name in present.database_types()
            },
            "rates": {wanted.name: _rate(client, wanted, region) for wanted in _RATES},
        }
        for kind, names in found.items():
            for name, prices in sorted(names.items()):
                why = _doubt(prices, _present(present, kind, name, region))
                if not why:
                    figures[kind].setdefault(region, {})[name] = min(prices)
                elif kind == "rates" or prices:  # a region lacks many types, which says nothing
                    left.append(LeftOut(region, name, why))
    kept = {kind: regions_ for kind, regions_ in figures.items() if regions_}
    return Fetched(OwnPrices(today.isoformat(), _SOURCE, kept), tuple(left))


def _present(prices: Prices, kind: str, name: str, region: str) -> Decimal | None:
    if kind == "rates":
        return prices.rate(name, region)
    return prices.instance_hour(name, region) if kind == "instance_hour" else prices.database_hour(name, region)


def _doubt(prices: set[Decimal], present: Decimal | None) -> str:
    """Why not to take a figure; empty: take it."""
    if not prices:
        return "no product answers to it"
    if len(prices) > 1:
        return f"several products answer to it, at {', '.join(str(one) for one in sorted(prices))}"
    [price] = prices
    if present and not present / _DOUBTFUL <= price <= present * _DOUBTFUL:
        return f"{price} instead of {present} is too far off to believe"
    return ""


def _rate(client: Any, wanted: _Wanted, region: str) -> set[Decimal]:
    found = set()
    for attributes, dimensions in _products(client, wanted.service, {**wanted.filters, "regionCode": region}):
        usage = str(attributes.get("usagetype"))
        if usage == wanted.ending or usage.endswith(f"-{wanted.ending}"):
            found |= set(_usd(dimensions, wanted.units))
    return found


def _by_type(products: Iterable[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]) -> dict[str, set[Decimal]]:
    found: dict[str, set[Decimal]] = {}
    for attributes, dimensions in products:
        found.setdefault(str(attributes.get("instanceType")), set()).update(_usd(dimensions, _HOURS))
    return found


def _usd(dimensions: Iterable[Mapping[str, Any]], units: tuple[str, ...]) -> Iterator[Decimal]:
    """Dollars of the first tier; what costs nothing is no price."""
    for one in dimensions:
        if one.get("unit") not in units or one.get("beginRange") not in (None, "0"):
            continue
        try:
            usd = Decimal(str(one["pricePerUnit"]["USD"])).normalize()
        except (KeyError, InvalidOperation):
            continue
        if usd.is_finite() and usd > 0:
            yield usd


def _products(
    client: Any, service: str, filters: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Attributes and on-demand price dimensions of each product, page by page."""
    from botocore.exceptions import BotoCoreError, ClientError

    terms = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()]
    request: dict[str, Any] = {"ServiceCode": service, "Filters": terms, "FormatVersion": "aws_v1", "MaxResults": _PAGE}
    while True:
        try:
            page = client.get_products(**request)
        except (BotoCoreError, ClientError) as exc:
            raise OpsError(
                f"the price list of {service} cannot be read: {exc}", remedy="the permission pricing:GetProducts"
            ) from exc
        for text in page["PriceList"]:
            product = json.loads(text)
            terms_ = product.get("terms", {}).get("OnDemand", {})
            dimensions = [one for term in terms_.values() for one in term.get("priceDimensions", {}).values()]
            yield product.get("product", {}).get("attributes", {}), dimensions
        if not page.get("NextToken"):
            return
        request["NextToken"] = page["NextToken"]
