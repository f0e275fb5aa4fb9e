"""CloudWatch as a source: GetMetricData in as few calls as its limits allow. Read-only.

Limits and retention: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html. A Sum is
divided by its period, so that readings of all resolutions are demand per second; the period stays with the reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from quartermaster.fleet.errors import OpsError
from quartermaster.planner.readings import Readings
from quartermaster.planner.sources import Answer, Query, Retention, Stretch

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud

__all__ = ["CloudWatch", "Metric", "client"]

_US = 1_000_000
_METRICS = 500
_POINTS = 100_800
_KEPT = ((60, 15), (300, 63), (3600, 455))
"""Seconds of the period, and days for which CloudWatch keeps it."""
_SAFETY = timedelta(minutes=10)
"""What is about to expire may be gone by the time it is asked for."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What CloudWatch calls a series."""

    namespace: str
    name: str
    stat: str
    dimensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def per_second(self) -> bool:
        """Whether a value counts over its period: then it is divided by it."""
        return self.stat in ("Sum", "SampleCount")

    @property
    def origin(self) -> str:
        """The metric in words."""
        of = ",".join(f"{name}={value}" for name, value in sorted(self.dimensions.items()))
        return f"cloudwatch {self.namespace} {self.name} {self.stat} {of}".rstrip()


class CloudWatch:
    """Reads metrics through a boto3 client of CloudWatch."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def retention(self, now: datetime) -> tuple[Retention, ...]:
        return tuple(Retention(seconds, now - timedelta(days=days) + _SAFETY) for seconds, days in _KEPT)

    def read(self, wanted: Sequence[tuple[Query, Stretch]]) -> Iterator[Answer]:
        """Stretches of one period and time are asked for together; a call never holds more points than it may."""
        alike: dict[Stretch, list[Query]] = {}
        for query, stretch in wanted:
            alike.setdefault(stretch, []).append(query)
        for stretch in sorted(alike, key=lambda s: s.start_us):
            queries = alike[stretch]
            for first in range(0, len(queries), _METRICS):
                yield from self._batch(queries[first : first + _METRICS], stretch)

    def _batch(self, queries: Sequence[Query], stretch: Stretch) -> Iterator[Answer]:
        step = stretch.seconds * _US
        at_once = _POINTS // len(queries) * step
        points: list[dict[int, float]] = [{} for _ in queries]
        for start in range(stretch.start_us, stretch.end_us, at_once):
            for number, found in self._call(queries, start, min(start + at_once, stretch.end_us), stretch.seconds):
                points[number].update(found)
        for query, found in zip(queries, points, strict=True):
            times = np.array(sorted(t for t in found if stretch.start_us <= t < stretch.end_us), dtype=np.int64)
            values = np.array([found[int(t)] for t in times], dtype=np.float64)
            if query.spec.per_second:
                values = values / stretch.seconds
            yield Answer(query, stretch, Readings.of(times, values, stretch.seconds))

    def _call(
        self, queries: Sequence[Query], start_us: int, end_us: int, seconds: int
    ) -> Iterator[tuple[int, dict[int, float]]]:
        """Number of the query and a part of its points, page by page."""
        from botocore.exceptions import BotoCoreError, ClientError

        request: dict[str, Any] = {
            "MetricDataQueries": [_asked(f"m{i}", query.spec, seconds) for i, query in enumerate(queries)],
            "StartTime": datetime.fromtimestamp(start_us / _US, UTC),
            "EndTime": datetime.fromtimestamp(end_us / _US, UTC),
            "ScanBy": "TimestampAscending",
            "MaxDatapoints": _POINTS,
        }
        while True:
            try:
                page = self._client.get_metric_data(**request)
            except (BotoCoreError, ClientError) as exc:
                raise OpsError(
                    f"CloudWatch does not answer: {exc}",
                    remedy="what was read so far is stored, `ops metrics sync` goes on from there; "
                    "it needs cloudwatch:GetMetricData",
                ) from exc
            for result in page["MetricDataResults"]:
                query = queries[int(result["Id"][1:])]
                if result.get("StatusCode") in ("InternalError", "Forbidden"):
                    said = "; ".join(m.get("Value", "") for m in result.get("Messages", [])) or result["StatusCode"]
                    raise OpsError(
                        f"CloudWatch refuses {query.series} ({query.origin}): {said}",
                        remedy="allow cloudwatch:GetMetricData, or try again where the error is its own",
                    )
                stamps = (round(stamp.timestamp()) * _US for stamp in result["Timestamps"])
                yield int(result["Id"][1:]), dict(zip(stamps, map(float, result["Values"]), strict=True))
            # An empty page with a token is not the end.
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]


def client(cloud: Cloud) -> Any:
    """A client that slows down by itself when CloudWatch throttles it."""
    from botocore.config import Config

    patient = Config(retries={"mode": "adaptive", "max_attempts": 10})
    return cloud.session.client(
        "cloudwatch", region_name=cloud.region, endpoint_url=cloud.endpoint or None, config=patient
    )


def _asked(id_: str, metric: Metric, seconds: int) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    what = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": id_, "MetricStat": {"Metric": what, "Period": seconds, "Stat": metric.stat}, "ReturnData": True}
