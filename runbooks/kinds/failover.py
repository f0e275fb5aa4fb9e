"""The drill ``failover``: a database's primary is lost, or told to step back, and its standby must take over.

RDS does it all by itself and cannot be stopped: there is nothing to take back, only an end to wait for. The primary
stays where it is then: to move it back would be a second failover.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, both, steady_database
from quartermaster.runbooks.scene import Scene, Subjects
from quartermaster.runbooks.writes import SILENT_SECONDS, WriteMeter

__all__ = ["KIND"]

_UNPLANNED, _PLANNED = "unplanned", "planned"
_OF_LATE = timedelta(minutes=60)
"""As far back as RDS's events are read: longer than any drill."""
_BEGINS = timedelta(seconds=60)
"""Until RDS shows that a primary is lost, at the latest."""
_TROUBLE = ("primary", "failover", "shutdown", "Recovery")
"""In events that tell of a loss; RDS tells of backups and settings, too."""
_ONE_ACT = "on AWS planned and unplanned are one act, a reboot with forced failover: RDS need not notice a loss"
"""RDS has nothing that takes a primary's power: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html"""
_BEGUN, _ENDED = "failover started", "failover completed"
"""https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html: RDS-EVENT-0013 and 0049."""


def _subjects(fleet: Fleet, of: str) -> Subjects:
    """The database. Raises InputError for one that has no primary."""
    engine = fleet.databases[of].engine
    if engine != "postgres":
        raise InputError(f"{of} is of {engine}: it has no primary to lose", remedy="a database of engine postgres")
    return Subjects(databases=(of,))


def _look(hands: Hands, of: str) -> Mapping[str, Json]:
    """What RDS told of late."""
    assert hands.databases is not None
    told = hands.databases.events(of, hands.clock.now() - _OF_LATE)
    return {"told": [[at.isoformat(), message] for at, message in told]}


def _choose(case: Case) -> Loss:
    """The primary, where it is now."""
    state = case.scene.databases[case.of]
    planned = case.way == _PLANNED
    by_hand, why = f"ops local fail database {case.of}", "it loses its power: nobody is told"
    if planned or case.target == "aws":
        why = "it is told to step back"
        by_hand = f"aws rds reboot-db-instance --db-instance-identifier {state.id} --force-failover"
    zones = [zone for zone in (state.zone, state.standby_zone) if zone]
    return Loss(
        what=f"the primary of {case.of} in {state.zone or 'no zone'}",
        why=f"{why}: {_ONE_ACT}" if case.target == "aws" else why,
        runner_up=f"{_UNPLANNED if planned else _PLANNED}: --how {_UNPLANNED if planned else _PLANNED}",
        zone=state.zone,
        databases=(case.of,),
        scopes=(f"database/{case.of}", *(f"zone/{zone}" for zone in zones)),
        names={
            "instance": state.id,
            "endpoint": f"{state.address}:{state.port}",
            "zone": state.zone or "no zone",
            "standby_zone": state.standby_zone or "no zone",
            "fault": "step_back" if planned else "lose_primary",
            "fail_by_hand": by_hand,
        },
    )


def _guards(case: Case, loss: Loss) -> tuple[Guard, ...]:  # noqa: ARG001
    state = case.scene.databases[case.of]
    if not state.multi_az:
        remedy = f"databases.{case.of}.standby: true, then ops provision up"
        return (Guard("standby", "refused", f"{case.of} has no standby that could take over", remedy),)
    if state.pending_reboot:
        found = f"settings of {case.of} wait for a restart: a failover would bring them in"
        return (Guard("standby", "refused", found, f"ops patch run {case.of}"),)
    holds = Guard("standby", "holds", f"{case.of} has a standby in {state.standby_zone or 'no zone'}")
    return (holds, Guard("fault", "unknown", _ONE_ACT)) if case.target == "aws" else (holds,)


def _may_fail_over(hands: Hands, plan: DrillPlan, database: str) -> None:
    assert hands.databases is not None
    state = hands.databases.state(database)
    if not state.whole or state.zone != plan.zone:
        raise OpsError(
            f"the world has moved since the plan: {steady_database(state).found}, planned was available in {plan.zone}",
            remedy=f"plan anew: ops drill run {plan.kind} {plan.of}",
        )


def _lose_primary(hands: Hands, plan: DrillPlan, database: str) -> Done:
    hands.faults.fail_over(plan.before.databases[database].id)
    return True


def _step_back(hands: Hands, plan: DrillPlan, database: str) -> Done:  # noqa: ARG001
    assert hands.databases is not None
    hands.databases.reboot(database, failover=True)
    return True


