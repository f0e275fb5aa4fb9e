"""What names lead to: failover records answered by the health that balancers really have, which moto leaves out.

TestDNSAnswer is the door: no name server runs here. Every function here runs under ``World.lock``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from quartermaster.infra.local import moto_elbv2
from quartermaster.infra.local.moto_zonal_shift import away
from quartermaster.infra.local.world import World, log

__all__ = ["Candidate", "Watched", "advance", "answer", "install"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record of a name."""

    role: str
    """PRIMARY, SECONDARY, or empty: it is the only one."""
    healthy: bool
    addresses: tuple[str, ...]


@dataclass
class Watched:
    """What Route 53 believes of one health check: it needs its threshold of equal answers to change its mind."""

    passes: bool = True
    """Passes the endpoint?"""
    differs_since: float | None = None
    inverted: bool = False
    inverted_since: float | None = None
    """When the setting was seen to be another than what is in force."""

    def see(self, serves: bool, inverted: bool, *, needed: float, arrives: float, now: float) -> None:
        """Take in how the endpoint is and what the check is told; ``needed`` and ``arrives`` in seconds."""
        if serves == self.passes:
            self.differs_since = None
        else:
            self.differs_since = now if self.differs_since is None else self.differs_since
            if now - self.differs_since >= needed:
                self.passes, self.differs_since = serves, None
        if inverted == self.inverted:
            self.inverted_since = None
        else:
            self.inverted_since = now if self.inverted_since is None else self.inverted_since
            if now - self.inverted_since >= arrives:
                self.inverted, self.inverted_since = inverted, None

    @property
    def healthy(self) -> bool:
        """As records go by it."""
        return self.passes != self.inverted


def answer(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """The addresses of a name: the secondary's only while the primary is ill and the secondary well.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-problems.html
    """
    primary = next((one for one in candidates if one.role != "SECONDARY"), None)
    secondary = next((one for one in candidates if one.role == "SECONDARY"), None)
    if primary is None:
        return secondary.addresses if secondary is not None else ()
    goes = secondary is not None and secondary.healthy and not primary.healthy
    return secondary.addresses if secondary is not None and goes else primary.addresses


def install(world: World) -> None:
    """Teach moto's Route 53 the operation. Call once, before the first request."""
    from moto.core.responses import ActionResult
    from moto.route53 import urls
    from moto.route53.responses import Route53

    response: Any = Route53

    def test_dns_answer(self: Any) -> Any:
        zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        name, type_ = str(self._get_param("RecordName")).rstrip("."), self._get_param("RecordType")
        found = [one for one in zone.rrsets if one.name.rstrip(".") == name and one.type == type_]
        data = answer([_candidate(world, self.backend, one) for one in found])
        return ActionResult(
            {
                "Nameserver": zone.delegation_set.name_servers[0] if zone.delegation_set else "ns-1.awsdns-00.com",
                "RecordName": name,
                "RecordType": type_,
                "RecordData": list(data),
                "ResponseCode": "NOERROR" if found else "NXDOMAIN",
                "Protocol": "UDP",
            }
        )

    response.test_dns_answer = test_dns_answer
    urls.url_paths = {r"{0}/(?P<api_version>[\d_-]+)/testdnsanswer$": Route53.dispatch, **urls.url_paths}


def advance(world: World) -> None:
    """Let Route 53 look at what its health checks ask."""
    for check in list(world.backend("route53", "aws").health_checks.values()):
        watched: Watched = vars(check).setdefault("ops_watched", Watched())
        before = watched.healthy
        balancer = _balancer(world, check.fqdn or "")
        watched.see(
            balancer is not None and _serves(world, balancer),
            str(check.inverted).lower() == "true",
            needed=float(check.request_interval) * float(check.failure_threshold),
            arrives=world.timing["dns_change"],
            now=world.now(),
        )
        if watched.healthy != before:
            log.info("health check %s of %s: %s", check.id, check.fqdn, "healthy" if watched.healthy else "unhealthy")


def _candidate(world: World, backend: Any, record: Any) -> Candidate:
    target = record.alias_target or {}
    balancer = _balancer(world, str(target.get("DNSName", "")))
    healthy, addresses = True, tuple(record.records or ())
    if balancer is not None:
        addresses = _legs(world, balancer)
        evaluates = str(target.get("EvaluateTargetHealth", "")).lower() == "true"
        healthy = not evaluates or _serves(world, balancer)
    check = backend.health_checks.get(record.health_check_id) if record.health_check_id else None
    if check is not None and str(check.disabled).lower() != "true":
        healthy = healthy and vars(check).get("ops_watched", Watched()).healthy
    return Candidate(record.failover or "", healthy, addresses)


def _legs(world: World, balancer: Any) -> tuple[str, ...]:
    """The balancer's addresses without that of a zone that is shifted away from; its DNS name without real ones."""
    legs, gone = vars(balancer).get("ops_legs", {}), away(world, balancer.arn, datetime.now(UTC))
    return tuple(address for zone, (_, address) in sorted(legs.items()) if zone != gone) or (balancer.dns_name,)


def _serves(world: World, balancer: Any) -> bool:
    """Whether each of its target groups has a healthy target:
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias-common.html
    """
    backend = world.backend("elbv2", balancer.arn.split(":")[3])
    groups = [group.arn for group in backend.target_groups.values() if balancer.arn in group.load_balancer_arns]
    return bool(groups) and all("healthy" in moto_elbv2.states(world, arn).values() for arn in groups)


def _balancer(world: World, name: str) -> Any:
    wanted = name.rstrip(".").removeprefix("dualstack.").lower()
    there = (one for backend in world.backends("elbv2") for one in list(backend.load_balancers.values()))
    return next((one for one in there if one.dns_name.lower() == wanted), None)
