"""Log groups and the network's flow logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_map, ec2_retag, read_tags, split, tag_on_create

__all__ = ["KINDS"]

_RETENTION_DAYS = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""0: for ever."""


def _create_group(api: Api, given: Given) -> str:
    logs = api.client("logs")
    key = {"kmsKeyId": given["kmsKeyId"]} if given.get("kmsKeyId") else {}
    logs.create_log_group(logGroupName=given["name"], tags=given.get("tags") or {}, **key)
    if given.get("retentionInDays"):
        logs.put_retention_policy(logGroupName=given["name"], retentionInDays=given["retentionInDays"])
    return str(given["name"])


def _group(api: Api, name: str) -> dict[str, Any] | None:
    found = api.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next((item for item in found if item["logGroupName"] == name), None)


def _read_group(api: Api, id_: str, given: Given) -> State | None:
    found = _group(api, id_)
    if found is None:
        return None
    tags = api.client("logs").list_tags_for_resource(resourceArn=api.arn("logs", f"log-group:{id_}"))["tags"]
    return {
        "arn": api.arn("logs", f"log-group:{id_}"),
        "name": id_,
        "retentionInDays": found.get("retentionInDays", 0),
        **({"kmsKeyId": found["kmsKeyId"]} if found.get("kmsKeyId") else {}),
        **read_tags(tags),
    }


def _update_group(api: Api, id_: str, old: Given, new: Given) -> None:
    logs = api.client("logs")
    if new.get("retentionInDays") != old.get("retentionInDays"):
        if new.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=id_, retentionInDays=new["retentionInDays"])
        else:
            logs.delete_retention_policy(logGroupName=id_)
    put, drop = split(old, new)
    if put:
        logs.tag_resource(resourceArn=api.arn("logs", f"log-group:{id_}"), tags=put)
    if drop:
        logs.untag_resource(resourceArn=api.arn("logs", f"log-group:{id_}"), tagKeys=drop)


def _delete_group(api: Api, id_: str, state: Given) -> None:
    api.client("logs").delete_log_group(logGroupName=id_)


def _refuse_group(given: Given) -> Iterator[tuple[str, str]]:
    days = given.get("retentionInDays")
    if isinstance(days, int) and days not in _RETENTION_DAYS:
        yield "retentionInDays", f"one of {', '.join(map(str, _RETENTION_DAYS))} days; it is {days}"


def _create_flow_log(api: Api, given: Given) -> str:
    answer = api.client("ec2").create_flow_logs(
        ResourceIds=[given["vpcId"]],
        ResourceType="VPC",
        TrafficType=given.get("trafficType", "ALL"),
        LogDestinationType="cloud-watch-logs",
        LogDestination=given["logDestination"],
        DeliverLogsPermissionArn=given["iamRoleArn"],
        MaxAggregationInterval=given.get("maxAggregationInterval", 600),
        TagSpecifications=tag_on_create("vpc-flow-log", given),
    )
    if answer.get("Unsuccessful"):
        raise ValueError(f"flow log of {given['vpcId']}: {answer['Unsuccessful'][0]['Error']['Message']}")
    return str(answer["FlowLogIds"][0])


def _read_flow_log(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("ec2").describe_flow_logs(FlowLogIds=[id_])["FlowLogs"]
    if not found:
        return None
    return {
        "arn": api.arn("ec2", f"vpc-flow-log/{id_}"),
        "vpcId": found[0]["ResourceId"],
        "trafficType": found[0]["TrafficType"],
        "maxAggregationInterval": found[0].get("MaxAggregationInterval", 600),
        **read_tags(as_map(found[0].get("Tags"))),
    }


def _delete_flow_log(api: Api, id_: str, state: Given) -> None:
    api.client("ec2").delete_flow_logs(FlowLogIds=[id_])


KINDS = (
    Kind(
        "aws:cloudwatch/logGroup:LogGroup",
        create=_create_group,
        read=_read_group,
        update=_update_group,
        delete=_delete_group,
        fixed="name kmsKeyId",
        live="retentionInDays tags",
        needs="name",
        name="name",
        limits={"name": Limit(r"[.\-_/#A-Za-z0-9]{1,512}", "up to 512 letters, digits and .-_/#")},
        refuse=_refuse_group,
    ),
    Kind(
        "aws:ec2/flowLog:FlowLog",
        create=_create_flow_log,
        read=_read_flow_log,
        update=ec2_retag,
        delete=_delete_flow_log,
        fixed="vpcId trafficType logDestination iamRoleArn maxAggregationInterval",
        live="tags",
        needs="vpcId logDestination iamRoleArn",
    ),
)
