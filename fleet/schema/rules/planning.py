"""Metrics, capacity, patching, freezes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.planning import Patching
from quartermaster.fleet.schema.rules.words import unknown

_HOST_FIELDS = ("method", "approve", "canary", "wave", "soak_minutes", "gate", "max_failures", "reboot")
_UPGRADE = timedelta(minutes=5)
"""Least time that packages, restart and health checks of one batch of hosts take."""
_RDS_WINDOW = timedelta(minutes=30)
"""AWS: a maintenance window lasts 30 minutes at least."""


def names_are_known(fleet: Fleet) -> Iterator[Fault]:
    """capacity, demand and events name clusters; patching names clusters or databases."""
    for name in fleet.capacity:
        if name not in fleet.clusters:
            yield unknown(f"capacity.{name}", "cluster", name, fleet.clusters)
    for name in fleet.metrics.demand:
        if name not in fleet.clusters:
            yield unknown(f"metrics.demand.{name}", "cluster", name, fleet.clusters)
    for index, event in enumerate(fleet.events):
        if event.of and event.of not in fleet.clusters:
            yield unknown(f"events[{index}].of", "cluster", event.of, fleet.clusters)
    for name in fleet.patching:
        if name not in fleet.clusters and name not in fleet.databases:
            yield unknown(f"patching.{name}", "cluster or database", name, (*fleet.clusters, *fleet.databases))


def survivors_remain(fleet: Fleet) -> Iterator[Fault]:
    """Some zone is left after the loss that capacity must bear."""
    for name, capacity in fleet.capacity.items():
        if capacity.survive.zones >= fleet.zones:
            yield Fault(
                f"capacity.{name}.survive.zones",
                f"of {fleet.zones} zones {capacity.survive.zones} cannot be lost and something be left",
                f"at most {fleet.zones - 1}",
            )


def survivors_are_busier(fleet: Fleet) -> Iterator[Fault]:
    """Hosts left after a loss may be busier than on a usual day, else the loss sets everything."""
    for name, capacity in fleet.capacity.items():
        survive = capacity.survive
        if survive.zones and survive.at_utilisation < capacity.target_utilisation:
            yield Fault(
                f"capacity.{name}.survive.at_utilisation",
                f"{survive.at_utilisation} after a loss is less than {capacity.target_utilisation} without one",
                "usually the larger of the two",
            )


def metric_sources_are_complete(fleet: Fleet) -> Iterator[Fault]:
    """A server has a URL, a file a path, and neither has the other's."""
    source = fleet.metrics.source
    needs = {"prometheus": "url", "csv": "path", "parquet": "path"}.get(source.kind)
    for field, value in (("url", source.url), ("path", source.path)):
        where = f"metrics.source.{field}"
        if field == needs and not value:
            yield Fault(where, f"{source.kind} needs a {field}", f"add {field}: …")
        if field != needs and value:
            yield Fault(where, f"{source.kind} has no {field}", "leave it out, or another kind")
    if source.kind != "prometheus" and source.authorization is not None:
        yield Fault("metrics.source.authorization", f"{source.kind} has no authorization", "leave it out")
    for name, demand in fleet.metrics.demand.items():
        where = f"metrics.demand.{name}"
        if source.kind == "prometheus" and not demand.query:
            yield Fault(f"{where}.query", "prometheus needs a query", "query: a PromQL expression")
        unfit = ("namespace", "name", "stat", "dimensions") if source.kind == "prometheus" else ("query", "companions")
        for field in demand.says(*unfit):
            yield Fault(f"{where}.{field}", f"{source.kind} has no {field}", "leave it out")


