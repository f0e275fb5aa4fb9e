"""Backups, objectives, drills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quartermaster.fleet.errors import Fault
from quartermaster.fleet.schema.model import Fleet
from quartermaster.fleet.schema.rules.words import unknown
from quartermaster.fleet.schema.safety import Drill

_OF_A_CLUSTER = ("instance_loss", "zone_evacuation", "zone_outage", "region_failover")
_OF_A_DATABASE = ("restore", "failover")
_NO_REGION = "recovery_region: another region, such as eu-central-1"


def backups_are_kept_as_locked(fleet: Fleet) -> Iterator[Fault]:
    """Rules have names of their own and keep at least as long as the lock holds."""
    lock, seen = fleet.backups.lock, set[str]()
    for index, rule in enumerate(fleet.backups.rules):
        where = f"backups.rules[{index}]"
        if lock is not None and rule.keep_days < lock.min_days:
            yield Fault(
                f"{where}.keep_days",
                f"{rule.keep_days} days are fewer than the {lock.min_days} that the vault's lock demands",
                f"keep_days: {lock.min_days} or more",
            )
        if rule.name in seen:
            yield Fault(f"{where}.name", f"a second rule {rule.name!r}", "another name")
        seen.add(rule.name)


def copies_have_a_region(fleet: Fleet) -> Iterator[Fault]:
    """Copies need somewhere to go."""
    for index, rule in enumerate(fleet.backups.rules):
        if rule.copy_to and not fleet.recovery_region:
            yield Fault(f"backups.rules[{index}].copy_to", "there is no recovery_region to copy to", _NO_REGION)


def compliance_needs_protection(fleet: Fleet) -> Iterator[Fault]:
    """A lock that cannot be lifted never lands on a stack that may be thrown away."""
    if fleet.backups.lock is None or fleet.backups.lock.mode != "compliance":
        return
    loose = [name for name, stack in fleet.stacks.items() if stack.target == "aws" and not stack.protect]
    if not any(stack.protect for stack in fleet.stacks.values()):
        loose = loose or list(fleet.stacks)
    if loose:
        yield Fault(
            "backups.lock.mode",
            f"compliance is irreversible, and stack {loose[0]} is not protected",
            f"stacks.{loose[0]}.protect: true, or mode: governance",
        )


def databases_without_backup(fleet: Fleet) -> Iterator[Fault]:
    """No rule, no backup."""
    if fleet.databases and not fleet.backups.rules:
        yield Fault("backups.rules", f"no rule backs up {', '.join(fleet.databases)}", "add a rule")


def objectives_can_be_met(fleet: Fleet) -> Iterator[Fault]:
    """Objectives name what exists, and what they need to be met exists too."""
    known = (*fleet.clusters, *fleet.databases)
    for name, objectives in fleet.recovery.objectives.items():
        if name not in known:
            yield unknown(f"recovery.{name}", "cluster or database", name, known)
            continue
        if objectives.region is not None and not fleet.recovery_region:
            yield Fault(f"recovery.{name}.region", "losing the region with no recovery_region ends it", _NO_REGION)
        if objectives.data_loss is not None and name in fleet.databases and not fleet.backups.rules:
            yield Fault(f"recovery.{name}.data_loss", "no backup rule to restore from", "add one to backups.rules")


def data_objectives_say_rpo(fleet: Fleet) -> Iterator[Fault]:
    """Data has an RPO; hosts have none, or 0s."""
    for name, objectives in fleet.recovery.objectives.items():
        for scope in ("zone", "region", "data_loss"):
            objective = getattr(objectives, scope)
            if objective is not None and name in fleet.databases and objective.rpo is None:
                yield Fault(f"recovery.{name}.{scope}", "an objective for data without rpo", "add rpo: 5m, or yours")
            if objective is not None and name in fleet.clusters and objective.rpo:
                problem = f"{name} is a cluster and holds no data: rpo will not be measured"
                yield Fault(f"recovery.{name}.{scope}.rpo", problem, "leave it out")


def checks_have_a_database(fleet: Fleet) -> Iterator[Fault]:
    """Checks are SQL, so they are for a postgres database."""
    for name in fleet.recovery.checks:
        if name in fleet.databases and name not in fleet.postgres:
            yield Fault(f"recovery.checks.{name}", f"{name} is a dynamodb table and takes no SQL", "leave it out")
        elif name not in fleet.postgres:
            yield unknown(f"recovery.checks.{name}", "postgres database", name, fleet.postgres)


def drills_fit_their_subject(fleet: Fleet) -> Iterator[Fault]:
    """A drill is of something that it can be done to, and is said once."""
    seen = set[tuple[str, str]]()
    for index, drill in enumerate(fleet.recovery.drills):
        where = f"recovery.drills[{index}]"
        yield from _subject(fleet, drill, where)
        if (drill.kind, drill.of) in seen:
            yield Fault(where, f"a second {drill.kind} of {drill.of}", "keep the one with the right every_days")
        seen.add((drill.kind, drill.of))


def stacks_that_allow_exist(fleet: Fleet) -> Iterator[Fault]:
    """`allow` names stacks."""
    for name in fleet.recovery.allow:
        if name not in fleet.stacks:
            yield unknown(f"recovery.allow.{name}", "stack", name, fleet.stacks)


def _subject(fleet: Fleet, drill: Drill, where: str) -> Iterator[Fault]:
    known = (*fleet.clusters, *fleet.databases)
    of_all = drill.kind == "tabletop" and drill.of == fleet.fleet
    if drill.of not in known and not of_all:
        yield unknown(f"{where}.of", "cluster or database", drill.of, known)
    elif drill.kind in _OF_A_CLUSTER and drill.of not in fleet.clusters:
        problem = f"{drill.kind} is of a cluster, and {drill.of} is a database"
        yield Fault(f"{where}.of", problem, _one_of(fleet.clusters))
    elif drill.kind in _OF_A_DATABASE and drill.of not in fleet.databases:
        problem = f"{drill.kind} is of a database, and {drill.of} is a cluster"
        yield Fault(f"{where}.of", problem, _one_of(fleet.databases))
    elif drill.kind in _OF_A_DATABASE and drill.of not in fleet.postgres:
        problem = f"{drill.of} is a dynamodb table: AWS keeps it in three zones, and no drill restores it"
        yield Fault(f"{where}.of", problem, _one_of(fleet.postgres))
    elif drill.kind == "failover" and not fleet.databases[drill.of].standby:
        yield Fault(f"{where}.of", f"{drill.of} has no standby to fail over to", f"databases.{drill.of}.standby: true")
    elif drill.kind == "restore" and not fleet.backups.rules:
        yield Fault(where, "no backup rule to restore from", "add one to backups.rules")
    elif drill.kind == "zone_evacuation" and fleet.clusters[drill.of].balancer is None:
        problem = f"{drill.of} has no balancer to shift away from a zone"
        yield Fault(f"{where}.of", problem, "kind: zone_outage, or a balancer")
    elif drill.kind == "region_failover":
        yield from _elsewhere(fleet, drill.of, where)


def _elsewhere(fleet: Fleet, name: str, where: str) -> Iterator[Fault]:
    """What a cluster's name needs to be led to another region."""
    objectives = fleet.recovery.objectives.get(name)
    if not fleet.recovery_region:
        yield Fault(where, "there is no recovery_region to fail over to", _NO_REGION)
    if fleet.dns is None or fleet.clusters[name].balancer is None:
        yield Fault(f"{where}.of", f"no name leads to {name}", f"dns, and clusters.{name}.balancer")
    if objectives is None or objectives.region is None:
        problem = f"nothing of {name} is in another region: it has no objective for losing this one"
        yield Fault(f"{where}.of", problem, f"recovery.{name}.region: {{rto: 60m}}, or yours")


def _one_of(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"one of: {listed}" if listed else "declare one first"
