"""What stands in the account under this stack's tags and the state does not name: found, and taken over.

It comes from an answer that was lost on its way, or from a lost state. Left alone, the next `up` would make it a
second time, or fail as the name is taken. Nothing is taken over without proof that it is this stack's own: its tag
``ops:urn``, or, of what has no tags, that it hangs on something of the stack.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.events import Event, Noted
from quartermaster.fleet.names import TAG_FLEET, TAG_STACK, TAG_URN
from quartermaster.infra.half_made import complete
from quartermaster.infra.interrupted import saved_state
from quartermaster.infra.layout import urn_tag
from quartermaster.infra.lookup import LOOKUPS, find
from quartermaster.infra.resources import UNKNOWN_WORDS, title_of
from quartermaster.infra.state import Pending, State, custom, known_ids

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent

    from quartermaster.infra.engine import Engine

__all__ = ["Births", "Stray", "loose", "own_tags", "strays", "sweep", "taken_over"]

_NAMES = ("name", "identifier", "bucket", "keyName")
_ROUNDS = 12
"""What hangs on a stray is found once the stray is known; the deepest chain of ours is shorter."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A resource that the program is about to make and that is there already."""

    urn: str
    id: str


@dataclass(slots=True)
class Births:
    """What a preview would create, as entries of a state; gathered from the events passed through it."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    """URNs of those whose inputs come from others that are not made: half known, they would be replaced."""

    def seen(self, events: Iterable[EngineEvent]) -> Iterator[EngineEvent]:
        """Pass the events on."""
        for event in events:
            if (pre := event.resource_pre_event) is not None and pre.metadata.op == "create":
                self._note(pre.metadata.new)
            yield event

    def _note(self, new: Any) -> None:
        entry = {"urn": new.urn, "custom": bool(new.custom), "type": new.type}
        inputs = dict(new.inputs or {})
        if UNKNOWN_WORDS in str(inputs):
            self.waiting.add(new.urn)
        more = {"parent": new.parent, "provider": new.provider, "protect": new.protect, "inputs": inputs}
        self.entries[new.urn] = {**entry, **{key: value for key, value in more.items() if value}}


def sweep(
    engine: Engine,
    cloud: Cloud,
    regions: Iterable[str],
    preview: Callable[[Births], object],
    births: Births | None = None,
) -> Iterator[Event]:
    """Take over what is there already and name what cannot be; says whether anything was taken. Changes the state.

    Without ``births`` of a preview just made one is made only when the account holds something that the state does
    not name: the common case costs one question a region.
    """
    from botocore.exceptions import ClientError

    try:
        tags = own_tags(cloud, regions)
    except ClientError as exc:
        yield Noted(step="mend", message=f"what an earlier run left behind cannot be told: {exc}", level="warning")
        return
    state = engine.export() if custom(saved_state(engine)) else {}
    if not (loose(cloud, state, tags) or (births and births.entries and state)):
        return
    for _ in range(_ROUNDS):
        if births is None:
            births = Births()
            preview(births)
        found = strays(cloud, state, births, tags)
        if not found:
            break
        for stray in found:
            said = f"{title_of(stray.urn)} is there already ({stray.id}): taken over"
            yield Noted(step="mend", message=said, level="warning")
            entry = births.entries[stray.urn]
            complete(cloud, entry["type"], stray.id, entry.get("inputs") or {})
        engine.replace_state(taken_over(engine.export(), births, found))
        for _event in engine.refresh(targets=[stray.urn for stray in found]):
            pass
        state, births = engine.export(), None
    for arn in loose(cloud, state, tags):
        yield Noted(
            step="mend", message=f"{arn} bears this stack's tags and is not in its state: look at it", level="warning"
        )


def own_tags(cloud: Cloud, regions: Iterable[str]) -> dict[str, str]:
    """ARN to ``ops:urn`` of all that carries this stack's tags, one question a region. Read-only."""
    filters = [
        {"Key": TAG_FLEET, "Values": [cloud.fleet]},
        {"Key": TAG_STACK, "Values": [cloud.stack]},
        {"Key": TAG_URN},
    ]
    found = {}
    for region in dict.fromkeys(regions):
        client = cloud.client("resourcegroupstaggingapi", region=region)
        for page in client.get_paginator("get_resources").paginate(TagFilters=filters):
            for row in page["ResourceTagMappingList"]:
                tags = {tag["Key"]: tag["Value"] for tag in row["Tags"]}
                found[row["ResourceARN"]] = tags[TAG_URN]
    return found


def strays(cloud: Cloud, state: State, births: Births, tags: Mapping[str, str]) -> tuple[Stray, ...]:
    """Those of the births that are in the account already and that the state does not know. Read-only."""
    ours = frozenset(str(item["id"]) for item in custom(state) if item.get("id"))
    found = []
    for urn, entry in births.entries.items():
        if entry["type"] not in LOOKUPS or not entry["custom"] or urn in births.waiting:
            continue
        inputs = entry.get("inputs") or {}
        known = known_ids(state, Pending(urn, entry["type"], "creating", inputs))
        ids = find(cloud, entry["type"], urn, inputs)
        found += [Stray(urn, id_) for id_ in ids[:1] if id_ not in known and _proven(cloud, entry, id_, tags, ours)]
    return tuple(found)