def patching_fits_its_subject(fleet: Fleet) -> Iterator[Fault]:
    """Hosts and databases are patched in different words."""
    for name, patching in fleet.patching.items():
        where = f"patching.{name}"
        if name in fleet.databases:
            for field in patching.says(*_HOST_FIELDS):
                yield Fault(f"{where}.{field}", f"{field} is for hosts, and {name} is a database", "leave it out")
            if fleet.databases[name].engine == "dynamodb":
                yield Fault(where, f"{name} is a dynamodb table: nothing to patch", "leave it out")
        if (cluster := fleet.clusters.get(name)) is None:
            continue
        if patching.says("minor_versions"):
            yield Fault(
                f"{where}.minor_versions", f"minor_versions is for databases, and {name} is a cluster", "leave it out"
            )
        image = cluster.image
        if patching.method == "in_place" and image.family == "amazon-linux-2023" and not image.id:
            yield Fault(
                f"{where}.method", f"hosts of {image.family} have no apt to be patched in place by", "method: replace"
            )
        if patching.canary > cluster.size.max:
            yield Fault(
                f"{where}.canary",
                f"{patching.canary} canaries of at most {cluster.size.max} hosts",
                f"at most {cluster.size.max}",
            )
        if patching.says("gate") and cluster.balancer is None:
            yield Fault(f"{where}.gate", f"{name} has no balancer that counts requests", "leave it out, or a balancer")


def approvals_can_come(fleet: Fleet) -> Iterator[Fault]:
    """Rules of approval approve something, and security updates no later than others."""
    for name, patching in fleet.patching.items():
        where, rules = f"patching.{name}.approve", patching.approve
        if rules.only == "allowed" and not rules.allow:
            yield Fault(f"{where}.only", "allowed, and nothing is", "allow: [names], or only: all")
        if rules.only == "all" and rules.security_after_days > rules.after_days:
            yield Fault(
                f"{where}.security_after_days",
                f"security updates would wait {rules.security_after_days} days, others {rules.after_days}",
                f"at most {rules.after_days}, or after_days: {rules.security_after_days}",
            )
        if "*" in rules.deny:
            yield Fault(f"{where}.deny", "* denies everything", "only: allowed, and allow what may be installed")


def patch_windows_are_long_enough(fleet: Fleet) -> Iterator[Fault]:
    """A window holds at least the canary and one wave; a database's is one that RDS takes."""
    for name, patching in fleet.patching.items():
        where, shortest = f"patching.{name}.window", patching.window.shortest
        if shortest is None:
            continue
        if name in fleet.databases and (len(patching.window.spans) > 1 or len(patching.window.spans[0].days) > 1):
            yield Fault(where, f"{patching.window}: RDS has one window a week", "one day, such as Sun 02:00-03:00")
        needed = _RDS_WINDOW if name in fleet.databases else _least(fleet, name, patching)
        if shortest < needed:
            parts = "RDS takes" if name in fleet.databases else "the canary and one wave, drained and soaked, need"
            yield Fault(
                where,
                f"{patching.window} lasts {shortest // timedelta(minutes=1)} minutes",
                f"{parts} at least {needed // timedelta(minutes=1)} minutes",
            )


def freezes_run_forwards(fleet: Fleet) -> Iterator[Fault]:
    """A freeze does not end before it starts."""
    for index, freeze in enumerate(fleet.freezes):
        if freeze.from_ > freeze.to:
            yield Fault(
                f"freezes[{index}].to",
                f"the freeze ends on {freeze.to}, before it starts on {freeze.from_}",
                f"to: {freeze.from_} or later",
            )


def events_run_forwards(fleet: Fleet) -> Iterator[Fault]:
    """An event does not end before it starts, nor does its like start before it has ended."""
    for index, event in enumerate(fleet.events):
        last = event.to or event.from_
        if event.from_ > last:
            problem = f"{event.name} ends on {last}, before it starts on {event.from_}"
            yield Fault(f"events[{index}].to", problem, f"to: {event.from_} or later")
        for other in fleet.events[:index]:
            alike = event.name == other.name and (event.of == other.of or not (event.of and other.of))
            if alike and event.from_ <= (other.to or other.from_) and other.from_ <= last:
                problem = f"{event.name} is on already then, from {other.from_}"
                yield Fault(f"events[{index}].from", problem, "days that do not overlap, or another name")


def _least(fleet: Fleet, name: str, patching: Patching) -> timedelta:
    """Two batches one after the other, each drained, worked on and soaked."""
    cluster = fleet.clusters.get(name)
    drain = cluster.balancer.drain_seconds if cluster is not None and cluster.balancer is not None else 0
    return 2 * (timedelta(seconds=drain, minutes=patching.soak_minutes) + _UPGRADE)
