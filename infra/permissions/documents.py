"""The least policy for who runs `ops`: for each job its statements, cut into documents that IAM takes. Pure."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from quartermaster.fleet.names import state_bucket
from quartermaster.infra.permissions.rights import Rights, Scope, load_rights, unscoped
from quartermaster.infra.policies import allow, document

__all__ = ["DOCUMENT_CHARACTERS", "JOBS", "Job", "characters", "documents", "job_actions", "policies"]

Job = Literal["bootstrap", "provision", "patch", "drill", "readonly"]
JOBS: tuple[Job, ...] = get_args(Job)

DOCUMENT_CHARACTERS = 6_144
"""Of a managed policy; white space is not counted: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
_ROLES = "arn:aws:iam::{account}:role/{name}"
_EC2_ALL = "arn:aws:ec2:{region}:{account}:*/*"
_LAUNCHED = ("instance", "launch-template", "network-interface", "security-group", "subnet", "volume", "key-pair")

Statement = dict[str, Any]


def policies(job: Job, scope: Scope, types: Iterable[str], state: str) -> list[str]:
    """The documents for a job, each to be made a managed policy. ``types``: those that the stack is made of.

    ``state`` is the URL of the Pulumi backend; who bootstraps only makes it. Raises KeyError for a type that the table
    does not know.
    """
    kept = [] if job == "bootstrap" else _state(scope, state, job)
    return documents([*_of_job(job, scope, sorted(types)), *kept])


def documents(statements: Iterable[Statement], limit: int = DOCUMENT_CHARACTERS) -> list[str]:
    """The statements in as many documents as IAM's limit asks for."""
    groups: list[list[Statement]] = [[]]
    for statement in statements:
        for part in _small(statement, limit):
            if characters(document([*groups[-1], part])) > limit:
                groups.append([])
            groups[-1].append(part)
    return [document(group) for group in groups if group]


def characters(text: str) -> int:
    """As IAM counts them: without white space."""
    return len("".join(text.split()))


def job_actions(job: Job) -> frozenset[str]:
    """All that a job may do beside what it reads of the resources themselves."""
    return frozenset(action for entry in _entries(job) for action in entry["actions"].split())


def _of_job(job: Job, scope: Scope, types: Sequence[str]) -> list[Statement]:
    rights = {token: load_rights()[token] for token in types}
    extra = [statement for entry in _entries(job) for statement in _entry(scope, entry)]
    if job == "provision":
        return [*_on_resources(scope, rights.values(), writes=True), *_handing_over(scope, rights), *extra]
    return [*_on_resources(scope, rights.values(), writes=False), *extra] if job == "readonly" else extra


def _on_resources(scope: Scope, rights: Iterable[Rights], *, writes: bool) -> list[Statement]:
    """On what the stack is made of: by name, by tag, or on everything where AWS knows nothing narrower."""
    everywhere: set[str] = set()
    by_name: dict[tuple[bool, tuple[str, ...]], set[str]] = defaultdict(set)
    by_tag: dict[str, set[str]] = defaultdict(set)
    made: dict[str, set[str]] = defaultdict(set)
    for one in rights:
        asked = one.read | (one.writes if writes else frozenset())
        loose = asked & unscoped()
        everywhere |= loose - one.makes
        if one.names:
            by_name[one.zoned, one.names] |= asked - loose
        for pattern in one.tagged:
            by_tag[pattern] |= asked - loose
            made[pattern] |= asked & one.makes - loose
        made["*"] |= loose & one.makes
    found = [allow(sorted(everywhere), ["*"])]
    for (zoned, names), actions in sorted(by_name.items()):
        more = {"Condition": scope.records()} if zoned else {}
        found.append(allow(sorted(actions), scope.arns(names), **more))
    return [*(one for one in found if one["Action"]), *_by_tag(scope, by_tag, made)]


def _by_tag(scope: Scope, changed: Mapping[str, set[str]], made: Mapping[str, set[str]]) -> list[Statement]:
    """What bears the stack's tags may be changed, and what is given them may be made."""
    ours, asked = scope.tags("aws:ResourceTag"), scope.tags("aws:RequestTag")
    found = [
        allow(names, scope.arns(_whole(patterns)), Condition={"StringEquals": ours})
        for names, patterns in _together(changed)
    ]
    found += [
        allow(names, scope.arns(patterns), Condition={"StringEquals": asked}) for names, patterns in _together(made)
    ]
    tagging = sorted(name.removeprefix("ec2:") for names in made.values() for name in names if name.startswith("ec2:"))
    if tagging:
        new = {"StringEquals": {**asked, "ec2:CreateAction": tagging}}
        found.append(allow(["ec2:CreateTags"], scope.arns([_EC2_ALL]), Condition=new))
    return found


def _together(by_pattern: Mapping[str, set[str]]) -> list[tuple[list[str], list[str]]]:
    """Actions with their patterns, one entry a service: the tags decide, so its patterns may share a statement."""
    services: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for pattern, actions in by_pattern.items():
        if not actions:
            continue
        service = "*" if pattern == "*" else pattern.split(":")[2]
        services[service][0].update(actions)
        services[service][1].add(pattern)
    return [(sorted(actions), sorted(patterns)) for _, (actions, patterns) in sorted(services.items())]


