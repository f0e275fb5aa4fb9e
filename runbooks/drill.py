"""Drills: decide one, run one, put right one that was cut short.

``plan`` is pure. ``run`` and ``recover`` are iterators of events that hold the leases and write the journal, so
whoever draws the events need only draw them; ``DrillResult`` (evidence.py) is read from the journal afterwards.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Event, Json, Noted, StepStarted
from quartermaster.fleet.journal import Journal, Run, RunRow
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.case import Case, Known, Loss
from quartermaster.runbooks.course import Course
from quartermaster.runbooks.document import parse
from quartermaster.runbooks.evidence import DrillResult, measured
from quartermaster.runbooks.execute import HEAL, Aborted, Execution
from quartermaster.runbooks.guards import guards
from quartermaster.runbooks.kind import Kind, Meter
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.plan import DrillPlan, Goal, Stops
from quartermaster.runbooks.render import render
from quartermaster.runbooks.scene import Scene, look
from quartermaster.runbooks.writes import clear

__all__ = ["RUN_KIND", "accept", "plan", "recover", "run", "see", "unfinished", "unseen"]

RUN_KIND = "drill"
"""Of a drill's run in the journal."""
_POLL_SECONDS = {"local": 0.5, "aws": 5.0}
_LONGEST_SECONDS = 1800.0
_MORE_FAILED = 0.25
"""Share of requests beyond what the loss explains: with more it is no drill any more."""
_HARMLESS = 0.01
"""Share of requests that may fail in a drill that users are not to notice."""


def accept(kind: str, of: str, fleet: Fleet, way: str = "") -> Kind:
    """The kind. Raises InputError unless there is such a drill, of such a thing. Before anything is read."""
    found = KINDS.get(kind)
    if found is None:
        raise InputError(f"there is no drill {kind!r}", remedy=f"one of: {', '.join(KINDS)}")
    declared = {"cluster": tuple(fleet.clusters), "database": tuple(fleet.databases), "fleet": (fleet.fleet,)}
    known = [name for what in found.of for name in declared[what]]
    if of not in known:
        is_one = next((what for what, names in declared.items() if of in names), "")
        wanted = " or a ".join(found.of)
        problem = f"{of} is a {is_one}" if is_one else f"fleet {fleet.fleet} has no {wanted} {of!r}"
        raise InputError(f"{kind} is a drill of a {wanted}: {problem}", remedy=f"one of: {', '.join(known) or 'none'}")
    if way and way not in found.ways:
        ways = f"one of: {', '.join(found.ways)}" if found.ways else "leave --how out: there is one way"
        raise InputError(f"{kind} cannot be run {way!r}", remedy=ways)
    return found


def see(kind: str, of: str, fleet: Fleet, hands: Hands) -> Scene:
    """What a drill of that kind looks at, as it is now. Read-only."""
    subjects = KINDS[kind].subjects(fleet, of)
    extra = KINDS[kind].look(hands, of)
    return look(subjects.clusters, subjects.databases, hands.hosts, hands.databases, extra)


def unseen(kind: str, of: str, fleet: Fleet, stack: str, way: str = "") -> str:
    """The runbook of what cannot be looked at: with what fleet.yaml tells, and capitals for what it does not.

    Raises InputError as ``accept`` and ``see`` do. Pure.
    """
    found = accept(kind, of, fleet, way)
    found.subjects(fleet, of)
    goal = _goals(found.scope, (of,), fleet).get(of)
    # "None" would be a claim.
    unknown = {name: name.upper() for name, shown in found.names.items() if str(shown).startswith("none")}
    return render(
        found,
        {
            "of": of,
            "stack": stack,
            "target": fleet.stacks[stack].target,
            "way": way or next(iter(found.ways), ""),
            "objective": _aim(found, goal),
            **unknown,
        },
    )


