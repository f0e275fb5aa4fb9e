"""Where a stack's clusters and databases answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quartermaster.fleet.events import Json
from quartermaster.fleet.hostnames import host_names
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.layout import DATABASE, Layout
from quartermaster.infra.substituted import substituted

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet

__all__ = ["balancer_url", "read_outputs"]


def read_outputs(fleet: Fleet, layout: Layout, workspace: Workspace, cloud: Cloud) -> dict[str, Json]:
    """The contract's ``outputs``: clusters, databases with an endpoint, what was substituted. Read-only."""
    local = _local_status(workspace) if cloud.target == "local" else {}
    clusters = {name: _cluster(fleet, layout, cloud, name, local) for name in fleet.clusters}
    databases = {
        name: found
        for name, declared in fleet.databases.items()
        if declared.engine != "dynamodb" and (found := _database(layout, cloud, name))
    }
    stand_ins = substituted(fleet, layout, local["databases"]) if local else []
    return {"clusters": clusters, "databases": databases, "substituted": stand_ins}


def balancer_url(fleet: Fleet, layout: Layout, workspace: Workspace, cloud: Cloud, cluster: str) -> str:
    """Where the balancer answers that the cluster's hosts stand behind; empty without one. Read-only."""
    return _url(fleet, layout, cloud, cluster, _local_status(workspace) if cloud.target == "local" else {})


def _cluster(fleet: Fleet, layout: Layout, cloud: Cloud, name: str, local: dict[str, Any]) -> dict[str, Json]:
    try:
        group = Hosts(cloud).group(name)
    except KeyError:
        return {"url": "", "hosts": []}
    hosts = [{"id": host.id, "zone": host.zone, "address": host.address} for host in group.hosts]
    return {"url": _url(fleet, layout, cloud, name, local), "hosts": hosts}


def _url(fleet: Fleet, layout: Layout, cloud: Cloud, name: str, local: dict[str, Any]) -> str:
    """Where the balancer answers that the cluster's hosts stand behind; by its name where clients can look that up."""
    behind = fleet.balancer_of(name)
    if behind is None:
        return ""
    if cloud.target != "local" and fleet.dns is not None:
        return f"https://{host_names(fleet, layout.stack)[behind[0]]}"
    balancer = fleet.balancer_name(layout.stack, behind[0])
    for row in local.get("balancers", []):
        if row["name"] == balancer:
            return str(row["url"])
    elb = cloud.client("elbv2")
    try:
        found = elb.describe_load_balancers(Names=[balancer])["LoadBalancers"][0]
    except elb.exceptions.LoadBalancerNotFoundException:
        return ""
    listeners = elb.describe_listeners(LoadBalancerArn=found["LoadBalancerArn"])["Listeners"]
    port = listeners[0]["Port"] if listeners else 80
    return f"http://{found['DNSName']}" + ("" if port == 80 else f":{port}")


def _database(layout: Layout, cloud: Cloud, name: str) -> dict[str, Json]:
    rds = cloud.client("rds")
    try:
        found = rds.describe_db_instances(DBInstanceIdentifier=layout.called(DATABASE, name))["DBInstances"][0]
    except rds.exceptions.DBInstanceNotFoundFault:
        return {}
    endpoint = found.get("Endpoint") or {}
    return {"host": endpoint.get("Address", ""), "port": endpoint.get("Port", 0)}


def _local_status(workspace: Workspace) -> dict[str, Any]:
    from quartermaster.infra.local.client import status

    return status(workspace)
