"""The Pulumi program: the whole stack, spelled out from its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pulumi

from quartermaster.fleet.hostnames import host_names
from quartermaster.fleet.schema import Fleet
from quartermaster.infra import userdata
from quartermaster.infra.access import ClusterAccess
from quartermaster.infra.adopted import keep_adopted
from quartermaster.infra.alarms import alarms, waiting_alarms
from quartermaster.infra.balancer import Balancer
from quartermaster.infra.baseline import Baseline
from quartermaster.infra.bucket import POINTER, Bucket, bucket_name
from quartermaster.infra.cluster import HOOK, Cluster
from quartermaster.infra.component import Component, tag_everything
from quartermaster.infra.data import Data, keys_there, recovery_databases
from quartermaster.infra.database import Database, Used
from quartermaster.infra.dns import Dns
from quartermaster.infra.existing import Site
from quartermaster.infra.experiments import Experiments, has_experiments
from quartermaster.infra.floors import floor_at
from quartermaster.infra.fronts import Fronts, owners_first
from quartermaster.infra.images import Image
from quartermaster.infra.keyring import Keys
from quartermaster.infra.layout import GROUP, Layout, recovery_layout
from quartermaster.infra.network import Network
from quartermaster.infra.notices import Notices
from quartermaster.infra.recovery import Recovery, dormant
from quartermaster.infra.watch import Watch

__all__ = ["Facts", "declare"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the program needs to know of the world; read before it runs, so that it asks nothing itself."""

    account: str
    images: Mapping[str, Image]
    """By cluster."""
    public_key: str
    """OpenSSH public key for the hosts."""
    now: datetime
    recovery_images: Mapping[str, Image] = field(default_factory=dict)
    """By cluster, in the recovery region; where there is a pilot light."""
    site: Site | None = None
    """Where the stack goes in a network that exists; None: it makes its own."""
    bundle: Path | None = None
    """The role bundle; None: hosts start bare and join at once."""
    tls: bool = True
    """Does the cloud speak TLS? The local one is plain HTTP on this machine, and would refuse itself."""
    last_snapshots: bool = True
    """Does a database of a protected stack leave a snapshot when it goes? On the local cloud it would go with it."""
    zone_id: str = ""
    """Of the hosted zone of the fleet's names; empty: the stack makes one, as on the local cloud."""
    seed: bytes = field(default=b"", repr=False)
    """Database passwords derive from it."""


def declare(fleet: Fleet, layout: Layout, facts: Facts) -> None:
    """Declare every resource of the stack. To be called by the Pulumi engine, once a run."""
    layout = facts.site.of(layout) if facts.site else layout
    tag_everything(layout)
    keep_adopted(fleet.adopted)
    keys = Keys(layout, facts.account, facts.public_key)
    notices = Notices(layout, fleet.notify, account=facts.account, key_id=keys.logs.arn)
    replicas = any(database.replicas for database in fleet.databases.values())
    network = Network(layout, endpoints=fleet.network.endpoints, replicas=replicas, logs_key=keys.logs.arn)
    there = keys_there(fleet, layout, facts.account, facts.public_key)
    data = Data(fleet, layout, network, keys, there)
    bucket = Bucket(layout, facts.account, keys.data.arn, facts.bundle, tls=facts.tls)
    databases = data.databases(seed=facts.seed, now=facts.now, last_snapshots=facts.last_snapshots)
    objects = data.buckets(facts.account, tls=facts.tls)
    buckets = {name: one.bucket.arn for name, one in objects.items()}
    data.backups(databases, notices.topic.arn)
    dns = _dns(fleet, layout, facts)
    parts = _Parts(network, keys, bucket, databases, buckets)
    balancers = _clusters(fleet, layout, facts, dns, parts)
    if has_experiments(fleet):
        Experiments(layout, account=facts.account, vpc_id=network.vpc_id)
    if fleet.account_baseline == "create":
        Baseline(layout, facts.account, tls=facts.tls)
    Watch(
        layout,
        alarms(fleet, layout),
        account=facts.account,
        told=notices.told,
        balancers={name: balancer for name, balancer in balancers.items() if balancer is not None},
        ready=list(databases.values()),
    )
    standby: Mapping[str, Balancer | None] = {}
    waiting = recovery_layout(fleet, layout.stack)
    if waiting is not None and there is not None:
        copies = {name: one.copy.arn for name, one in objects.items() if one.copy is not None}
        standby = _pilot_light(fleet, replace(waiting, protect=layout.protect), facts, there, databases, copies, dns)
    _publish(fleet, dns, balancers, standby)


