"""A database of the fleet, as clusters know it: whom it admits, its login, its table."""

from __future__ import annotations

from typing import Protocol

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.maintenance import Windows
from quartermaster.fleet.names import TAG_BACKUP, backup_tag
from quartermaster.fleet.schema import Database as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout
from quartermaster.infra.login import Rotation, first_password, login, rotate
from quartermaster.infra.postgres import Place, Servers
from quartermaster.infra.table import table

__all__ = ["Database", "RecoveryDatabase", "Used"]


class Used(Protocol):
    """What a cluster that uses a database needs of it, in whichever region."""

    table_arn: pulumi.Output[str] | None
    """Of a DynamoDB table …"""
    secret_arn: pulumi.Output[str] | None
    """… or of the login of a PostgreSQL database."""

    def admit(self, cluster: str, hosts: aws.ec2.SecurityGroup) -> None:
        """Let the hosts of a cluster in."""


class Database(Component):
    """One database, by its engine: PostgreSQL with its standby and replicas, or a DynamoDB table.

    ``place`` is where the servers of a PostgreSQL database go. ``there`` is the recovery region, where the fleet has an
    objective for losing the region: a table has a replica there then, and a login a copy. The replica of a PostgreSQL
    database needs a network there, so it is made of its own: RecoveryDatabase.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        declared: Declared,
        *,
        place: Place | None,
        key_arn: pulumi.Input[str],
        there: There | None,
        rotation: Rotation | None,
        windows: Windows,
        upgrades: bool,
        last_snapshot: str,
        seed: bytes,
    ) -> None:
        super().__init__("Database", f"{name}-database")
        self.table_arn: pulumi.Output[str] | None = None
        self.secret_arn: pulumi.Output[str] | None = None
        self.instance: aws.rds.Instance | None = None
        self._servers: Servers | None = None
        tags = {TAG_BACKUP: backup_tag(layout.fleet, layout.stack)}
        if place is None:
            made = table(self, layout, name, declared, key_arn=key_arn, there=there, tags=tags)
            self.table_arn = made.arn
        else:
            password = pulumi.Output.secret(first_password(seed, name))
            self._servers = servers = Servers(self, layout, name, declared, place, windows)
            self.instance = servers.primary(password, upgrades=upgrades, last_snapshot=last_snapshot, tags=tags)
            known = login(self, layout, name, self.instance, password, key_arn=key_arn, there=there)
            self.secret_arn = known[0].arn
            if rotation is not None:
                rotate(self, layout, name, servers, known, rotation)
            for number in range(1, declared.replicas + 1):
                servers.replica(f"{name}-replica-{number}", self.instance.identifier)
        self.register_outputs({"arn": self.instance.arn if self.instance else self.table_arn})

    def admit(self, cluster: str, hosts: aws.ec2.SecurityGroup) -> None:
        """Let the hosts of a cluster in. Tables have no door: their hosts' role decides."""
        if self._servers is not None:
            self._servers.admit(cluster, hosts.id)


class RecoveryDatabase(Component):
    """The same database as the pilot light's hosts see it: a read replica to promote, or the table's replica.

    To be made inside ``recovery.around()``, with the place of that region, and given to ClusterAccess there.
    """

    def __init__(
        self, layout: Layout, name: str, declared: Declared, source: Database, *, place: Place, windows: Windows
    ) -> None:
        super().__init__("RecoveryDatabase", f"{name}-recovery-database")
        self.table_arn = _there(source.table_arn, layout.region)
        self.secret_arn = _there(source.secret_arn, layout.region)
        self.instance: aws.rds.Instance | None = None
        self._servers: Servers | None = None
        if source.instance is not None:
            self._servers = Servers(self, layout, name, declared, place, windows)
            self.instance = self._servers.replica(
                name,
                # Across regions the source is told by its ARN, and the key must be one of the replica's region.
                source.instance.arn,
                kms_key_id=place.key_arn,
                db_subnet_group_name=place.subnet_group,
                multi_az=declared.standby,
            )
        self.register_outputs({})

    def admit(self, cluster: str, hosts: aws.ec2.SecurityGroup) -> None:
        """Let the hosts of a cluster in."""
        if self._servers is not None:
            self._servers.admit(cluster, hosts.id)


def _there(arn: pulumi.Output[str] | None, region: str) -> pulumi.Output[str] | None:
    """The ARN of a copy: its region is the one part that differs."""
    if arn is None:
        return None
    return arn.apply(lambda text: ":".join(region if part == 3 else word for part, word in enumerate(text.split(":"))))
