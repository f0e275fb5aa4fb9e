"""Clusters, balancers, databases."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.schema.cron import check_cron
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules.words import unknown

ALGORITHMS = {
    "application": ("round_robin", "least_outstanding_requests", "weighted_random", "weighted"),
    "network": ("flow_hash", "source_ip"),
}
"""What each kind of balancer can do (AWS: target group attributes of the two)."""
_POSTGRES_MAJORS = range(13, 19)
_INSTANCE_FIELDS = ("version", "instance", "storage_gib", "standby", "replicas")


def sizes_fit(fleet: Fleet) -> Iterator[Fault]:
    """min is not above max."""
    for name, cluster in fleet.clusters.items():
        if cluster.size.min > cluster.size.max:
            yield Fault(
                f"clusters.{name}.size.{'min' if cluster.size.says('min') else 'max'}",
                f"min {cluster.size.min} is more than max {cluster.size.max}",
                f"min: {cluster.size.max} or less, or a larger max",
            )


def fewer_hosts_than_zones(fleet: Fleet) -> Iterator[Fault]:
    """With fewer hosts than zones some zone has none, and losing another may leave none at all."""
    for name, cluster in fleet.clusters.items():
        if 0 < cluster.size.min < fleet.zones:
            yield Fault(
                f"clusters.{name}.size.min",
                f"{cluster.size.min} hosts for {fleet.zones} zones leave a zone empty",
                f"min: {fleet.zones}, or fewer zones",
            )


def uses_name_databases(fleet: Fleet) -> Iterator[Fault]:
    """What a cluster may reach exists, and is said once."""
    for name, cluster in fleet.clusters.items():
        for index, used in enumerate(cluster.uses):
            where = f"clusters.{name}.uses[{index}]"
            if used not in fleet.databases:
                yield unknown(where, "database", used, fleet.databases)
            elif used in cluster.uses[:index]:
                yield Fault(where, f"{used!r} stands twice", "name it once")


def names_are_one_thing(fleet: Fleet) -> Iterator[Fault]:
    """patching and recovery name both clusters and databases, so a name is one of them."""
    for name in fleet.databases:
        if name in fleet.clusters:
            yield Fault(f"databases.{name}", f"{name!r} is a cluster too", "another name for one of the two")


def schedules_can_run(fleet: Fleet) -> Iterator[Fault]:
    """An entry recurs or is once, at a time that exists, with a floor below the ceiling."""
    for name, cluster in fleet.clusters.items():
        for index, entry in enumerate(cluster.schedule):
            where = f"clusters.{name}.schedule[{index}]"
            if bool(entry.cron) == (entry.at is not None):
                yield Fault(where, "an entry has either cron or at", 'cron: "0 8 * * 1-5", or at: 2026-11-23T08:00:00Z')
            elif entry.cron and (problem := check_cron(entry.cron)):
                yield Fault(f"{where}.cron", problem, 'minute hour day month weekday, such as "0 8 * * 1-5"')
            if entry.min > cluster.size.max:
                yield Fault(
                    f"{where}.min",
                    f"floor {entry.min} is more than size.max {cluster.size.max}",
                    f"at most {cluster.size.max}, or a larger size.max",
                )


def balancers_can_balance(fleet: Fleet) -> Iterator[Fault]:
    """The kind of balancer knows the algorithm, and can ask for health that way."""
    for name, cluster in fleet.clusters.items():
        if (balancer := cluster.balancer) is None:
            continue
        where = f"clusters.{name}.balancer"
        can = ALGORITHMS[balancer.kind]
        if balancer.algorithm not in can:
            other = next(kind for kind, known in ALGORITHMS.items() if balancer.algorithm in known)
            yield Fault(
                f"{where}.algorithm",
                f"a balancer of kind {balancer.kind} cannot do {balancer.algorithm}",
                f"one of: {', '.join(can)}; or kind: {other}",
            )
        asks_by_tcp = balancer.kind == "network" and balancer.health == "tcp"
        if not balancer.health.startswith("/") and not asks_by_tcp:
            more = "; or tcp" if balancer.kind == "network" else ""
            yield Fault(
                f"{where}.health",
                f"{balancer.health!r} is no path",
                f"a path that starts with /, such as /{balancer.health.lstrip('/') or 'healthz'}{more}",
            )


def balancer_options_fit(fleet: Fleet) -> Iterator[Fault]:
    """Options go with the one algorithm that AWS has them for."""
    for name, cluster in fleet.clusters.items():
        if (balancer := cluster.balancer) is None:
            continue
        where = f"clusters.{name}.balancer"
        if balancer.slow_start_seconds and balancer.algorithm != "round_robin":
            yield Fault(
                f"{where}.slow_start_seconds",
                f"slow start does not go with {balancer.algorithm}",
                "algorithm: round_robin, or slow_start_seconds: 0",
            )
        if 0 < balancer.slow_start_seconds < 30:
            yield Fault(f"{where}.slow_start_seconds", f"{balancer.slow_start_seconds} is too short", "30 to 900, or 0")
        if balancer.anomaly_mitigation and balancer.algorithm != "weighted_random":
            yield Fault(
                f"{where}.anomaly_mitigation",
                f"anomaly mitigation does not go with {balancer.algorithm}",
                "algorithm: weighted_random, or anomaly_mitigation: false",
            )
        if balancer.weights and balancer.algorithm != "weighted":
            yield Fault(
                f"{where}.weights", f"weights do not go with {balancer.algorithm}", "algorithm: weighted, or no weights"
            )
        if balancer.algorithm == "weighted" and not any(balancer.weights.values()):
            yield Fault(
                f"{where}.weights", "weighted needs a weight above 0", "such as weights: {stable: 90, canary: 10}"
            )


def databases_are_one_engine(fleet: Fleet) -> Iterator[Fault]:
    """Fields belong to the engine; the version is one that RDS offers."""
    for name, database in fleet.databases.items():
        foreign = _INSTANCE_FIELDS if database.engine == "dynamodb" else ("key",)
        needed = "postgres" if database.engine == "dynamodb" else "dynamodb"
        for field in database.says(*foreign):
            yield Fault(
                f"databases.{name}.{field}", f"{database.engine} has no {field}", f"leave it out, or engine: {needed}"
            )
        if database.engine == "postgres" and int(database.version.split(".")[0]) not in _POSTGRES_MAJORS:
            yield Fault(
                f"databases.{name}.version",
                f"PostgreSQL {database.version} is not offered",
                f'"{_POSTGRES_MAJORS[0]}" to "{_POSTGRES_MAJORS[-1]}"',
            )


def instance_types_without_price(fleet: Fleet) -> Iterator[Fault]:
    """A type that the price table lacks works, but costs and plans leave it out."""
    prices = load_prices()
    types = [(f"clusters.{name}.instance", cluster.instance) for name, cluster in fleet.clusters.items()]
    types += [
        (f"databases.{name}.instance", database.instance)
        for name, database in fleet.databases.items()
        if database.engine == "postgres"
    ]
    for where, kind in types:
        known = prices.database_types() if kind.startswith("db.") else prices.instance_types()
        if kind not in known:
            yield Fault(where, f"{kind} has no price in the table of {prices.dated}", "costs will name it as unknown")
