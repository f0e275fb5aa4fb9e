"""The gate between waves: what the balancer saw must be enough and good; missing data never passes."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.playbooks.patch_plan import GateRule

__all__ = ["Probe", "Usual", "http_probe", "judge", "probed", "read", "since"]

Probe = Callable[[int], Requests]
"""Sends that many requests of our own through the balancer, counts and times them."""

PROBES = 50
"""Sent when users sent too few requests to judge by."""
NOTICED_MS = 50.0
"""No difference of response times below this shuts a gate: nobody notices 40 ms where there was 1."""


@dataclass(frozen=True, slots=True)
class Usual:
    """Response times from before the run, in ms; None: unknown."""

    balancer_ms: float | None = None
    probes_ms: float | None = None


def judge(rule: GateRule, seen: Requests | None, probe: Probe | None, usual: Usual) -> str:
    """Why the gate stays shut; empty when it opens. Sends probes when ``seen`` is too little. Otherwise pure."""
    if seen is not None and seen.sent > 0 and seen.failed / seen.sent > rule.max_error_rate:
        return f"{seen.failed} of {seen.sent} requests failed, more than {rule.max_error_rate:.2%}"
    enough = seen is not None and seen.sent >= max(rule.min_requests, 1)
    if enough and seen is not None and seen.latency_ms is not None and usual.balancer_ms is not None:
        return _slow(rule, "the balancer", seen.latency_ms, usual.balancer_ms)
    known = f"{seen.sent} requests" if seen is not None else "no counts"
    lacks = "no response times to compare" if enough else f"{known}, fewer than {rule.min_requests}"
    if probe is None:
        return f"the balancer shows {lacks}, and there is no way to probe it"
    sent = probe(PROBES)
    if fault := probed(sent):
        return f"the balancer shows {lacks}, and {fault}"
    if sent.latency_ms is None or usual.probes_ms is None:
        return f"the balancer shows {lacks}, and what probes took before the run is unknown"
    return _slow(rule, "probes", sent.latency_ms, usual.probes_ms)


def probed(sent: Requests) -> str:
    """What is wrong with what probes met; empty when all were answered. Pure."""
    return f"{sent.failed} of {sent.sent} probes failed" if sent.sent < PROBES or sent.failed else ""


def _slow(rule: GateRule, where: str, now_ms: float, before_ms: float) -> str:
    allowed = max(before_ms * rule.max_latency_ratio, before_ms + NOTICED_MS)
    if now_ms <= allowed:
        return ""
    return f"answers took {now_ms:.0f} ms by {where}, {before_ms:.0f} ms before the run; {allowed:.0f} ms are allowed"


def read(counter: RequestCounter | None, cluster: str) -> Requests | None:
    """The counts now, None when they cannot be had. Read-only."""
    if counter is None:
        return None
    try:
        return counter.read(cluster)
    except (OpsError, OSError, KeyError):
        return None


def since(counter: RequestCounter | None, cluster: str, baseline: Requests | None) -> Requests | None:
    """Counts since ``baseline``; None when they cannot be had or began anew meanwhile. Read-only."""
    now = read(counter, cluster)
    if now is None or baseline is None:
        return None
    counted = now - baseline
    return counted if counted.sent >= 0 and counted.failed >= 0 else None


def http_probe(url: str) -> Probe:
    """A probe of a balancer's address: one GET after another, each on a connection of its own; times are means."""
    parts = urlsplit(url)

    def probe(count: int) -> Requests:
        failed = 0
        begun = time.monotonic()
        for _ in range(count):
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
            try:
                connection.request("GET", parts.path or "/")
                failed += connection.getresponse().status >= 500
            except (OSError, http.client.HTTPException):
                failed += 1
            finally:
                connection.close()
        return Requests(count, failed, (time.monotonic() - begun) * 1000 / count)

    return probe
