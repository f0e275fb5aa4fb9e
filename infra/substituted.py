"""What fleet.yaml asks for that this machine cannot be: stood in for, never refused, and named."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.events import Json
from quartermaster.infra.layout import Layout, recovery_layout
from quartermaster.infra.setup import machine

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Cluster, Fleet
    from quartermaster.fleet.schema.servers import Balancer

__all__ = ["substituted"]

_SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
"""What each family is called; hosts here are of the machine's own suite."""


def substituted(fleet: Fleet, layout: Layout, databases: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Json]]:
    """[{what, asked, used}] on the local target. ``databases`` as the local cloud shows those that run. Pure."""
    here = f"a namespace of this machine ({os.cpu_count()} CPUs shared, {platform.machine()})"
    rows: list[Mapping[str, Json]] = []
    for name, cluster in fleet.clusters.items():
        rows.append({"what": f"clusters.{name}.instance", "asked": cluster.instance, "used": here})
        rows += _of_cluster(name, cluster)
        rows += _of_balancer(fleet, name, cluster.balancer)
    waiting = recovery_layout(fleet, layout.stack)
    running = {row["name"]: row for row in databases}
    for name, declared in fleet.databases.items():
        found = running.get(layout.name(name), {})
        used = found.get("version")
        applied = found.get("settings", declared.parameters)
        for setting in sorted(declared.parameters.keys() - set(applied)):
            left = "left as this machine's PostgreSQL has it"
            rows.append(
                {"what": f"databases.{name}.parameters.{setting}", "asked": declared.parameters[setting], "used": left}
            )
        if declared.engine == "postgres" and used is not None and used != str(declared.version):
            rows.append({"what": f"databases.{name}.version", "asked": str(declared.version), "used": used})
        if declared.engine == "postgres" and waiting is not None:
            asked = f"a read replica in {waiting.region}"
            rows.append({"what": f"recovery.{name}.region", "asked": asked, "used": "a record without a server"})
    if fleet.databases and fleet.backups.rules:
        used = "declared: no job starts by itself here"
        rows.append({"what": "backups", "asked": "backups, copies and restore tests by AWS Backup", "used": used})
    return [*rows, *_watching(fleet)]


def _watching(fleet: Fleet) -> Iterator[Mapping[str, Json]]:
    used = "declared: no metric feeds them here, so none sounds and no graph fills"
    yield {"what": "alarms", "asked": "CloudWatch alarms and dashboard", "used": used}
    if fleet.clusters:
        used = "settings of the log agent are written; logs stay on the host, in /var/log"
        yield {"what": "logs", "asked": "hosts ship their logs to CloudWatch", "used": used}


def _of_balancer(fleet: Fleet, name: str, balancer: Balancer | None) -> Iterator[Mapping[str, Json]]:
    if balancer is None:
        return
    where = f"clusters.{name}.balancer"
    if balancer.access_logs:
        used = "declared: requests are counted, and no log is written"
        yield {"what": f"{where}.access_logs", "asked": True, "used": used}
    if balancer.anomaly_mitigation:
        yield {"what": f"{where}.anomaly_mitigation", "asked": True, "used": "declared: weights stay as they are"}
    if not balancer.cross_zone:
        used = "one address for all zones, which sends to the hosts of all"
        yield {"what": f"{where}.cross_zone", "asked": False, "used": used}
    if fleet.dns is not None:
        used = "a certificate of .ops/local/authority, which no client trusts by itself"
        yield {"what": f"{where}.certificate", "asked": "a public certificate", "used": used}
        used = "a zone that only the local cloud's API knows: use the address"
        yield {"what": f"{where}.name", "asked": f"a name in {fleet.dns.zone}", "used": used}
        if balancer.kind == "application":
            used = "forwarded, as clients here need not trust the certificate"
            yield {"what": f"{where}.port", "asked": f"{balancer.port} redirects to 443", "used": used}


def _of_cluster(name: str, cluster: Cluster) -> Iterator[Mapping[str, Json]]:
    asked, scaling, suite = cluster.image.id or cluster.image.family, cluster.scaling, machine.codename()
    if _SUITES.get(asked) != suite:
        yield {"what": f"clusters.{name}.image", "asked": asked, "used": f"this machine's own system, Debian {suite}"}
    if scaling.track == "cpu":
        used = f"each host's CPU time, in percent of the vCPUs of {cluster.instance}; {os.cpu_count()} here serve all"
        yield {"what": f"clusters.{name}.scaling.track", "asked": "cpu", "used": used}
    if scaling.predictive != "off":
        used = "declared: nothing is forecast here"
        yield {"what": f"clusters.{name}.scaling.predictive", "asked": scaling.predictive, "used": used}
    if scaling.warm_hosts:
        used = "declared: no host waits stopped, a new one is launched"
        yield {"what": f"clusters.{name}.scaling.warm_hosts", "asked": scaling.warm_hosts, "used": used}
