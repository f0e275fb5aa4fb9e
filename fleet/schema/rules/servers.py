"""Clusters and balancers."""

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


def uses_name_what_exists(fleet: Fleet) -> Iterator[Fault]:
    """What a cluster may reach exists, and is said once."""
    known = (*fleet.databases, *fleet.buckets)
    for name, cluster in fleet.clusters.items():
        for index, used in enumerate(cluster.uses):
            where = f"clusters.{name}.uses[{index}]"
            if used not in known:
                yield unknown(where, "database or bucket", used, known)
            elif used in cluster.uses[:index]:
                yield Fault(where, f"{used!r} stands twice", "name it once")


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
            remedy = f"such as weights: {{{name}: 90, {name}-canary: 10}}"
            yield Fault(f"{where}.weights", "weighted needs a weight above 0", remedy)
        if balancer.sticky_seconds and balancer.kind == "network":
            problem = "a network balancer has no cookies to stick by"
            yield Fault(f"{where}.sticky_seconds", problem, "algorithm: source_ip, or kind: application")


def weights_are_of_clusters(fleet: Fleet) -> Iterator[Fault]:
    """A share goes to a cluster: this one, or one that has no balancer itself and belongs to no other."""
    taken: dict[str, str] = {}
    for name, cluster in fleet.clusters.items():
        balancer = cluster.balancer
        for other in balancer.weights if balancer and balancer.algorithm == "weighted" else ():
            where = f"clusters.{name}.balancer.weights.{other}"
            if other not in fleet.clusters:
                yield unknown(where, "cluster", other, fleet.clusters)
            elif other != name and fleet.clusters[other].balancer is not None:
                problem = f"{other} has a balancer itself"
                yield Fault(where, problem, f"leave out clusters.{other}.balancer, or the weight")
            elif other in taken:
                yield Fault(where, f"{other} is behind the balancer of {taken[other]} already", "one balancer each")
            taken.setdefault(other, name)


def scaling_can_track(fleet: Fleet) -> Iterator[Fault]:
    """Requests per host are counted by an application balancer, and CPU is a percentage."""
    for name, cluster in fleet.clusters.items():
        scaling, where = cluster.scaling, f"clusters.{name}.scaling"
        if scaling.track == "requests" and (cluster.balancer is None or cluster.balancer.kind != "application"):
            problem = f"{name} has no application balancer that counts its requests"
            yield Fault(f"{where}.track", problem, "track: cpu, or balancer: {kind: application}")
        if scaling.track == "cpu" and scaling.target is not None and scaling.target > 100:
            yield Fault(f"{where}.target", f"{scaling.target:g} is more CPU than there is", "1 to 100, in percent")
        if scaling.warm_hosts > cluster.size.max:
            problem = f"{scaling.warm_hosts} warm hosts are more than size.max {cluster.size.max}"
            yield Fault(f"{where}.warm_hosts", problem, f"at most {cluster.size.max}")


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
