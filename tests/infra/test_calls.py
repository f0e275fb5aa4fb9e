"""Whatever the program asks AWS by itself, outside the engine, the policy of whoever runs that part allows.

Read from the code, and rather too much than too little: a word that is one of botocore's operations counts as a call
where the same file names the service, however the call is put together (a paginator, ``getattr``, a table).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_permissions import SCOPE, SESSION, STATE, _action, _operation_names

from quartermaster.fleet.schema.load import read_text
from quartermaster.infra.permissions.documents import Job, policies
from quartermaster.infra.permissions.rights import load_rights
from quartermaster.infra.permissions.stack import Policy, stack_policies

ROOT = Path(__file__).parents[2]
PACKAGES = ("cli", "fleet", "infra", "planner", "playbooks", "runbooks")
NOT_OURS = ("infra/local/", "infra/setup/")
"""The local cloud itself, and what sets this machine up."""
SERVICES = frozenset(SESSION.get_available_services())
CALLED = {"elb": "elbv2"}
"""Names of clients that are not their service's."""
GIVEN = {"fleet/leases_shared.py": {"dynamodb"}, "fleet/price_list.py": {"pricing"}}
"""Services whose client a file is only handed."""
NO_CALL = {"fleet/schema/rules/planning.py"}
"""Files in which a word means something else: ``query`` of Prometheus beside ``dynamodb``."""
ANYBODY = {"sts:GetCallerIdentity"}
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: no permission is required."""

WHO: Mapping[str, tuple[Job, ...]] = {
    "cli/counters.py": ("patch", "drill"),
    "cli/faults_aws.py": ("drill",),
    "cli/logins.py": ("patch", "drill"),
    "cli/notify_send.py": ("provision", "patch", "drill"),
    "cli/patch_replace.py": ("patch",),
    "fleet/alarms.py": ("drill",),
    "fleet/databases.py": ("patch", "drill"),
    "fleet/hosts.py": ("patch", "drill"),
    "fleet/leases_shared.py": ("provision", "patch", "drill"),
    "fleet/price_list.py": ("readonly",),
    "fleet/zonal_shift.py": ("drill",),
    "infra/adopt.py": ("readonly",),
    "infra/bootstrap.py": ("bootstrap",),
    "infra/existing.py": ("provision", "readonly"),
    "infra/hosted_zone.py": ("provision", "readonly"),
    "infra/images.py": ("provision", "readonly"),
    "infra/locks.py": ("provision",),
    "infra/outputs.py": ("patch", "drill"),
    "infra/zones.py": ("provision", "readonly"),
    "planner/sources/cloudwatch.py": ("readonly",),
    "planner/sources/of_cluster.py": ("readonly",),
    "playbooks/database_world.py": ("patch",),
    "playbooks/host_keys.py": ("patch",),
    "playbooks/patch_pins.py": ("patch",),
    "playbooks/publish.py": ("patch",),
    "playbooks/replace_world.py": ("patch",),
    "runbooks/backups.py": ("drill",),
    "runbooks/runner.py": ("drill",),
    "runbooks/runners.py": ("drill",),
    "runbooks/vaults.py": ("drill",),
}
"""Who runs what a file asks, whatever the stack is made of."""
BY_TYPE: Mapping[str, tuple[Job, ...]] = {
    "infra/bucket.py": ("provision", "readonly"),
    "infra/lookup/table.py": ("provision",),
    "infra/outputs.py": ("provision", "readonly"),
    "infra/half_made.py": ("provision",),
    "infra/sweep.py": ("provision",),
}
"""Who asks of a resource what its type brings along."""


def calls(path: Path) -> Mapping[str, frozenset[str]]:
    """By operation, the actions that it may be: one for each service of the file that has it."""
    words: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Constant(value=str(text)):
                words.add(text)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                words.add(name.lstrip("_"))
    services = {CALLED.get(word, word) for word in words} & SERVICES | GIVEN.get(_name(path), set())
    asked: dict[str, frozenset[str]] = {}
    for word in words:
        actions = {_action(service, word) for service in services if word in _operation_names(service)}
        if actions - ANYBODY:
            asked[word] = frozenset(actions)
    return asked


@cache
def asking() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The files that ask AWS something, with what."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    known = {_name(path): calls(path) for path in files if not _name(path).startswith(NOT_OURS)}
    return {name: asked for name, asked in known.items() if asked and name not in NO_CALL}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_that_asks_aws_is_known_here() -> None:
    assert set(asking()) == {*WHO, *BY_TYPE}, "say in WHO who runs it"


def test_calls_are_seen_however_they_are_put_together() -> None:
    assert "tag:GetResources" in asking()["infra/sweep.py"]["get_resources"]  # a paginator
    assert "s3:PutBucketPolicy" in asking()["infra/bootstrap.py"]["put_bucket_policy"]  # getattr
    assert asking()["fleet/price_list.py"]["get_products"] == {"pricing:GetProducts"}


@pytest.mark.parametrize(("name", "job"), [(name, job) for name, jobs in WHO.items() for job in jobs])
def test_whoever_runs_it_may_ask_it(name: str, job: Job) -> None:
    """For a stack of one key: what no type of the stack brings along must be in the job's own list."""
    assert _refused(name, job, ("aws:kms/key:Key",)) == {}


