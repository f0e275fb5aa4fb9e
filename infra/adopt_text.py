"""A first fleet.yaml for what an account already runs: commented, valid, and open about what it cannot say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from quartermaster.infra.adopt import Balancer, Database, Found, Group

__all__ = ["fleet_text"]

_LONGEST = 24
_ALGORITHMS = ("round_robin", "least_outstanding_requests", "weighted_random")
_LEAST_DISK, _LEAST_STORAGE = 8, 20


def fleet_text(found: Found, fleet: str, *, local: bool) -> tuple[str, list[str]]:
    """The text of fleet.yaml, and what could not be expressed (which stands in its comments too)."""
    notes: list[str] = []
    groups = _named(found.groups)
    databases = _named(item for item in found.databases if _expressed(item, notes))
    zones = max((len(group.zones) for group in found.groups), default=2)
    lines = [
        f"# What runs in {found.region} of account {found.account}, as read by `ops adopt`. Nothing was changed.",
        "# Read it, correct it, then: ops validate; ops adopt --import takes the named ones into the state.",
        f"fleet: {fleet}",
        f"region: {found.region}",
        f"zones: {min(6, max(2, zones))}",
        "stacks:",
        "  dev: {target: local}             # rehearse on this machine first",
    ]
    if not local:
        state = f"s3://{fleet}-ops-state"
        lines.append(f'  prod: {{target: aws, account: "{found.account}", protect: true, state: "{state}"}}')
    lines += _network(found, notes)
    adopted: list[str] = []
    if groups:
        lines += ["clusters:"]
        for name, group in groups.items():
            lines += _cluster(name, group, notes, adopted)
    if databases:
        lines += ["databases:"]
        for name, database in databases.items():
            lines.append(f"  {name}: {_database(database, found, notes)}")
            kind = "dynamodb/table:Table" if database.engine == "dynamodb" else "rds/instance:Instance"
            adopted.append(_entry(kind, name, database.name))
    if adopted:
        lines += ["adopted:                           # these keep their names, whatever the fleet would call them"]
        lines += adopted
    notes += [f"balancer {name}: no group stands behind it" for name in found.other]
    if notes:
        lines += ["", "# What this file cannot say of what is there:", *(f"#   {note}" for note in notes)]
    return "\n".join(lines) + "\n", notes


def _network(found: Found, notes: list[str]) -> list[str]:
    placed = [subnet for group in found.groups for subnet in group.subnets]
    fronts = [subnet for group in found.groups for item in group.balancers[:1] for subnet in item.subnets]
    data = [
        subnet["SubnetIdentifier"]
        for database in found.databases
        for subnet in (database.described.get("DBSubnetGroup") or {}).get("Subnets", [])
    ]
    subnets = list(dict.fromkeys([*placed, *fronts, *data]))
    if len(found.vpcs) > 1:
        notes.append(
            f"{len(found.vpcs)} networks ({', '.join(found.vpcs)}): a fleet has one; adopt with --vpc, each alone"
        )
    if len(found.vpcs) != 1 or not subnets:
        return []
    return [f"network: {{vpc: {found.vpcs[0]}, subnets: [{', '.join(subnets)}]}}   # as it is: never changed"]


def _cluster(name: str, group: Group, notes: list[str], adopted: list[str]) -> list[str]:
    template = group.template
    fields = [f"size: {{min: {group.low}, max: {max(1, group.high)}}}"]
    if template.get("InstanceType"):
        fields.insert(0, f"instance: {template['InstanceType']}")
    else:
        notes.append(f"group {group.name}: it has no launch template that says the instance type; m6i.large is assumed")
    if template.get("ImageId"):
        fields.append(f"image: {{id: {template['ImageId']}}}")
    disks = [item.get("Ebs", {}).get("VolumeSize") for item in template.get("BlockDeviceMappings", [])]
    if disks and disks[0]:
        fields.append(f"disk_gib: {max(_LEAST_DISK, disks[0])}")
    if template.get("UserData"):
        notes.append(f"group {group.name}: its user data is not taken over; write a role (ansible: {{roles_path: …}})")
    notes.append(f"group {group.name}: which databases it uses cannot be seen from outside; say it under uses")
    lines = [f"  {name}:                            # {group.name}", *(f"    {line}" for line in fields)]
    adopted.append(_entry("autoscaling/group:Group", name, group.name))
    if group.balancers:
        lines.append(f"    balancer: {_balancer(group.balancers[0], notes)}")
        adopted += _front(name, group.balancers[0])
    for other in group.balancers[1:]:
        notes.append(f"group {group.name}: it stands behind {other.name} too; a cluster has one balancer")
    return lines


def _balancer(found: Balancer, notes: list[str]) -> str:
    targets, attributes = found.targets, found.attributes
    fields: dict[str, object] = {"kind": found.kind, "port": targets.get("Port", 80)}
    algorithm = attributes.get("load_balancing.algorithm.type", "")
    if found.kind == "application" and algorithm in _ALGORITHMS:
        fields["algorithm"] = algorithm
    if (targets.get("HealthCheckPath") or "").startswith("/"):
        fields["health"] = f'"{targets["HealthCheckPath"]}"'
    fields["drain_seconds"] = attributes.get("deregistration_delay.timeout_seconds", "300")
    slow = int(attributes.get("slow_start.duration_seconds", "0"))
    if slow and algorithm == "round_robin":
        fields["slow_start_seconds"] = slow
    if found.internal:
        fields["internal"] = "true"
    if attributes.get("stickiness.enabled") == "true" and attributes.get("stickiness.type") == "lb_cookie":
        fields["sticky_seconds"] = attributes.get("stickiness.lb_cookie.duration_seconds", "86400")
    for listener in found.listeners:
        if listener["Protocol"] in ("HTTPS", "TLS"):
            notes.append(f"balancer {found.name}: TLS on {listener['Port']}; say dns: {{zone, name}} to have it here")
    if len(found.listeners) > 1:
        notes.append(f"balancer {found.name}: {len(found.listeners)} listeners; a cluster has the one on its port")
    return _inline(fields)


def _front(name: str, found: Balancer) -> list[str]:
    parts = [
        ("lb/loadBalancer:LoadBalancer", found.arn),
        ("lb/targetGroup:TargetGroup", found.targets["TargetGroupArn"]),
    ]
    port = found.targets.get("Port")
    parts += [("lb/listener:Listener", item["ListenerArn"]) for item in found.listeners if item["Port"] == port]
    return [_entry(kind, name, arn) for kind, arn in parts]


def _entry(kind: str, name: str, id_: str) -> str:
    return f'  - {{type: "aws:{kind}", name: {name}, id: "{id_}"}}'


def _expressed(database: Database, notes: list[str]) -> bool:
    if database.engine == "dynamodb":
        if len(database.described["KeySchema"]) > 1:
            notes.append(f"table {database.name}: it has a sort key, which a fleet's tables have not: left out")
            return False
        return True
    if database.described.get("ReadReplicaSourceDBInstanceIdentifier"):
        return False  # counted at its source
    if database.engine != "postgres":
        notes.append(f"database {database.name}: {database.engine}; a fleet has postgres and dynamodb: left out")
        return False
    return True


def _database(database: Database, found: Found, notes: list[str]) -> str:
    row = database.described
    if database.engine == "dynamodb":
        return f"{{engine: dynamodb, key: {row['KeySchema'][0]['AttributeName']}}}"
    replicas = [
        item for item in found.databases
        if item.described.get("ReadReplicaSourceDBInstanceIdentifier") == database.name
    ]  # fmt: skip
    notes += [f"database {item.name}: a replica of {database.name}; `up` makes one of its own" for item in replicas]
    if not row.get("StorageEncrypted"):
        notes.append(f"database {database.name}: not encrypted, which cannot be changed in place; it stays so")
    fields = {
        "engine": "postgres",
        "version": f'"{str(row["EngineVersion"]).split(".")[0]}"',
        "instance": row["DBInstanceClass"],
        "storage_gib": max(_LEAST_STORAGE, row["AllocatedStorage"]),
        "standby": str(bool(row.get("MultiAZ"))).lower(),
        "replicas": len(replicas),
    }
    return _inline(fields)


def _inline(fields: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


def _named(items: Iterable[Any]) -> Mapping[str, Any]:
    """By a name that a fleet.yaml takes: lower case, 24 characters, no two the same."""
    found: dict[str, Any] = {}
    for item in items:
        plain = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", item.name.lower())).strip("-")
        plain = plain if plain[:1].isalpha() else f"x-{plain}"
        name, count = plain[:_LONGEST].rstrip("-"), 2
        while name in found:
            name, count = f"{plain[: _LONGEST - 3].rstrip('-')}-{count}", count + 1
        found[name] = item
    return found
