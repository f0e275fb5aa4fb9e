"""The alarms of a stack, as CloudWatch shows them."""

from __future__ import annotations

from quartermaster.fleet.aws import Cloud, told
from quartermaster.fleet.names import physical

__all__ = ["firing"]


def firing(cloud: Cloud) -> tuple[str, ...]:
    """Names of the stack's alarms that fire. Read-only. Raises OpsError where AWS refuses."""
    pages = cloud.client("cloudwatch").get_paginator("describe_alarms")
    prefix = f"{physical(cloud.fleet, cloud.stack)}-"
    found = told(lambda: list(pages.paginate(StateValue="ALARM", AlarmNamePrefix=prefix)))
    listed = [alarm for page in found for alarm in page["MetricAlarms"]]
    # Not every cloud heeds the state beside a prefix: moto names them all.
    return tuple(alarm["AlarmName"] for alarm in listed if alarm["StateValue"] == "ALARM")
