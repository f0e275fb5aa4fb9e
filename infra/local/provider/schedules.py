"""Scheduled floors of auto-scaling groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.spelling import asked, told

__all__ = ["KINDS"]

_CRON_FIELDS = 5
_SETTINGS = {"minSize": "MinSize", "maxSize": "MaxSize", "recurrence": "Recurrence", "timeZone": "TimeZone"}


def _put_schedule(api: Api, given: Given) -> str:
    action: dict[str, Any] = {
        name: value
        for name, value in asked({**_SETTINGS, "desiredCapacity": "DesiredCapacity"}, given).items()
        if value != -1  # Terraform's word for: leave it
    }
    for ours, theirs in (("startTime", "StartTime"), ("endTime", "EndTime")):
        if given.get(ours):
            action[theirs] = datetime.fromisoformat(given[ours])
    api.client("autoscaling").put_scheduled_update_group_action(
        AutoScalingGroupName=given["autoscalingGroupName"], ScheduledActionName=given["scheduledActionName"], **action
    )
    return str(given["scheduledActionName"])


def _read_schedule(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("autoscaling").describe_scheduled_actions(
        AutoScalingGroupName=given["autoscalingGroupName"], ScheduledActionNames=[id_]
    )["ScheduledUpdateGroupActions"]
    if not found:
        return None
    action = found[0]
    state: State = {
        "arn": action.get("ScheduledActionARN", ""),
        "autoscalingGroupName": action["AutoScalingGroupName"],
        "scheduledActionName": action["ScheduledActionName"],
        **told(_SETTINGS, action),
    }
    if action.get("StartTime") and "startTime" in given:
        state["startTime"] = _instant(action["StartTime"])
    return state


def _instant(value: Any) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _drop_schedule(api: Api, id_: str, state: Given) -> None:
    api.client("autoscaling").delete_scheduled_action(
        AutoScalingGroupName=state["autoscalingGroupName"], ScheduledActionName=id_
    )


def _refuse_schedule(given: Given) -> Iterator[tuple[str, str]]:
    sizes = {name: given.get(name) for name in ("minSize", "maxSize", "desiredCapacity")}
    said = {name: value for name, value in sizes.items() if value not in (None, -1)}
    if not said:
        yield "minSize", "an action changes at least one of minSize, maxSize, desiredCapacity"
    low, high = said.get("minSize"), said.get("maxSize")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield "minSize", f"min {low} is above max {high}"
    start, end = _moment(given.get("startTime")), _moment(given.get("endTime"))
    if start is not None and start < datetime.now(UTC):
        yield "startTime", f"{given['startTime']} is in the past"
    if end is not None and start is not None and end <= start:
        yield "endTime", f"{given['endTime']} is not after {given['startTime']}"
    cron = given.get("recurrence")
    if isinstance(cron, str) and cron and len(cron.split()) != _CRON_FIELDS:
        yield "recurrence", f"{cron!r} is not minute, hour, day, month, weekday"
    if not cron and start is None and not given.get("startTime"):
        yield "startTime", "an action has a startTime or a recurrence"


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


KINDS = (
    Kind(
        "aws:autoscaling/schedule:Schedule",
        create=_put_schedule,
        read=_read_schedule,
        update=again(_put_schedule),
        delete=_drop_schedule,
        fixed="autoscalingGroupName scheduledActionName",
        live="minSize maxSize desiredCapacity recurrence timeZone startTime endTime",
        needs="autoscalingGroupName scheduledActionName",
        name="scheduledActionName",
        limits={"scheduledActionName": Limit(r"[^:]{1,255}", "up to 255 characters, none of them a colon")},
        refuse=_refuse_schedule,
    ),
)
