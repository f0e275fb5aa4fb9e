"""Watches the stack: an alarm for each golden signal, and the dashboard that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.infra.alarms import Alarm, Metric, balancer_token, targets_token
from quartermaster.infra.balancer import Balancer
from quartermaster.infra.component import Component
from quartermaster.infra.dashboard import dashboard
from quartermaster.infra.layout import Layout

__all__ = ["Watch"]

_NAME_LIMIT = 255


class Watch(Component):
    """Alarms, and a dashboard where an ``account`` is given to find them in. ``ready``: what is watched, so that nobody
    is woken while it is still being made."""

    def __init__(
        self,
        layout: Layout,
        alarms: Sequence[Alarm],
        *,
        account: str = "",
        told: Sequence[pulumi.Input[str]],
        balancers: Mapping[str, Balancer],
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("Watch", "watch")
        self._layout, self._told, self._ready = layout, list(told), list(ready)
        self._known = {
            **{balancer_token(name): balancer.balancer.arn_suffix for name, balancer in balancers.items()},
            **{targets_token(name): balancer.targets.arn_suffix for name, balancer in balancers.items()},
        }
        for alarm in alarms:
            self._alarm(alarm)
        if account:
            self._dashboard(account, alarms)
        self.register_outputs({})

    def _dashboard(self, account: str, alarms: Sequence[Alarm]) -> None:
        layout = self._layout
        body = json.dumps(dashboard(layout, account, alarms))
        aws.cloudwatch.Dashboard(
            "dashboard",
            dashboard_name=layout.name("dashboard"),
            dashboard_body=pulumi.Output.all(**self._known).apply(lambda known: _filled(body, dict(known))),
            opts=self.child(),
        )

    def _alarm(self, alarm: Alarm) -> None:
        first = alarm.metrics[0]
        single: dict[str, Any] = {}
        if not alarm.expression:
            percentile = first.stat.startswith("p")
            single = {
                "namespace": first.namespace,
                "metric_name": first.name,
                "extended_statistic": first.stat if percentile else None,
                "statistic": None if percentile else first.stat,
                "dimensions": self._dimensions(first),
                "period": alarm.period_seconds,
            }
        aws.cloudwatch.MetricAlarm(
            alarm.name,
            name=self._layout.name(alarm.name, limit=_NAME_LIMIT),
            alarm_description=alarm.says,
            comparison_operator=alarm.compare,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.needed or alarm.periods,
            treat_missing_data=alarm.missing,
            metric_queries=self._queries(alarm) if alarm.expression else None,
            alarm_actions=self._told,
            ok_actions=self._told,
            **single,
            opts=self.child(depends_on=self._ready),
        )

    def _queries(self, alarm: Alarm) -> Any:
        measured = [
            {
                "id": f"m{number}",
                "metric": {
                    "namespace": metric.namespace,
                    "metric_name": metric.name,
                    "stat": metric.stat,
                    "period": alarm.period_seconds,
                    "dimensions": self._dimensions(metric),
                },
            }
            for number, metric in enumerate(alarm.metrics, 1)
        ]
        return [{"id": "e1", "expression": alarm.expression, "label": alarm.name, "return_data": True}, *measured]

    def _dimensions(self, metric: Metric) -> dict[str, pulumi.Input[str]]:
        return {name: self._known.get(value, value) for name, value in metric.dimensions.items()}


def _filled(body: str, known: Mapping[str, str]) -> str:
    for token, value in known.items():
        body = body.replace(f'"{token}"', json.dumps(value))
    return body
