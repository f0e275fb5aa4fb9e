"""How to log in to a database: a secret that hosts read, and its rotation."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout
from quartermaster.infra.ports import let_out
from quartermaster.infra.postgres import PORT, USER, Servers

__all__ = ["ROTATION", "Rotation", "first_password", "login", "rotate", "secret_name"]

_EVERY_DAYS = 30
_HTTPS = 443
ROTATION = "AWS::SecretsManager::RotationSchedule"
_TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Transform": "AWS::SecretsManager-2024-09-16",
    "Description": "Rotates a database's login with the function that AWS keeps for it.",
    "Parameters": {name: {"Type": "String"} for name in ("Secret", "Key", "Function", "Groups", "Subnets")},
    "Resources": {
        "Rotation": {
            "Type": ROTATION,
            "Properties": {
                "SecretId": {"Ref": "Secret"},
                "HostedRotationLambda": {
                    "RotationType": "PostgreSQLSingleUser",
                    "RotationLambdaName": {"Ref": "Function"},
                    "KmsKeyArn": {"Ref": "Key"},
                    "VpcSecurityGroupIds": {"Ref": "Groups"},
                    "VpcSubnetIds": {"Ref": "Subnets"},
                    # What a connection URL would have to escape.
                    "ExcludeCharacters": " /@\"'\\:?#%&+=;<>[]{}()|^`~$!*,",
                },
                "RotationRules": {"AutomaticallyAfterDays": _EVERY_DAYS},
                "RotateImmediatelyOnUpdate": True,
            },
        }
    },
}
"""Why a template inside a program: docs/adr/0008-database-logins.md."""


def first_password(seed: bytes, name: str) -> str:
    """The first password: the same in each attempt, so that an interrupted one is gone on with. Rotated at once."""
    return hmac.new(seed, f"database {name}".encode(), hashlib.sha256).hexdigest()[:40]


def secret_name(layout: Layout, name: str) -> str:
    """The secret's name, in each region where it is."""
    return f"{layout.fleet}/{layout.stack}/{name}"


def login(
    parent: Component,
    layout: Layout,
    name: str,
    instance: aws.rds.Instance,
    password: pulumi.Output[str],
    *,
    key_arn: pulumi.Input[str],
    there: There | None,
) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
    """The secret with its first version, in the words of AWS's rotation functions; a copy of it ``there``.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    """
    secret = aws.secretsmanager.Secret(
        name,
        name=secret_name(layout, name),
        description=f"Login of database {name}",
        kms_key_id=key_arn,
        replicas=[{"region": there.region, "kms_key_id": there.key_arn}] if there else None,
        recovery_window_in_days=30 if layout.protect else 0,
        opts=parent.child(protect=layout.protect),
    )
    text = pulumi.Output.all(instance.address, instance.identifier, password).apply(
        lambda known: json.dumps(
            {
                "engine": "postgres",
                "host": known[0],
                "port": PORT,
                "dbname": name.replace("-", "_"),
                "username": USER,
                "password": known[2],
                "dbInstanceIdentifier": known[1],
            }
        )
    )
    version = aws.secretsmanager.SecretVersion(
        name,
        secret_id=secret.id,
        secret_string=text,  # made of a secret, so one itself
        opts=parent.child(ignore_changes=["secretString"]),
    )
    return secret, version


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where the rotating function runs: it needs a way to the database, and one to Secrets Manager."""

    vpc_id: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]]
    key_arn: pulumi.Input[str]


def rotate(
    parent: Component,
    layout: Layout,
    name: str,
    servers: Servers,
    login: tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion],
    where: Rotation,
) -> None:
    """Rotate the login now and every 30 days."""
    who = f"{name}-rotation"
    group = aws.ec2.SecurityGroup(
        who,
        name=layout.name(who),
        description=f"Rotates the login of database {name}",
        vpc_id=where.vpc_id,
        opts=parent.child(),
    )
    servers.admit("rotation", group.id)
    let_out(f"{who}-database", group.id, PORT, target=servers.group.id, opts=parent.child())
    let_out(f"{who}-secrets", group.id, _HTTPS, cidr="0.0.0.0/0", opts=parent.child())
    secret, version = login
    aws.cloudformation.Stack(
        who,
        name=layout.name(who),
        template_body=json.dumps(_TEMPLATE),
        parameters={
            "Secret": secret.arn,
            "Key": where.key_arn,
            "Function": layout.name(who, limit=64),
            "Groups": group.id,
            "Subnets": pulumi.Output.all(*where.subnets).apply(",".join),
        },
        capabilities=["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"],
        opts=parent.child(depends_on=[version]),
    )
