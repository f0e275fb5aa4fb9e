"""Carrying a replacement out: the instance refresh started, followed, judged at its checkpoints, ended.

AWS does the replacing and goes on by itself: a checkpoint holds it for the delay it was told at the start, and no call
of its API holds it longer. So a shut gate and a spent budget send it back, the window's end cancels it (what is begun
AWS finishes, the rest waits), and a controller that is gone leaves the alarms and AWS's own rollback in charge.
There is no client token for the start either: ours is known by its version among refreshes that were not there before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from quartermaster.fleet.clock import Clock, SystemClock
from quartermaster.fleet.errors import GuardRefused, OpsError, Stopped
from quartermaster.fleet.events import Event, Noted, StepFailed, StepFinished, StepStarted
from quartermaster.fleet.hosts import RequestCounter, Requests
from quartermaster.playbooks.patch_gate import PROBES, Probe, Usual, judge, read, since
from quartermaster.playbooks.patch_guard import moved
from quartermaster.playbooks.replace_keep import keep, left, let_go
from quartermaster.playbooks.replace_past import Past
from quartermaster.playbooks.replace_plan import ReplacePlan, Stage
from quartermaster.playbooks.replace_watch import HostWatch
from quartermaster.playbooks.replace_world import Refresh, Refreshes

__all__ = ["Tools", "recover", "resume", "run"]

_STILL = timedelta(hours=2)
"""Without a change on top of a checkpoint's delay: AWS itself gives a refresh up after an hour."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    world: Refreshes
    counter: RequestCounter | None = None
    probe: Probe | None = None
    asked: Callable[[], str] = lambda: ""
    """What somebody wants of the run: pause (cancel, the rest stays as it is), abort (go back), or nothing."""
    clock: Clock = field(default_factory=SystemClock)
    poll_seconds: float = 2.0


def run(plan: ReplacePlan, tools: Tools) -> Iterator[Event]:
    """Carry the plan out. Changes the group and its hosts. Raises GuardRefused, nothing done, when the world moved."""
    start = StepStarted(step="replace", title=f"replace {plan.cluster}", detail={"plan": plan.to_json()})
    yield start
    yield from _Cycle(Past.of([start]), tools).go(fresh=True)


def resume(events: Iterable[Event], tools: Tools, *, ends_at: datetime | None = None) -> Iterator[Event]:
    """Go on with a run that its journal tells of: follow its refresh where there is one, start it where not.

    ``ends_at``: the end of the window that is open now; the one that the plan names may have passed.
    """
    past = Past.of(events)
    past.plan = replace(past.plan, ends_at=ends_at)
    detail = {"plan": past.plan.to_json()}
    yield StepStarted(step="replace", title=f"go on replacing {past.plan.cluster}", detail=detail)
    yield from _Cycle(past, tools).go(fresh=past.known is None and past.baseline is None)


def recover(events: Iterable[Event], tools: Tools) -> Iterator[Event]:
    """Give a run up: its refresh is cancelled, the group names the version that it named before the run.

    Hosts that are replaced stay so. After a rollback the group keeps the version that serves.
    """
    past = Past.of(events)
    yield StepStarted(step="recover", title=f"put {past.plan.cluster} back")
    yield from _Cycle(past, tools).give_up()
    yield StepFinished(step="recover")


