"""Databases, tables, secrets."""

from __future__ import annotations

from decimal import Decimal

from quartermaster.fleet.prices import HOURS_A_MONTH
from quartermaster.infra.cost.rates import NoPriceError, Priced, Rates
from quartermaster.infra.resources import Resource

__all__ = ["database", "secret", "table"]

_FREE_IOPS = {True: 12_000, False: 3_000}
"""In the price of gp3 storage, from 400 GiB on and below: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html"""


def database(resource: Resource, rates: Rates) -> Priced:
    """An RDS instance for PostgreSQL: hours and storage, both twice with a standby."""
    source = _source(resource, rates)
    engine = resource.inputs.get("engine") or (source.inputs.get("engine") if source else None)
    if engine != "postgres":
        raise NoPriceError(f"no price for engine {engine}")
    kind, standby = str(resource.inputs.get("instanceClass")), resource.inputs.get("multiAz") is True
    hour = rates.prices.database_hour(kind, rates.region_of(resource), standby=standby)
    if hour is None:
        raise NoPriceError(f"no price of {kind} in {rates.region_of(resource)}")
    storage, what = _storage(resource, source, rates)
    copies = 2 if standby else 1
    return hour * HOURS_A_MONTH + copies * storage, f"{kind}{' with a standby' if standby else ''}, {what}"


def table(resource: Resource, _rates: Rates) -> Priced:
    """A DynamoDB table on demand."""
    if resource.inputs.get("billingMode") == "PAY_PER_REQUEST":
        return Decimal(0), "paid by request"
    raise NoPriceError("no price for provisioned throughput")


def secret(resource: Resource, rates: Rates) -> Priced:
    """A secret; each copy in another region is paid for like the first."""
    copies = resource.inputs.get("replicas")
    count = 1 + (len(copies) if isinstance(copies, list | tuple) else 0)
    return count * rates.month("secret_month", resource), "secret" if count == 1 else f"secret in {count} regions"


def _source(resource: Resource, rates: Rates) -> Resource | None:
    """The database that a replica is of: in another region its namesake, else the one with the longest beginning."""
    if not resource.inputs.get("replicateSourceDb"):
        return None
    found = [
        one
        for one in rates.of(resource.type)
        if not one.inputs.get("replicateSourceDb") and f"{resource.name}-".startswith(f"{one.name}-")
    ]
    return max(found, key=lambda one: len(one.name), default=None)


def _storage(resource: Resource, source: Resource | None, rates: Rates) -> tuple[Decimal, str]:
    def said(name: str) -> object:
        return resource.inputs.get(name) or (source.inputs.get(name) if source else None)

    gib, kind, iops = said("allocatedStorage"), str(said("storageType") or "gp3"), said("iops")
    if not isinstance(gib, int | float):
        raise NoPriceError("its storage is not known")
    if kind not in ("gp2", "gp3", "io1", "io2"):
        raise NoPriceError(f"no price for storage of type {kind}")
    usd, what = int(gib) * rates.month(f"database_{kind}_gib_month", resource), f"{int(gib)} GiB"
    if isinstance(iops, int | float) and kind != "gp2":
        paid = max(0, int(iops) - _FREE_IOPS[gib >= 400]) if kind == "gp3" else int(iops)
        usd += paid * rates.month(f"database_{kind}_iops_month", resource)
        what += f" with {int(iops)} IOPS"
    return usd, what
