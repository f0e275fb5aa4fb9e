"""Rotation of database logins as AWS's own function does it, in place of the Lambda that this machine has not.

A rotation is asked for by a template's RotationSchedule, at once and whenever RotateSecret is called; nothing turns by
itself with the days. Where a real server is behind the login, the new password becomes current only when that server
has it: ``has_server`` tells of one, ``settled`` ends the rotation.
"""
# ruff: noqa: ARG003 - the arguments are moto's

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["has_server", "install", "settled"]

has_server: Callable[[str], bool] | None = None
"""Whether a real server is behind an instance, which must take the password first; None: there are no servers."""
_waiting: dict[str, tuple[Any, str]] = {}
"""Secret and version of a rotation that waits for its server, by instance identifier."""
_FUNCTION = "arn:aws:lambda:{region}:{account}:function:{name}"


def install() -> None:
    """Teach moto, in this process, before its server starts. Call once."""
    from moto.core.common_models import CloudFormationModel
    from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends

    backend: Any = SecretsManagerBackend
    kept: Any = FakeSecret
    rotate, copies = backend.rotate_secret, kept.create_replicas

    def rotated(self: Any, secret_id: str, *args: Any, **kwargs: Any) -> Any:
        secret = self.secrets.get(secret_id)
        if secret is None or not vars(secret).get("ops_scheduled"):
            return rotate(self, secret_id, *args, **kwargs)
        return secret.to_short_dict(version_id=_rotate(self, secret))

    def replicas(self: Any, wanted: Any, *args: Any, **kwargs: Any) -> Any:
        made = copies(self, wanted, *args, **kwargs)
        keys = {item["Region"]: item.get("KmsKeyId") for item in wanted or ()}
        for replica in made:  # moto says its own key of all
            replica.config["KmsKeyId"] = keys.get(replica.region) or replica.config["KmsKeyId"]
        return made

    backend.rotate_secret, kept.create_replicas = rotated, replicas

    class RotationSchedule(CloudFormationModel):
        """AWS::SecretsManager::RotationSchedule with a function that AWS keeps."""

        def __init__(self, secret_arn: str) -> None:
            self.physical_resource_id = secret_arn

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return "AWS::SecretsManager::RotationSchedule"

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
        ) -> RotationSchedule:
            wanted = cloudformation_json["Properties"]
            here = secretsmanager_backends[account_id][region_name]
            secret: Any = here.secrets[wanted["SecretId"]]
            name = wanted["HostedRotationLambda"]["RotationLambdaName"]
            vars(secret)["ops_scheduled"] = True
            secret.rotation_lambda_arn = _FUNCTION.format(region=region_name, account=account_id, name=name)
            secret.auto_rotate_after_days = int(wanted["RotationRules"]["AutomaticallyAfterDays"])
            secret.rotation_requested = secret.rotation_enabled = True
            _rotate(here, secret)
            return cls(secret.arn)

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: Any,
            new_resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
        ) -> RotationSchedule:
            return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

        @classmethod
        def delete_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
        ) -> None:
            found: Any = secretsmanager_backends[account_id][region_name].secrets.values()
            for secret in found:
                if secret.arn == resource_name:
                    vars(secret).pop("ops_scheduled", None)
                    secret.rotation_enabled = False


def settled(instance: str) -> None:
    """The server has the new password: it is the current one now."""
    if instance in _waiting:
        _promote(*_waiting.pop(instance))


def _rotate(backend: Any, secret: Any) -> str:
    """Put a new password aside, hand it to the database, and make it current. The new version's id."""
    from moto.rds.models import rds_backends

    current = next(one for one in secret.versions.values() if "AWSCURRENT" in one["version_stages"])
    login = json.loads(current["secret_string"])
    login["password"] = secrets.token_urlsafe(24)
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    version = str(uuid.uuid4())
    secret.versions[version] = {
        "secret_string": json.dumps(login),
        "createdate": int(time.time()),
        "version_id": version,
        "version_stages": ["AWSPENDING"],
    }
    instance = login["dbInstanceIdentifier"]
    rds_backends[backend.account_id][backend.region_name].databases[instance].master_user_password = login["password"]
    if has_server is not None and has_server(instance):
        _waiting[instance] = (secret, version)
    else:
        _promote(secret, version)
    return version


def _promote(secret: Any, version: str) -> None:
    made = secret.versions[version]
    secret.reset_default_version(made, version)
    made["version_stages"] = ["AWSCURRENT", "AWSPENDING"]
    secret.secret_string = made["secret_string"]
    secret.last_rotation_date = secret.last_changed_date = int(time.time())
