"""What users read of a metric source that refuses, and of files that cannot be read or written: message and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import OpsError
from quartermaster.planner.frame import read, write
from quartermaster.planner.part import Part
from quartermaster.planner.row_groups import RowGroups
from quartermaster.planner.samples import demand
from quartermaster.planner.sources import Query
from quartermaster.planner.sources.prometheus import Prometheus
from quartermaster.planner.store import import_file, tier

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


def rolled_up(folder: Path, name: str) -> object:
    write(demand("web", days=1), folder / "web.csv")
    import_file(folder / "web.csv", folder)
    return tier(folder, "web", name)


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
    "a column twice": (
        lambda folder: read(twice(folder)),
        "error: metrics file {folder}/twice.parquet names a column twice\n  remedy: keep one column of each name\n",
    ),
    "a column twice in a large file": (
        lambda folder: RowGroups(twice(folder)),
        "error: metrics file {folder}/twice.parquet names a column twice\n  remedy: keep one column of each name\n",
    ),
    "a roll-up that is none": (
        lambda folder: rolled_up(folder, "10min"),
        "error: no roll-up '10min'\n  remedy: one of 1min, 5min, 1h, 1day\n",
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
    with pytest.raises(OpsError) as told:
        cause(tmp_path)
    assert render(told.value) == text.replace("{folder}", str(tmp_path))
