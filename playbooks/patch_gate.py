"""The gate between waves: what the balancer saw must be enough and good; missing data never passes."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.playbooks.patch_plan import GateRule

__all__ = ["Probe", "http_probe", "judge", "read"]

Probe = Callable[[int], Requests]
"""Sends that many requests of our own through the balancer and counts them."""

PROBES = 50
"""Sent when users sent too few requests to judge by."""


def judge(rule: GateRule, seen: Requests | None, probe: Probe | None) -> str:
    """Why the gate stays shut; empty when it opens. Sends probes when ``seen`` is too little. Otherwise pure."""
    if seen is not None and seen.sent > 0 and seen.failed / seen.sent > rule.max_error_rate:
        return f"{seen.failed} of {seen.sent} requests failed, more than {rule.max_error_rate:.2%}"
    if seen is not None and seen.sent >= max(rule.min_requests, 1):
        return ""
    known = f"{seen.sent} requests" if seen is not None else "no counts"
    if probe is None:
        return f"the balancer shows {known}, fewer than {rule.min_requests}, and there is no way to probe it"
    probed = probe(PROBES)
    if probed.sent < PROBES or probed.failed:
        return f"the balancer shows {known}, and {probed.failed} of {probed.sent} probes failed"
    return ""


def read(counter: RequestCounter | None, cluster: str) -> Requests | None:
    """The counts now, None when they cannot be had. Read-only."""
    if counter is None:
        return None
    try:
        return counter.read(cluster)
    except (OpsError, OSError, KeyError):
        return None


def http_probe(url: str) -> Probe:
    """A probe of a balancer's address: one GET after another, each on a connection of its own."""
    parts = urlsplit(url)

    def probe(count: int) -> Requests:
        failed = 0
        for _ in range(count):
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
            try:
                connection.request("GET", parts.path or "/")
                failed += connection.getresponse().status >= 500
            except (OSError, http.client.HTTPException):
                failed += 1
            finally:
                connection.close()
        return Requests(count, failed)

    return probe