def _whole(patterns: Sequence[str]) -> Sequence[str]:
    """EC2 asks for the right to act on every resource of a call, the network of a new subnet too: all with our tags."""
    return [_EC2_ALL] if any(":ec2:" in pattern for pattern in patterns) else patterns


def _handing_over(scope: Scope, rights: Mapping[str, Rights]) -> list[Statement]:
    """Roles that are handed to services, those that services make for themselves, and hosts that groups start."""
    found = []
    passes: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in (one for one in rights.values() if one.passes):
        passes[tuple(name for name in one.names if ":role/" in name) or (_ROLES,)].add(one.passes)
    for roles, services in sorted(passes.items()):
        only = {"StringEquals": {"iam:PassedToService": sorted(services)}}
        found.append(allow(["iam:PassRole"], scope.arns(roles), Condition=only))
    linked = sorted({one.linked for one in rights.values() if one.linked})
    if linked:
        own = scope.arns(["arn:aws:iam::{account}:role/aws-service-role/*"])
        only = {"StringEquals": {"iam:AWSServiceName": linked}}
        found.append(allow(["iam:CreateServiceLinkedRole"], own, Condition=only))
    if "aws:ec2/launchTemplate:LaunchTemplate" in rights:
        # Auto Scaling asks whether who gives a group a template could start a host from it, and with its tags.
        # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
        kinds = scope.arns([f"arn:aws:ec2:{{region}}:{{account}}:{kind}/*" for kind in _LAUNCHED])
        images = scope.arns(["arn:aws:ec2:{region}::image/*"])
        templates = {
            "ArnLike": {"ec2:LaunchTemplate": scope.arns(["arn:aws:ec2:{region}:{account}:launch-template/*"])}
        }
        found.append(allow(["ec2:RunInstances"], [*kinds, *images], Condition=templates))
        volumes = scope.arns([f"arn:aws:ec2:{{region}}:{{account}}:{kind}/*" for kind in ("instance", "volume")])
        started = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
        found.append(allow(["ec2:CreateTags"], volumes, Condition=started))
    return found


def _entry(scope: Scope, entry: dict[str, Any]) -> list[Statement]:
    actions = entry["actions"].split()
    if "passes" in entry:
        only = {"StringEquals": {"iam:PassedToService": entry["passes"].split()}}
        return [allow(actions, scope.arns(entry["names"]), Condition=only)]
    if "tagged" not in entry:
        return [allow(actions, scope.arns(entry.get("names", ["*"])))]
    arns, found = scope.arns(entry["tagged"]), []
    makes = entry.get("makes", "").split()
    if makes:
        found.append(allow(makes, arns, Condition={"StringEquals": scope.tags("aws:RequestTag")}))
    return [*found, allow(actions, arns, Condition={"StringEquals": scope.tags("aws:ResourceTag")})]


def _state(scope: Scope, url: str, job: Job) -> list[Statement]:
    """The Pulumi state in its bucket, its key, the leases; nothing where it is on this machine or in Pulumi Cloud.

    Who only reads it leaves a lock while reading.
    """
    name = state_bucket(url)
    if not name:
        return []
    bucket, keys = f"arn:aws:s3:::{name}", [f"arn:aws:kms:{region}:{scope.account}:key/*" for region in scope.regions]
    table = [f"arn:aws:dynamodb:{region}:{scope.account}:table/{name}" for region in scope.regions]
    ours = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{name}"}}
    use = ["kms:Decrypt", "kms:DescribeKey", *(["kms:Encrypt", "kms:GenerateDataKey"] if job != "readonly" else [])]
    lease = ["PutItem"] if job != "readonly" else []
    return [
        allow(["s3:GetBucketLocation", "s3:ListBucket"], [bucket]),
        allow(["s3:GetObject"], [f"{bucket}/*"]),
        allow(["s3:DeleteObject", "s3:PutObject"], [f"{bucket}/*" if job == "provision" else f"{bucket}/*/locks/*"]),
        allow(use, keys, Condition=ours),
        allow([f"dynamodb:{action}" for action in ("GetItem", *lease)], table),
    ]


def _small(statement: Statement, limit: int) -> list[Statement]:
    """The statement, in halves as long as it does not fit a document by itself."""
    actions = statement["Action"]
    if characters(document([statement])) <= limit or len(actions) == 1:
        return [statement]
    half = len(actions) // 2
    return [part for some in (actions[:half], actions[half:]) for part in _small({**statement, "Action": some}, limit)]


def _entries(job: Job) -> list[dict[str, Any]]:
    shared = {"patch": "hosts", "drill": "hosts", "provision": "world", "readonly": "world"}.get(job)
    return [*(_jobs()[shared] if shared else ()), *_jobs()[job]]


@cache
def _jobs() -> dict[str, Any]:
    text = files("quartermaster.infra.permissions").joinpath("jobs.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
