"""What a run's journal says has happened, for taking the run up again and for telling about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import Event, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks.patch_plan import PatchPlan

__all__ = ["Grown", "HostPast", "Past"]


@dataclass(slots=True)
class HostPast:
    """What was done to one host."""

    begun: set[str] = field(default_factory=set)
    done: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Details of finished steps."""
    undo: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was written down before a step to take it back or up again."""
    state: str = ""
    """patched, failed, rolled_back, replaced or drained; empty while it is not finished."""
    error: str = ""
    old: str = ""
    new: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Grown:
    """The group before hosts were added for the run."""

    desired: int
    """Those in standby counted."""
    hosts: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Hosts that came, once they serve."""


@dataclass(slots=True)
class Past:
    """A run so far."""

    plan: PatchPlan
    hosts: dict[str, HostPast] = field(default_factory=dict)
    gated: set[int] = field(default_factory=set)
    """Waves whose gate was passed."""
    baseline: Requests | None = None
    """The balancer's counts when the run began."""
    probes_ms: float | None = None
    """What our probes took then."""
    requests: Requests | None = None
    """What it has counted since, as last seen."""
    suspended: tuple[str, ...] = ()
    """Processes that are (perhaps) suspended by this run and not yet resumed."""
    prior_floor: int | None = None
    """The group's min before it was lowered; None while it is not."""
    grown: Grown | None = None
    """From what hosts were added; None while none are."""
    prior_pins: Mapping[str, str] | None = None
    """What new hosts took before this run's pins; None while they take that."""
    pinned: bool = False
    state: str = "running"
    why: str = ""
    """Why the last pass ended before its last wave, or who is not patched."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Past:
        """The past that these events tell. Raises InputError when they hold no plan."""
        rows = list(events)
        first = next((row for row in rows if row.step == "patch" and isinstance(row, StepStarted)), None)
        if first is None:
            raise InputError("this run holds no patch plan", remedy="ops history, then name a patch run")
        past = cls(PatchPlan.from_json(first.detail["plan"]))
        for row in rows:
            past._take(row)
        return past

    def host(self, host_id: str) -> HostPast:
        return self.hosts.setdefault(host_id, HostPast())

    def _take(self, event: Event) -> None:
        if event.host:
            self._take_host(event, self.host(event.host))
        elif isinstance(event, StepStarted):
            self.suspended = tuple(event.undo.get("suspended", self.suspended))
            if event.step == "floor":
                self.prior_floor = event.undo["min"]
            elif event.step == "prescale":
                self.grown = Grown(event.undo["desired"], tuple(event.undo["hosts"]))
            elif event.step == "pins":
                self.prior_pins = event.undo["pins"]
            if event.step == "patch":
                self.state = "running"
        elif isinstance(event, StepFinished):
            self._take_group(event)
        if event.detail.get("requests"):
            self.requests = Requests(**event.detail["requests"])

    def _take_group(self, event: StepFinished) -> None:
        if event.step == "preflight":
            self.baseline = Requests(**found) if (found := event.detail["baseline"]) else None
            self.probes_ms = event.detail["probes_ms"]
        elif event.step.startswith("gate:"):
            self.gated.add(int(event.step.removeprefix("gate:")))
        elif event.step == "processes back":
            self.suspended = ()
        elif event.step == "floor back" and event.detail["min"] == self.prior_floor:
            self.prior_floor = None
        elif event.step == "prescale" and self.grown is not None:
            self.grown = replace(self.grown, added=tuple(event.detail["hosts"]))
        elif event.step == "prescale back":
            self.grown = None
        elif event.step == "pins":
            self.pinned = True
        elif event.step == "pins back":
            self.prior_pins, self.pinned = None, False
        elif event.step == "patch":
            self.state, self.why = event.detail["state"], event.detail["why"]
            if self.state != "stopped":  # then pins that stand are there to stay
                self.prior_pins = None

    def _take_host(self, event: Event, host: HostPast) -> None:
        if isinstance(event, StepStarted):
            host.begun.add(event.step)
            if event.undo:
                host.undo[event.step] = event.undo
            if event.step == "back":
                host.state = ""
        elif isinstance(event, StepFinished):
            host.done[event.step] = event.detail
        if event.step == "host" and isinstance(event, StepFinished | StepFailed):
            host.state = event.detail["state"]
            host.old, host.new = event.detail.get("from", ""), event.detail.get("to", "")
            host.seconds = event.seconds
            host.error = event.error if isinstance(event, StepFailed) else ""
        elif event.step == "back" and isinstance(event, StepFinished):
            host.state = event.detail["state"]
