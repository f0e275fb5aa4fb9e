"""The policies for who runs ops: complete by the table, real by botocore's models, narrow by names and tags."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.lookup.table import LOOKUPS
from quartermaster.infra.permissions.documents import (
    DOCUMENT_CHARACTERS,
    JOBS,
    Job,
    characters,
    documents,
    job_actions,
    policies,
)
from quartermaster.infra.permissions.rights import Scope, load_rights, unscoped
from quartermaster.infra.policies import allow

ROOT = Path(__file__).parents[2]
SCOPE = Scope("shop", "prod", "123456789012", ("eu-west-1", "eu-central-1"), "shop.example")
SESSION = Session()
STATE = "s3://shop-ops-state"
SERVICES = {"elasticloadbalancing": "elbv2", "tag": "resourcegroupstaggingapi"}
"""IAM's word for a service and botocore's, where they differ."""
NO_OPERATION = {
    # Permissions that are asked for along with other operations.
    "iam:PassRole", "backup-storage:MountCapsule", "cloudformation:TagResource", "cloudformation:UntagResource",
    "dynamodb:CreateTableReplica", "dynamodb:DeleteTableReplica",
    # S3 names its permissions its own way: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "s3:GetAccelerateConfiguration", "s3:GetBucketCORS", "s3:GetBucketObjectLockConfiguration",
    "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetObjectVersion",
    "s3:GetReplicationConfiguration", "s3:ListAllMyBuckets", "s3:ListBucket", "s3:ListBucketVersions",
    "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration",
    "s3:PutBucketPublicAccessBlock", "s3:GetBucketPublicAccessBlock", "s3:DeleteObjectVersion",
}  # fmt: skip
ANOTHER_ACTION = {
    # Operation to the action that allows it.
    "s3:HeadBucket": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectsV2": "s3:ListBucket", "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObjects": "s3:DeleteObject", "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
}  # fmt: skip


def everything() -> frozenset[str]:
    """Every action that any job may do."""
    typed = {action for rights in load_rights().values() for action in rights.read | rights.writes}
    return frozenset(typed).union(*map(job_actions, JOBS))


def found(job: Job, types: Iterable[str] = ()) -> list[dict[str, Any]]:
    made = policies(job, SCOPE, types or load_rights(), STATE)
    return [statement for text in made for statement in json.loads(text)["Statement"]]


def allowed(job: Job, action: str, resource: str) -> list[dict[str, Any]]:
    """Conditions under which the job may do that to the resource; one for each statement that says so."""
    return [
        statement.get("Condition", {})
        for statement in found(job)
        if action in statement["Action"] and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
    ]


@pytest.mark.parametrize("token", sorted(TABLE))
def test_every_type_says_what_its_life_needs(token: str) -> None:
    kind, rights = TABLE[token], load_rights().get(token)
    assert rights is not None, f"add {token} to infra/permissions/types.toml"
    assert rights.create
    assert rights.read
    assert rights.delete
    assert rights.update or not kind.live, f"{token} changes in place; say in types.toml with which actions"


def test_actions_are_operations_that_aws_has() -> None:
    unknown = []
    for action in sorted(everything() - NO_OPERATION):
        prefix, _, name = action.partition(":")
        if name not in _operation_names(SERVICES.get(prefix, prefix)).values():
            unknown.append(action)
    assert unknown == []


def test_the_exceptions_are_all_needed() -> None:
    assert everything() >= NO_OPERATION


def test_what_knows_no_resources_is_used_somewhere() -> None:
    assert unscoped() - everything() == set()


@pytest.mark.parametrize("module", sorted({kind.create.__module__ for kind in TABLE.values()}))
def test_whatever_the_local_provider_asks_is_listed(module: str) -> None:
    """What makes a type here is nearly what makes it there: the same operations, one IAM action each."""
    tokens = [token for token, kind in TABLE.items() if kind.create.__module__ == module]
    listed = {action for token in tokens for action in load_rights()[token].read | load_rights()[token].writes}
    missing = _operations(Path(importlib.import_module(module).__file__ or "")) - listed
    # A helper for one type may ask what another type's entry lists.
    assert missing - everything() == set(), f"add them to types.toml, for one of {tokens}"


@pytest.mark.parametrize("token", sorted(LOOKUPS))
def test_whatever_looks_up_an_interrupted_creation_is_listed(token: str) -> None:
    ask = LOOKUPS[token]
    assert _action(ask.service, ask.operation) in load_rights()[token].read


@pytest.mark.parametrize("job", ["patch", "drill"])
def test_whatever_patching_and_drilling_ask_is_listed(job: Job) -> None:
    files = {
        "patch": ["fleet/hosts.py", "playbooks/publish.py", "cli/counters.py"],
        "drill": ["fleet/hosts.py", "cli/counters.py", "cli/faults_aws.py"],
    }
    asked = set().union(*(_operations(ROOT / name) for name in files[job])) - {"sts:GetCallerIdentity"}
    assert asked
    allowed_ = {action for statement in found(job) for action in statement["Action"]}
    assert asked - allowed_ == set()


def _operations(path: Path) -> set[str]:
    """IAM actions for the boto3 calls in a file: by ``client("service").operation(`` and by names bound to clients."""
    text = path.read_text(encoding="utf-8")
    bound = dict(re.findall(r"(\w+)(?:: \w+)? = (?:self\.\w+|\w+)\.?client\(\"([a-z0-9-]+)\"", text))
    for names, values in re.findall(r"^\s*([\w, ]+) = (.*client\(\".*)$", text, re.MULTILINE):
        services = re.findall(r"client\(\"([a-z0-9-]+)\"", values)
        bound |= dict(zip([name.strip() for name in names.split(",")], services, strict=False))
    calls = set()
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, service = node.func.value, ""
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute) and owner.func.attr == "client":
            first = owner.args[0]
            service = str(first.value) if isinstance(first, ast.Constant) else ""
        elif isinstance(owner, ast.Name | ast.Attribute):
            name = owner.id if isinstance(owner, ast.Name) else owner.attr
            service = bound.get(name, bound.get(name.removeprefix("_"), ""))
        if service:
            calls.add((service, node.func.attr))
    return {action for service, name in calls if (action := _action(service, name))}


@cache
def _operation_names(service: str) -> dict[str, str]:
    return {xform_name(name): name for name in SESSION.get_service_model(service).operation_names}


def _action(service: str, name: str) -> str:
    names = _operation_names(service)
    if name not in names:
        return ""
    prefix = {ours: iam for iam, ours in SERVICES.items()}.get(service, service)
    action = f"{prefix}:{names[name]}"
    return ANOTHER_ACTION.get(action, action)


@pytest.mark.parametrize("job", JOBS)
def test_no_action_is_a_wildcard_and_everything_is_only_what_knows_no_resources(job: Job) -> None:
    for statement in found(job):
        assert not [action for action in statement["Action"] if "*" in action]
        if statement["Resource"] == ["*"]:
            reads = all(re.search(r":(Describe|List|Get)", action) for action in statement["Action"])
            known = unscoped() | job_actions(job)
            assert set(statement["Action"]) <= known
            assert reads or statement.get("Condition") or set(statement["Action"]) <= unscoped()


@pytest.mark.parametrize("job", JOBS)
def test_documents_fit_a_managed_policy_and_ten_of_them_a_role(job: Job) -> None:
    made = policies(job, SCOPE, load_rights(), STATE)
    assert all(characters(text) <= DOCUMENT_CHARACTERS for text in made)
    assert len(made) <= 10


def test_a_statement_that_is_too_large_is_halved_and_nothing_of_it_lost() -> None:
    actions = [f"ec2:Describe{number:04}" for number in range(600)]
    made = [json.loads(text) for text in documents([allow(actions, ["*"])])]
    assert len(made) > 1
    assert [action for one in made for statement in one["Statement"] for action in statement["Action"]] == actions


def test_another_stacks_things_are_out_of_reach() -> None:
    assert allowed("provision", "rds:DeleteDBInstance", "arn:aws:rds:eu-west-1:123456789012:db:shop-prod-orders")
    for other in ("shop-dev-orders", "other-prod-orders"):
        assert not allowed("provision", "rds:DeleteDBInstance", f"arn:aws:rds:eu-west-1:123456789012:db:{other}")
    assert not allowed("provision", "rds:DeleteDBInstance", "arn:aws:rds:us-east-1:123456789012:db:shop-prod-orders")
    assert not allowed("provision", "rds:DeleteDBInstance", "arn:aws:rds:eu-west-1:999999999999:db:shop-prod-orders")


def test_what_has_no_name_is_deleted_and_made_only_with_the_stacks_tags() -> None:
    tags = {"ops:fleet": "shop", "ops:stack": "prod"}
    vpc = "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"
    deleting = allowed("provision", "ec2:DeleteVpc", vpc)
    assert deleting == [{"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}}]
    making = allowed("provision", "ec2:CreateVpc", vpc)
    assert {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}} in making


def test_roles_are_handed_to_the_services_that_the_stack_uses_only() -> None:
    roles = [s for s in found("provision", ["aws:ec2/launchTemplate:LaunchTemplate"]) if "iam:PassRole" in s["Action"]]
    assert [role["Resource"] for role in roles] == [["arn:aws:iam::123456789012:role/shop-prod-*"]]
    assert roles[0]["Condition"] == {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}}
    assert not [s for s in found("provision", ["aws:ec2/vpc:Vpc"]) if "iam:PassRole" in s["Action"]]


def test_who_only_reads_writes_nothing_but_the_locks_of_the_state_and_decrypts_it() -> None:
    writes = {
        (action, resource)
        for statement in found("readonly")
        for action in statement["Action"]
        if not re.search(r":(Describe|List|Get|Query)", action)
        for resource in statement["Resource"]
    }
    assert writes == {
        ("s3:PutObject", "arn:aws:s3:::shop-ops-state/*/locks/*"),
        ("s3:DeleteObject", "arn:aws:s3:::shop-ops-state/*/locks/*"),
        *(("kms:Decrypt", f"arn:aws:kms:{region}:123456789012:key/*") for region in SCOPE.regions),
    }


def test_records_are_changed_in_the_fleets_own_zone_only() -> None:
    changing = allowed("provision", "route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1")
    names = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    assert changing == [{"ForAllValues:StringLike": {names: ["shop.example", "*.shop.example"]}}]


def test_the_state_its_key_and_the_leases_are_those_of_its_bucket() -> None:
    leases = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-ops-state"
    for job in JOBS[1:]:
        assert allowed(job, "s3:GetObject", "arn:aws:s3:::shop-ops-state/.pulumi/stacks/shop/prod.json")
        assert bool(allowed(job, "dynamodb:PutItem", leases)) is (job != "readonly")
    assert not policies("patch", SCOPE, [], "")[0].count("kms:ResourceAliases")


def test_patching_deletes_no_database_and_drilling_only_what_a_drill_made() -> None:
    name = "arn:aws:rds:eu-west-1:123456789012:db:shop-prod-{}"
    assert not allowed("patch", "rds:DeleteDBInstance", name.format("orders"))
    assert not allowed("drill", "rds:DeleteDBInstance", name.format("orders"))
    assert allowed("drill", "rds:DeleteDBInstance", name.format("drill-orders-1"))


@pytest.mark.parametrize(("limit", "cut"), [(63, "shop-prod-*"), (14, "shop-pr*")])
def test_a_prefix_is_that_of_names_cut_short_too(limit: int, cut: str) -> None:
    assert SCOPE.prefix(limit=limit) == cut


def test_a_type_that_the_table_does_not_know_is_an_error() -> None:
    with pytest.raises(KeyError, match="eks"):
        policies("provision", SCOPE, ["aws:eks/cluster:Cluster"], STATE)


@pytest.mark.parametrize("job", JOBS)
def test_every_document_is_one_that_iam_takes(job: Job) -> None:
    from moto.iam.policy_validation import IAMPolicyDocumentValidator

    for text in policies(job, SCOPE, load_rights(), STATE):
        IAMPolicyDocumentValidator(text).validate()