def _pilot_light(
    fleet: Fleet,
    layout: Layout,
    facts: Facts,
    keys: Keys,
    sources: Mapping[str, Database],
    buckets: Mapping[str, pulumi.Input[str]],
    dns: Dns | None,
) -> dict[str, Balancer | None]:
    """Everything but running hosts, in the recovery region. The balancers that wait there, by cluster."""
    with Recovery(layout).around():
        network = Network(layout, endpoints=fleet.network.endpoints, logs_key=keys.logs.arn)
        bucket = Bucket(layout, facts.account, keys.data.arn, facts.bundle, tls=facts.tls)
        databases = recovery_databases(fleet, layout, network, keys, sources, facts.now)
        if watched := waiting_alarms(fleet, layout):
            notices = Notices(layout, fleet.notify, account=facts.account, key_id=keys.logs.arn)
            Watch(layout, watched, told=notices.told, balancers={}, ready=list(databases.values()))
        asleep, facts = dormant(fleet, {*databases, *buckets}), replace(facts, images=facts.recovery_images)
        return _clusters(asleep, layout, facts, dns, _Parts(network, keys, bucket, databases, buckets))


def _dns(fleet: Fleet, layout: Layout, facts: Facts) -> Dns | None:
    if fleet.dns is None:
        return None
    return Dns(fleet.dns.zone, host_names(fleet, layout.stack), zone_id=facts.zone_id)


def _publish(
    fleet: Fleet, dns: Dns | None, here: Mapping[str, Balancer | None], standby: Mapping[str, Balancer | None]
) -> None:
    for name in dns.names if dns is not None else ():
        balancer, declared = here[name], fleet.clusters[name].balancer
        if dns is not None and balancer is not None and declared is not None:
            dns.publish(name, declared, balancer, standby.get(name))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What clusters stand on, in their region."""

    network: Network
    keys: Keys
    bucket: Bucket
    databases: Mapping[str, Used]
    buckets: Mapping[str, pulumi.Input[str]]
    """ARNs of the fleet's buckets, by name."""


def _clusters(fleet: Fleet, layout: Layout, facts: Facts, dns: Dns | None, parts: _Parts) -> dict[str, Balancer | None]:
    """The clusters with what is before them; the balancer of each by its name."""
    fronts = Fronts(fleet, layout, parts.network, account=facts.account, tls=facts.tls, dns=dns)
    return {name: _cluster(fleet, layout, facts, name, fronts, parts) for name in owners_first(fleet)}


def _cluster(fleet: Fleet, layout: Layout, facts: Facts, name: str, fronts: Fronts, parts: _Parts) -> Balancer | None:
    declared = fleet.clusters[name]
    access = ClusterAccess(
        layout,
        name,
        declared,
        account=facts.account,
        vpc_id=parts.network.vpc_id,
        keys=parts.keys,
        bucket=parts.bucket,
        databases=parts.databases,
        buckets=parts.buckets,
    )
    balancer = fronts.of(name, access)
    ready: list[Component] = [parts.network, parts.bucket, access]
    Cluster(
        layout,
        name,
        declared,
        image=facts.images[name],
        user_data=_user_data(layout, facts, name, declared.role, warm=declared.scaling.warm_hosts > 0),
        floor=floor_at(declared.schedule, declared.size.min, facts.now, fleet.tz),
        now=facts.now,
        timezone=fleet.timezone,
        keys=parts.keys,
        access=access,
        subnets=parts.network.subnet_ids("private"),
        balancer=balancer,
        ready=ready,
        capacity=fleet.capacity_of(name),
    )
    if balancer is not None and declared.balancer is not None:
        pulumi.export(
            f"{name}_recovery_dns_name" if layout.recovery else f"{name}_dns_name", balancer.balancer.dns_name
        )
    return balancer


def _user_data(layout: Layout, facts: Facts, cluster: str, role: str, *, warm: bool) -> str:
    if facts.bundle is None:
        return ""
    return userdata.render(
        bucket=bucket_name(layout, facts.account),
        pointer=POINTER,
        region=layout.region,
        cluster=cluster,
        role=role,
        group=layout.called(GROUP, cluster),
        hook=HOOK,
        warm=warm,
    )
