"""Which alarms a stack has: the golden signals of each cluster and database, as values. Pure.

Thresholds come from fleet.yaml: ``alarms`` for latency and errors, the capacity settings for traffic and saturation.
What no datapoint means is chosen for each alarm, with its reason beside it: CloudWatch's own choice is to stay silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Literal

from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.schema import Cluster, Database, Fleet
from quartermaster.infra.layout import DATABASE, GROUP, TABLE, Layout

__all__ = ["SIGNALS", "Alarm", "Metric", "Signal", "alarms", "balancer_token", "targets_token", "waiting_alarms"]

Signal = Literal["latency", "traffic", "errors", "saturation"]
SIGNALS: tuple[Signal, ...] = ("latency", "traffic", "errors", "saturation")
"""In the order in which people should look."""

Missing = Literal["breaching", "notBreaching"]
_ABOVE, _AT_LEAST, _BELOW = "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"

_MIN_REQUESTS = 100
"""In five minutes: below it one failed request would be a percentage that wakes people for nothing."""
_DATABASE_CPU_PERCENT = 85
_LEAST_FREE_STORAGE = 0.15
_CONNECTIONS_USED = 0.8
_REPLICA_LAG_SECONDS = 60
_RPO_SHARE = 0.5
"""Of what a region objective lets be lost: told then, there is time left to keep it."""
_QUEUE_DEPTH = 64
"""Requests that wait for the disk. gp3 has no burst to run out of; a queue that stays this long is one that is full."""
_CPU_CREDITS = 20
"""Of a t instance: at none left it falls back to its baseline, a fifth of a core."""
_BYTES_A_CONNECTION = 9_531_392
_MOST_CONNECTIONS = 5_000
"""RDS sets max_connections to LEAST(memory / 9531392, 5000):
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html"""


@dataclass(frozen=True, slots=True)
class Metric:
    """One CloudWatch metric. A dimension that starts with ``@`` is known only when the balancer is made."""

    namespace: str
    name: str
    stat: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: what is measured, and when it is too much for too long."""

    name: str
    """Of the subject and what is wrong, e.g. ``web-latency``."""
    of: str
    """The cluster or database."""
    signal: Signal
    says: str
    """What is wrong and what it means, for the person it wakes."""
    metrics: tuple[Metric, ...]
    threshold: float
    expression: str = ""
    """Over the metrics as m1, m2, …; empty: the only metric itself."""
    compare: str = _ABOVE
    missing: Missing = "notBreaching"
    period_seconds: int = 60
    periods: int = 5
    needed: int = field(default=0)
    """Of the periods so many must breach; 0: all."""


def balancer_token(cluster: str) -> str:
    """Stands for the balancer's dimension."""
    return f"@balancer:{cluster}"


def targets_token(cluster: str) -> str:
    """Stands for the target group's dimension."""
    return f"@targets:{cluster}"


def alarms(fleet: Fleet, layout: Layout) -> tuple[Alarm, ...]:
    """The alarms of one stack, clusters first."""
    found: list[Alarm] = []
    for name, cluster in fleet.clusters.items():
        if cluster.balancer is not None:
            application = cluster.balancer.kind == "application"
            found += _application(fleet, name, cluster) if application else _network(name)
        elif fleet.balancer_of(name) is not None:
            found += _application(fleet, name, cluster, own=False)
        found += _group(fleet, layout, name, cluster)
    for name, database in fleet.databases.items():
        found += _table(layout, name) if database.engine == "dynamodb" else _postgres(layout, name, database)
    return tuple(found)


def waiting_alarms(fleet: Fleet, layout: Layout) -> tuple[Alarm, ...]:
    """The alarms of the pilot light: can its databases still take over? Nobody uses the rest of it."""
    found: list[Alarm] = []
    for name, database in fleet.databases.items():
        objectives = fleet.recovery.objectives.get(name)
        if database.engine == "postgres" and objectives is not None and objectives.region is not None:
            found += _waiting(layout, name, database, objectives.region.rpo)
    return tuple(found)


