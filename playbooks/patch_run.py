"""Carrying a patch plan out, wave by wave, and taking a stopped run up again or putting everything back.

A generator of events: each ``StepStarted`` is in the journal before its act. When the consumer stops listening
(kill, lost lease) nothing more is done: ``resume`` or ``recover`` go on from the journal. When the work itself stops
(a failed canary, the failure budget, a shut gate, the window's end, somebody's word) everything suspended, lowered and
added is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial

from quartermaster.fleet.clock import Clock, SystemClock
from quartermaster.fleet.errors import GuardRefused, OpsError, Stopped
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.playbooks.machine import Limits, Machines
from quartermaster.playbooks.patch_ahead import Ahead
from quartermaster.playbooks.patch_gate import PROBES, Probe, Usual, judge, probed, read, since
from quartermaster.playbooks.patch_guard import crowded, moved
from quartermaster.playbooks.patch_host import HostWork
from quartermaster.playbooks.patch_past import Past
from quartermaster.playbooks.patch_pins import Pins, pin, unpin
from quartermaster.playbooks.patch_plan import PatchPlan, Wave
from quartermaster.playbooks.patch_prescale import grow
from quartermaster.playbooks.patch_recover import put_back
from quartermaster.playbooks.patch_waves import Need
from quartermaster.playbooks.together import Job, Voice, together
from quartermaster.playbooks.world import World

__all__ = ["Tools", "resume", "run"]

_FAILED = ("failed", "rolled_back", "drained")
_SPENT = (*_FAILED, "replaced")
"""What counts against the budget of failures."""
_HEEDED_SECONDS = 1.0
"""How long a soak goes on after somebody said to stop."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    world: World
    machines: Machines
    counter: RequestCounter | None = None
    probe: Probe | None = None
    pins: Pins | None = None
    """Where hosts launched meanwhile read what to install; None: they are not told."""
    asked: Callable[[], str] = lambda: ""
    """What somebody wants of the run: pause, abort, or nothing. Heeded before each host and in soaks."""
    clock: Clock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)


def run(plan: PatchPlan, run_id: str, tools: Tools) -> Iterator[Event]:
    """Carry the plan out. Changes group and hosts. Raises GuardRefused, nothing done, when the world has moved."""
    start = StepStarted(step="patch", title=f"patch {plan.cluster}", detail={"plan": plan.to_json()})
    yield start
    yield from _Cycle(Past.of([start]), run_id, tools).go(fresh=True)


def resume(
    events: Iterable[Event],
    run_id: str,
    tools: Tools,
    *,
    ends_at: datetime | None = None,
    need: Need | None = None,
    override: str = "",
) -> Iterator[Event]:
    """Go on with a run that its journal tells of. Finished hosts are left; a host half-way is taken up where it is.

    The plan's hours are over: ``ends_at`` is the end of the window that is open now, ``need`` what the coming hours
    ask for, ``override`` the reason to break window or freeze.
    """
    past = Past.of(events)
    past.plan = replace(past.plan, ends_at=ends_at)
    if need is not None:
        asked = partial(replace, needed=need.hosts, needed_after_loss=need.after_zone_loss)
        past.plan = replace(past.plan, waves=tuple(asked(wave) for wave in past.plan.waves))
    title = f"go on patching {past.plan.cluster}"
    yield StepStarted(step="patch", title=title, detail={"plan": past.plan.to_json(), "override": override})
    yield from _Cycle(past, run_id, tools).go(fresh=past.baseline is None and not past.hosts)


