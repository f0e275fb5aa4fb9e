"""The drill ``restore``: a database is taken for lost, restored from its backups beside itself, checked, and removed.

Nothing is done to the original: the loss is imagined, the restore is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from quartermaster.fleet.errors import InputError, OpsError
from quartermaster.fleet.events import Json
from quartermaster.fleet.schema import Fleet
from quartermaster.runbooks.acts import Command, Done, Hands
from quartermaster.runbooks.backups import restored_name
from quartermaster.runbooks.case import Case, Guard, Loss
from quartermaster.runbooks.kind import Kind
from quartermaster.runbooks.plan import DrillPlan
from quartermaster.runbooks.probes import Probe, Reading, World, both, steady_database
from quartermaster.runbooks.restorer import Restorer
from quartermaster.runbooks.scene import Subjects

__all__ = ["KIND"]

_NEWEST, _RANDOM = "newest", "random"


def _subjects(fleet: Fleet, of: str) -> Subjects:
    """The database. Raises InputError for one that is not restored this way."""
    engine = fleet.databases[of].engine
    if engine != "postgres":
        raise InputError(f"{of} is of {engine}: only postgres is restored by drills", remedy="ops backup list")
    return Subjects(databases=(of,))


def _look(hands: Hands, of: str) -> Mapping[str, Json]:
    """What there is of a restore."""
    return _restorer(hands).look(of)


def _choose(case: Case) -> Loss:
    state = case.scene.databases[case.of]
    chance = case.way == _RANDOM
    checks = case.fleet.recovery.checks.get(case.of, ())
    newest = "nothing"
    if state.restorable_to:
        age = (case.now - state.restorable_to).total_seconds()
        newest = f"{state.restorable_to:%F %T} UTC, {age:.0f} s old; what is younger stays away, "
        newest += f"and `ops backup run {case.of}` before the drill takes it in"
    return Loss(
        what=f"a copy of {case.of}, restored beside it",
        why="a recovery point drawn at random" if chance else f"the newest that can be restored by now: {newest}",
        runner_up=f"{_NEWEST if chance else _RANDOM}: --how {_NEWEST if chance else _RANDOM}",
        scopes=(f"database/{case.of}",),
        names={
            "instance": state.id,
            "copy": restored_name(case.fleet.fleet, case.stack, case.of),
            "checks": "; ".join(f"`{sql}`" for sql in checks) or "none: declare `recovery.checks`",
            "beats": "a row each second" if case.fleet.databases[case.of].heartbeat else "none declared",
        },
    )


def _guards(case: Case, loss: Loss) -> tuple[Guard, ...]:  # noqa: ARG001
    state, extra = case.scene.databases[case.of], case.scene.extra
    if extra["left"]:
        left = f"something of an earlier restore of {case.of} is there"
        return (Guard("restored", "refused", left, f"ops drill recover, or ops backup remove {case.of}"),)
    if state.restorable_to is None:
        nothing = f"{case.of} has no continuous backup"
        return (Guard("recovery_point", "refused", nothing, f"ops backup list {case.of}"),)
    return (Guard("recovery_point", "holds", f"{case.of} can be restored to {state.restorable_to:%F %T} UTC"),)


def _take_for_lost(hands: Hands, plan: DrillPlan, database: str) -> Done:
    return _restorer(hands).lose(database, draw=plan.at if plan.way == _RANDOM else "")


def _restore(hands: Hands, plan: DrillPlan, database: str) -> Done:  # noqa: ARG001
    return _restorer(hands).restore(database)


def _check(hands: Hands, plan: DrillPlan, database: str) -> Done:
    return _restorer(hands).check(database, rpo=plan.goal.rpo_seconds if plan.goal else None)


def _remove(hands: Hands, plan: DrillPlan, database: str) -> Done:  # noqa: ARG001
    return _restorer(hands).backups.remove(database)


def _restorer(hands: Hands) -> Restorer:
    assert hands.restorer is not None
    return hands.restorer


def _restorable(world: World) -> Reading:
    to = world.now.databases[world.of].restorable_to
    return Reading(to is not None, f"it can be restored to {to:%F %T} UTC" if to else "nothing can be restored")


def _restoring(world: World) -> Reading:
    found = world.now.extra["restored"]
    return Reading(found is not None, f"{found['id']} is {found['status']}" if found else "no instance yet")


def _restored(world: World) -> Reading:
    """Raises OpsError as soon as it is known that it will never hold."""
    found = world.now.extra["restored"]
    if found is not None and found["why"]:
        raise OpsError(f"{world.of} could not be restored: {found['why']}", remedy=f"ops backup list {world.of}")
    status = found["status"] if found else "gone"
    return Reading(status == "available", f"the restored instance is {status}")


def _as_before(world: World) -> Reading:
    left = world.now.extra["left"]
    removed = Reading(not left, "something restored is left" if left else "nothing restored is left")
    return both(removed, steady_database(world.now.databases[world.of]))


KIND = Kind(
    name="restore",
    of=("database",),
    scope="data_loss",
    ways=(_NEWEST, _RANDOM),
    limits={
        "steady_before": 30,
        # On aws a host is started first, which asks: boot, packages, agent.
        "lose": 1200,
        "order": 120,
        # RDS gives no figure; a restore of hundreds of GiB takes minutes, its replay of WAL an hour and more.
        "restored": 7200,
        "check": 3600,
        "remove": 900,
    },
    names={
        "instance": "INSTANCE",
        "copy": "COPY",
        "checks": "none",
        "beats": "none declared",
    },
    choose=_choose,
    guards=_guards,
    subjects=_subjects,
    look=_look,
    ends_on_aws="nothing is lost: the drill adds an instance, tagged, that nobody reaches",
    commands={
        "take_for_lost": Command(_take_for_lost, ("database",)),
        "restore": Command(_restore, ("database",)),
        "check": Command(_check, ("database",)),
        "remove": Command(_remove, ("database",)),
    },
    rollbacks={"remove_restored": Command(_remove, ("database",))},
    probes={
        "restorable": Probe(_restorable, (), "RDS tells of an instant that the database can be restored to"),
        "restoring": Probe(_restoring, (), "the restored instance is being made"),
        "restored": Probe(_restored, (), "the restored instance is available"),
        "as_before": Probe(_as_before, (), "nothing restored is left, and the original is whole"),
    },
)
