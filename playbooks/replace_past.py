"""What a replacement's journal says has happened, for going on with it and for telling about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.fleet.hosts import Requests
from quartermaster.playbooks.patch_result import HostResult, PatchResult
from quartermaster.playbooks.replace_plan import HostTurn, ReplacePlan

__all__ = ["Past", "Replaced", "is_replacement", "outcome"]


@dataclass(frozen=True, slots=True)
class Replaced:
    """A host that another one has taken the place of."""

    by: str
    seconds: float


@dataclass(slots=True)
class Past:
    """A run so far."""

    plan: ReplacePlan
    baseline: Requests | None = None
    probes_ms: float | None = None
    """What our probes took when the run began."""
    requests: Requests | None = None
    known: frozenset[str] | None = None
    """Refreshes of the group that were there before ours was started; None: it was not yet to be started."""
    refresh: str = ""
    """Id of ours, as far as AWS's answer arrived."""
    gated: set[int] = field(default_factory=set)
    """Stages whose gate was passed."""
    replaced: dict[str, Replaced] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """New hosts that went without ever serving."""
    protected: frozenset[str] = frozenset()
    """Hosts that stay and that we protected, so that AWS leaves them."""
    gone_back: str = ""
    """Why the hosts went back to the version before; empty while they did not."""
    state: str = "running"
    why: str = ""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Past:
        """The past that these events tell. Raises InputError when they hold no plan."""
        rows = list(events)
        if not is_replacement(rows):
            raise InputError("this run replaced no hosts", remedy="ops history, then name a patch run")
        past = cls(ReplacePlan.from_json(rows[0].detail["plan"]))
        for row in rows:
            past.take(row)
        return past

    def take(self, event: Event) -> None:
        """Note what an event tells."""
        if isinstance(event, StepStarted):
            if event.step == "start":
                self.known, self.refresh = frozenset(event.detail["known"]), ""
            elif event.step == "protect":
                self.protected = frozenset(event.undo["protected"])
            elif event.step == "replace":
                self.state = "running"
        elif isinstance(event, StepFinished):
            self._take_done(event)
        elif isinstance(event, Noted) and event.step == "launch" and event.host:
            self.failed.add(event.host)
        if event.detail.get("requests"):
            self.requests = Requests(**event.detail["requests"])

    def _take_done(self, event: StepFinished) -> None:
        detail = event.detail
        if event.step == "preflight":
            self.baseline = Requests(**found) if (found := detail["baseline"]) else None
            self.probes_ms = detail["probes_ms"]
        elif event.step == "start":
            self.refresh = detail["id"]
        elif event.step == "host":
            self.replaced[event.host] = Replaced(detail["by"], event.seconds)
        elif event.step.startswith("gate:"):
            self.gated.add(int(event.step.removeprefix("gate:")))
        elif event.step == "replace":
            self.state, self.why, self.gone_back = detail["state"], detail["why"], detail["gone_back"]
        elif event.step == "protect back":
            self.protected = frozenset()
        elif event.step == "recover":
            self.state = "recovered"


def is_replacement(events: Iterable[Event]) -> bool:
    """Whether the first of a run's events begins a replacement."""
    first = next(iter(events), None)
    return isinstance(first, StepStarted) and first.step == "replace"


def outcome(events: Iterable[Event], *, run: str) -> PatchResult:
    """What the run came to, in the words of every patch run. Pure. Raises InputError when it replaced no hosts."""
    past = Past.of(events)
    hosts = tuple(_host(past, host) for host in past.plan.hosts)
    return PatchResult(run, past.plan.cluster, past.state, hosts, past.requests or Requests(0, 0))


def _host(past: Past, host: HostTurn) -> HostResult:
    found, old = past.replaced.get(host.id), f"{host.version} {host.image}".strip()
    new = f"{past.plan.target} {past.plan.image}"
    if not host.why:
        return HostResult(host.id, host.zone, "replaced", old, new, 0.0, "it is of the newest version already")
    if found is None:
        return HostResult(host.id, host.zone, "pending", old, old, 0.0, past.gone_back or past.why or host.why)
    if past.gone_back:
        return HostResult(host.id, host.zone, "rolled_back", old, old, found.seconds, past.gone_back)
    return HostResult(host.id, host.zone, "replaced", old, new, found.seconds, f"{found.by} took its place")
