"""Clusters."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.regions import known_regions
from quartermaster.fleet.schema.cron import check_cron
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules.words import unknown

SCHEDULED_ACTIONS = 125
"""A group's quota: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html"""


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
        size = cluster.size
        if 0 < size.min < fleet.zones:
            yield Fault(
                f"clusters.{name}.size.min",
                f"min {size.min} for {fleet.zones} zones leaves a zone empty",
                f"min: {fleet.zones}"
                + (f" and max: {fleet.zones} or more" if size.max < fleet.zones else "")
                + (", or fewer zones" if fleet.zones > 2 else ""),
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
            if entry.at is not None and entry.at in [other.at for other in cluster.schedule[:index]]:
                yield Fault(f"{where}.at", "two floors at one instant", "keep the one that is meant")
        if (count := sum(bool(entry.cron) for entry in cluster.schedule)) > SCHEDULED_ACTIONS:
            yield Fault(
                f"clusters.{name}.schedule",
                f"{count} rules, and a group takes {SCHEDULED_ACTIONS} scheduled actions",
                f"fewer rules: one for several days (1-5), or {count - SCHEDULED_ACTIONS} of them as at:",
            )


def scaling_can_track(fleet: Fleet) -> Iterator[Fault]:
    """Requests per host are counted by an application balancer, and CPU is a percentage."""
    for name, cluster in fleet.clusters.items():
        scaling, where = cluster.scaling, f"clusters.{name}.scaling"
        if scaling.track == "requests" and (cluster.balancer is None or cluster.balancer.kind != "application"):
            problem = f"{name} has no application balancer that counts its requests"
            yield Fault(f"{where}.track", problem, "track: cpu, or balancer: {kind: application}")
        elif scaling.track == "requests" and scaling.target is None and fleet.capacity_of(name).unit == "learn":
            problem = f"how many requests a host of {name} carries is still to be learned"
            yield Fault(f"{where}.track", problem, f"target: requests per host and minute, or capacity.{name}.unit")
        if scaling.track == "cpu" and scaling.target is not None and scaling.target > 100:
            yield Fault(f"{where}.target", f"{scaling.target:g} is more CPU than there is", "1 to 100, in percent")
        if scaling.track == "cpu" and scaling.target is not None and scaling.target < 1:
            problem = f"{scaling.target:g} % of CPU would have the group at its max all the time"
            remedy = f"1 to 100, in percent; or as a share: planned_utilisation: {scaling.target:g}"
            yield Fault(f"{where}.target", problem, remedy)
        if scaling.warm_hosts > cluster.size.max:
            problem = f"{scaling.warm_hosts} warm hosts are more than size.max {cluster.size.max}"
            yield Fault(f"{where}.warm_hosts", problem, f"at most {cluster.size.max}")


def instance_types_without_price(fleet: Fleet) -> Iterator[Fault]:
    """A region or type that the price table lacks works, but costs and plans leave it out."""
    prices = load_prices()
    if fleet.region in known_regions() and fleet.region not in prices.regions():
        problem = f"no price of {fleet.region} is in the table of {prices.dated}: costs will be called unknown"
        yield Fault("region", problem, "`ops prices update` reads AWS's own")
    types = [(f"clusters.{name}.instance", cluster.instance) for name, cluster in fleet.clusters.items()]
    types += [
        (f"databases.{name}.instance", database.instance)
        for name, database in fleet.databases.items()
        if database.engine == "postgres"
    ]
    for where, kind in types:
        known = prices.database_types() if kind.startswith("db.") else prices.instance_types()
        if kind not in known:
            yield Fault(
                where,
                f"{kind} has no price in the table of {prices.dated}",
                "check its name; costs will call it unknown",
            )