def plan(
    kind: str,
    of: str,
    *,
    scene: Scene,
    fleet: Fleet,
    stack: str,
    now: datetime,
    known: Known | None = None,
    way: str = "",
    right_now: bool = False,
    overrides: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> DrillPlan:
    """The drill as it would run now, guards answered, not enforced (``DrillPlan.require``). Pure.

    ``right_now`` waives the people's hours; ``overrides`` gives a reason for each of freeze, hours to be broken;
    ``inputs`` are hashes of what the arguments were read from.
    """
    found = accept(kind, of, fleet, way)
    way = way or next(iter(found.ways), "")
    case = Case(of=of, fleet=fleet, stack=stack, now=now, scene=scene, known=known or Known(), way=way)
    loss = found.choose(case)
    goals = _goals(found.scope, (of, *scene.groups, *scene.databases), fleet)
    longest = max(_LONGEST_SECONDS, goals[of].rto_seconds if of in goals else 0.0)
    stops = Stops(
        seconds=min(longest, float(sum(found.limits.values()))),
        failed_share=_HARMLESS if found.harmless else round(min(0.95, _lost_share(scene, loss) + _MORE_FAILED), 4),
    )
    return DrillPlan(
        kind=kind,
        of=of,
        way=way,
        fleet=fleet.fleet,
        stack=stack,
        target=case.target,
        at=now.isoformat(),
        loss=loss,
        guards=guards(found, case, loss, right_now=right_now, overrides=overrides or {}),
        before=scene,
        scope=found.scope,
        goals=goals,
        stops=stops,
        poll_seconds=_POLL_SECONDS[case.target],
        document=render(found, _names(found, case, loss, goals.get(of), stops)),
        inputs=inputs or {},
    )


def run(plan: DrillPlan, *, journal: Journal, leases: Leases, hands: Hands) -> Generator[Event, None, DrillResult]:
    """Do the drill: guards, leases, journal, steps; aborted and healed when it stops short.

    The generator's value is the result. Raises GuardRefused or LeaseHeld before anything is touched, OpsError when
    the drill was aborted (what it did is taken back by then).
    """
    plan.require()
    record = journal.start(RUN_KIND, stack=plan.stack, subject=f"{plan.kind} {plan.of}", inputs=plan.to_json())
    return (yield from _recorded(record, plan, leases, journal, _steps(plan, hands)))


def recover(row: RunRow, *, journal: Journal, leases: Leases, hands: Hands) -> Generator[Event, None, DrillResult]:
    """Put right what an interrupted drill left, and close its run as recovered."""
    plan = DrillPlan.from_json(row.inputs)
    events = [recorded.event for recorded in journal.events(row.id)]
    started = [event.step for event in events if isinstance(event, StepStarted) and event.step != HEAL]
    # Whether a step that began was done cannot be told when the run died beside it: a host without power looks well
    # until it is noticed. So whatever began is taken back.
    kind, course = KINDS[plan.kind], Course(parse(plan.document))
    # Requests are not counted anew: what the run itself counted stands.
    uncounted = replace(hands, counter=None)
    steps = Execution(plan, kind, course, uncounted, Meter()).heal(started, "the drill was interrupted")
    result = yield from _recorded(journal.resume(row.id), plan, leases, journal, steps, ended="recovered")
    clear(writer for name in plan.loss.databases if (writer := hands.writer(name)) is not None)
    return result


def unfinished(journal: Journal, *, stack: str = "") -> list[RunRow]:
    """Drills that were cut short and await ``recover``, newest first. Read-only."""
    return journal.unfinished(RUN_KIND, stack=stack)


def _steps(plan: DrillPlan, hands: Hands) -> Iterator[Event]:
    """Follow the plan's runbook. Whatever goes wrong, Ctrl-C included, what began is taken back first."""
    kind, course = KINDS[plan.kind], Course(parse(plan.document))
    with kind.measure(plan, hands) as meter:
        execution = Execution(plan, kind, course, hands, meter)
        try:
            for step in course.document.steps:
                yield from execution.follow(step)
        except (Exception, KeyboardInterrupt) as exc:
            if not any(course.touches(name) for name in execution.started):
                raise
            why = exc.message if isinstance(exc, OpsError) else f"{type(exc).__name__}: {exc}".rstrip(": ")
            yield from execution.heal(execution.started, why)
            raise Aborted(
                f"{plan.kind} of {plan.of} was aborted and healed: {why}",
                remedy="all is as before; find the cause before the next drill",
            ) from exc
        if facts := meter.end():
            yield Noted(step="measured", message="what was measured beside the steps", detail={"facts": dict(facts)})


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


def _lost_share(scene: Scene, loss: Loss) -> float:
    """Of the requests those that fail until the loss is noticed: of n hosts the lost ones fail all they are sent."""
    shares = [0.0]
    for group in scene.groups.values():
        serving = [host for host in group.hosts if host.serving]
        shares.append(sum(host.id in loss.hosts for host in serving) / max(1, len(serving)))
    return max(shares)


def _goals(scope: str, names: Iterable[str], fleet: Fleet) -> dict[str, Goal]:
    goals = {}
    for name in dict.fromkeys(names):
        objective = getattr(fleet.recovery.objectives.get(name), scope, None)
        if objective is not None:
            rpo = objective.rpo.total_seconds() if objective.rpo is not None else None
            goals[name] = Goal(objective.rto.total_seconds(), rpo)
    return goals


def _names(kind: Kind, case: Case, loss: Loss, goal: Goal | None, stops: Stops) -> dict[str, Json]:
    """The live names for the runbook."""
    return {
        "of": case.of,
        "stack": case.stack,
        "target": case.target,
        "way": case.way,
        "why": loss.why,
        "runner_up": loss.runner_up,
        "objective": _aim(kind, goal),
        "stops": str(stops),
        **loss.names,
    }


def _aim(kind: Kind, goal: Goal | None) -> str:
    return f"back within {goal.rto_seconds:.0f} seconds ({kind.scope})" if goal else "none declared"
