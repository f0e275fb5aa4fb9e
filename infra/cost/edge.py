"""Balancers, endpoints, alarms: what stands around hosts and data."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from quartermaster.infra.cost.rates import NoPriceError, Priced, Rates
from quartermaster.infra.resources import Resource

__all__ = ["alarm", "balancer", "endpoint", "health_check"]


def balancer(resource: Resource, rates: Rates) -> Priced:
    """A load balancer with its public addresses."""
    kind = resource.inputs.get("loadBalancerType") or "application"
    if kind not in ("application", "network"):
        raise NoPriceError(f"no price for a balancer of kind {kind}")
    usd, why = rates.month(f"{kind}_balancer_hour", resource), f"{kind} balancer"
    subnets = resource.inputs.get("subnets")
    if not resource.inputs.get("internal") and isinstance(subnets, list | tuple):
        usd += len(subnets) * rates.month("public_address_hour", resource)
        why += f" with {len(subnets)} public addresses"
    return usd, why


def endpoint(resource: Resource, rates: Rates) -> Priced:
    """A VPC endpoint: an interface in each of its zones, or a gateway for nothing."""
    if (resource.inputs.get("vpcEndpointType") or "Gateway") == "Gateway":
        return Decimal(0), "gateway endpoints are free"
    zones = len(resource.inputs.get("subnetIds") or [None])
    return zones * rates.month("interface_endpoint_hour", resource), f"interface endpoint in {zones} zones"


def alarm(resource: Resource, rates: Rates) -> Priced:
    """An alarm is paid by the metrics that it looks at: https://aws.amazon.com/cloudwatch/pricing/"""
    queries = resource.inputs.get("metricQueries")
    looked_at = [one for one in queries if isinstance(one, Mapping) and one.get("metric")] if queries else []
    count = max(1, len(looked_at))
    why = "alarm" if count == 1 else f"alarm on {count} metrics"
    return count * rates.month("alarm_month", resource), why


def health_check(resource: Resource, rates: Rates) -> Priced:
    """A health check; TLS, matched text, fast intervals and measured latency cost extra, each the same."""
    kind = str(resource.inputs.get("type") or "")
    extras = [
        "HTTPS" in kind,
        "STR_MATCH" in kind,
        resource.inputs.get("requestInterval") == 10,
        resource.inputs.get("measureLatency") is True,
    ]
    usd = rates.month("health_check_month", resource)
    usd += sum(extras) * rates.month("health_check_feature_month", resource)
    return usd, "health check" + (f" with {sum(extras)} paid features" if any(extras) else "")
