"""The pilot light of a local stack, seen and moved for drills: its groups in the recovery region, and names over both.

Only here: leading a name away has no end that AWS keeps, so drills do not do it there (ADR 27).
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.hostnames import host_names
from quartermaster.fleet.hosts import Group, Hosts
from quartermaster.fleet.names import physical
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.local import client

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["PilotLight"]

_ANSWER_SECONDS = 3.0
_NAME_LIMIT = 32


class PilotLight:
    """The recovery region of one local stack."""

    def __init__(self, fleet: Fleet, cloud: Cloud, workspace: Workspace) -> None:
        self.region = fleet.recovery_region or ""
        self._fleet, self._stack, self._workspace = fleet, cloud.stack, workspace
        self._hosts = Hosts(replace(cloud, region=self.region)) if self.region else None
        self._dns: Any = cloud.client("route53")
        self._names = host_names(fleet, cloud.stack)

    def group(self, cluster: str) -> Group | None:
        """The cluster's group there; None where the stack has no pilot light. Read-only."""
        try:
            return self._hosts.group(cluster) if self._hosts is not None else None
        except KeyError:
            return None

    def resize(self, group: Group, floor: int) -> None:
        """Let it have so many hosts. Changes the API."""
        assert self._hosts is not None
        self._hosts.set_floor(group, floor)
        self._hosts.set_desired(group, floor)

    def name(self, cluster: str) -> str:
        """Under which the cluster is asked; empty without ``dns``."""
        return self._names.get(cluster, "")

    def check(self, cluster: str) -> str:
        """The health check that leads the name away when it fails; empty where there is none. Read-only."""
        return self._records(cluster)[1]

    def inverted(self, cluster: str) -> bool:
        """Whether the name is led away on purpose. Read-only."""
        check = self.check(cluster)
        found = self._dns.get_health_check(HealthCheckId=check)["HealthCheck"] if check else {}
        return bool(found.get("HealthCheckConfig", {}).get("Inverted", False))

    def lead_away(self, cluster: str, *, away: bool) -> None:
        """Invert the check, or leave it as it finds. Changes the API."""
        self._dns.update_health_check(HealthCheckId=self.check(cluster), Inverted=away)

    def leads(self, cluster: str) -> str:
        """Where the name leads: here, there, or nowhere. Read-only."""
        asked = set(self._asked(cluster))
        rows = client.status(self._workspace)["balancers"]
        where = {row["name"]: asked & set(row["addresses"].values()) for row in rows}
        if where.get(self._fleet.balancer_name(self._stack, cluster)):
            return "here"
        there = physical(self._fleet.fleet, self._stack, f"recovery-{cluster}", limit=_NAME_LIMIT)
        return "there" if where.get(there) else "nowhere"

    def answers(self, cluster: str) -> str:
        """What a client gets that asks for the name now: a status, or why none. Read-only."""
        addresses, balancer = self._asked(cluster), self._fleet.clusters[cluster].balancer
        if not addresses or balancer is None:
            return "nobody is there"
        url = f"http://{addresses[0]}:{balancer.port}{balancer.health}"
        asked = urllib.request.Request(url, headers={"Host": self.name(cluster)})
        # No proxy from the environment: these are networks of this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(asked, timeout=_ANSWER_SECONDS) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as exc:
            with exc:
                return str(exc.code)
        except (OSError, TimeoutError) as exc:
            return f"no answer: {exc}"

    def _asked(self, cluster: str) -> list[str]:
        zone, _ = self._records(cluster)
        if not zone:
            return []
        found = self._dns.test_dns_answer(HostedZoneId=zone, RecordName=self.name(cluster), RecordType="A")
        return list(found["RecordData"])

    def _records(self, cluster: str) -> tuple[str, str]:
        """Zone id, and health check of the primary record."""
        name, zone_name = self.name(cluster), self._fleet.dns.zone if self._fleet.dns else ""
        zones = self._dns.list_hosted_zones_by_name(DNSName=zone_name)["HostedZones"] if name else []
        zone = next((one["Id"] for one in zones if one["Name"].rstrip(".") == zone_name), "")
        records = self._dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] if zone else []
        primary = (one for one in records if one["Name"].rstrip(".") == name and one.get("Failover") == "PRIMARY")
        return zone, next((str(one.get("HealthCheckId", "")) for one in primary), "")
