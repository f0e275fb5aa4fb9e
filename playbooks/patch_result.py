"""What a patch run came to, told from its events alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from quartermaster.fleet.events import Event
from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks.patch_past import Past
from quartermaster.playbooks.patch_plan import spelled

__all__ = ["HostResult", "PatchResult", "outcome"]


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one host."""

    id: str
    zone: str
    state: str
    """patched, pending, failed, rolled_back, replaced or drained."""
    old: str
    """``name=version`` of the packages that change, joined by commas."""
    new: str
    seconds: float
    why: str = ""
    """Why it is not patched, or why nothing had to be done."""


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What became of the cycle."""

    run: str
    cluster: str
    state: str
    """done, failed, stopped (resumable), aborted or running."""
    hosts: tuple[HostResult, ...]
    requests: Requests
    why: str = ""
    """Why it ended as it did."""

    def to_json(self) -> dict[str, Any]:
        """The contract's keys, hosts, state, requests, run, and more."""
        hosts = [
            {
                **{"id": host.id, "zone": host.zone, "state": host.state, "from": host.old, "to": host.new},
                **{"seconds": host.seconds, "why": host.why},
            }
            for host in self.hosts
        ]
        return {
            "run": self.run,
            "cluster": self.cluster,
            "state": self.state,
            "why": self.why,
            "hosts": hosts,
            "requests": asdict(self.requests),
        }


def outcome(events: Iterable[Event], *, run: str) -> PatchResult:
    """The result of a run as its events tell it. Pure. Raises InputError when they hold no plan."""
    past = Past.of(events)
    hosts = []
    for planned in past.plan.hosts:
        seen = past.host(planned.id)
        old = spelled({update.name: update.old for update in planned.updates if update.old})
        idle = planned.skipped == "nothing is pending"
        hosts.append(
            HostResult(
                planned.id,
                planned.zone,
                state=seen.state or ("patched" if idle else "pending"),
                old=seen.old or old,
                new=seen.new or ("" if not seen.state else old),
                seconds=seen.seconds,
                why=seen.error or planned.skipped,
            )
        )
    requests = past.requests or Requests(0, 0)
    return PatchResult(run, past.plan.cluster, past.state, tuple(hosts), requests, past.why)
