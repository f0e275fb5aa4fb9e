"""A database: PostgreSQL on RDS with its standby and replicas, or a DynamoDB table."""

from __future__ import annotations

import hashlib
import hmac
import json

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Database as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout

__all__ = ["POSTGRES_PORT", "Database", "password_of"]

POSTGRES_PORT = 5432
_USER = "ops"
_BACKUP_DAYS = 7
"""Of RDS itself, for point-in-time restore; the vault keeps the rest."""


def password_of(seed: bytes, name: str) -> str:
    """The database's first password: the same in each attempt, so that an interrupted one is gone on with."""
    return hmac.new(seed, f"database {name}".encode(), hashlib.sha256).hexdigest()[:40]


class Database(Component):
    """One database of the fleet. ``table`` or ``instance`` and ``secret`` are set, by its engine."""

    def __init__(
        self,
        layout: Layout,
        name: str,
        declared: Declared,
        *,
        vpc_id: pulumi.Input[str],
        subnet_group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        seed: bytes,
    ) -> None:
        super().__init__("Database", f"{name}-database")
        self._layout, self._name = layout, name
        self.table: aws.dynamodb.Table | None = None
        self.instance: aws.rds.Instance | None = None
        self.secret: aws.secretsmanager.Secret | None = None
        if declared.engine == "dynamodb":
            self.table = self._table(declared, key_arn)
        else:
            self._group = aws.ec2.SecurityGroup(
                name,
                name=layout.name(f"{name}-database"),
                description=f"Database {name}",
                vpc_id=vpc_id,
                opts=self.child(),
            )
            password = pulumi.Output.secret(password_of(seed, name))
            self.instance = self._postgres(declared, subnet_group, key_arn, password)
            self.secret = self._secret(key_arn, password)
            for number in range(1, declared.replicas + 1):
                self._replica(number, declared)
        self.register_outputs({"arn": self.arn})

    @property
    def arn(self) -> pulumi.Output[str]:
        """What backups are taken of."""
        made = self.table or self.instance
        assert made is not None
        return made.arn

    def admit(self, cluster: str, hosts: aws.ec2.SecurityGroup) -> None:
        """Let the hosts of a cluster in. Tables have no door: their hosts' role decides."""
        if self.instance is None:
            return
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{cluster}",
            security_group_id=self._group.id,
            ip_protocol="tcp",
            from_port=POSTGRES_PORT,
            to_port=POSTGRES_PORT,
            referenced_security_group_id=hosts.id,
            opts=self.child(),
        )

    def _postgres(
        self,
        declared: Declared,
        subnet_group: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        password: pulumi.Output[str],
    ) -> aws.rds.Instance:
        identifier = self._layout.name(self._name)
        protect = self._layout.protect
        return aws.rds.Instance(
            self._name,
            identifier=identifier,
            engine="postgres",
            engine_version=declared.version,
            instance_class=declared.instance,
            allocated_storage=declared.storage_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=self._name.replace("-", "_"),
            username=_USER,
            password=password,
            port=POSTGRES_PORT,
            db_subnet_group_name=subnet_group,
            vpc_security_group_ids=[self._group.id],
            multi_az=declared.standby,
            publicly_accessible=False,
            backup_retention_period=_BACKUP_DAYS,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=False,
            deletion_protection=protect,
            skip_final_snapshot=not protect,
            final_snapshot_identifier=f"{identifier}-final" if protect else None,
            # The password is set once; whoever changes it later is not undone.
            opts=self.child(protect=protect, ignore_changes=["password"]),
        )

    def _replica(self, number: int, declared: Declared) -> None:
        assert self.instance is not None
        aws.rds.Instance(
            f"{self._name}-replica-{number}",
            identifier=self._layout.name(f"{self._name}-replica-{number}"),
            replicate_source_db=self.instance.identifier,
            instance_class=declared.instance,
            storage_type="gp3",
            vpc_security_group_ids=[self._group.id],
            publicly_accessible=False,
            auto_minor_version_upgrade=False,
            copy_tags_to_snapshot=True,
            deletion_protection=self._layout.protect,
            skip_final_snapshot=True,
            opts=self.child(protect=self._layout.protect),
        )

    def _secret(self, key_arn: pulumi.Input[str], password: pulumi.Output[str]) -> aws.secretsmanager.Secret:
        """Where hosts that use the database read how to log in."""
        layout = self._layout
        secret = aws.secretsmanager.Secret(
            self._name,
            name=f"{layout.fleet}/{layout.stack}/{self._name}",
            description=f"Login of database {self._name}",
            kms_key_id=key_arn,
            recovery_window_in_days=30 if layout.protect else 0,
            opts=self.child(protect=layout.protect),
        )
        login = password.apply(lambda text: json.dumps({"username": _USER, "password": text}))
        aws.secretsmanager.SecretVersion(
            self._name,
            secret_id=secret.id,
            secret_string=login,  # made of a secret, so one itself
            opts=self.child(ignore_changes=["secretString"]),
        )
        return secret

    def _table(self, declared: Declared, key_arn: pulumi.Input[str]) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            self._name,
            name=self._layout.name(self._name),
            hash_key=declared.key,
            attributes=[{"name": declared.key, "type": "S"}],
            billing_mode="PAY_PER_REQUEST",
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": key_arn},
            deletion_protection_enabled=self._layout.protect,
            opts=self.child(protect=self._layout.protect),
        )
