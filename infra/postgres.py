"""PostgreSQL on RDS: an instance with its standby, its read replicas, and the settings that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.maintenance import Windows
from quartermaster.fleet.schema import Database as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.ports import let_in

__all__ = ["FORCE_SSL", "PORT", "USER", "Place", "Servers", "parameters"]

PORT = 5432
USER = "ops"
FORCE_SSL = "rds.force_ssl"
_CA = "rds-ca-rsa2048-g1"
"""Signs until 2061. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html"""
_BACKUP_DAYS = 7
"""Of RDS itself, for point-in-time restore; the vault keeps the rest."""
_LOGS = ("postgresql", "upgrade")
_LOG_DAYS = 30
_GROWTH = 2
"""Storage grows by itself up to so many times of what was declared: room for a bad week, an end to its price."""
_MOST_GIB = 65_536
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html"""
_RESTART = frozenset((
    "autovacuum_freeze_max_age", "autovacuum_max_workers", "autovacuum_multixact_freeze_max_age", "huge_pages",
    "max_connections", "max_files_per_process", "max_locks_per_transaction", "max_logical_replication_workers",
    "max_pred_locks_per_transaction", "max_prepared_transactions", "max_replication_slots", "max_wal_senders",
    "max_worker_processes", "old_snapshot_threshold", "rds.logical_replication", "shared_buffers",
    "shared_preload_libraries", "superuser_reserved_connections", "track_activity_query_size",
    "track_commit_timestamp", "wal_buffers",
))  # fmt: skip
"""Settings that PostgreSQL reads when it starts only (context ``postmaster`` of pg_settings)."""


def parameters(own: Mapping[str, str]) -> list[Any]:
    """What the parameter group says: TLS from everyone, and the fleet's own settings. Pure.

    RDS refuses to apply at once what PostgreSQL reads at its start only.
    """
    wanted = {**own, FORCE_SSL: "1"}
    return [
        {"name": name, "value": value, "apply_method": "pending-reboot" if name in _RESTART else "immediate"}
        for name, value in sorted(wanted.items())
    ]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the servers of a database go, and what encrypts them there."""

    vpc_id: pulumi.Input[str]
    subnet_group: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]


class Servers:
    """The RDS part of a database in one region: settings, door and log groups; then its instances.

    ``parent`` is the component that they are children of, ``name`` begins all their names.
    """

    def __init__(
        self, parent: Component, layout: Layout, name: str, declared: Declared, place: Place, windows: Windows
    ) -> None:
        self._parent, self._layout, self._name = parent, layout, name
        self._declared, self._place, self._windows = declared, place, windows
        self.group = aws.ec2.SecurityGroup(
            name,
            name=layout.name(f"{name}-database"),
            description=f"Database {name}",
            vpc_id=place.vpc_id,
            opts=parent.child(),
        )
        family = f"postgres{declared.version.split('.')[0]}"
        self._parameters = aws.rds.ParameterGroup(
            name,
            # With the major in its name the group of the next one can be made while this one is still used.
            name=layout.name(f"{name}-{family}"),
            description=f"Settings of database {name}",
            family=family,
            parameters=parameters(declared.parameters),
            opts=parent.child(),
        )

    def admit(self, who: str, group_id: pulumi.Input[str]) -> None:
        """Let the members of a security group in."""
        let_in(f"{self._name}-{who}", self.group.id, PORT, source=group_id, opts=self._parent.child())

    def primary(
        self, password: pulumi.Output[str], *, upgrades: bool, last_snapshot: str, tags: Mapping[str, str]
    ) -> aws.rds.Instance:
        """The instance that takes writes. ``last_snapshot`` names the snapshot taken when it goes; empty: none."""
        declared, protect, place = self._declared, self._layout.protect, self._place
        gib = declared.storage_gib
        return self._instance(
            self._name,
            engine="postgres",
            engine_version=declared.version,
            allocated_storage=gib,
            # RDS takes a bound that is a tenth above the size, or none.
            max_allocated_storage=min(gib * _GROWTH, _MOST_GIB) if gib * 11 <= _MOST_GIB * 10 else None,
            storage_encrypted=True,
            kms_key_id=place.key_arn,
            db_name=self._name.replace("-", "_"),
            username=USER,
            password=password,
            port=PORT,
            db_subnet_group_name=place.subnet_group,
            multi_az=declared.standby,
            backup_retention_period=_BACKUP_DAYS,
            backup_window=self._windows.backup,
            auto_minor_version_upgrade=upgrades,
            skip_final_snapshot=not last_snapshot,
            final_snapshot_identifier=last_snapshot or None,
            tags=dict(tags),
            opts=self._parent.child(
                protect=protect,
                depends_on=self._log_groups(self._name),
                # The login's secret owns the password from here on. The last snapshot is named when the database
                # is made: by then the name of an earlier one's cannot come again.
                ignore_changes=["password", "finalSnapshotIdentifier"],
            ),
        )

    def replica(self, name: str, source: pulumi.Input[str], **more: Any) -> aws.rds.Instance:
        """A read replica; ``more`` is what a replica in another region must say too.

        It takes no backups: RDS turns them on when it is promoted (``BackupRetentionPeriod`` of PromoteReadReplica).
        """
        return self._instance(
            name,
            replicate_source_db=source,
            storage_encrypted=True,
            auto_minor_version_upgrade=False,
            skip_final_snapshot=True,
            opts=self._parent.child(protect=self._layout.protect, depends_on=self._log_groups(name)),
            **more,
        )

    def _instance(self, name: str, **more: Any) -> aws.rds.Instance:
        return aws.rds.Instance(
            name,
            identifier=self._layout.name(name),
            instance_class=self._declared.instance,
            storage_type="gp3",
            parameter_group_name=self._parameters.name,
            vpc_security_group_ids=[self.group.id],
            publicly_accessible=False,
            ca_cert_identifier=_CA,
            maintenance_window=self._windows.maintenance,
            copy_tags_to_snapshot=True,
            deletion_protection=self._layout.protect,
            enabled_cloudwatch_logs_exports=list(_LOGS),
            # Seven days of it cost nothing, and PostgreSQL has it on every class:
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.Engines.html
            performance_insights_enabled=True,
            performance_insights_kms_key_id=self._place.key_arn,
            performance_insights_retention_period=7,
            **more,
        )

    def _log_groups(self, name: str) -> Sequence[pulumi.Resource]:
        """RDS makes them itself where they lack: unencrypted, kept for ever, and left behind."""
        return [
            aws.cloudwatch.LogGroup(
                f"{name}-{log}",
                name=f"/aws/rds/instance/{self._layout.name(name)}/{log}",
                retention_in_days=_LOG_DAYS,
                kms_key_id=self._place.logs_key_arn,
                opts=self._parent.child(),
            )
            for log in _LOGS
        ]
