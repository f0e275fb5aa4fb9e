"""The role of experiments: declared with drills, and of no use against anything that is not the stack's."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from mocked import declared_in

from quartermaster.fleet.schema import load_fleet, read_text
from quartermaster.infra.experiments import has_experiments
from quartermaster.infra.permissions.experiments import experiment_policy, experiment_trust
from quartermaster.infra.permissions.rights import Scope

ACCOUNT = "123456789012"
VPC = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:vpc/vpc-1"
TAGS = {"aws:ResourceTag/ops:fleet": "shop", "aws:ResourceTag/ops:stack": "prod"}
PRODUCTION = Path(__file__).parents[2] / "examples/production/fleet.yaml"


@pytest.fixture
def statements() -> list[dict[str, Any]]:
    scope = Scope("shop", "prod", ACCOUNT, ("eu-west-1",))
    found: list[dict[str, Any]] = json.loads(experiment_policy(scope, VPC))["Statement"]
    return found


def conditions(statements: list[dict[str, Any]], action: str, arn: str) -> list[dict[str, Any]]:
    """Of every statement that allows it."""
    return [
        one.get("Condition", {})
        for one in statements
        if action in one["Action"] and any(fnmatchcase(arn, pattern) for pattern in one["Resource"])
    ]


@pytest.mark.parametrize("action", ["ec2:TerminateInstances", "ec2:StopInstances", "ec2:StartInstances"])
def test_only_hosts_with_the_stacks_tags_are_struck(statements: list[dict[str, Any]], action: str) -> None:
    host = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-1"
    assert conditions(statements, action, host) == [{"StringEquals": TAGS}]


def test_only_databases_of_the_stack_fail_over(statements: list[dict[str, Any]]) -> None:
    database = f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:{{}}"
    assert conditions(statements, "rds:RebootDBInstance", database.format("shop-prod-orders")) == [
        {"StringEquals": TAGS}
    ]
    assert conditions(statements, "rds:RebootDBInstance", database.format("shop-dev-orders")) == []


def test_only_subnets_of_the_stacks_network_are_cut_off(statements: list[dict[str, Any]]) -> None:
    subnet = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:subnet/subnet-1"
    assert conditions(statements, "ec2:ReplaceNetworkAclAssociation", subnet) == [{"ArnEquals": {"ec2:Vpc": VPC}}]
    assert conditions(statements, "ec2:CreateNetworkAcl", VPC.replace("vpc-1", "vpc-2")) == []


def test_launches_fail_in_groups_of_the_stack_only(statements: list[dict[str, Any]]) -> None:
    (only,) = conditions(statements, "ec2:InjectApiError", "*")
    (group,) = only["ArnLike"]["ec2:FisTargetArns"]
    named = f"arn:aws:autoscaling:eu-west-1:{ACCOUNT}:autoScalingGroup:uuid:autoScalingGroupName/"
    assert fnmatchcase(f"{named}shop-prod-web", group)
    assert not fnmatchcase(f"{named}shop-dev-web", group)


def test_nothing_that_changes_anything_is_unconditional(statements: list[dict[str, Any]]) -> None:
    changing = [
        one for one in statements
        if not all(name.split(":")[1].startswith(("Describe", "Get")) for name in one["Action"])
    ]  # fmt: skip
    assert len(changing) == len(statements) - 1
    assert [one for one in changing if not one.get("Condition") and one["Resource"] != [VPC]] == []


def test_fis_takes_the_role_for_experiments_of_this_account_and_region_only() -> None:
    (one,) = json.loads(experiment_trust(ACCOUNT, "eu-west-1"))["Statement"]
    assert one["Principal"] == {"Service": "fis.amazonaws.com"}
    assert one["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:fis:eu-west-1:{ACCOUNT}:experiment/*"},
    }


@pytest.mark.parametrize(("drills", "expected"), [
    ("[{kind: instance_loss, of: web, every_days: 7}]", True),
    ("[{kind: zone_evacuation, of: web, every_days: 7}]", False),
    ("[]", False),
])  # fmt: skip
def test_the_role_is_declared_where_drills_need_it(drills: str, expected: bool) -> None:
    text = f"fleet: shop\nclusters: {{web: {{balancer: {{}}}}}}\nrecovery: {{drills: {drills}}}\n"
    assert has_experiments(read_text(text).fleet) is expected


def test_the_program_makes_it() -> None:
    assert has_experiments(load_fleet(PRODUCTION))
    for stack in load_fleet(PRODUCTION).stacks:
        roles = [one.inputs["name"] for one in declared_in(PRODUCTION, stack) if one.type == "aws:iam/role:Role"]
        assert f"shop-{stack}-experiments" in roles


def test_the_policy_is_one_that_iam_takes(statements: list[dict[str, Any]]) -> None:
    from moto.iam.policy_validation import IAMPolicyDocumentValidator

    assert all("*" not in action for one in statements for action in one["Action"])
    IAMPolicyDocumentValidator(json.dumps({"Version": "2012-10-17", "Statement": statements})).validate()