def taken_over(state: State, births: Births, found: Iterable[Stray]) -> dict[str, Any]:
    """The state with the strays in it, and with the components and the provider that they stand under. Pure."""
    resources = [dict(item) for item in state.get("resources") or ()]
    known = {item["urn"]: item for item in resources}
    moved: dict[str, str] = {}

    def add(entry: dict[str, Any]) -> None:
        if entry["urn"] not in known:
            known[entry["urn"]] = entry
            resources.append(entry)

    def under(urn: str) -> None:
        if urn and urn not in known and urn in births.entries:
            parent = births.entries[urn]
            under(parent.get("parent", ""))
            add({**parent, "inputs": {}, "outputs": {}} if not parent["custom"] else parent)

    for stray in found:
        entry = births.entries[stray.urn]
        provider, _, id_ = entry["provider"].rpartition("::")
        if provider not in known:
            moved[provider] = str(uuid.uuid4())
            made = births.entries[provider]
            add({**made, "id": moved[provider], "outputs": made.get("inputs", {})})
        under(entry.get("parent", ""))
        real = known[provider].get("id") or id_
        add(
            {
                **entry,
                "id": stray.id,
                "provider": f"{provider}::{real}",
                "outputs": {**entry.get("inputs", {}), "id": stray.id},
            }
        )
    return {**state, "resources": resources}


def loose(cloud: Cloud, state: State, tags: Mapping[str, str]) -> tuple[str, ...]:
    """ARNs of what carries this stack's tags and the state does not name, also of a second copy. Read-only."""
    known: dict[str, set[str]] = {}
    for item in custom(state):
        outputs = item.get("outputs") or {}
        names = {str(item.get("id")), *(str(outputs[name]) for name in ("arn", *_NAMES) if name in outputs)}
        known.setdefault(urn_tag(item["urn"]), set()).update(names)
    return tuple(
        arn for arn, tag in sorted(tags.items()) if not _names(arn, known.get(tag, set())) and _lives(cloud, arn)
    )


def _names(arn: str, names: Iterable[str]) -> bool:
    """A copy that the service keeps in another region (a secret's, a table's) bears the ARN of the first there."""
    return any(_of_any_region(arn) == _of_any_region(name) or arn.endswith((f"/{name}", f":{name}")) for name in names)


def _of_any_region(arn: str) -> str:
    parts = arn.split(":", 4)
    return ":".join((*parts[:3], *parts[4:])) if arn.startswith("arn:") else arn


def _lives(cloud: Cloud, arn: str) -> bool:
    """What is deleted keeps its tags for a while: a key and a secret for weeks, a NAT gateway for an hour.

    RDS's own snapshots bear the tags of their database, and nobody declares them.
    """
    _, _, service, region, _, name = arn.split(":", 5)
    if service == "rds" and name.startswith("snapshot:"):
        return False
    kind, _, id_ = name.partition("/")
    if service == "kms":
        return bool(cloud.client("kms", region=region).describe_key(KeyId=id_)["KeyMetadata"]["Enabled"])
    if service == "secretsmanager":
        return "DeletedDate" not in cloud.client(service, region=region).describe_secret(SecretId=arn)
    if kind == "natgateway":
        found = cloud.client("ec2", region=region).describe_nat_gateways(NatGatewayIds=[id_])["NatGateways"]
        return bool(found) and found[0]["State"] not in ("deleting", "deleted", "failed")
    return True


def _proven(cloud: Cloud, entry: Mapping[str, Any], id_: str, tags: Mapping[str, str], ours: frozenset[str]) -> bool:
    inputs, wanted = entry.get("inputs") or {}, urn_tag(entry["urn"])
    if LOOKUPS[entry["type"]].by_tag:
        return True
    if "tags" not in inputs:
        return any(str(value) in ours for value in inputs.values())
    names = {id_, *(str(inputs[name]) for name in _NAMES if name in inputs)}
    if any(tag == wanted and _names(arn, names) for arn, tag in tags.items()):
        return True
    return _tag_of(cloud, entry, id_) == wanted


def _tag_of(cloud: Cloud, entry: Mapping[str, Any], id_: str) -> str:
    """The tag of what the tagging API does not know."""
    inputs = entry.get("inputs") or {}

    def client(service: str) -> Any:
        return cloud.client(service, region=str(inputs.get("region") or ""))

    read = _READ_TAGS.get(entry["type"])
    return read(client, id_).get(TAG_URN, "") if read else ""


def _group_tags(client: Any, id_: str) -> dict[str, str]:
    filters = [{"Name": "auto-scaling-group", "Values": [id_]}]
    return {row["Key"]: row["Value"] for row in client("autoscaling").describe_tags(Filters=filters)["Tags"]}


def _plan_tags(client: Any, id_: str) -> dict[str, str]:
    arn = client("backup").get_backup_plan(BackupPlanId=id_)["BackupPlanArn"]
    return dict(client("backup").list_tags(ResourceArn=arn)["Tags"])


def _restore_plan_tags(client: Any, id_: str) -> dict[str, str]:
    plan = client("backup").get_restore_testing_plan(RestoreTestingPlanName=id_)["RestoreTestingPlan"]
    return dict(client("backup").list_tags(ResourceArn=plan["RestoreTestingPlanArn"])["Tags"])


def _role_tags(client: Any, id_: str) -> dict[str, str]:
    return {row["Key"]: row["Value"] for row in client("iam").list_role_tags(RoleName=id_)["Tags"]}


def _profile_tags(client: Any, id_: str) -> dict[str, str]:
    found = client("iam").get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]
    return {row["Key"]: row["Value"] for row in found.get("Tags", [])}


_READ_TAGS: Mapping[str, Callable[[Any, str], dict[str, str]]] = {
    "aws:autoscaling/group:Group": _group_tags,
    "aws:backup/plan:Plan": _plan_tags,
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": _restore_plan_tags,
    "aws:iam/instanceProfile:InstanceProfile": _profile_tags,
    "aws:iam/role:Role": _role_tags,
}
