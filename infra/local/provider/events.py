"""EventBridge: rules and whom they tell."""

from __future__ import annotations

from typing import Any

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists

__all__ = ["KINDS"]


def _put(api: Api, given: Given) -> dict[str, Any]:
    names = {"eventPattern": "EventPattern", "scheduleExpression": "ScheduleExpression", "description": "Description"}
    optional = {theirs: given[ours] for ours, theirs in names.items() if given.get(ours)}
    answer: dict[str, Any] = api.client("events").put_rule(Name=given["name"], **optional)
    return answer


def _create_rule(api: Api, given: Given) -> str:
    arn = _put(api, given)["RuleArn"]
    if given.get("tags"):
        api.client("events").tag_resource(ResourceARN=arn, Tags=as_list(given["tags"]))
    return str(given["name"])


def _read_rule(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("events").describe_rule(Name=id_)
    state: State = {
        "arn": found["Arn"],
        "name": found["Name"],
        "description": found.get("Description", ""),
        **read_tags(as_map(api.client("events").list_tags_for_resource(ResourceARN=found["Arn"])["Tags"])),
    }
    if found.get("EventPattern"):
        state["eventPattern"] = same_document(given.get("eventPattern"), found["EventPattern"])
    if found.get("ScheduleExpression"):
        state["scheduleExpression"] = found["ScheduleExpression"]
    return state


def _update_rule(api: Api, id_: str, old: Given, new: Given) -> None:
    arn, events = _put(api, new)["RuleArn"], api.client("events")
    retag_lists(events.tag_resource, events.untag_resource, old, new, ResourceARN=arn)


def _delete_rule(api: Api, id_: str, state: Given) -> None:
    api.client("events").delete_rule(Name=id_)


def _put_target(api: Api, given: Given) -> str:
    api.client("events").put_targets(Rule=given["rule"], Targets=[{"Id": given["targetId"], "Arn": given["arn"]}])
    return f"{given['rule']}-{given['targetId']}"


def _read_target(api: Api, id_: str, given: Given) -> State | None:
    rows = api.client("events").list_targets_by_rule(Rule=given["rule"])["Targets"]
    found = next((row for row in rows if row["Id"] == given["targetId"]), None)
    return {"rule": given["rule"], "targetId": found["Id"], "arn": found["Arn"]} if found else None


def _delete_target(api: Api, id_: str, state: Given) -> None:
    api.client("events").remove_targets(Rule=state["rule"], Ids=[state["targetId"]])


KINDS = (
    Kind(
        "aws:cloudwatch/eventRule:EventRule",
        create=_create_rule,
        read=_read_rule,
        update=_update_rule,
        delete=_delete_rule,
        fixed="name",
        live="description eventPattern scheduleExpression tags",
        needs="name",
        name="name",
        limits={"name": Limit(r"[.a-zA-Z0-9_-]{1,64}", "up to 64 letters, digits and . _ -")},
    ),
    Kind(
        "aws:cloudwatch/eventTarget:EventTarget",
        create=_put_target,
        read=_read_target,
        update=again(_put_target),
        delete=_delete_target,
        fixed="rule targetId",
        live="arn",
        needs="rule targetId arn",
        name="targetId",
    ),
)
