"""How long connections live at the balancer and at the hosts behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.schema.servers import Balancer

__all__ = ["DNS_SECONDS", "KeepAlive", "keep_alive"]

_IDLE = {"application": 60, "network": 350}
"""AWS's own: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
and https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html"""
_LEAST_IDLE = 10
"""Below it a slow answer, rather than a lost host, would be cut off."""
_CLIENT, _LEAST_CLIENT = 300, 60
"""AWS's default is an hour; for a zonal shift to end in time its guide names 300 seconds. The attribute begins at 60.
https://docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.resource-types.app-load-balancers.html"""
DNS_SECONDS = 60
"""TTL of a balancer's DNS name, as long as clients go on to a zone that was taken out of it."""
_LONGER = 15
"""By that much a host keeps an idle connection longer than the balancer that uses it."""
_HOST = 75
"""nginx's own: https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout"""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """In seconds."""

    idle: int
    """How long the balancer keeps a connection over which nothing comes."""
    client: int
    """How long a client keeps one connection at all; application balancers only."""
    host: int
    """How long a host keeps an idle connection."""


def keep_alive(fleet: Fleet, cluster: str, balancer: Balancer) -> KeepAlive:
    """The times of a cluster's balancer, so that the zone objective can be met. Pure.

    A request to a host that was just lost hangs until the balancer's idle timeout: detection (``unhealthy_after``
    checks) and that timeout together end within the objective. A client that keeps its connection stays with a zone
    that was left: after detection and the DNS name's TTL it is made to open another within the objective. Without
    an objective the idle timeout is AWS's own. Where the objective is shorter than AWS can do, this is its least.

    A host of an application balancer keeps an idle connection longer than the balancer, which otherwise sends a
    request into one that the host just closed, and answers 502. A network balancer forgets idle connections without a
    word to the client, so before it the host closes first.
    """
    objectives = fleet.recovery.objectives.get(cluster)
    zone = objectives.zone if objectives is not None else None
    idle, client = _IDLE[balancer.kind], _CLIENT
    if zone is not None:
        left = int(zone.rto.total_seconds()) - balancer.check_seconds * balancer.unhealthy_after
        client = min(_CLIENT, max(_LEAST_CLIENT, left - DNS_SECONDS))
        if balancer.kind == "application":
            idle = min(idle, max(_LEAST_IDLE, left))
    if balancer.idle_seconds != "auto":
        idle = balancer.idle_seconds
    host = idle + _LONGER if balancer.kind == "application" else min(_HOST, idle - _LONGER)
    return KeepAlive(idle, client, host)
