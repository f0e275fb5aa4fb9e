"""One page a stack: which alarms sound, then what each of them watches, the golden signals first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from quartermaster.infra.alarms import SIGNALS, Alarm
from quartermaster.infra.layout import Layout

__all__ = ["dashboard"]

_WIDTH, _HEIGHT, _COLUMNS = 6, 6, 24
_STATUS_ROWS = 4
_MOST_STATES = 100
"""Alarms in one status widget: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""


def dashboard(layout: Layout, account: str, alarms: Iterable[Alarm]) -> dict[str, Any]:
    """The body of a CloudWatch dashboard: a row for each cluster and database, a graph for each thing measured."""
    everything = list(alarms)
    subjects: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in everything:
        subjects[alarm.of].append(alarm)
    widgets = [_states(layout, account, everything)]
    top = _STATUS_ROWS
    for subject in subjects.values():
        graphs = _graphs(subject)
        for place, together in enumerate(graphs):
            x, y = place * _WIDTH % _COLUMNS, top + place * _WIDTH // _COLUMNS * _HEIGHT
            widgets.append(_graph(layout, together, x, y))
        top += -(-len(graphs) * _WIDTH // _COLUMNS) * _HEIGHT
    return {"widgets": widgets}


def _states(layout: Layout, account: str, alarms: list[Alarm]) -> dict[str, Any]:
    prefix = f"arn:aws:cloudwatch:{layout.region}:{account}:alarm"
    return {
        "type": "alarm",
        "x": 0,
        "y": 0,
        "width": _COLUMNS,
        "height": _STATUS_ROWS,
        "properties": {
            "title": layout.name(),
            "alarms": [f"{prefix}:{layout.name(alarm.name, limit=255)}" for alarm in alarms[:_MOST_STATES]],
        },
    }


def _graphs(alarms: list[Alarm]) -> list[list[Alarm]]:
    """Alarms of one subject in the order of signals; those that measure the same share a graph."""
    shared: dict[object, list[Alarm]] = defaultdict(list)
    for alarm in sorted(alarms, key=lambda alarm: SIGNALS.index(alarm.signal)):
        key = tuple((m.namespace, m.name, m.stat, *sorted(m.dimensions.values())) for m in alarm.metrics)
        shared[key, alarm.expression].append(alarm)
    return list(shared.values())


def _graph(layout: Layout, alarms: list[Alarm], x: int, y: int) -> dict[str, Any]:
    first = alarms[0]
    period = min(alarm.period_seconds for alarm in alarms)
    metrics: list[Any] = [
        [
            metric.namespace,
            metric.name,
            *(part for pair in sorted(metric.dimensions.items()) for part in pair),
            {"stat": metric.stat, "id": f"m{number}", "visible": not first.expression},
        ]
        for number, metric in enumerate(first.metrics, 1)
    ]
    if first.expression:
        metrics.append([{"expression": first.expression, "id": "e1", "label": first.name}])
    return {
        "type": "metric",
        "x": x,
        "y": y,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": f"{first.of}: {first.name.removeprefix(first.of + '-')}",
            "view": "timeSeries",
            "region": layout.region,
            "period": period,
            "metrics": metrics,
            "annotations": {
                "horizontal": [
                    # Sums grow with their period: a line drawn for another one would lie.
                    {"label": alarm.name, "value": alarm.threshold}
                    for alarm in alarms
                    if alarm.period_seconds == period
                ]
            },
        },
    }
