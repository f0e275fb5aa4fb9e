"""Balancers: what each kind of them can do, and what AWS refuses together."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.hostnames import host_names
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules.words import unknown
from quartermaster.fleet.schema.servers import Balancer

_ALGORITHMS = {
    "application": ("round_robin", "least_outstanding_requests", "weighted_random", "weighted"),
    "network": ("flow_hash", "source_ip"),
}
"""What each kind of balancer can do (AWS: target group attributes of the two)."""
_FORWARD_GROUPS = 5
"""Target groups of one forward action:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"""
_NETWORK_IDLE_SECONDS = 60
"""The least idle time of TCP connections:
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html"""
_NAME_BYTES = 64
"""Of a certificate's first name: https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html"""


def _balancers(fleet: Fleet) -> Iterator[tuple[str, str, Balancer]]:
    for name, cluster in fleet.clusters.items():
        if cluster.balancer is not None:
            yield f"clusters.{name}.balancer", name, cluster.balancer


def balancers_can_balance(fleet: Fleet) -> Iterator[Fault]:
    """The kind of balancer knows the algorithm, and can ask for health that way."""
    for where, _, balancer in _balancers(fleet):
        can = _ALGORITHMS[balancer.kind]
        if balancer.algorithm not in can:
            other = next(kind for kind, known in _ALGORITHMS.items() if balancer.algorithm in known)
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
    """Options go with the one algorithm, and the one kind, that AWS has them for."""
    for where, name, balancer in _balancers(fleet):
        if balancer.slow_start_seconds and balancer.algorithm not in ("round_robin", "weighted"):
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
        if balancer.kind == "network":
            yield from _network_options(where, balancer)


def _network_options(where: str, balancer: Balancer) -> Iterator[Fault]:
    if balancer.sticky_seconds:
        problem = "a network balancer has no cookies to stick by"
        yield Fault(f"{where}.sticky_seconds", problem, "algorithm: source_ip, or kind: application")
    if balancer.idle_seconds != "auto" and balancer.idle_seconds < _NETWORK_IDLE_SECONDS:
        problem = f"a network balancer keeps idle connections for {_NETWORK_IDLE_SECONDS} seconds at least"
        yield Fault(f"{where}.idle_seconds", problem, f"{_NETWORK_IDLE_SECONDS} or more, auto, or kind: application")


def weights_are_of_clusters(fleet: Fleet) -> Iterator[Fault]:
    """A share goes to a cluster: this one, or one that has no balancer itself and belongs to no other."""
    taken: dict[str, str] = {}
    for balancing, name, balancer in _balancers(fleet):
        weights = balancer.weights if balancer.algorithm == "weighted" else {}
        for other in weights:
            where = f"{balancing}.weights.{other}"
            if other not in fleet.clusters:
                yield unknown(where, "cluster", other, fleet.clusters)
            elif other != name and fleet.clusters[other].balancer is not None:
                problem = f"{other} has a balancer itself"
                yield Fault(where, problem, f"leave out clusters.{other}.balancer, or the weight")
            elif other in taken:
                yield Fault(where, f"{other} is behind the balancer of {taken[other]} already", "one balancer each")
            taken.setdefault(other, name)
        if (count := len({name, *weights})) > _FORWARD_GROUPS:
            problem = f"{count} clusters share one listener, {name} itself among them, and AWS takes {_FORWARD_GROUPS}"
            yield Fault(f"{balancing}.weights", problem, f"weights of {_FORWARD_GROUPS - 1} other clusters at most")


def names_can_be_served(fleet: Fleet) -> Iterator[Fault]:
    """With ``dns`` each balancer speaks TLS on 443 under a name of its own, that a certificate can bear."""
    if fleet.dns is None:
        return
    for where, _, balancer in _balancers(fleet):
        if balancer.kind == "application" and balancer.port == 443:
            problem = "with dns the balancer ends TLS on 443 itself, and the hosts speak plain HTTP on another port"
            yield Fault(f"{where}.port", problem, "port: 80, which is redirected to 443")
        if balancer.kind == "network" and balancer.algorithm == "source_ip" and balancer.port != 443:
            problem = "with dns the balancer ends TLS, and AWS has no source_ip with a TLS listener"
            remedy = "algorithm: flow_hash; or port: 443, where hosts end TLS themselves"
            yield Fault(f"{where}.algorithm", problem, remedy)
    for stack in fleet.stacks:
        names = host_names(fleet, stack)
        for cluster, name in names.items():
            first = next(other for other, same in names.items() if same == name)
            if first != cluster:
                problem = f"{cluster} would be {name}, as {first} is already"
                yield Fault("dns.name", problem, f"another name than {cluster}, or another name of the cluster")
            if len(name) > _NAME_BYTES:
                problem = f"{name} has {len(name)} characters, and a certificate's name at most {_NAME_BYTES}"
                yield Fault("dns.name", problem, "a shorter name, zone or name of the cluster")
