"""What of the stack holds data, put together: databases, buckets, backups, and their copies in the recovery region."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.maintenance import windows
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.backup import Backup
from quartermaster.infra.component import Component
from quartermaster.infra.database import Database, RecoveryDatabase
from quartermaster.infra.keyring import Keys, There
from quartermaster.infra.layout import Layout
from quartermaster.infra.login import Rotation
from quartermaster.infra.network import Network
from quartermaster.infra.objects import Objects
from quartermaster.infra.postgres import Place
from quartermaster.infra.restore_test import RestoreTest

__all__ = ["Data", "keys_there", "recovery_databases"]


def _regional(fleet: Fleet) -> frozenset[str]:
    """Clusters and databases with an objective for losing the region. Pure."""
    return frozenset(name for name, of in fleet.recovery.objectives.items() if of.region is not None)


def keys_there(fleet: Fleet, layout: Layout, account: str, public_key: str) -> Keys | None:
    """The keys of the recovery region; None where nothing of the stack is kept there."""
    copied = any(rule.copy_to for rule in fleet.backups.rules) and fleet.databases
    replicated = any(bucket.replicate is not False for bucket in fleet.buckets.values())
    if not fleet.recovery_region or not (copied or replicated or _regional(fleet)):
        return None
    return Keys(layout, account, public_key, region=fleet.recovery_region)


def recovery_databases(
    fleet: Fleet, layout: Layout, network: Network, keys: Keys, sources: Mapping[str, Database], now: datetime
) -> dict[str, RecoveryDatabase]:
    """The databases that are in the recovery region too; to be made inside ``recovery.around()``.

    ``layout``, ``network`` and ``keys`` are those of that region, ``sources`` the databases of the stack's own.
    """
    names = [name for name in fleet.databases if name in _regional(fleet)]
    group = _subnet_group(layout, network) if any(sources[name].instance for name in names) else ""
    return {
        name: RecoveryDatabase(
            layout,
            name,
            fleet.databases[name],
            sources[name],
            place=_place(network, keys, group),
            windows=windows(fleet.patching_of(name).window, fleet.backups.rules, fleet.tz, now),
        )
        for name in names
    }


class Data:
    """The stack's databases, buckets and backups. ``there`` are the keys of the recovery region, where it has some."""

    def __init__(self, fleet: Fleet, layout: Layout, network: Network, keys: Keys, there: Keys | None) -> None:
        self._fleet, self._layout, self._network, self._keys, self._there = fleet, layout, network, keys, there
        self._subnet_group = _subnet_group(layout, network) if fleet.postgres else ""

    def _copies(self) -> There | None:
        return There(self._fleet.recovery_region, self._there.data.arn) if self._there else None

    def databases(self, *, seed: bytes, now: datetime, last_snapshots: bool) -> dict[str, Database]:
        """``last_snapshots``: a database of a protected stack leaves a snapshot when it goes."""
        fleet, layout, network = self._fleet, self._layout, self._network
        losable = _regional(fleet)
        born = f"{now:%Y%m%d%H%M%S}"
        kept = last_snapshots and fleet.stacks[layout.stack].protect
        # Without a way out the function that rotates logins would not reach Secrets Manager.
        reaches = fleet.network.nat != "none" or bool(fleet.network.vpc)
        return {
            name: Database(
                layout,
                name,
                declared,
                place=_place(network, self._keys, self._subnet_group) if declared.engine == "postgres" else None,
                key_arn=self._keys.data.arn,
                there=self._copies() if name in losable else None,
                rotation=Rotation(network.vpc_id, network.subnet_ids("private"), self._keys.data.arn)
                if reaches
                else None,
                windows=windows(fleet.patching_of(name).window, fleet.backups.rules, fleet.tz, now),
                upgrades=fleet.patching_of(name).minor_versions == "automatic",
                last_snapshot=layout.name(f"{name}-last-{born}") if kept else "",
                seed=seed,
            )
            for name, declared in fleet.databases.items()
        }

    def buckets(self, account: str, *, tls: bool) -> dict[str, Objects]:
        """The fleet's buckets; copied to the recovery region unless it says otherwise."""
        return {
            name: Objects(
                self._layout,
                account,
                name,
                declared,
                key_arn=self._keys.data.arn,
                tls=tls,
                there=self._copies() if declared.replicate is not False else None,
            )
            for name, declared in self._fleet.buckets.items()
        }

    def backups(self, databases: Mapping[str, Component], topic_arn: pulumi.Input[str] | None) -> Backup | None:
        """Vaults, plan and restore test; None where there is no database to back up."""
        fleet, there = self._fleet, self._there
        if not databases:
            return None
        copied = there is not None and any(rule.copy_to for rule in fleet.backups.rules)
        made = Backup(
            self._layout,
            fleet,
            key_arn=self._keys.backup.arn,
            there=There(fleet.recovery_region, there.backup.arn) if there and copied else None,
            topic_arn=topic_arn,
        )
        if made.role is not None and fleet.backups.restore_testing:
            RestoreTest(
                self._layout,
                made,
                timezone=fleet.timezone,
                engines={database.engine for database in fleet.databases.values()},
                vpc_id=self._network.vpc_id,
                subnet_group=self._subnet_group,
            )
        return made


def _subnet_group(layout: Layout, network: Network) -> pulumi.Output[str]:
    return aws.rds.SubnetGroup(
        "data",
        name=layout.name("data"),
        subnet_ids=network.subnet_ids("data"),
        opts=network.child(),
    ).name


def _place(network: Network, keys: Keys, subnet_group: pulumi.Input[str]) -> Place:
    return Place(network.vpc_id, subnet_group, keys.data.arn, keys.logs.arn)
