"""``ops backup``: what databases can be restored from, and restores that are checked."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quartermaster.cli.backup_over import discard, drop_replaced, found_by, restore_over
from quartermaster.cli.group import Confirm, Group
from quartermaster.cli.instants import absolute
from quartermaster.cli.output import confirm, draw, emit, say, table
from quartermaster.cli.session import Session, session
from quartermaster.fleet.durations import age
from quartermaster.fleet.errors import InputError, OpsError

if TYPE_CHECKING:
    from datetime import datetime

    from quartermaster.fleet.events import Event
    from quartermaster.fleet.write_probe import Login
    from quartermaster.runbooks.restorer import Restorer
    from quartermaster.runbooks.runner import Runner

__all__ = ["group", "restorer"]

group = Group("backup", "Backups of databases: list, run, verify, restore.")
_Database = Annotated[str, typer.Argument(help="Database, as fleet.yaml names it.")]
_To = Annotated[str, typer.Option(help="Restore to this instant, e.g. 2026-03-01T12:00:00Z.")]
_Random = Annotated[bool, typer.Option("--random", help="Restore from a recovery point drawn at random.")]
_POLL_SECONDS = {"local": 0.5, "aws": 15.0}


@group.command("list", example="ops backup list orders --json")
def list_(database: Annotated[str, typer.Argument(help="Database; default: all.")] = "") -> None:
    """List recovery points: age, size, region, encryption, expiry, and the lock of those in a vault."""
    ops = session()
    names = [_accepted(ops, database)] if database else ops.fleet.postgres
    tool, now = restorer(ops), ops.clock.now()
    found = {name: tool.backups.points(name) for name in names}
    rows = [
        (name, point.kind, point.id, f"{point.since:%F %T}", f"{point.at:%F %T}", age((now - point.at).total_seconds()),
         "unknown" if point.size_bytes is None else f"{point.size_bytes / 2**20:.0f} MiB", point.region,
         "yes" if point.encrypted else "NO", f"{point.expires_at:%F}" if point.expires_at else "", point.lock,
         point.status)
        for name, points in found.items()
        for point in points
    ]  # fmt: skip
    columns = ["database", "kind", "id", "from (UTC)", "to (UTC)", "#age", "#size", "region", "encrypted"]
    text = table([*columns, "expires", "lock", "status"], rows) if rows else "there is no recovery point"
    emit({"databases": {name: [point.to_json(now) for point in points] for name, points in found.items()}}, text)


@group.command("run", example="ops backup run orders")
def run(database: _Database) -> None:
    """Take a backup now, on aws into the stack's vault, and wait until it can be restored."""
    from quartermaster.runbooks import restoring

    ops = session()
    _accepted(ops, database)
    snapshot = f"{ops.rds_ids[database]}-{ops.clock.now():%Y%m%d-%H%M%S}"
    steps = restoring.take(restorer(ops), database, snapshot, ops.clock, poll=_poll(ops))
    document = _recorded(ops, database, steps)
    emit(document, f"{snapshot} is complete")


@group.command("restore", example="ops backup restore orders --to 2026-03-01T12:00:00Z")
def restore(
    database: _Database,
    to: _To = "",
    random: _Random = False,
    over_original: Annotated[
        bool,
        typer.Option("--over-original", help="Put it in the original's place; asks twice, and keeps the original."),
    ] = False,
    again: Annotated[
        str, typer.Option(help="The database's name once more, for --over-original where nobody is asked.")
    ] = "",
    confirm_stack: Confirm = "",
) -> None:
    """Restore beside the original, where nobody reaches it, or with --over-original in its place.

    In its place: what comes back is checked, then loaded beside the original, and you are told which rows would be
    lost and asked again. Then the two change names, in one moment, under the same endpoint and logins; what was there
    stays on the server until `ops backup remove DATABASE --replaced`. Cut short, the same command begins anew or, when
    the names have changed, ends what is left to do.
    """
    from quartermaster.runbooks import restoring

    ops = session()
    at, seed = _asked(ops, database, to, random, confirm_stack)
    if over_original:
        restore_over(ops, lambda: restorer(ops), database, at, seed, again, poll=_poll(ops))
        return
    if again:
        raise InputError("--again is for --over-original", remedy="leave it out")
    confirm(f"Restore {database} beside the original? It costs as another instance does until it is removed.")
    steps = restoring.restore(restorer(ops), database, ops.clock, poll=_poll(ops), to=at, draw=seed)
    document = _recorded(ops, database, steps)
    text = f"{document['id']} answers at {document['address']}:{document['port']}, with the logins that it had then"
    emit(document, f"{text}; remove it: ops backup remove {database}")


@group.command("verify", example="ops backup verify orders --random --json")
def verify(database: _Database, to: _To = "", random: _Random = False, confirm_stack: Confirm = "") -> None:
    """Restore, check the data, and remove what was restored."""
    from quartermaster.runbooks import restoring

    ops = session()
    at, seed = _asked(ops, database, to, random, confirm_stack)
    objectives = ops.fleet.recovery.objectives.get(database)
    goal = objectives.data_loss if objectives else None
    rpo = goal.rpo.total_seconds() if goal and goal.rpo is not None and not (at or seed) else None
    tool = restorer(ops)
    steps = restoring.verify(tool, database, ops.clock, poll=_poll(ops), rpo=rpo, to=at, draw=seed)
    document = _recorded(ops, database, steps)
    rows = list(document["checks"].items())
    lost = f"{document['rpo_seconds']:.1f} s would have been lost, by the {document['rpo_from']}"
    emit(document, f"{table(['check', 'found'], rows)}\n{database} is sound as of {document['recovery_point']}; {lost}")


