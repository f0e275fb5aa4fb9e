"""Which hosts left in a replacement, and which took their places, told from what the group shows from time to time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.fleet.hosts import Group, Host
from quartermaster.playbooks.replace_past import Past

__all__ = ["HostWatch"]


class HostWatch:
    """Looks at the group; what it tells is to be taken into the past before the next look."""

    def __init__(self, past: Past) -> None:
        self._past, self._plan = past, past.plan
        self._seen: dict[str, bool] = {}
        """New hosts, and whether each has served."""
        self._left_at: dict[str, datetime] = {}

    def look(self, group: Group, versions: Mapping[str, str], now: datetime) -> Iterator[Event]:
        """Tell which hosts left, which took their places, and which new ones went without ever serving."""
        there = {host.id: host for host in group.hosts}
        for planned in self._plan.pending:
            host = there.get(planned.id)
            if planned.id not in self._left_at and (host is None or host.lifecycle.startswith("Terminating")):
                self._left_at[planned.id] = now
                if planned.id not in self._past.replaced:
                    yield StepStarted(step="host", host=planned.id, zone=planned.zone, title="replace")
        planned_ids = {host.id for host in self._plan.hosts}
        ours = {id_: host for id_, host in there.items() if id_ not in planned_ids}
        for id_ in [id_ for id_, served in self._seen.items() if not served]:
            if (id_ not in ours or ours[id_].lifecycle.startswith("Terminating")) and id_ not in self._past.failed:
                yield Noted(step="launch", host=id_, message="went without ever serving", level="warning")
        for id_, host in ours.items():
            if versions.get(id_) == self._plan.target:
                self._seen[id_] = self._seen.get(id_, False) or host.serving
                if host.serving:
                    yield from self._took_over(host, now)

    def _took_over(self, host: Host, now: datetime) -> Iterator[Event]:
        if any(done.by == host.id for done in self._past.replaced.values()):
            return
        open_ = [one for one in self._plan.pending if one.id in self._left_at and one.id not in self._past.replaced]
        if not open_:
            return  # launched first: the one that it replaces is still there
        old = min(open_, key=lambda one: (one.zone != host.zone, self._left_at[one.id]))
        yield StepFinished(
            step="host",
            host=old.id,
            zone=old.zone,
            title=f"replaced by {host.id}",
            seconds=round((now - self._left_at[old.id]).total_seconds(), 3),
            detail={"state": "replaced", "from": old.version, "to": self._plan.target, "by": host.id},
        )
