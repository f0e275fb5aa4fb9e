"""Drills: decide one, run one, put right one that was cut short.

``plan`` is pure. ``run`` and ``recover`` are iterators of events that hold the leases and write the journal, so
whoever draws the events need only draw them; ``DrillResult`` (evidence.py) is read from the journal afterwards.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime

from quartermaster.fleet.clock import Clock
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Event
from quartermaster.fleet.hosts import Group, Host, RequestCounter
from quartermaster.fleet.journal import Journal, Run, RunRow
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks import instance_loss
from quartermaster.runbooks.acts import FaultInjector, HostsReader
from quartermaster.runbooks.evidence import DrillResult, measured
from quartermaster.runbooks.guards import Demand, guards
from quartermaster.runbooks.plan import DrillPlan, Stops
from quartermaster.runbooks.render import LIMITS, Context, render

__all__ = ["KINDS", "RUN_KIND", "accept", "context", "plan", "recover", "run", "unfinished"]

KINDS = ("instance_loss",)
"""Drills that can be run."""
RUN_KIND = "drill"
"""Of a drill's run in the journal."""
_POLL_SECONDS = {"local": 0.5, "aws": 5.0}
_LONGEST_SECONDS = 1800.0


def accept(kind: str, of: str, fleet: Fleet) -> None:
    """Raises InputError unless there is such a drill and such a cluster. Before anything is read."""
    if kind not in KINDS:
        raise InputError(f"no drill {kind!r} can be run yet", remedy=f"one of: {', '.join(KINDS)}")
    if of not in fleet.clusters:
        known = ", ".join(fleet.clusters) or "none is declared"
        raise InputError(f"no cluster {of!r} in fleet {fleet.fleet}", remedy=f"clusters: {known}")