def _let_end(hands: Hands, plan: DrillPlan, database: str) -> Done:
    """RDS ends what it is at, and the probe waits for that; here is awaited that RDS shows it.

    A primary without power looks well until it is noticed. One that nothing became of by then was never lost.
    """
    assert hands.databases is not None
    before, until = plan.before.databases[database], hands.clock.now() + _BEGINS
    while hands.clock.now() < until:
        now, news = hands.databases.state(database), _since(plan.before, _look(hands, database))
        if (now.status, now.zone) != ("available", before.zone) or any(_ENDED in message for message in news):
            break
        hands.clock.sleep(plan.poll_seconds)
    return False


def _now(world: World) -> DatabaseState:
    return world.now.databases[world.of]


def _since(before: Scene, extra: Mapping[str, Json]) -> list[str]:
    """What RDS told since the plan."""
    return [message for at, message in extra["told"] if [at, message] not in before.extra["told"]]


def _news(world: World) -> list[str]:
    return _since(world.before, world.now.extra)


def _moved(world: World) -> bool:
    return _now(world).zone != world.before.databases[world.of].zone


def _noticed(world: World) -> Reading:
    news = [message for message in _news(world) if any(word in message for word in _TROUBLE)]
    state = _now(world)
    seen = bool(news) or state.status != "available" or _moved(world)
    return Reading(seen, f"RDS says: {news[0]}" if news else f"{state.name} is {state.status}; RDS says nothing")


def _failing_over(world: World) -> Reading:
    begun = any(_BEGUN in message for message in _news(world)) or _moved(world)
    return Reading(begun, "RDS fails over" if begun else "RDS has not begun to fail over")


def _taken_over(world: World) -> Reading:
    """By RDS's events, as the zone that it shows may come later."""
    state = _now(world)
    over = any(_ENDED in message for message in _news(world)) or _moved(world)
    return Reading(over and state.status == "available", f"{state.name} is {state.status} in {state.zone}")


def _takes_writes(world: World) -> Reading:
    silent = world.measured.get("writes_silent_seconds", {}).get(world.of)
    if silent is None:
        return Reading(_now(world).status == "available", f"nobody writes from here; it is {_now(world).status}")
    return Reading(silent < SILENT_SECONDS, f"the last write was confirmed {silent:.1f} s ago")


def _serves(world: World) -> Reading:
    before, now = world.before.databases[world.of], _now(world)
    place = f"{now.name} is {now.status} in {now.zone} at {now.address}:{now.port}"
    same = (now.address, now.port) == (before.address, before.port)
    elsewhere = now.status == "available" and now.zone == before.standby_zone
    return both(Reading(same and elsewhere, place), _takes_writes(world))


def _whole(world: World) -> Reading:
    return both(steady_database(_now(world)), _takes_writes(world))


KIND = Kind(
    name="failover",
    of=("database",),
    scope="zone",
    ways=(_UNPLANNED, _PLANNED),
    limits={
        "steady_before": 30,
        # RDS: typically 60 to 120 seconds in all; large transactions or a lengthy recovery make it longer.
        # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html
        "lose": 180,
        "decide": 120,
        "take_over": 300,
        "converge": 120,
        "serves": 300,
        # RDS makes a new standby from a copy of the storage.
        "standby": 900,
    },
    names={
        "instance": "INSTANCE",
        "endpoint": "ENDPOINT",
        "zone": "ZONE",
        "standby_zone": "STANDBY-ZONE",
        "fault": "lose_primary",
        "fail_by_hand": "ops local fail database NAME",
    },
    choose=_choose,
    guards=_guards,
    subjects=_subjects,
    look=_look,
    measure=lambda plan, hands: WriteMeter(plan.loss.databases, hands),
    ends_on_aws="RDS ends a failover by itself: its standby is the primary then",
    commands={
        "lose_primary": Command(_lose_primary, ("database",), _may_fail_over),
        "step_back": Command(_step_back, ("database",), _may_fail_over),
    },
    rollbacks={"let_end": Command(_let_end, ("database",))},
    probes={
        "noticed": Probe(_noticed, (), "RDS says that something is wrong, or is at work on it"),
        "failing_over": Probe(_failing_over, (), "RDS has begun to let the standby take over"),
        "taken_over": Probe(_taken_over, (), "RDS says that the standby has taken over"),
        "takes_writes": Probe(_takes_writes, (), "writes through the endpoint are confirmed"),
        "serves": Probe(_serves, (), "available in the standby's zone at the same endpoint, and writes are confirmed"),
        "whole": Probe(_whole, (), "available with a standby that has all, and writes are confirmed"),
    },
)
