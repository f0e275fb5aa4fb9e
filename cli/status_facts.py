"""What ``ops status`` knows: read from the cloud, the journal, the leases and fleet.yaml. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from quartermaster.cli.patch_report import compliance_of
from quartermaster.cli.plan_summary import peaks
from quartermaster.cli.status_books import of_books
from quartermaster.fleet.errors import OpsError
from quartermaster.fleet.status import (
    LEVELS,
    ClusterFacts,
    DatabaseFacts,
    DrillFact,
    Level,
    Remark,
    Standing,
    of_cluster,
    of_database,
)

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.databases import DatabaseState
    from quartermaster.fleet.hosts import Group
    from quartermaster.fleet.journal import RunRow
    from quartermaster.fleet.leases import LeaseRow

__all__ = ["FleetStatus", "gather"]

_RECENT = timedelta(hours=6)
"""Events older than this do not tell why something is wrong now."""
DRIFT_RUN = "provision_drift"
"""Of a look for drift in the journal."""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """One look at a stack."""

    at: datetime
    standings: tuple[Standing, ...]
    leases: tuple[LeaseRow, ...]
    remarks: tuple[Remark, ...]
    """Of the stack as a whole."""
    drift: Mapping[str, Any] | None
    """When it was last looked for and how much there was; None: never."""

    @property
    def worst_first(self) -> list[Standing]:
        """How each stands: the worst first, then by name."""
        return sorted(self.standings, key=lambda one: (LEVELS.index(one.level), one.facts.name))

    @property
    def counts(self) -> list[tuple[Level, int]]:
        """How many stand how, the worst first; the stack as a whole counts where something is said of it."""
        levels = [one.level for one in self.standings]
        levels += [min((remark.level for remark in self.remarks), key=LEVELS.index)] if self.remarks else []
        return [(level, levels.count(level)) for level in LEVELS]

    @property
    def said(self) -> list[tuple[str, Remark]]:
        """Of whom, and what: the worst first; of the stack as a whole before others as bad."""
        of_all = [("stack", remark) for remark in self.remarks]
        of_each = [(one.facts.name, remark) for one in self.worst_first for remark in one.remarks]
        return sorted([*of_all, *of_each], key=lambda row: LEVELS.index(row[1].level))


def gather(ops: Session) -> FleetStatus:
    """The session's stack now. A local cloud that is down is not started: looking changes nothing."""
    from quartermaster.fleet.leases import overlap

    now = ops.clock.now()
    groups, databases, remarks = _cloud(ops)
    read = not remarks
    held = ops.leases.held()
    leases = tuple(row for row in held if overlap(row.scope, ops.stack))
    done = ops.journal.runs("drill", stack=ops.stack, states=("done",), each=1)
    patching = compliance_of(ops, list(ops.fleet.clusters))
    expected = peaks(ops.workspace.folder("reports"), ops.stack, now)
    standings = [
        of_cluster(
            ClusterFacts(
                name=name,
                group=groups.get(name),
                busy=_busy(ops, leases, name),
                peak=expected.get(name),
                patching=patching[name],
                drills=_drills(ops, name, done),
                read=read,
                told=_told(ops, groups.get(name)),
            ),
            now,
        )
        for name in ops.fleet.clusters
    ]
    standings += [
        of_database(
            DatabaseFacts(
                name=name,
                engine=declared.engine,
                state=databases.get(name),
                busy=_busy(ops, leases, name),
                last_backup_at=databases[name].restorable_to if name in databases else None,
                drills=_drills(ops, name, done),
                read=read,
                told=_said(ops, databases.get(name), now),
            ),
            now,
        )
        for name, declared in ops.fleet.databases.items()
    ]
    return FleetStatus(now, tuple(standings), leases, (*remarks, *of_books(ops, held, now)), _drift(ops))


def _cloud(ops: Session) -> tuple[dict[str, Group], dict[str, DatabaseState], list[Remark]]:
    """Groups and databases, and why there are none."""
    if ops.declared.target == "local":
        from quartermaster.infra.local.client import running

        if running(ops.workspace) is None:
            return {}, {}, [_no_cloud(ops)]
    try:
        groups = ops.hosts.groups()
        databases = ops.databases.states()
    except OpsError as error:
        return {}, {}, [Remark("failing", f"the cloud cannot be read: {error.message}", error.remedy)]
    return groups, databases, []


def _no_cloud(ops: Session) -> Remark:
    """A local cloud that is down: gone with all that a stack was made of, or not there yet."""
    ups, downs = (ops.journal.runs(f"provision_{kind}", stack=ops.stack, limit=1) for kind in ("up", "destroy"))
    if not ups or (downs and downs[0].started_at > ups[0].started_at):
        return Remark("unknown", "the local cloud is not running", "ops provision up")
    return Remark(
        "failing", "the local cloud is gone, and all that ran in it", "ops local reset, then ops provision up"
    )


def _told(ops: Session, group: Group | None) -> str:
    """What a group tells of hosts that do not serve. One more question, and only on a bad day."""
    if group is None or sum(host.serving for host in group.hosts) >= group.desired:
        return ""
    with suppress(OpsError):
        return ops.hosts.told(group)
    return ""


def _said(ops: Session, state: DatabaseState | None, now: datetime) -> str:
    """What RDS tells of a database that is not whole."""
    if state is None or state.whole:
        return ""
    with suppress(OpsError):
        for at, message in reversed(ops.databases.events(state.name, now - _RECENT)):
            if "back" not in message.lower():  # backups come and go beside it
                return f"{at:%H:%M} UTC {message.splitlines()[0]}"
    return ""


def _busy(ops: Session, leases: tuple[LeaseRow, ...], name: str) -> str:
    from quartermaster.fleet.leases import overlap

    scopes = (ops.scope("cluster", name), ops.scope("database", name))
    return next((row.run for row in leases if any(overlap(row.scope, scope) for scope in scopes)), "")


def _drills(ops: Session, name: str, done: list[RunRow]) -> tuple[DrillFact, ...]:
    """Declared drills of that name, then those that were run without being declared. ``done``: the last of each."""
    declared: dict[str, int] = {item.kind: item.every_days for item in ops.fleet.recovery.drills if item.of == name}
    last = {kind: row for row in done for kind, _, of in [row.subject.partition(" ")] if of == name}
    found = []
    for kind in dict.fromkeys([*declared, *last]):
        ran = last.get(kind)
        result = (ran.result if ran else None) or {}
        found.append(
            DrillFact(
                kind=kind,
                every_days=declared.get(kind),
                last_at=ran.started_at if ran else None,
                rto_seconds=result.get("rto_seconds"),
                objective_met=result.get("objective_met"),
                evidence=str(result.get("evidence", "")),
            )
        )
    return tuple(found)


def _drift(ops: Session) -> dict[str, Any] | None:
    found = ops.journal.runs(DRIFT_RUN, stack=ops.stack, states=("done",), limit=1)
    return {"at": found[0].started_at, "properties": len((found[0].result or {})["drift"])} if found else None