@group.command("remove", example="ops backup remove orders --yes")
def remove(
    database: _Database,
    replaced: Annotated[
        bool, typer.Option("--replaced", help="Remove the old data that a restore over the original kept, instead.")
    ] = False,
) -> None:
    """Remove what was restored beside a database, or what it had before it was restored over."""
    ops = session()
    _accepted(ops, database)
    tool = restorer(ops)
    if replaced:
        drop_replaced(ops, tool, database)
        return
    if not tool.backups.left(database):
        emit({"removed": False}, f"nothing restored of {database} is there")
        return
    name = tool.backups.restored_id(database)
    confirm(f"Remove {name} and its data?")
    with ops.run("backup", subject=database, scopes=[ops.scope("database", database)]) as (record, _):
        discard(ops, tool, database)
        record.finish("done", {"removed": name})
    emit({"removed": True}, f"{name} is removed")


@group.command("answer", example="ops backup answer --json")
def answer() -> None:
    """Check what AWS Backup's restore test restored, and report it. Run this from a timer: AWS waits for an hour."""
    from quartermaster.runbooks import restoring

    ops = session()
    if ops.declared.target == "local":
        raise InputError("the local cloud runs no restore tests by itself", remedy="ops backup verify DATABASE")
    tool = restorer(ops)
    told, unasked = [], []
    for test in tool.backups.tests():
        steps = restoring.answer(tool, test, lambda group: _asking(ops, lambda _: group).ask)
        try:
            told.append(_recorded(ops, test.database, steps))
        except OpsError as error:  # the others are answered all the same: AWS waits for none of them long
            unasked.append(error)
    rows = [(row["database"], "sound" if row["sound"] else "NOT SOUND", row["run"]) for row in told]
    emit({"answered": told}, table(["database", "restored", "run"], rows) if rows else "no restore test waits")
    if unasked:
        raise unasked[0]
    if not all(row["sound"] for row in told):
        raise typer.Exit(1)


@group.command("heartbeat", example="ops backup heartbeat orders")
def heartbeat(database: _Database) -> None:
    """Write a row each second until stopped, so that restores tell how many seconds were lost. Let systemd run it."""
    from quartermaster.cli.logins import login_of
    from quartermaster.fleet.heartbeat import beat

    ops = session()
    _accepted(ops, database)
    over = threading.Event()
    try:
        for told in beat(lambda: login_of(ops, database), over):
            say(told)
    except KeyboardInterrupt:
        over.set()
    emit({"database": database}, "stopped")


def restorer(ops: Session) -> Restorer:
    """What restores the stack's databases."""
    from quartermaster.cli.logins import login_of
    from quartermaster.runbooks.backups import Backups
    from quartermaster.runbooks.restorer import Restorer
    from quartermaster.runbooks.vaults import Vaults

    def login(name: str) -> Login:
        return login_of(ops, name)

    if ops.cloud.target == "local":
        return Restorer(Backups(ops.cloud, ops.rds_ids, ops.clock), ops.fleet, login, ops.clock)
    rules = ops.fleet.backups.rules
    copies = ops.fleet.recovery_region if any(rule.copy_to for rule in rules) else ""
    vaults = (
        Vaults(ops.cloud, ops.declared.account or "", keep_days=min(rule.keep_days for rule in rules), copies=copies)
        if rules
        else None
    )
    backups = Backups(ops.cloud, ops.rds_ids, ops.clock, vaults)
    return Restorer(backups, ops.fleet, login, ops.clock, _asking(ops, backups.closed_group).ask)


def _asking(ops: Session, group: Callable[[str], str]) -> Runner:
    """What asks the databases of a stack on aws, as a member of that security group."""
    from quartermaster.runbooks.runner import Runner

    return Runner(ops.cloud, ops.fleet, ops.rds_ids, group, ops.clock)


def _recorded(ops: Session, database: str, steps: Iterator[Event]) -> dict[str, Any]:
    """Do the steps under a lease, in the journal; what they found, all in one."""
    ops.explain_interrupted("backup")
    with ops.run("backup", subject=database, scopes=[ops.scope("database", database)]) as (record, lease):
        draw(record.record(lease.fenced(steps)))
        found = {"database": database, "run": record.id, **found_by(ops, record)}
        record.finish("done", found)
    return found


def _asked(ops: Session, database: str, to: str, random: bool, confirm_stack: str) -> tuple[datetime | None, str]:
    """The instant, and the seed of a random choice. Raises InputError."""
    _accepted(ops, database)
    ops.typed_confirmation(confirm_stack)
    if to and random:
        raise InputError("--to and --random exclude each other", remedy="say one of them")
    at = absolute(to, "--to", remedy="such as 2026-03-01T12:00:00Z") if to else None
    return at, secrets.token_hex(4) if random else ""


def _accepted(ops: Session, database: str) -> str:
    """Raises InputError for what is no PostgreSQL database of the fleet."""
    if database not in ops.fleet.postgres:
        known = ", ".join(ops.fleet.postgres) or "none is declared"
        raise InputError(f"fleet {ops.fleet.fleet} has no PostgreSQL database {database!r}", remedy=f"one of: {known}")
    return database


def _poll(ops: Session) -> float:
    return _POLL_SECONDS[ops.declared.target]