def _waiting(layout: Layout, name: str, database: Database, rpo: timedelta | None) -> Iterator[Alarm]:
    limit = rpo.total_seconds() * _RPO_SHARE if rpo is not None else 0
    behind = max(_REPLICA_LAG_SECONDS, int(limit))
    says = f"{name} in {layout.region} has been more than {behind} s behind for 15 minutes: so much would be lost"
    yield _of_instance(layout, name, "lag", "ReplicaLag", behind, says)
    yield _storage(layout, name, database, f"{name} in {layout.region}")


def _application(fleet: Fleet, name: str, cluster: Cluster, *, own: bool = True) -> Iterator[Alarm]:
    """Of its own balancer, or of its share of another's: then of its hosts alone."""
    of_balancer = {"LoadBalancer": balancer_token(name)}
    if not own:
        of_balancer["TargetGroup"] = targets_token(name)

    def metric(what: str, stat: str) -> Metric:
        return Metric("AWS/ApplicationELB", what, stat, of_balancer)

    limit = fleet.alarms.latency_ms
    yield Alarm(
        f"{name}-latency", name, "latency",
        f"one request in a hundred to {name} takes longer than {limit} ms",
        (metric("TargetResponseTime", "p99"),), limit / 1000,
        periods=5, needed=3,  # no request, no response time: that is for the alarm on silence to tell
    )  # fmt: skip
    requests = metric("RequestCount", "Sum")
    unit, demand = fleet.capacity_of(name).unit, fleet.metrics.demand.get(name)
    if not isinstance(unit, str) and (demand is None or demand.name == "RequestCount"):
        yield Alarm(
            f"{name}-traffic", name, "traffic",
            f"{name} is asked for more than its largest size ({cluster.size.max} hosts) is planned to carry",
            (requests,), unit * cluster.size.max * 60, periods=3,
        )  # fmt: skip
    if own:  # a share may be nothing at all
        yield Alarm(
            f"{name}-silence", name, "traffic",
            f"nobody has reached {name} for 15 minutes: DNS, the certificate or a network before the balancer?",
            # Without a request the balancer publishes no datapoint: missing is the very thing looked for.
            (requests,), 1, compare=_BELOW, missing="breaching", period_seconds=300, periods=3,
        )  # fmt: skip
    # By hosts, and by the balancer for want of a host, which no share is charged with.
    failed = ("HTTPCode_Target_5XX_Count", *(("HTTPCode_ELB_5XX_Count",) if own else ()))
    counted = " + ".join(f"FILL(m{number}, 0)" for number, _ in enumerate(failed, 2))
    share = f"IF(m1 >= {_MIN_REQUESTS}, 100 * ({counted}) / m1, 0)"
    yield Alarm(
        f"{name}-errors", name, "errors",
        f"more than {fleet.alarms.error_percent:g} % of the requests to {name} are answered with a 5xx",
        # No request: no error.
        (requests, *(metric(what, "Sum") for what in failed)),
        fleet.alarms.error_percent, expression=share, period_seconds=300, periods=1,
    )  # fmt: skip
    yield _unhealthy(name, "AWS/ApplicationELB")


def _network(name: str) -> Iterator[Alarm]:
    """Connections are all that a network balancer sees: no answer, so neither latency nor errors."""
    flows = Metric("AWS/NetworkELB", "NewFlowCount", "Sum", {"LoadBalancer": balancer_token(name)})
    yield Alarm(
        f"{name}-silence", name, "traffic",
        f"nobody has connected to {name} for 15 minutes: DNS or a network before the balancer?",
        (flows,), 1, compare=_BELOW, missing="breaching", period_seconds=300, periods=3,
    )  # fmt: skip
    yield _unhealthy(name, "AWS/NetworkELB")


def _unhealthy(name: str, namespace: str) -> Alarm:
    dimensions = {"LoadBalancer": balancer_token(name), "TargetGroup": targets_token(name)}
    return Alarm(
        f"{name}-unhealthy", name, "saturation",
        f"a host of {name} has failed its health check for five minutes: its group should have replaced it by now",
        # No datapoint: no host is registered, which the alarm on silence or on errors tells.
        (Metric(namespace, "UnHealthyHostCount", "Maximum", dimensions),), 0,
    )  # fmt: skip


