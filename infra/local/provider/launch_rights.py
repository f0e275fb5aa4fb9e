"""May Auto Scaling start hosts from a template whose volumes are encrypted with a key of ours?

AWS takes such a group and then no instance of it ever starts ("Client.InternalError: Client error on launch"). The
emulated API starts them all the same. https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html
and key-policy-requirements-EBS-encryption.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given

__all__ = ["check_launch"]

_ROLE = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
_NEEDED = ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext")


def check_launch(api: Api, template: Given) -> None:
    """Read-only. Raises PermissionError for a key that the role may not use as it must."""
    versions = api.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["id"], Versions=[str(template.get("version", "$Default"))]
    )["LaunchTemplateVersions"]
    role = f"arn:aws:iam::{api.account}:{_ROLE}"
    for key in sorted(set(_keys(versions[0]["LaunchTemplateData"]))):
        policy = json.loads(api.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        lacking = [action for action in _NEEDED if not any(_allows(one, role, action) for one in policy["Statement"])]
        if lacking:
            raise PermissionError(
                f"AWS would start no host: the key {key} of its volumes does not let {role} do {', '.join(lacking)}"
            )


def _keys(data: Mapping[str, Any]) -> Iterator[str]:
    for mapping in data.get("BlockDeviceMappings", []):
        if key := mapping.get("Ebs", {}).get("KmsKeyId"):
            yield key


def _allows(statement: Mapping[str, Any], role: str, action: str) -> bool:
    """The account as principal is not enough: it only lets policies of roles decide, and this role has none on keys."""
    if statement["Effect"] != "Allow" or not any(fnmatchcase(action, one) for one in _listed(statement["Action"])):
        return False
    principal = statement["Principal"]
    named = ["*"] if principal == "*" else _listed(principal.get("AWS", []))
    if role in named:
        return True
    tests = statement.get("Condition", {})
    arns = [one for values in tests.values() for one in _listed(values.get("aws:PrincipalArn", []))]
    return "*" in named and role in arns


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