def plan(
    kind: str,
    of: str,
    *,
    group: Group,
    fleet: Fleet,
    stack: str,
    now: datetime,
    demand: Demand | None = None,
    right_now: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> DrillPlan:
    """The drill as it would run now, guards answered, not enforced (``DrillPlan.require``). Pure.

    ``right_now`` waives the people's hours; ``overrides`` gives a reason for each of freeze, hours to be broken.
    """
    accept(kind, of, fleet)
    target = fleet.stacks[stack].target
    host, why, runner_up = _choose(group, now)
    serving = sum(item.serving for item in group.hosts)
    # One of n hosts fails all that it is sent until it is noticed; a quarter more than that is no drill any more.
    stops = Stops(
        seconds=min(_LONGEST_SECONDS, float(sum(LIMITS[kind].values()))),
        failed_share=min(0.95, 1 / max(serving, 1) + 0.25),
    )
    objectives = fleet.recovery.objectives.get(of)
    objective = objectives.zone.rto.total_seconds() if objectives and objectives.zone else None
    names = context(
        kind, group=group, fleet=fleet, stack=stack, host=host, why=why, runner_up=runner_up,
        objective=objective, stops=stops,
    )  # fmt: skip
    return DrillPlan(
        kind=kind,
        of=of,
        fleet=fleet.fleet,
        stack=stack,
        target=target,
        at=now.isoformat(),
        host=host.id if host else "",
        zone=host.zone if host else "",
        why=why,
        runner_up=runner_up,
        guards=guards(
            kind, group, fleet, stack=stack, now=now, demand=demand, right_now=right_now, overrides=overrides or {}
        ),
        before=group,
        objective_seconds=objective,
        stops=stops,
        poll_seconds=_POLL_SECONDS[target],
        document=render(kind, names),
    )


def context(
    kind: str,
    *,
    group: Group,
    fleet: Fleet,
    stack: str,
    host: Host | None,
    why: str,
    runner_up: str,
    objective: float | None,
    stops: Stops,
) -> Context:
    """The live names for the runbook of that kind. Pure."""
    target = fleet.stacks[stack].target
    balancer = fleet.clusters[group.cluster].balancer
    lost = host.id if host else "HOST"
    by_hand = (
        f"ops local fail host {lost}"
        if target == "local"
        else f"aws fis start-experiment --experiment-template-id TEMPLATE --tags ops:host={lost}"
    )
    return Context(
        cluster=group.cluster,
        stack=stack,
        target=target,
        group=group.name,
        serving=sum(item.serving for item in group.hosts),
        host=lost,
        zone=host.zone if host else "no zone",
        address=host.address if host else "no address",
        why=why,
        runner_up=runner_up,
        balancer=(
            f"{balancer.kind}, {balancer.algorithm}, port {balancer.port}, health {balancer.health}"
            if balancer
            else "none"
        ),
        target_group=group.target_group or "none",
        objective=f"back within {objective:.0f} seconds (zone)" if objective is not None else "none declared",
        stops=str(stops),
        kill_by_hand=by_hand,
        limits=LIMITS[kind],
    )


def run(
    plan: DrillPlan,
    *,
    journal: Journal,
    leases: Leases,
    hosts: HostsReader,
    faults: FaultInjector,
    counter: RequestCounter | None,
    clock: Clock,
) -> Generator[Event, None, DrillResult]:
    """Do the drill: guards, leases, journal, steps; aborted and healed when it stops short.

    The generator's value is the result. Raises GuardRefused or LeaseHeld before anything is touched, OpsError when
    the drill was aborted (what it lost is replaced by then).
    """
    plan.require()
    record = journal.start(RUN_KIND, stack=plan.stack, subject=f"{plan.kind} {plan.of}", inputs=plan.to_json())
    return (yield from _recorded(record, plan, leases, journal, instance_loss.run(plan, hosts, faults, counter, clock)))


def recover(
    row: RunRow, *, journal: Journal, leases: Leases, hosts: HostsReader, clock: Clock
) -> Generator[Event, None, DrillResult]:
    """Put right what an interrupted drill left, and close its run as recovered."""
    plan = DrillPlan.from_json(row.inputs)
    done = [recorded.event for recorded in journal.events(row.id)]
    steps = instance_loss.recover(plan, done, hosts, clock)
    return (yield from _recorded(journal.resume(row.id), plan, leases, journal, steps, ended="recovered"))


def unfinished(journal: Journal, *, stack: str = "") -> list[RunRow]:
    """Drills that were cut short and await ``recover``, newest first. Read-only."""
    rows = journal.runs(RUN_KIND, stack=stack)
    return [row for row in rows if row.interrupted or row.state == "stopped"]


def _recorded(
    record: Run, plan: DrillPlan, leases: Leases, journal: Journal, steps: Iterator[Event], ended: str = "done"
) -> Generator[Event, None, DrillResult]:
    """Hold the leases, write each event down before it is passed on, and close the run whatever happens."""

    def result() -> DrillResult:
        return measured(plan, record.id, [recorded.event for recorded in journal.events(record.id)])

    try:
        with leases.hold(plan.scopes, run=record.id) as lease:
            yield from record.record(lease.fenced(steps))
    except GeneratorExit:
        # Whoever drew the events has gone in the middle; nothing can be written through it any more.
        record.finish("stopped", result().to_json())
        raise
    except BaseException as exc:
        state = "failed" if isinstance(exc, OpsError) and result().restored else "stopped"
        record.finish(state, result().to_json())
        raise
    found = result()
    record.finish(ended, found.to_json())
    return found


def _choose(group: Group, now: datetime) -> tuple[Host | None, str, str]:
    """The host to lose, why, and the runner-up: in the fullest zone, then by a draw that changes daily."""
    serving = [host for host in group.hosts if host.serving]
    if not serving:
        return None, "no host serves", "none"
    zones = Counter(host.zone for host in serving)
    day = now.astimezone(UTC).date().isoformat()

    def rank(host: Host) -> tuple[int, str]:
        # By a stable hash, not at random: the same day gives the same plan, and no host is spared for ever.
        return -zones[host.zone], hashlib.sha256(f"{group.name}/{day}/{host.id}".encode()).hexdigest()

    ordered = sorted(serving, key=rank)
    first = ordered[0]
    tied = [host for host in ordered if zones[host.zone] == zones[first.zone]]
    count = zones[first.zone]
    why = f"no zone has more serving hosts than {first.zone} ({count})"
    why += f"; drawn for {day} among {len(tied)} such hosts" if len(tied) > 1 else ""
    if len(ordered) == 1:
        return first, why, "none: it is the only one"
    second = ordered[1]
    because = (
        "drawn after it" if zones[second.zone] == count else f"its zone has only {zones[second.zone]} serving hosts"
    )
    return first, why, f"{second.id} in {second.zone}: {because}"
