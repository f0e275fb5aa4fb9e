"""What users read of a metric source that refuses, and of files that cannot be read or written: message and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quartermaster.planner import apply
from quartermaster.planner.apply import Change
from quartermaster.planner.capacity import Rules
from quartermaster.planner.frame import read, write
from quartermaster.planner.part import Part
from quartermaster.planner.plannable import stale_steps
from quartermaster.planner.row_groups import RowGroups
from quartermaster.planner.samples import demand
from quartermaster.planner.sources import Query, Stretch
from quartermaster.planner.sources.cloudwatch import CloudWatch, Metric
from quartermaster.planner.sources.prometheus import Prometheus
from quartermaster.planner.store import import_file
from quartermaster.planner.sync import sync
from tests.fleet.test_texts import Answering as Client
from tests.fleet.test_texts import denied
from tests.reads import reads

URL = "http://metrics.example"
ASKED = Query("web", "requests", URL, spec="rate(http_requests[5m])")
EDGES = np.arange(3, dtype=np.int64) * 60_000_000
SERIES = [{"metric": {"zone": zone}, "values": [[0, "1"]]} for zone in "ab"]


class Answering(Prometheus):
    """A server that answers each question so."""

    def __init__(self, data: dict[str, Any] | None = None, status: int = 400) -> None:
        super().__init__(URL, None)
        self._data, self._status = data, status

    def _get(self, path: str, form: object = None) -> dict[str, Any]:
        if self._data is None:
            said = {"errorType": "bad_data", "error": "parse error: unexpected end"}
            raise self._refusal(self._status, json.dumps(said).encode())
        return self._data


def shown(data: dict[str, Any] | None = None, status: int = 400) -> object:
    return Answering(data, status)._shown(ASKED, EDGES, 60)


def refused(status: int) -> NoReturn:
    raise Prometheus(URL, None)._refusal(status, b"<html>")


def twice(folder: Path) -> Path:
    names = ["series_id", "timestamp", "value", "unit", "value"]
    table = pa.Table.from_arrays([pa.array(["1"])] * 5, names=names)
    pq.write_table(table, folder / "twice.parquet")
    return folder / "twice.parquet"


METRIC = Metric("AWS/ApplicationELB", "RequestCount", "Sum", {"LoadBalancer": "app/web/0"})
UNREAD: Any = SimpleNamespace(retention=lambda _: ())
"""A source of which nothing is read."""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stored(folder: Path) -> Path:
    """A store with a day of one series."""
    write(demand("web", days=1), folder / "web.csv")
    import_file(folder / "web.csv", folder / "store")
    return folder / "store"


def file_of(folder: Path, **columns: object) -> Path:
    """A file of the same series, with those columns otherwise."""
    write(demand("web", days=1).assign(**columns), folder / "ahead.parquet")
    return folder / "ahead.parquet"


def watched(answer: Any) -> object:
    query = Query("web", "requests/s", METRIC.origin, spec=METRIC)
    source = CloudWatch(Client(answer))
    return list(source.read([(query, Stretch(0, 3_600_000_000, 60))]))


def overtaken(folder: Path) -> object:
    (folder / "fleet.yaml").write_text("fleet: store\n", encoding="utf-8")
    change = Change("web", "fleet: shop\n", "fleet: shop\nclusters: {}\n", "", (), None, None, "USD")
    return apply.write(change, folder / "fleet.yaml")


def off_by(error: float, headroom: float) -> object:
    plan = SimpleNamespace(name="web", replay=SimpleNamespace(recent_error=error), headroom=headroom)
    return apply._guard(plan)  # type: ignore[arg-type]


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "an expression that is refused": (
        lambda _: shown(),
        "error: the query of web is refused: bad_data: parse error: unexpected end\n"
        "  remedy: correct the PromQL in fleet.yaml\n",
    ),
    "an expression of several series": (
        lambda _: shown({"resultType": "matrix", "result": SERIES}),
        'error: the query of web gives 2 time series ({"zone": "a"}, {"zone": "b"}, …), where one is needed\n'
        "  remedy: aggregate them: sum(rate(http_requests[5m]))\n",
    ),
    "an expression that is no series": (
        lambda _: shown({"resultType": "scalar", "result": []}),
        "error: the query of web gives no numbers over time\n  remedy: check 'rate(http_requests[5m])'\n",
    ),
    "no right": (
        lambda _: refused(401),
        f"error: {URL} does not let us in (HTTP 401)\n"
        "  remedy: metrics.source.authorization in fleet.yaml, such as secret:PROMETHEUS_AUTH\n",
    ),
    "no such page": (
        lambda _: refused(404),
        f"error: {URL} has no such page (HTTP 404)\n  remedy: check the path of metrics.source.url\n",
    ),
    "a redirect": (
        lambda _: refused(302),
        f"error: what answers at {URL} is no Prometheus API (HTTP 302, a redirect)\n"
        "  remedy: check metrics.source.url\n",
    ),
    "a server that fails": (
        lambda _: refused(503),
        f"error: {URL} fails: HTTP 503\n  remedy: try again, or look at its log\n",
    ),
    "a server that is not there": (
        lambda _: Prometheus("http://127.0.0.1:9", None)._get("api/v1/query"),
        "error: no answer from http://127.0.0.1:9: [Errno 111] Connection refused\n"
        "  remedy: check metrics.source.url, and that the server runs\n",
    ),
    "a CloudWatch that refuses us": (
        lambda _: watched(denied()),
        "error: CloudWatch does not answer: An error occurred (AccessDeniedException) when calling the Act operation: "
        "no\n  remedy: what was read so far is stored, `ops metrics sync` goes on from there; it needs "
        "cloudwatch:GetMetricData\n",
    ),
    "a CloudWatch that refuses a metric": (
        lambda _: watched({"get_metric_data": {"MetricDataResults": [{"Id": "m0", "StatusCode": "Forbidden"}]}}),
        f"error: CloudWatch refuses web ({METRIC.origin}): Forbidden\n"
        "  remedy: allow cloudwatch:GetMetricData, or try again where the error is its own\n",
    ),
    "a source in another unit": (
        lambda folder: list(sync(stored(folder), UNREAD, [replace(ASKED, unit="requests")], NOW)),
        "error: series 'web' is stored in 'requests/s', the source has it in 'requests'\n"
        "  remedy: import the other history under another name, or sync under another one (series: in fleet.yaml)\n",
    ),
    "a file in another unit": (
        lambda folder: import_file(file_of(folder, unit="requests"), stored(folder)),
        "error: ahead.parquet: series 'web' comes in 'requests', the store has it in 'requests/s'\n"
        "  remedy: convert it, or import it under another series_id\n",
    ),
    "values that are no numbers": (
        lambda folder: read(file_of(folder, value=True)),
        "error: metrics file ahead.parquet is refused: value: holds bool, no numbers\n"
        "  remedy: export the readings as float64\n",
    ),
    "a history that ended long ago": (
        lambda _: stale_steps(SimpleNamespace(id="web", last_us=0, interval_us=1), NOW),  # type: ignore[arg-type]
        "error: the history of web ends at 1970-01-01T00:00:00Z, 20513 days ago\n"
        "  remedy: bring it up to date: ops metrics import FILE; or plan from a file with --metrics\n",
    ),
    "a group that cannot be": (
        lambda _: Rules(unit=100, smallest=9, largest=3, lost=3, target_utilisation=1.5),
        "error: survive.zones: 3 of 3 zones lost leaves nothing; target_utilisation: 1.5; size.max: 3 is below min 9\n"
        "  survive.zones: 3 of 3 zones lost leaves nothing\n      → survive at most 2\n"
        "  target_utilisation: 1.5\n      → a share above 0 and up to 1\n"
        "  size.max: 3 is below min 9\n      → raise size.max\n  remedy: survive at most 2\n",
    ),
    "a fleet.yaml that changed under the plan": (
        lambda folder: overtaken(folder),
        "error: fleet.yaml was changed since the plan was shown\n  remedy: look at the new diff: ops capacity apply\n",
    ),
    "a forecast that was of late further off than the plan has": (
        lambda _: off_by(0.4, headroom=0.25),
        "error: web: in the last week demand exceeded the forecast by 40% in its worst hours, the plan has 25% of "
        "headroom above it\n  remedy: wait until the history covers the change, raise capacity quantile, or lower "
        "target_utilisation\n",
    ),
    "a column twice": (
        lambda folder: read(twice(folder)),
        "error: metrics file {folder}/twice.parquet names a column twice\n  remedy: keep one column of each name\n",
    ),
    "a column twice in a large file": (
        lambda folder: RowGroups(twice(folder)),
        "error: metrics file {folder}/twice.parquet names a column twice\n  remedy: keep one column of each name\n",
    ),
    "an output that is no table": (
        lambda folder: Part(folder / "ahead.xlsx"),
        "error: output {folder}/ahead.xlsx ends in '.xlsx'\n  remedy: name it .parquet or .csv\n",
    ),
    "an output in no folder": (
        lambda folder: Part(folder / "nowhere/ahead.csv"),
        "error: folder {folder}/nowhere of output ahead.csv is not there\n  remedy: make the folder first\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_so(case: str, tmp_path: Path) -> None:
    cause, text = CASES[case]
    reads(lambda: cause(tmp_path), text.replace("{folder}", str(tmp_path)))
