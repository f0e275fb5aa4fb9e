"""``ops patch`` for a database: pending maintenance, minor versions, settings that wait for a restart, measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from quartermaster.cli.output import confirm, draw, emit, say, table
from quartermaster.cli.session import Session
from quartermaster.fleet.errors import OpsError, Stopped

if TYPE_CHECKING:
    from quartermaster.fleet.journal import Run, RunRow
    from quartermaster.fleet.leases import Lease
    from quartermaster.fleet.write_probe import Writer
    from quartermaster.playbooks.database_plan import DatabasePlan
    from quartermaster.playbooks.database_run import Tools
    from quartermaster.playbooks.database_world import CloudDatabase

__all__ = ["last_run", "plan", "recover", "resume", "run", "writer_of"]

_NO_RUN: dict[str, Any] = {"hosts": [], "requests": None, "run": None, "failover_seconds": None}


def plan(ops: Session, database: str, override: str) -> None:
    """Show what is pending on the database, and what would be done about it."""
    found = _plan(ops, database, override, ahead=True)
    emit(found.to_json(), _planned(found))


def run(ops: Session, database: str, override: str) -> None:
    """Do what is pending, and measure how long the database takes no write."""
    from quartermaster.playbooks import database_run

    found = _plan(ops, database, override)
    if not found.acts:
        emit({**_NO_RUN, "state": "done"}, "\n".join([f"nothing to do on {database}", *found.warnings]))
        return
    confirm(f"Maintain {database}? Those who write to it are cut off for a while.", plan=_planned(found))
    with _under_way(ops, database) as (record, lease, tools):
        draw(record.record(lease.fenced(database_run.run(found, tools))))
        _close(ops, record)


def resume(ops: Session, row: RunRow, override: str) -> None:
    """Go on: what is done is left, what RDS is at is waited for."""
    from quartermaster.cli.patch_control import open_until
    from quartermaster.playbooks import database_run

    database, events = row.subject, [item.event for item in ops.journal.events(row.id)]
    ends_at = open_until(ops, database, override)
    say(f"{row.id} was cut short after {len(events)} events; looking at the database, then going on")
    with _under_way(ops, database, resume=row.id) as (record, lease, tools):
        draw(record.record(lease.fenced(database_run.resume(events, tools, ends_at=ends_at))))
        _close(ops, record)


def recover(ops: Session, row: RunRow) -> None:
    """Give the run up: what RDS is at is waited for, and nothing is begun."""
    from quartermaster.playbooks import database_run

    database, events = row.subject, [item.event for item in ops.journal.events(row.id)]
    say(f"{row.id} was cut short after {len(events)} events; leaving the database as it is")
    with _under_way(ops, database, resume=row.id) as (record, lease, tools):
        draw(record.record(lease.fenced(database_run.recover(events, tools))))
        _close(ops, record)


def last_run(ops: Session, database: str) -> None:
    """Show the database's last run."""
    rows = ops.journal.runs("patch", stack=ops.stack, subject=database)
    if not rows:
        emit({**_NO_RUN, "state": "never"}, f"{database} was never maintained")
        return
    document = _outcome(ops, rows[0].id)
    document["state"] = "interrupted" if rows[0].interrupted else rows[0].state
    emit(document, _told(document))


def _plan(ops: Session, database: str, override: str, *, ahead: bool = False) -> DatabasePlan:
    from quartermaster.playbooks import database_plan

    found = _server(ops, database).read()
    return database_plan.plan(found, ops.fleet, database, ops.clock.now(), override=override, ahead=ahead)


@contextmanager
def _under_way(ops: Session, database: str, *, resume: str = "") -> Iterator[tuple[Run, Lease, Tools]]:
    """A journalled run with leases on the database and its zones, that heeds Ctrl-C, pause and abort."""
    from quartermaster.cli.patch_control import Control
    from quartermaster.playbooks.database_run import Tools

    server = _server(ops, database)
    found = server.read()
    zones = [ops.scope("zone", zone) for zone in (found.zone, found.standby_zone) if zone]
    with ops.run("patch", subject=database, scopes=[ops.scope("database", database), *zones], resume=resume) as held:
        record, lease = held
        control = Control(ops.journal, record.id)
        with control.listening():
            writer = writer_of(ops, database, record.id.rpartition("-")[2])
            yield record, lease, Tools(server, writer, asked=control, clock=ops.clock)


def _server(ops: Session, database: str) -> CloudDatabase:
    from quartermaster.infra.layout import DATABASE, layout
    from quartermaster.playbooks.database_world import CloudDatabase

    return CloudDatabase(ops.cloud, layout(ops.fleet, ops.stack).called(DATABASE, database))


def writer_of(ops: Session, database: str, mark: str) -> Writer | None:
    """What writes to the database from here, into a table with that mark; None where that cannot be done, and a line
    that says so."""
    from quartermaster.cli.logins import login_of
    from quartermaster.fleet.write_probe import PsqlWriter, why_unreachable

    try:
        login = login_of(ops, database)
    except OpsError as exc:
        say(f"writes are not measured: {exc.message}")
        return None
    if why := why_unreachable(login):
        say(f"writes are not measured from here, RDS's own events tell how long a failover takes: {why}")
        return None
    return PsqlWriter(login, f"ops_probe_{mark}")


def _close(ops: Session, record: Run) -> None:
    """Close the run with what its events came to, and exit by it."""
    document = _outcome(ops, record.id)
    state, database = document["state"], document["database"]
    record.finish(state, document)
    emit(document, _told(document))
    if state == "stopped":
        raise Stopped(f"{record.id} stopped part-way", remedy=f"ops patch resume {database}")
    if state == "aborted":
        raise OpsError(f"{record.id} was aborted by hand; what was done stays", remedy=f"ops patch status {database}")


def _outcome(ops: Session, run_id: str) -> dict[str, Any]:
    from quartermaster.playbooks.database_result import outcome

    return outcome([item.event for item in ops.journal.events(run_id)], run=run_id)


def _planned(found: DatabasePlan) -> str:
    where = f"{found.zone}, its standby in {found.standby_zone}" if found.standby_zone else f"{found.zone} alone"
    text = f"{found.database} is PostgreSQL {found.version} in {where}\n"
    rows = [(act.name, act.why, act.how) for act in found.acts]
    text += table(["what", "why", "how"], rows) if rows else "nothing to do"
    if found.ends_at:
        text += f"\nnothing is begun after {found.ends_at:%a %d %b %H:%M %Z}"
    return text + "".join(f"\nwarning: {warning}" for warning in found.warnings)


def _told(document: dict[str, Any]) -> str:
    rows = [(act["name"], act["zone"], act["version"], f"{act['seconds']:.1f} s") for act in document["acts"]]
    text = table(["done", "then in", "version", "#took"], rows)
    requests, away = document["requests"], document["failover_seconds"]
    if away is not None:
        text += f"\nno write for {away:.1f} s, by {document['measured_by']}"
    if document["lost_writes"] is not None:
        text += f"; {requests['failed']} of {requests['sent']} failed, {document['lost_writes']} confirmed ones lost"
    return text + f"\n{document['run']}: {document['state']}"