@pytest.mark.parametrize(("name", "job"), [(name, job) for name, jobs in BY_TYPE.items() for job in jobs])
def test_whoever_has_the_types_may_ask_it(name: str, job: Job) -> None:
    assert _refused(name, job, tuple(load_rights())) == {}


def _refused(name: str, job: Job, types: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    made = policies(job, SCOPE, types, STATE)
    allowed = {action for text in made for entry in json.loads(text)["Statement"] for action in entry["Action"]}
    return {word: actions for word, actions in asking()[name].items() if not actions & allowed}


def test_who_bootstraps_makes_what_bears_the_name_of_the_state_and_nothing_else() -> None:
    fleet = read_text('fleet: shop\nregion: eu-west-1\nstacks: {prod: {target: aws, account: "123456789012"}}\n').fleet
    named = {
        "arn:aws:s3:::shop-ops-state-123456789012",
        "arn:aws:kms:eu-west-1:123456789012:alias/shop-ops-state-123456789012",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-ops-state-123456789012",
    }
    for statement in _statements(stack_policies(fleet, "prod", "bootstrap")):
        condition = statement.get("Condition", {}).get("StringEquals", {})
        reads = all(re.search(r":(Describe|List|Get)", action) for action in statement["Action"])
        assert reads or set(statement["Resource"]) <= named or set(condition.values()) == {"shop"}


def test_what_was_adopted_may_be_changed_under_its_own_name() -> None:
    balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:{}/old-{}/50dc6c495c0c9188"
    fleet = read_text(
        json.dumps(
            {
                "fleet": "shop",
                "clusters": {"web": {"balancer": {}}},
                "adopted": [
                    {"type": "aws:autoscaling/group:Group", "name": "web", "id": "old-group"},
                    {
                        "type": "aws:lb/loadBalancer:LoadBalancer",
                        "name": "web",
                        "id": balancer.format("loadbalancer/app", "lb"),
                    },
                    {
                        "type": "aws:lb/targetGroup:TargetGroup",
                        "name": "web",
                        "id": balancer.format("targetgroup", "tg"),
                    },
                ],
            }
        )
    ).fleet
    group = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:x:autoScalingGroupName/old-group"
    made = _statements(stack_policies(fleet, "dev", "provision"))
    for action, resource in {
        "autoscaling:UpdateAutoScalingGroup": group,
        "elasticloadbalancing:ModifyLoadBalancerAttributes": balancer.format("loadbalancer/app", "lb"),
        "elasticloadbalancing:ModifyTargetGroup": balancer.format("targetgroup", "tg"),
    }.items():
        assert _allows(made, action, resource), action
        assert not _allows(made, action, resource.replace("old-", "other-"))


@pytest.mark.parametrize("fleet", ["shop", "a-fleet-with-a-long-name"])
def test_the_function_that_rotates_logins_gets_its_role(fleet: str) -> None:
    """CloudFormation names the role after the first 24 characters of its stack."""
    stack = f"{fleet}-prod-orders-rotation"
    role = f"arn:aws:iam::123456789012:role/{stack[:24]}-SecretsManagerRDSPostgreS-1A2B3C4D5E6F"
    scope = replace(SCOPE, fleet=fleet)
    made = [json.loads(text) for text in policies("provision", scope, ["aws:cloudformation/stack:Stack"], STATE)]
    statements = [entry for one in made for entry in one["Statement"]]
    for action in ("CreateRole", "AttachRolePolicy", "PutRolePolicy", "GetRole", "DeleteRole", "PassRole"):
        assert _allows(statements, f"iam:{action}", role), action
        assert not _allows(statements, f"iam:{action}", "arn:aws:iam::123456789012:role/somebody")
    assert _allows(statements, "s3:GetObject", "arn:aws:s3:::secrets-manager-rotation-apps-0a1b/code.zip")


def _statements(found: list[Policy]) -> list[dict[str, Any]]:
    return [entry for one in found for entry in json.loads(one.document)["Statement"]]


def _allows(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    return any(
        action in one["Action"] and any(fnmatchcase(resource, pattern) for pattern in one["Resource"])
        for one in statements
    )
