"""CloudWatch alarms and dashboards. Nothing feeds metrics here: they are what they would be on AWS, and stay silent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider.identity import same_document
from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State, again
from quartermaster.infra.local.provider.spelling import asked, told
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, retag_lists
from quartermaster.infra.local.provider.values import UNKNOWN

__all__ = ["KINDS"]

_PLAIN = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}
"""Inputs that the API takes under another spelling."""
_DAY, _WEEK, _HOUR = 86_400, 604_800, 3_600
_MOST_ACTIONS = 5


def _put_alarm(api: Api, given: Given) -> str:
    arguments = asked(_PLAIN, given)
    if given.get("dimensions"):
        arguments["Dimensions"] = _dimensions(given["dimensions"])
    if given.get("metricQueries"):
        arguments["Metrics"] = [_query(item) for item in given["metricQueries"]]
    api.client("cloudwatch").put_metric_alarm(AlarmName=given["name"], **arguments)
    return str(given["name"])


def _create_alarm(api: Api, given: Given) -> str:
    made = _put_alarm(api, given)
    if given.get("tags"):
        api.client("cloudwatch").tag_resource(
            ResourceARN=api.arn("cloudwatch", f"alarm:{made}"), Tags=as_list(given["tags"])
        )
    return made


def _dimensions(given: Any) -> list[dict[str, str]]:
    return as_list(given, key="Name", value="Value")


def _query(given: Given) -> dict[str, Any]:
    query: dict[str, Any] = {"Id": given["id"], "ReturnData": bool(given.get("returnData", False))}
    if given.get("expression"):
        query |= {"Expression": given["expression"], "Label": given.get("label") or given["id"]}
    if given.get("metric"):
        metric = given["metric"]
        query["MetricStat"] = {
            "Metric": {
                "Namespace": metric["namespace"],
                "MetricName": metric["metricName"],
                "Dimensions": _dimensions(metric.get("dimensions")),
            },
            "Period": metric["period"],
            "Stat": metric["stat"],
        }
    return query


def _read_query(found: Given) -> dict[str, Any]:
    query = {"id": found["Id"], "returnData": bool(found.get("ReturnData", False))}
    if found.get("Expression"):
        query |= {"expression": found["Expression"], "label": found.get("Label", "")}
    if found.get("MetricStat"):
        stat = found["MetricStat"]
        query["metric"] = {
            "namespace": stat["Metric"]["Namespace"],
            "metricName": stat["Metric"]["MetricName"],
            "dimensions": as_map(stat["Metric"].get("Dimensions"), key="Name", value="Value"),
            "period": int(stat["Period"]),
            "stat": stat["Stat"],
        }
    return query


def _read_alarm(api: Api, id_: str, given: Given) -> State | None:
    cloudwatch = api.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmNames=[id_])["MetricAlarms"]
    if not found:
        return None
    alarm, arn = found[0], api.arn("cloudwatch", f"alarm:{id_}")
    state = told(_PLAIN, alarm)
    if alarm.get("Dimensions"):
        state["dimensions"] = as_map(alarm["Dimensions"], key="Name", value="Value")
    if alarm.get("Metrics"):
        state["metricQueries"] = [_read_query(item) for item in alarm["Metrics"]]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
    return {**state, "arn": arn, "name": id_, **read_tags(as_map(tags))}


def _update_alarm(api: Api, id_: str, old: Given, new: Given) -> None:
    _put_alarm(api, new)
    cloudwatch, arn = api.client("cloudwatch"), api.arn("cloudwatch", f"alarm:{id_}")
    retag_lists(cloudwatch.tag_resource, cloudwatch.untag_resource, old, new, ResourceARN=arn)


def _delete_alarm(api: Api, id_: str, state: Given) -> None:
    api.client("cloudwatch").delete_alarms(AlarmNames=[id_])


def _refuse_alarm(given: Given) -> Iterator[tuple[str, str]]:
    period, periods = given.get("period"), given.get("evaluationPeriods")
    lengths = [period] if isinstance(period, int) else []
    queries = given.get("metricQueries")
    if isinstance(queries, list):
        yield from _refuse_queries(given, queries)
        found = [query["metric"].get("period") for query in queries if query.get("metric")]
        lengths += [length for length in found if isinstance(length, int)]
    for length in lengths:
        if length not in (10, 20, 30) and (length < 60 or length % 60):
            yield "period", f"a period is 10, 20 or 30 seconds, or a multiple of 60; it is {length}"
    if lengths and isinstance(periods, int):
        most = _WEEK if min(lengths) >= _HOUR else _DAY
        if max(lengths) * periods > most:
            yield "evaluationPeriods", f"these periods may add up to {most} seconds at most"
    needed = given.get("datapointsToAlarm")
    if isinstance(needed, int) and isinstance(periods, int) and not 1 <= needed <= periods:
        yield "datapointsToAlarm", "at least 1 and at most evaluationPeriods"
    if given.get("statistic") and given.get("extendedStatistic"):
        yield "extendedStatistic", "either statistic or extendedStatistic"
    for actions in ("alarmActions", "okActions", "insufficientDataActions"):
        if isinstance(given.get(actions), list) and len(given[actions]) > _MOST_ACTIONS:
            yield actions, f"at most {_MOST_ACTIONS} actions for a state"


def _refuse_queries(given: Given, queries: list[Any]) -> Iterator[tuple[str, str]]:
    if any(given.get(name) for name in ("metricName", "namespace", "period", "statistic", "dimensions")):
        yield "metricQueries", "either metric queries or one metric with its own namespace, period and dimensions"
    if sum(query.get("returnData") is True for query in queries) != 1:
        yield "metricQueries", "exactly one of the queries returns data: the one that is compared"
    ids = [query.get("id") for query in queries if query.get("id") is not UNKNOWN]
    if any(not re.fullmatch(r"[a-z][a-zA-Z0-9_]*", str(id_)) for id_ in ids) or len(set(ids)) != len(ids):
        yield "metricQueries", "ids start with a lower-case letter, have letters, digits and _, and differ"


def _put_dashboard(api: Api, given: Given) -> str:
    api.client("cloudwatch").put_dashboard(DashboardName=given["dashboardName"], DashboardBody=given["dashboardBody"])
    return str(given["dashboardName"])


def _read_dashboard(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("cloudwatch").get_dashboard(DashboardName=id_)
    return {
        "dashboardArn": f"arn:aws:cloudwatch::{api.account}:dashboard/{id_}",
        "dashboardName": id_,
        "dashboardBody": same_document(given.get("dashboardBody"), found["DashboardBody"]),
    }


def _delete_dashboard(api: Api, id_: str, state: Given) -> None:
    api.client("cloudwatch").delete_dashboards(DashboardNames=[id_])


def _refuse_dashboard(given: Given) -> Iterator[tuple[str, str]]:
    body = given.get("dashboardBody")
    if not isinstance(body, str):
        return
    try:
        widgets = json.loads(body)["widgets"]
    except (ValueError, TypeError, KeyError):
        yield "dashboardBody", "JSON with a list of widgets"
        return
    if any(widget.get("x", 0) + widget.get("width", 6) > 24 for widget in widgets):
        yield "dashboardBody", "the grid is 24 wide: x + width of a widget is at most that"


KINDS = (
    Kind(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        create=_create_alarm,
        read=_read_alarm,
        update=_update_alarm,
        delete=_delete_alarm,
        fixed="name",
        live=f"{' '.join(_PLAIN)} dimensions metricQueries tags",
        needs="name comparisonOperator evaluationPeriods",
        name="name",
        limits={
            "name": Limit(r"[ -~]{1,255}", "up to 255 ASCII characters"),
            "treatMissingData": Limit(
                "breaching|notBreaching|ignore|missing", "breaching, notBreaching, ignore or missing"
            ),
            "extendedStatistic": Limit(
                r"p(\d{1,2}(\.\d{1,10})?|100)|(tm|tc|ts|wm)\d{1,2}(\.\d{1,10})?|IQM|(TM|TC|TS|WM|PR)\(.+\)",
                "p0 to p100, a trimmed or winsorized mean, or a range",
            ),
        },
        refuse=_refuse_alarm,
    ),
    Kind(
        "aws:cloudwatch/dashboard:Dashboard",
        create=_put_dashboard,
        read=_read_dashboard,
        update=again(_put_dashboard),
        delete=_delete_dashboard,
        fixed="dashboardName",
        live="dashboardBody",
        needs="dashboardName dashboardBody",
        name="dashboardName",
        limits={"dashboardName": Limit(r"[A-Za-z0-9_-]{1,255}", "up to 255 letters, digits, - and _")},
        refuse=_refuse_dashboard,
    ),
)