class _Cycle:
    """One pass over what is left of a plan."""

    def __init__(self, past: Past, run_id: str, tools: Tools) -> None:
        self._past = past
        self._plan = past.plan
        self._run = run_id
        self._tools = tools
        self._ahead = Ahead(tools.machines, run_id)
        self._canary: dict[str, str] = {}
        self._state = self._why = ""
        """How the cycle ended before its last wave: failed, stopped or aborted, and why."""

    def go(self, *, fresh: bool) -> Iterator[Event]:
        with closing(self._ahead):
            if self._plan.waves:
                yield from self._note(self._preflight() if fresh else self._unrefreshed())
                refused: OpsError | None = None
                try:
                    if not self._halted():
                        yield from self._ahead.fetch(self._past, next(filter(self._left, self._plan.waves), None))
                    yield from self._note(self._suspend())
                    yield from self._note(self._prescale())
                    yield from self._waves()
                except OpsError as exc:
                    self._state, self._why, refused = "stopped", exc.message, exc
                yield from self._note(self._put_back())
                if refused and not any(past.begun for past in self._past.hosts.values()):
                    raise refused
            bad = [host for host, past in self._past.hosts.items() if past.state in _FAILED]
            state = self._state or ("failed" if bad else "done")
            why = self._why or (f"not patched: {', '.join(bad)}" if bad else "")
            if why:
                yield Noted(step="patch", message=why, level="warning")
            seen = self._since_start()
            detail = {"state": state, "requests": asdict(seen) if seen else None, "why": why}
            yield StepFinished(step="patch", detail=detail, changed=bool(self._plan.waves))

    def _note(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on and keep the past up to date by them, as a later resume would read them."""
        for event in events:
            yield event
            self._past._take(event)

    def _preflight(self) -> Iterator[Event]:
        yield StepStarted(step="preflight")
        group = self._tools.world.group()
        planned = [host.id for host in self._plan.hosts]
        faults = moved(planned, group, refresh_running=self._tools.world.refresh_running())
        counts = read(self._tools.counter, self._plan.cluster)
        probes = self._tools.probe(PROBES) if self._tools.probe else None
        if probes and (fault := probed(probes)):
            faults.append(f"{fault} through the balancer")
        if faults:
            error = "the group is no longer as planned: " + "; ".join(faults)
            yield StepFailed(step="preflight", error=error)
            raise GuardRefused(error, remedy="mend that, then plan again")
        found = {"baseline": asdict(counts) if counts else None, "probes_ms": probes.latency_ms if probes else None}
        yield StepFinished(step="preflight", changed=False, detail=found)

    def _unrefreshed(self) -> Iterator[Event]:
        if self._tools.world.refresh_running():
            error = f"an instance refresh of {self._plan.group} is running"
            raise Stopped(error, remedy="wait for its end, then resume")
        yield from ()

    def _suspend(self) -> Iterator[Event]:
        """Suspend what would move hosts about, the processes written down first."""
        there = self._tools.world.group().suspended
        if suspend := [name for name in self._plan.suspend if name not in there]:
            kept = sorted({*self._past.suspended, *suspend})
            yield StepStarted(step="processes", undo={"suspended": kept}, detail={"suspend": suspend})
            self._tools.world.suspend(suspend)
            yield StepFinished(step="processes")

    def _prescale(self) -> Iterator[Event]:
        limits = self._tools.limits
        if any(self._left(wave) for wave in self._plan.waves):
            yield from grow(self._past, self._tools.world, self._halted, patience=limits.replacement, poll=limits.poll)

    def _put_back(self) -> Iterator[Event]:
        """Raises Stopped, so that the run can be taken up, when the cloud does not let it."""
        try:
            yield from put_back(self._past, self._tools.world, self._tools.limits)
            if self._state in ("failed", "aborted"):
                yield from unpin(self._past, self._tools.pins)
        except OpsError as exc:
            cluster = self._plan.cluster
            raise Stopped(
                f"what was suspended, lowered or added is not all back: {exc.message}",
                remedy=f"ops patch resume {cluster}, or ops patch recover {cluster}",
            ) from exc

    def _waves(self) -> Iterator[Event]:
        waves = self._plan.waves
        for wave, following in zip(waves, [*waves[1:], None], strict=True):
            if self._left(wave) and self._halted():
                return
            yield from self._note(self._wave(wave, following))
            if why := self._spent(wave):
                self._state, self._why = "failed", why
                return
            if self._left(wave) or (following and self._halted()):
                return
            if following and wave.number not in self._past.gated:
                yield from self._note(self._gate(wave))
                if self._state:
                    return
            if not (following and following.canary):
                yield from self._note(pin(self._past, self._tools.pins, {**self._plan.pins, **self._expected()}))

    def _left(self, wave: Wave) -> list[str]:
        return [host_id for host_id in wave.hosts if not self._past.host(host_id).state]

    def _halted(self) -> bool:
        """Whether no host may be started any more."""
        asked, ends = self._tools.asked(), self._plan.ends_at
        if asked == "abort":
            self._state, self._why = "aborted", "aborted by hand"
        elif asked:
            self._state, self._why = "stopped", "paused by hand"
        elif ends and self._tools.clock.now() >= ends:
            self._state, self._why = "stopped", f"the window ended at {ends:%H:%M %Z}"
        return bool(self._state)

    def _room(self, wave: Wave, leaving: int) -> Iterator[Event]:
        """See that enough will serve, and lower the floor when standby does not fit under it. Raises GuardRefused."""
        group = self._tools.world.group()
        if fault := crowded(wave, group, leaving):
            raise GuardRefused(fault, remedy="bring failed hosts back or scale up, then `ops patch resume`")
        floor = group.desired - leaving
        if group.min > floor:
            prior = group.min if self._past.prior_floor is None else self._past.prior_floor
            yield StepStarted(step="floor", undo={"min": prior}, detail={"min": floor})
            self._tools.world.set_floor(floor)
            yield StepFinished(step="floor")

    def _wave(self, wave: Wave, following: Wave | None) -> Iterator[Event]:
        left = self._left(wave)
        if not left:
            return
        yield from self._unrefreshed()
        kind = "canary" if wave.canary else "wave"
        said = f"{kind} {wave.number} of {len(self._plan.waves)}: {len(left)} host(s) in {wave.zone}, {wave.left} serve"
        yield Noted(step="wave", zone=wave.zone, message=said)
        in_service = {host.id for host in self._tools.world.group().hosts if host.lifecycle == "InService"}
        yield from self._room(wave, len(in_service & set(left) - self._returned()))
        yield from self._ahead.fetch(self._past, following)
        works: list[HostWork] = []
        yield from together([self._job(host_id, works) for host_id in left])
        if wave.canary:
            self._canary |= {name: found for work in works for name, found in work.versions.items()}

    def _returned(self) -> set[str]:
        """Hosts that had left standby already when an earlier pass was cut off."""
        return {host_id for host_id, past in self._past.hosts.items() if "return" in past.begun}

    def _job(self, host_id: str, works: list[HostWork]) -> Job:
        def job(voice: Voice) -> None:
            past, world = self._past.host(host_id), self._tools.world
            if not past.begun and self._halted():
                return
            planned = self._plan.host(host_id)
            machine = self._ahead.open(host_id)
            work = HostWork(self._plan, self._run, planned, past, world, machine, voice, self._expected())
            work.limits = self._tools.limits
            works.append(work)
            work.go()

        return job

    def _expected(self) -> dict[str, str]:
        """Versions that the canaries came to, in this pass or one before."""
        found = dict(self._canary)
        for wave in self._plan.waves:
            for host_id in wave.hosts if wave.canary else ():
                found |= self._past.host(host_id).done.get("upgrade", {}).get("versions", {})
        return found

    def _spent(self, wave: Wave) -> str:
        """Why the cycle ends here; empty while it may go on."""
        bad = [host_id for host_id, past in self._past.hosts.items() if past.state in _SPENT]
        if wave.canary and set(bad) & set(wave.hosts):
            return f"the canary failed: {', '.join(sorted(set(bad) & set(wave.hosts)))}"
        if len(bad) > self._plan.max_failures:
            return f"{len(bad)} hosts failed, {self._plan.max_failures} may: {', '.join(sorted(bad))}"
        return ""

    def _gate(self, wave: Wave) -> Iterator[Event]:
        """Soak, then judge; a gate that stays shut ends the cycle."""
        yield StepStarted(step=f"gate:{wave.number}", detail={"soak_seconds": self._plan.soak_seconds})
        left = float(self._plan.soak_seconds)
        while left > 0:
            self._tools.clock.sleep(min(left, _HEEDED_SECONDS))
            left -= _HEEDED_SECONDS
            if self._tools.asked() and self._halted():
                yield StepFailed(step=f"gate:{wave.number}", error=f"{self._why} in the soak")
                return
        usual = Usual(self._past.baseline.latency_ms if self._past.baseline else None, self._past.probes_ms)
        seen = self._since_start()
        detail = {"requests": asdict(seen) if seen else None}
        if shut := judge(self._plan.gate, seen, self._tools.probe, usual):
            yield StepFailed(step=f"gate:{wave.number}", error=shut, detail=detail)
            self._state, self._why = "failed", f"the gate after wave {wave.number} stayed shut: {shut}"
        else:
            yield StepFinished(step=f"gate:{wave.number}", changed=False, detail=detail)

    def _since_start(self) -> Requests | None:
        return since(self._tools.counter, self._plan.cluster, self._past.baseline)
