"""Wires what leaving a zone needs: the stack's zonal shifts, and where its requests go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from quartermaster.cli.counters import described, summed

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.zonal_shift import ZonalShifts
    from quartermaster.runbooks.shifts import ZoneCounter

__all__ = ["shifts", "zone_counter"]


def shifts(ops: Session) -> ZonalShifts:
    """The zonal shifts of the session's stack."""
    from quartermaster.fleet.zonal_shift import ZonalShifts

    own = [name for name, cluster in ops.fleet.clusters.items() if cluster.balancer is not None]
    return ZonalShifts(ops.cloud, {name: ops.fleet.balancer_name(ops.stack, name) for name in own})


def zone_counter(ops: Session) -> ZoneCounter:
    """Counts the requests of the session's stack by zone."""
    return _LocalZones(ops) if ops.cloud.target == "local" else _CloudWatchZones(ops)


class _LocalZones:
    """By what HAProxy counted of each host."""

    def __init__(self, ops: Session) -> None:
        self._ops = ops
        self._zones: dict[str, str] = {}
        """Of hosts: they never move."""

    def zones(self, cluster: str) -> Mapping[str, int]:
        from quartermaster.infra.local.client import host_requests

        ops, found = self._ops, Counter[str]()
        by_host = host_requests(ops.workspace, ops.fleet.balancer_name(ops.stack, cluster))
        if by_host.keys() - self._zones.keys():
            groups = ops.hosts.groups().values()
            self._zones |= {host.id: host.zone for group in groups for host in group.hosts}
        for host, count in by_host.items():
            found[self._zones.get(host, "")] += count
        return found


class _CloudWatchZones:
    """By the balancer's nodes in each zone, which a shift takes out of DNS; CloudWatch shows a minute late."""

    def __init__(self, ops: Session) -> None:
        self._ops = ops
        self._since = datetime.now(UTC).replace(second=0, microsecond=0)

    def zones(self, cluster: str) -> Mapping[str, int]:
        ops = self._ops
        balancer, zones = described(ops.cloud, ops.fleet.balancer_name(ops.stack, cluster))
        of = {"LoadBalancer": balancer}
        return {
            zone: summed(ops.cloud, "RequestCount", {**of, "AvailabilityZone": zone}, self._since) for zone in zones
        }
