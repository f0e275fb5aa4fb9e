"""Patch cycles as the journal holds them: who was patched when, from what to what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import StepFailed, StepFinished
from quartermaster.fleet.journal import Recorded, RunRow
from quartermaster.playbooks.outcomes import outcome

__all__ = ["Cycle", "HostEnd", "cycle", "touched"]

UNDONE = ("failed", "rolled_back", "drained")
"""How a host ends that was worked on and is not patched."""


@dataclass(frozen=True, slots=True)
class HostEnd:
    """How a cycle left one host."""

    id: str
    zone: str
    state: str
    old: str
    new: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Cycle:
    """One run over one cluster."""

    run: str
    state: str
    """done, failed, stopped, running, recovered or interrupted."""
    started_at: datetime
    ended_at: datetime | None
    hosts: tuple[HostEnd, ...]
    requests: Mapping[str, int] | None
    why: str
    """Why it ended before it was done; empty when it was, or when it was not said."""

    @property
    def at(self) -> datetime:
        """When it was last heard of."""
        return self.ended_at or self.started_at

    def host(self, host_id: str) -> HostEnd | None:
        """How it left that host; None when it did not know it."""
        return next((host for host in self.hosts if host.id == host_id), None)


def cycle(row: RunRow, events: Sequence[Recorded] = ()) -> Cycle:
    """The cycle of a run. Without its events: from its result, which does not tell why it ended."""
    document = _document(row, events)
    return Cycle(
        run=row.id,
        state="interrupted" if row.interrupted else row.state,
        started_at=row.started_at,
        ended_at=row.ended_at or (events[-1].at if events else None),
        hosts=tuple(_host(host) for host in document.get("hosts", ())),
        requests=document.get("requests"),
        why=_why(recorded.event for recorded in events) or str(document.get("error", "")),
    )


def touched(cycles: Iterable[Cycle], host_id: str) -> tuple[Cycle, HostEnd] | None:
    """The last cycle that brought that host to an end of any kind. ``cycles`` newest first."""
    for one in cycles:
        end = one.host(host_id)
        if end is not None and end.state != "pending" and end.seconds:
            return one, end
    return None


def _document(row: RunRow, events: Sequence[Recorded]) -> Mapping[str, Any]:
    if row.result and "hosts" in row.result:
        return row.result
    try:
        return outcome([recorded.event for recorded in events], run=row.id).to_json() | dict(row.result or {})
    except InputError:  # it ended before it had a plan
        return row.result or {}


def _host(record: Mapping[str, Any]) -> HostEnd:
    host, zone, state, old, new, why = (
        str(record.get(name) or "") for name in ("id", "zone", "state", "from", "to", "why")
    )
    return HostEnd(host, zone, state, old, new, float(record.get("seconds") or 0), why)


def _why(events: Iterable[Any]) -> str:
    """What the end of the cycle says, with what shut the gate."""
    gate = told = ""
    for event in events:
        if isinstance(event, StepFailed) and event.step.startswith("gate:"):
            gate = event.error
        elif isinstance(event, StepFailed) and not event.host:
            told = event.error
        elif isinstance(event, StepFinished) and event.step == "patch":
            told = str(event.detail.get("why", ""))
    return f"{told}: {gate}" if told and gate and "gate" in told else told
