"""Who may do what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quartermaster.infra.inputs import HIDDEN, part, statements, texts
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_POLICIES = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy")
_RESOURCE_POLICIES = (
    "aws:backup/vaultPolicy:VaultPolicy",
    "aws:kms/key:Key",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:secretsmanager/secretPolicy:SecretPolicy",
    "aws:sns/topicPolicy:TopicPolicy",
)
_ATTACHED = ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/userPolicyAttachment:UserPolicyAttachment")
_ROTATION = "AWS::SecretsManager::RotationSchedule"


def least_privilege(scene: Scene) -> Broken:
    """No policy allows every action of a service on every resource."""
    for one in scene.of(*_POLICIES):
        for statement in _allowed(one.inputs.get("policy")):
            actions = [action for action in texts(statement.get("Action")) if action == "*" or action.endswith(":*")]
            if actions and "*" in texts(statement.get("Resource")):
                yield Breach(one, f"policy {one.name} allows {', '.join(actions)} on everything")


def no_administrator(scene: Scene) -> Broken:
    """Nothing is attached that makes an administrator."""
    for one in scene.of(*_ATTACHED):
        if str(one.inputs.get("policyArn")).endswith(("policy/AdministratorAccess", "policy/PowerUserAccess")):
            yield Breach(one, f"{one.name} gives the whole account to a role")


def no_open_trust(scene: Scene) -> Broken:
    """No role can be taken by everybody."""
    for one in scene.of("aws:iam/role:Role"):
        for statement in _allowed(one.inputs.get("assumeRolePolicy")):
            if _everybody(statement) and not statement.get("Condition"):
                yield Breach(one, f"anybody may take role {one.name}")


def no_public_policy(scene: Scene) -> Broken:
    """No bucket, topic, key, vault or secret is open to everybody."""
    for one in scene.of(*_RESOURCE_POLICIES):
        for statement in _allowed(one.inputs.get("policy")):
            if _everybody(statement) and not statement.get("Condition"):
                actions = ", ".join(texts(statement.get("Action")))
                yield Breach(one, f"the policy of {one.name} allows everybody {actions}")


def no_user_keys(scene: Scene) -> Broken:
    """There are no access keys."""
    for one in scene.of("aws:iam/accessKey:AccessKey"):
        yield Breach(one, f"{one.name} is a key that does not expire")


def imdsv2(scene: Scene) -> Broken:
    """Hosts give their credentials to those only who ask with a token."""
    for one in scene.of("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance"):
        if part(one.inputs.get("metadataOptions")).get("httpTokens") not in ("required", *HIDDEN):
            yield Breach(one, f"{one.name} answers metadata requests without a token (IMDSv1)")


def secret_rotation(scene: Scene) -> Broken:
    """Secrets are rotated. The local cloud has nothing that would do it."""
    if not scene.on_aws:
        return
    for one in scene.of("aws:secretsmanager/secret:Secret"):
        schedule = scene.companion(one, "aws:secretsmanager/secretRotation:SecretRotation", "secretId")
        stacks = scene.of("aws:cloudformation/stack:Stack")
        # AWS keeps its rotation functions as a transform of CloudFormation: there the schedule is in a stack.
        if schedule is None and not any(_rotates(stack.inputs, one.name, stack.name) for stack in stacks):
            yield Breach(one, f"secret {one.name} is never changed")


def _rotates(stack: Mapping[str, Any], secret: str, name: str) -> bool:
    template = str(stack.get("templateBody"))
    return (template in HIDDEN or _ROTATION in template) and name.startswith(secret)


def _allowed(policy: Any) -> Iterator[Mapping[str, Any]]:
    return (statement for statement in statements(policy) if statement.get("Effect") == "Allow")


def _everybody(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    return principal == "*" or "*" in texts(part(principal).get("AWS"))


RULES = (least_privilege, no_administrator, no_open_trust, no_public_policy, no_user_keys, imdsv2, secret_rotation)
