"""A Prometheus server as a source, or what speaks its API: ``query_range`` in chunks. Read-only.

https://prometheus.io/docs/prometheus/latest/querying/api/ A counter named without a function around it is read raw, one
time series at a time, and made a rate here: resets are seen before anything is summed. All else is used as it comes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.planner.readings import Readings
from quartermaster.planner.sources import Answer, Query, Retention, Stretch
from quartermaster.planner.sources.counters import LONGEST_US, rate, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quartermaster.fleet.schema import Fleet
    from quartermaster.fleet.secret import Secret

__all__ = ["Prometheus", "is_counter", "prometheus_queries"]

_US = 1_000_000
_STEP = 60
_POINTS = 11_000
"""Prometheus: "exceeded maximum resolution of 11,000 points per timeseries"."""
_TIMEOUT = 60.0
_UNTOLD = timedelta(days=90)
"""Asked for where a server does not say how long it keeps what it has."""
_COUNTER = re.compile(r"\s*[a-zA-Z_:][\w:]*_(total|count|sum|bucket)\s*(\{[^{}]*\})?\s*")
_UNITS = {"utilisation": "share", "instances": "instances", "latency": "seconds"}

_Samples = dict[str, tuple["NDArray[np.int64]", "NDArray[np.float64]"]]
_SECRET_PART = 7
"""Parts of an authorization that are shorter than this are words, such as Bearer."""


class Prometheus:
    """Reads through the HTTP API at ``url``."""

    def __init__(self, url: str, authorization: Secret | None = None) -> None:
        self._url = url.rstrip("/")
        self._authorization = authorization

    def retention(self, now: datetime) -> tuple[Retention, ...]:
        """Minutes, for as long as the server says that it keeps them."""
        try:
            said = str(self._get("status/runtimeinfo").get("storageRetention", ""))
        except InputError:
            said = ""  # not every server with this API has a status
        units = {"y": 365, "w": 7, "d": 1, "h": 1 / 24}
        days = sum(int(n) * units[u] for n, u in re.findall(r"\b(\d+)([ywdh])", said))
        return (Retention(_STEP, now - (timedelta(days=days) if days else _UNTOLD)),)

    def read(self, wanted: Sequence[tuple[Query, Stretch]]) -> Iterator[Answer]:
        for query, stretch in wanted:
            step = stretch.seconds * _US
            # A chunk sees a little beyond its ends, so that where it was cut shows in no number.
            beyond = -(-LONGEST_US // step)
            at_once = (_POINTS - 2 * beyond - 1) * step
            parts = [Readings.none()]
            for start in range(stretch.start_us, stretch.end_us, at_once):
                end = min(start + at_once, stretch.end_us)
                edges = np.arange(start, end + 1, step, dtype=np.int64)
                if is_counter(query.spec):
                    values = self._counted(query, edges, beyond * step, stretch.seconds)
                else:
                    values = self._shown(query, edges, stretch.seconds)
                known = np.isfinite(values)
                parts.append(Readings.of(edges[:-1][known], values[known], stretch.seconds))
            yield Answer(query, stretch, Readings.joined(parts))

    def _shown(self, query: Query, edges: NDArray[np.int64], seconds: int) -> NDArray[np.float64]:
        """The value of an expression at each step."""
        found = self._range(query, query.spec, int(edges[0]), int(edges[-2]), seconds)
        if len(found) > 1:
            names = ", ".join(list(found)[:3])
            raise InputError(
                f"the query of {query.series} gives {len(found)} time series ({names}, …), where one is needed",
                remedy=f"aggregate them: sum({query.spec})",
            )
        values = np.full(len(edges) - 1, np.nan)
        for times, shown in found.values():
            values[(times - edges[0]) // (seconds * _US)] = shown
        return values

    def _counted(self, query: Query, edges: NDArray[np.int64], beyond: int, seconds: int) -> NDArray[np.float64]:
        """The sum of the rates of counters."""
        start, end = int(edges[0]) - beyond, int(edges[-1]) + beyond
        values = self._range(query, query.spec, start, end, seconds)
        # At each step the server gives the last sample before it: when it was taken, it says separately.
        taken = self._range(query, f"timestamp({query.spec})", start, end, seconds)
        rates = []
        for name, (times, counts) in values.items():
            asked, stamps = taken.get(name, (times, times / _US))
            _, mine, theirs = np.intersect1d(times, asked, return_indices=True)
            exact, first = np.unique(np.round(stamps[theirs] * 1000).astype(np.int64) * 1000, return_index=True)
            rates.append(rate(exact, counts[mine][first], edges))
        return total(rates, len(edges) - 1)

    def _range(self, query: Query, promql: str, start_us: int, end_us: int, seconds: int) -> _Samples:
        """Instants and finite values of each time series, by its labels."""
        asked = {"query": promql, "start": start_us / _US, "end": end_us / _US, "step": seconds}
        try:
            data = self._get("query_range", asked)
        except InputError as exc:
            raise InputError(f"the query of {query.series} is refused: {exc.message}", remedy=exc.remedy) from exc
        if data.get("resultType") != "matrix":
            raise InputError(f"the query of {query.series} gives no numbers over time", remedy=f"check {promql!r}")
        found: _Samples = {}
        for item in data["result"]:
            labels = {k: v for k, v in item["metric"].items() if k != "__name__"}
            times = np.array([round(float(t) * _US) for t, _ in item["values"]], dtype=np.int64)
            values = np.array([float(v) for _, v in item["values"]])
            known = np.isfinite(values)
            found[json.dumps(labels, sort_keys=True)] = times[known], values[known]
        return found

    def _get(self, path: str, form: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The answer's data. Raises InputError for a question that the server refuses, OpsError for all else."""
        from urllib.error import HTTPError, URLError
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class Stay(HTTPRedirectHandler):
            """Follows no redirect: it would take the authorization along to whoever is there."""

            def redirect_request(self, *_: Any, **__: Any) -> None:
                return None

        request = Request(f"{self._url}/api/v1/{path}", data=urlencode(form).encode() if form else None)
        if self._authorization is not None:
            request.add_header("Authorization", self._authorization.reveal())
        try:
            with build_opener(Stay).open(request, timeout=_TIMEOUT) as answer:
                said = json.load(answer)
        except HTTPError as exc:
            raise self._refusal(exc.code, exc.read()[:2000]) from exc
        except (URLError, TimeoutError, OSError) as exc:
            why = getattr(exc, "reason", exc)
            raise OpsError(
                f"no answer from {self._url}: {why}", remedy="check metrics.source.url, and that the server runs"
            ) from exc
        except ValueError as exc:
            raise self._stranger() from exc
        if not isinstance(said, dict) or said.get("status") != "success":
            raise self._stranger()
        partial = [w for w in said.get("warnings", ()) if not w.startswith("PromQL ")]
        if partial:
            raise OpsError(
                f"{self._url} answers in part only: {'; '.join(partial[:3])}",
                remedy="nothing of that answer is used; mend the store it names and run ops metrics sync again",
            )
        data: dict[str, Any] = said["data"]
        return data

    def _refusal(self, status: int, body: bytes) -> OpsError:
        try:
            said = json.loads(body)
            why = self._masked(f"{said['errorType']}: {said['error']}")
        except (ValueError, KeyError, TypeError):
            why = ""
        if status in (401, 403):
            remedy = "metrics.source.authorization in fleet.yaml, such as secret:PROMETHEUS_AUTH"
            return OpsError(f"{self._url} does not let us in (HTTP {status})", remedy=remedy)
        if status in (400, 422) and why:
            return InputError(why, remedy="correct the PromQL in fleet.yaml")
        if status == 404:
            return InputError(f"{self._url} has no such page (HTTP 404)", remedy="check the path of metrics.source.url")
        if 300 <= status < 400:
            return self._stranger(f" (HTTP {status}, a redirect)")
        return OpsError(f"{self._url} fails: HTTP {status} {why}".rstrip(), remedy="try again, or look at its log")

    def _masked(self, text: str) -> str:
        """Without the authorization, which a server may repeat."""
        for part in self._authorization.reveal().split() if self._authorization is not None else ():
            text = text.replace(part, "********") if len(part) >= _SECRET_PART else text
        return text

    def _stranger(self, detail: str = "") -> OpsError:
        return OpsError(f"what answers at {self._url} is no Prometheus API{detail}", remedy="check metrics.source.url")


def is_counter(promql: str) -> bool:
    """Whether the query is the bare name of a counter, with or without labels."""
    return _COUNTER.fullmatch(promql) is not None


def prometheus_queries(fleet: Fleet) -> tuple[Query, ...]:
    """What to ask for, demand before its companions."""
    found = []
    for cluster, demand in fleet.metrics.demand.items():
        name = demand.series or cluster
        asked = {name: (demand.query, "requests/s")}
        asked |= {f"{name}:{c}": (q, _UNITS.get(c, "requests/s")) for c, q in demand.companions.items()}
        found += [Query(s, unit, f"prometheus {promql}", spec=promql) for s, (promql, unit) in asked.items()]
    return tuple(found)
