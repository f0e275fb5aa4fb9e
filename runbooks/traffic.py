"""What users had of a drill: requests sent and failed, when they failed, and how slow answers became."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.events import Json
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.runbooks.plan import Stops

__all__ = ["Traffic"]


class Traffic:
    """The requests of the drill's clusters, looked at from time to time."""

    def __init__(self, counter: RequestCounter | None, clusters: Sequence[str], stops: Stops, clock: Clock) -> None:
        self._counter = counter if clusters else None
        self._clusters, self._stops, self._clock = clusters, stops, clock
        self._counts: deque[tuple[datetime, Requests]] = deque()
        self._first: Requests | None = None
        self._failed_at: datetime | None = None
        self._slowest_ms: float | None = None
        self._failing: tuple[float, float] | None = None
        """Seconds since the fault: of the look before the first failed request, and of that after the last."""

    def look(self, fault_at: datetime | None) -> float | None:
        """Read the counts; for how long no request has failed. None when nobody counts."""
        if self._counter is None:
            return None
        counts, now = self._read(), self._clock.now()
        if self._first is None or self._failed_at is None:
            self._first, self._failed_at = counts, now
        elif counts.failed > self._counts[-1][1].failed:
            self._failed_at = now
            if fault_at is not None:
                since = max(0.0, (self._counts[-1][0] - fault_at).total_seconds())
                begun = self._failing[0] if self._failing else since
                self._failing = round(begun, 3), round((now - fault_at).total_seconds(), 3)
        if counts.latency_ms is not None:
            self._slowest_ms = max(self._slowest_ms or 0.0, counts.latency_ms)
        self._counts.append((now, counts))
        # One reading older than the window stays, so that the window is whole.
        while len(self._counts) > 1 and (now - self._counts[1][0]).total_seconds() >= self._stops.window_seconds:
            self._counts.popleft()
        return (now - self._failed_at).total_seconds()

    def too_many_failed(self) -> str:
        """Why the drill must stop: more requests of late failed than it may cause; empty while it need not."""
        if not self._counts:
            return ""
        window = self._counts[-1][1] - self._counts[0][1]
        if window.sent < self._stops.min_requests or window.failed / window.sent <= self._stops.failed_share:
            return ""
        return (
            f"{window.failed} of the last {window.sent} requests failed, more than the {self._stops.failed_share:.0%}"
        )

    def measured(self) -> dict[str, Json]:
        """Since the first look; empty when nobody counts."""
        if self._first is None:
            return {}
        counts = self._counts[-1][1] - self._first
        found: dict[str, Json] = {"requests": {"sent": counts.sent, "failed": counts.failed}}
        if self._slowest_ms is not None:
            found["slowest_ms"] = round(self._slowest_ms, 1)
        if self._failing is not None:
            found["failing_seconds"] = list(self._failing)
        return found

    def _read(self) -> Requests:
        assert self._counter is not None
        read = [self._counter.read(cluster) for cluster in self._clusters]
        slow = [one.latency_ms for one in read if one.latency_ms is not None]
        return Requests(sum(one.sent for one in read), sum(one.failed for one in read), max(slow, default=None))