class _Cycle:
    """One pass over a replacement."""

    def __init__(self, past: Past, tools: Tools) -> None:
        self._past, self._plan = past, past.plan
        self._tools, self._world, self._clock = tools, tools.world, tools.clock
        self._reached: dict[int, datetime] = {}
        self._watch = HostWatch(past)
        self._ordered = self._why = ""
        self._aborted = False

    def go(self, *, fresh: bool) -> Iterator[Event]:
        state, gone_back = "done", ""
        if fresh and self._plan.pending:
            yield from self._noted(self._preflight())
        try:
            if self._plan.pending:
                state, gone_back = yield from self._work()
        except OpsError as exc:  # AWS goes on by itself, and a resumed run follows it
            raise Stopped(exc.message, remedy=f"ops patch resume {self._plan.cluster}") from exc
        if self._why:
            yield Noted(step="replace", message=self._why, level="warning")
        seen = self._since_start()
        requests = asdict(seen) if seen else None
        detail = {"state": state, "why": self._why, "gone_back": gone_back, "requests": requests}
        yield StepFinished(step="replace", detail=detail, changed=bool(self._plan.pending))

    def _work(self) -> Generator[Event, None, tuple[str, str]]:
        """Start and follow; the generator's value: (state of the run, why its hosts went back)."""
        refresh = self._ours()
        if refresh is None or refresh.status == "Cancelled":
            if late := self._too_late():
                self._why = late
                return "stopped", ""
            if not self._plan.preferences.skip_matching and not left(self._past, self._world):
                yield from self._noted(let_go(self._past, self._world))
                return "done", ""  # what was begun when it was cancelled was the last
            yield from self._noted(self._begin())
            refresh = self._ours()
        if refresh is not None:
            yield from self._noted(self._follow(refresh))
        state, gone_back = self._ended(self._ours())
        yield from self._noted(let_go(self._past, self._world))
        if state == "done" and self._plan.own.startswith("$"):
            yield from self._name(self._plan.own, "version back")
        return state, gone_back

    def give_up(self) -> Iterator[Event]:
        refresh = self._ours()
        if refresh is not None and refresh.status in ("Pending", "InProgress", "Baking"):
            yield from self._order("cancel", "the run is given up")
        if refresh is not None and refresh.busy:
            yield from self._noted(self._follow(refresh))
            refresh = self._ours()
        yield from self._noted(let_go(self._past, self._world))
        back = refresh is not None and refresh.status.startswith("Rollback")
        if self._plan.own != self._world.launched().own and not back:
            yield from self._name(self._plan.own, "version back")

    def _noted(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on and keep the past up to date by them, as a later resume would read them."""
        for event in events:
            yield event
            self._past.take(event)

    def _preflight(self) -> Iterator[Event]:
        yield StepStarted(step="preflight")
        planned = [host.id for host in self._plan.hosts]
        busy = any(row.busy for row in self._world.history())
        faults = moved(planned, self._world.group(), refresh_running=busy)
        latest = self._world.launched().latest
        if latest != self._plan.target:
            faults.append(f"version {latest} of the template is newer than {self._plan.target}")
        if faults:
            error = "the group is no longer as planned: " + "; ".join(faults)
            yield StepFailed(step="preflight", error=error)
            raise GuardRefused(error, remedy="plan again")
        counts, probe = read(self._tools.counter, self._plan.cluster), self._tools.probe
        detail = {
            "baseline": asdict(counts) if counts else None,
            "probes_ms": probe(PROBES).latency_ms if probe else None,
        }
        yield StepFinished(step="preflight", changed=False, detail=detail)

    def _begin(self) -> Iterator[Event]:
        """Name the version to go back to, then start the refresh; both written down first."""
        if self._plan.preferences.auto_rollback and self._world.launched().own != self._plan.before:
            yield from self._name(self._plan.before, "version")
        if not self._plan.preferences.skip_matching:
            yield from keep(self._past, self._world)
        known = sorted(row.id for row in self._world.history())
        title = f"instance refresh to version {self._plan.target}"
        yield StepStarted(step="start", title=title, detail={"known": known})
        refresh = self._world.start(self._plan)
        yield StepFinished(step="start", title=title, detail={"id": refresh})

    def _name(self, version: str, step: str) -> Iterator[Event]:
        yield StepStarted(step=step, undo={"version": self._plan.own}, detail={"version": version})
        self._world.name_version(version)
        yield StepFinished(step=step)

    def _ours(self) -> Refresh | None:
        """The run's refresh as it is now: by its id, or by its version among those that came since."""
        past = self._past
        if past.known is None:
            return None
        rows = self._world.history()
        if past.refresh:
            return next((row for row in rows if row.id == past.refresh), None)
        return next((row for row in rows if row.id not in past.known and row.target == self._plan.target), None)

    def _follow(self, refresh: Refresh) -> Iterator[Event]:
        """Look until it is over, and steer it. Raises OpsError when it stands still beyond reason."""
        shown, moved_at = ("", -1), self._clock.now()
        patience = _STILL + timedelta(seconds=self._plan.preferences.delay_seconds)
        while True:
            yield from self._watch.look(self._world.group(), self._world.versions(), self._clock.now())
            if (refresh.status, refresh.percent) != shown:
                shown, moved_at = (refresh.status, refresh.percent), self._clock.now()
                said = f"{refresh.status}, {refresh.percent} % of the group is new"
                yield Noted(step="refresh", message=f"{said}{': ' + refresh.why if refresh.why else ''}")
            if not refresh.busy:
                return
            if self._clock.now() - moved_at > patience:
                raise OpsError(
                    f"instance refresh {refresh.id} has been {refresh.status} for {patience} without a change"
                )
            if refresh.status in ("Pending", "InProgress", "Baking") and not self._ordered:
                yield from self._steer(refresh)
            self._clock.sleep(self._tools.poll_seconds)
            refresh = self._ours() or refresh

    def _steer(self, refresh: Refresh) -> Iterator[Event]:
        asked = self._tools.asked()
        if len(self._past.failed) > self._plan.max_failures:
            failed = ", ".join(sorted(self._past.failed))
            why = f"{len(self._past.failed)} new hosts never served, {self._plan.max_failures} may: {failed}"
            yield from self._order("rollback", why)
        elif asked:
            self._aborted = asked == "abort"
            yield from self._order(
                *(("rollback", "aborted by hand") if self._aborted else ("cancel", "paused by hand"))
            )
        elif late := self._too_late():
            yield from self._order("cancel", late)
        else:
            for stage in self._plan.stages:
                if stage.number not in self._past.gated and self._came_to(stage, refresh):
                    yield from self._gate(stage)

    def _came_to(self, stage: Stage, refresh: Refresh) -> bool:
        """Whether it is at the stage's end, and not at its own. AWS's percentage is sure where it matches hosts."""
        if self._plan.preferences.skip_matching:
            return stage.percent <= min(refresh.percent, 99)
        return stage.percent < 100 and stage.hosts <= len(self._past.replaced)

    def _gate(self, stage: Stage) -> Iterator[Event]:
        """Judge the stage once it has soaked; a shut gate sends the refresh back."""
        step, now = f"gate:{stage.number}", self._clock.now()
        if stage.number not in self._reached:
            self._reached[stage.number] = now
            yield StepStarted(step=step, detail={"soak_seconds": self._plan.soak_seconds})
        if (now - self._reached[stage.number]).total_seconds() < self._plan.soak_seconds:
            return
        baseline = self._past.baseline
        usual = Usual(baseline.latency_ms if baseline else None, self._past.probes_ms)
        seen = self._since_start()
        detail = {"requests": asdict(seen) if seen else None}
        if shut := judge(self._plan.gate, seen, self._tools.probe, usual):
            yield StepFailed(step=step, error=shut, detail=detail)
            yield from self._order("rollback", f"the gate after stage {stage.number} stayed shut: {shut}")
        else:
            yield StepFinished(step=step, changed=False, detail=detail)

    def _order(self, what: str, why: str) -> Iterator[Event]:
        """Tell AWS to cancel or to go back. Where there is no way back, it is cancelled."""
        what = what if self._plan.preferences.auto_rollback else "cancel"
        self._ordered, self._why = what, why
        yield StepStarted(step=what, title=f"{what}: {why}", detail={"why": why})
        (self._world.roll_back if what == "rollback" else self._world.cancel)()
        yield StepFinished(step=what, title=what)

    def _ended(self, refresh: Refresh | None) -> tuple[str, str]:
        """(state of the run, why its hosts went back)."""
        if refresh is None:
            self._why = "the cloud knows the run's instance refresh no more"
            return "stopped", ""
        if refresh.status == "Successful":
            return "done", ""
        if refresh.status == "Cancelled":
            self._why = self._why or "somebody cancelled the instance refresh"
            return "aborted" if self._aborted else "stopped", ""
        self._why = self._why or refresh.rollback or refresh.why or f"the instance refresh is {refresh.status}"
        return "aborted" if self._aborted else "failed", self._why if refresh.status == "RollbackSuccessful" else ""

    def _too_late(self) -> str:
        ends = self._plan.ends_at
        return f"the window ended at {ends:%H:%M %Z}" if ends and self._clock.now() >= ends else ""

    def _since_start(self) -> Requests | None:
        return since(self._tools.counter, self._plan.cluster, self._past.baseline)