def _group(fleet: Fleet, layout: Layout, name: str, cluster: Cluster) -> Iterator[Alarm]:
    of_group = {"AutoScalingGroupName": layout.called(GROUP, name)}
    survive = fleet.capacity_of(name).survive
    percent = 100 * survive.at_utilisation
    yield Alarm(
        f"{name}-cpu", name, "saturation",
        f"hosts of {name} are busier than {percent:g} %, what they may be with {survive.zones} zones lost",
        # Missing: no host runs, and an idle group is not saturated.
        (Metric("AWS/EC2", "CPUUtilization", "Average", of_group),), percent,
    )  # fmt: skip
    if cluster.size.min < cluster.size.max:
        yield Alarm(
            f"{name}-at-max", name, "saturation",
            f"{name} wants as many hosts as it may have ({cluster.size.max}): more demand will not be met",
            (Metric("AWS/AutoScaling", "GroupDesiredCapacity", "Minimum", of_group),),
            cluster.size.max, compare=_AT_LEAST,
        )  # fmt: skip


def _postgres(layout: Layout, name: str, database: Database) -> Iterator[Alarm]:
    alarm = partial(_of_instance, layout, name)
    yield alarm("cpu", "CPUUtilization", _DATABASE_CPU_PERCENT, f"{name} has been busier than 85 % for 15 minutes")
    yield _storage(layout, name, database, name)
    if (most := _max_connections(database)) is not None:
        says = f"{name} has used 80 % of its {most} connections for 15 minutes"
        yield alarm("connections", "DatabaseConnections", int(most * _CONNECTIONS_USED), says)
    says = f"requests have queued for the disk of {name} for 15 minutes"
    yield alarm("queue", "DiskQueueDepth", _QUEUE_DEPTH, says)
    if database.instance.startswith("db.t"):
        says = f"{name} has nearly used up its CPU credits and is about to be slowed down"
        yield alarm("credits", "CPUCreditBalance", _CPU_CREDITS, says, compare=_BELOW)
    for number in range(1, database.replicas + 1):
        says = f"replica {number} of {name} has been more than a minute behind for 15 minutes"
        yield alarm("lag", "ReplicaLag", _REPLICA_LAG_SECONDS, says, of=f"{name}-replica-{number}")


def _of_instance(
    layout: Layout, name: str, what: str, metric: str, limit: float, says: str, *, compare: str = _ABOVE, of: str = ""
) -> Alarm:
    """``of``: the instance, where it is not the database's own."""
    # All of these are published every minute by a database that runs. None for long: it does not run, or has been
    # renamed or replaced behind the tool's back; either way somebody should look.
    measured = Metric("AWS/RDS", metric, "Average", {"DBInstanceIdentifier": layout.called(DATABASE, of or name)})
    return Alarm(
        f"{of or name}-{what}", name, "saturation", says, (measured,), limit,
        compare=compare, missing="breaching", period_seconds=300, periods=3,
    )  # fmt: skip


def _storage(layout: Layout, name: str, database: Database, called: str) -> Alarm:
    least = int(database.storage_gib * 2**30 * _LEAST_FREE_STORAGE)
    says = f"{called} has less than 15 % of its {database.storage_gib} GiB free"
    return _of_instance(layout, name, "storage", "FreeStorageSpace", least, says, compare=_BELOW)


def _max_connections(database: Database) -> int | None:
    """What the database takes; None where neither a parameter nor the instance type's memory tells."""
    if database.parameters.get("max_connections", "").isdigit():
        return int(database.parameters["max_connections"])
    shape = load_prices().shape(database.instance)
    if shape is None:
        return None
    return min(int(shape.memory_gib * 2**30 / _BYTES_A_CONNECTION), _MOST_CONNECTIONS)


def _table(layout: Layout, name: str) -> Iterator[Alarm]:
    of_table = {"TableName": layout.called(TABLE, name)}
    throttled = tuple(
        Metric("AWS/DynamoDB", what, "Sum", of_table) for what in ("ReadThrottleEvents", "WriteThrottleEvents")
    )
    yield Alarm(
        f"{name}-throttled", name, "saturation",
        f"DynamoDB has turned requests to {name} away for five minutes: a hot key, or faster growth than it follows",
        # Published only when there are some.
        throttled, 0, expression="FILL(m1, 0) + FILL(m2, 0)",
    )  # fmt: skip
