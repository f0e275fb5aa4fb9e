"""RDS's backups as AWS behaves: what the API tells of is what lies in the object store, and restores are real.

Every function here runs under ``World.lock``. The work is done by ``backups``; of databases that are records only
snapshots stay as moto has them.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from quartermaster.infra.local import moto_rds
from quartermaster.infra.local.backup_records import Base, Kept, Restore
from quartermaster.infra.local.world import World

__all__ = ["install", "kept", "noted", "orphans", "restore_failed", "restore_of", "troubled"]

_kept: dict[str, Kept] = {}
_restores: dict[str, Restore] = {}


def install(world: World) -> None:
    """Give moto's RDS the operations. Call once, after ``moto_rds.install``."""
    from moto.core.responses import ActionResult
    from moto.rds.models import DBInstance, DBSnapshot, RDSBackend
    from moto.rds.responses import RDSResponse

    classes: Any = RDSBackend, DBInstance, DBSnapshot, RDSResponse
    backend, instance, snapshot_, response = classes
    create, replicate = backend.create_db_instance, backend.create_db_instance_read_replica
    snap, unsnap, delete = backend.create_db_snapshot, backend.delete_db_snapshot, backend.delete_db_instance
    from_snapshot, to_time = backend.restore_db_instance_from_db_snapshot, backend.restore_db_instance_to_point_in_time
    latest: Any = instance.latest_restorable_time.fget

    said: dict[str, Any] = {}
    """What a restore that is under way says otherwise than its source; moto passes over whatever is false."""

    def created(self: Any, db_kwargs: dict[str, Any]) -> Any:
        made = create(self, {**db_kwargs, **said})
        made.dbi_resource_id = _resource_id()
        name = made.db_instance_identifier
        if moto_rds.place(name) is not None:
            for early in [key for key, it in self.database_snapshots.items() if it.db_instance_identifier == name]:
                if self.database_snapshots[early].snapshot_type == "automated":
                    del self.database_snapshots[early]  # moto's own, of nothing
            _keep(self.region_name, made)
        return made

    def replicated(self: Any, db_kwargs: dict[str, Any]) -> Any:
        made = replicate(self, db_kwargs)
        made.dbi_resource_id = _resource_id()
        return made

    def snapped(self: Any, db_instance_identifier: str, db_snapshot_identifier: str, *args: Any, **kwargs: Any) -> Any:
        # An automated one is told of when it is there.
        by_hand = kwargs.get("snapshot_type") != "automated"
        found = _of(self.databases.get(db_instance_identifier)) if by_hand else None
        if found is not None and found.instance.status != "available":
            raise moto_rds.refusal(
                f"Instance {db_instance_identifier} is not in available state.", "InvalidDBInstanceState"
            )
        made = snap(self, db_instance_identifier, db_snapshot_identifier, *args, **kwargs)
        if found is not None:
            made.status, made.percent_progress = "creating", 0
            found.asked.append(made.db_snapshot_identifier)
        return made

    def unsnapped(self: Any, db_snapshot_identifier: str) -> Any:
        gone = unsnap(self, db_snapshot_identifier)
        found = _kept.get(gone.dbi_resource_id)
        if found is not None:
            found.dropped += [base.label for base in found.bases if base.snapshot == gone.db_snapshot_identifier]
            found.bases = [base for base in found.bases if base.snapshot != gone.db_snapshot_identifier]
        return gone

    def deleted(
        self: Any,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,
    ) -> Any:
        last = "" if skip_final_snapshot else final_db_snapshot_identifier or ""
        leaving = self.databases.get(db_instance_identifier)
        found = _of(leaving)
        if found is not None and found.leave is not None:
            raise moto_rds.refusal(
                f"Instance {db_instance_identifier} is already being deleted.", "InvalidDBInstanceState"
            )
        if found is not None and last and not leaving.deletion_protection:
            # Its server goes when the snapshot is there; until then the instance is told of as deleting.
            self.create_db_snapshot(db_instance_identifier, last, snapshot_type="manual")
            found.last, found.leave = last, partial(gone, self, db_instance_identifier, delete_automated_backups)
            leaving.status = "deleting"
            return leaving
        return gone(self, db_instance_identifier, delete_automated_backups, last=last)

    def gone(self: Any, name: str, automated_too: bool | None, *, last: str = "") -> Any:
        instance = delete(self, name, last or None, not last, automated_too)
        found = _of(instance)
        if found is not None:
            found.latest_at, found.days, found.leave = None, 0, None
            for asked in found.asked:
                self.database_snapshots[asked].status = "failed"  # its server is gone
            found.asked.clear()
        _restores.pop(name, None)
        return instance

    def restored_snapshot(self: Any, from_snapshot_id: str, overrides: Any) -> Any:
        name = from_snapshot_id.rpartition(":snapshot:")[2]
        snapshot = self.describe_db_snapshots(db_instance_identifier=None, db_snapshot_identifier=name)[0]
        found = _kept.get(snapshot.dbi_resource_id)
        if found is None:
            return from_snapshot(self, from_snapshot_id, overrides)
        base = next((base for base in found.bases if base.snapshot == name), None)
        if base is None or snapshot.status != "available":
            raise moto_rds.refusal(
                f"Snapshot {name} is not available, but {snapshot.status}.", "InvalidDBSnapshotState"
            )
        with _saying(said, overrides):
            made = from_snapshot(self, from_snapshot_id, overrides)
        return _restored(world, self, made, found, label=base.label)

    def restored_time(self: Any, source: str, target: str, overrides: Any) -> Any:
        if target in self.databases:
            raise moto_rds.refusal(f"DB instance already exists: {target}", "DBInstanceAlreadyExists")
        found = _of(self.describe_db_instances(db_instance_identifier=source)[0])
        if found is None:
            return to_time(self, source, target, overrides)
        at = _asked_time(found, overrides)
        with _saying(said, overrides):
            made = to_time(self, source, target, overrides)
        return _restored(world, self, made, found, to=at)

    def latest_of(self: Any) -> Any:
        found = _of(self)
        return latest(self) if found is None else found.latest_at if found.bases else None

    def automated(self: Any) -> Any:
        asked, named = self.params.get("DbiResourceId"), self.params.get("DBInstanceIdentifier")
        rows = [
            one.to_row()
            for one in _kept.values()
            if one.region == self.region and one.days and asked in (None, one.resource) and named in (None, one.name)
        ]
        return ActionResult({"DBInstanceAutomatedBackups": rows})

    backend.create_db_instance, backend.create_db_instance_read_replica = created, replicated
    backend.create_db_snapshot, backend.delete_db_snapshot, backend.delete_db_instance = snapped, unsnapped, deleted
    backend.restore_db_instance_from_db_snapshot = restored_snapshot
    backend.restore_db_instance_to_point_in_time = restored_time
    instance.latest_restorable_time = property(latest_of)
    snapshot_.percent_progress = 100
    response.describe_db_instance_automated_backups = automated


def kept() -> list[Kept]:
    """The backups of every instance that is there, with what was asked for since."""
    alive = [one for one in _kept.values() if one.instance.status != "deleting" or one.leave]
    for one in alive:
        one.days = int(one.instance.backup_retention_period or 0)
        one.window = str(one.instance.preferred_backup_window or "")
    return alive


def orphans() -> list[Kept]:
    """Backups that nothing needs any more, of instances that are gone without a snapshot. They are forgotten here."""
    gone = [
        one for one in _kept.values() if one.instance.status == "deleting" and not one.leave and not _snapshots(one)
    ]
    for one in gone:
        del _kept[one.resource]
    return gone


def noted(one: Kept, base: Base) -> None:
    """A base backup is there: the snapshot that was asked for, or an automated one."""
    one.bases.append(base)
    backend = one.instance.backend
    if base.snapshot in one.asked:
        one.asked.remove(base.snapshot)
    else:
        backend.create_auto_snapshot(one.name, base.snapshot)
        one.trouble = ""
        _release(one)
    made = backend.database_snapshots[base.snapshot]
    made.status, made.percent_progress, made.full_snapshot_size_in_bytes = "available", 100, base.size
    made.created = base.ended_at.replace(tzinfo=None)
    if one.leave is not None and base.snapshot == one.last:
        one.leave()


def troubled(world: World, one: Kept, why: str) -> None:
    """Backups of the instance fail; RDS tells of it in an event, and keeps no instance from work."""
    _release(one)
    if why != one.trouble:
        one.trouble = why
        moto_rds.event(world, one.name, f"backup failed: {why}")


def restore_of(name: str) -> Restore | None:
    """What the instance is to be made from; None: from nothing."""
    return _restores.get(name)


def restore_failed(world: World, name: str, why: str) -> None:
    """The instance cannot be made from its backup.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html#Overview.DBInstance.Status
    """
    for database in moto_rds.named(world, name):
        database.status = "restore-error"
    moto_rds.event(world, name, f"restore failed: {why}")


def _keep(region: str, database: Any) -> None:
    one = Kept(database.db_instance_identifier, database.dbi_resource_id, region, 0, "", instance=database)
    _kept[one.resource] = one
    place = moto_rds.place(one.name)
    if place is not None:
        # Not called available before its first backup is taken: creating, then backing-up, then available.
        place.holds = bool(int(database.backup_retention_period or 0))


def _release(one: Kept) -> None:
    place = moto_rds.place(one.name)
    if place is not None:
        place.holds = False


def _of(database: Any) -> Kept | None:
    return _kept.get(database.dbi_resource_id) if database is not None else None


def _resource_id() -> str:
    return "db-" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(26))


@contextmanager
def _saying(said: dict[str, Any], asked: Any) -> Iterator[None]:
    """While open, instances are made as a restore was asked for: with one zone and unprotected unless it says so."""
    said |= {"multi_az": bool(asked.get("MultiAZ")), "deletion_protection": bool(asked.get("DeletionProtection"))}
    if asked.get("BackupRetentionPeriod") is not None:
        said["backup_retention_period"] = int(asked["BackupRetentionPeriod"])
    try:
        yield
    finally:
        said.clear()


def _restored(world: World, backend: Any, made: Any, found: Kept, *, label: str = "", to: Any = None) -> Any:
    _release(_kept[made.dbi_resource_id])
    _restores[made.db_instance_identifier] = Restore(
        found.resource, found.region, label, to, _admitted(world, backend.region_name, made)
    )
    return made


def _admitted(world: World, region: str, database: Any) -> tuple[str, ...]:
    """The CIDRs that the instance's security groups let in at its port."""
    ec2 = world.backend("ec2", region)
    groups = [ec2.get_security_group_from_id(it) for it in database.vpc_security_group_ids or ()]
    rules = [rule for group in groups if group is not None for rule in group.ingress_rules]
    port = int(database.port)
    fits = [r for r in rules if r.ip_protocol == "-1" or int(r.from_port or 0) <= port <= int(r.to_port or 65535)]
    spans = {rule.ip_range["CidrIp"] for rule in fits if "CidrIp" in rule.ip_range}
    if any(rule.source_group for rule in fits):
        # Whose members are where is not followed on this machine: somewhere in the network.
        spans.add(ec2.get_vpc(database.db_subnet_group.vpc_id).cidr_block)
    return tuple(sorted(spans))


def _asked_time(found: Kept, asked: Any) -> datetime:
    """The time to restore to. Raises as RDS does for one outside of the window."""
    to, newest = asked.get("RestoreTime"), str(asked.get("UseLatestRestorableTime")).lower() == "true"
    if bool(to) == newest:
        raise moto_rds.refusal("Say either RestoreTime or UseLatestRestorableTime.", "InvalidParameterCombination")
    earliest, latest = found.earliest_at, found.latest_at
    if not found.days or earliest is None or latest is None:
        raise moto_rds.refusal(f"{found.name} has no automated backup to restore from.", "PointInTimeRestoreNotEnabled")
    if newest:
        return latest
    at = to if isinstance(to, datetime) else datetime.fromisoformat(str(to).replace("Z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not earliest <= at <= latest:
        raise moto_rds.refusal(
            f"The time {at:%FT%TZ} is not in {earliest:%FT%TZ} to {latest:%FT%TZ}.", "InvalidParameterValue"
        )
    return at


def _snapshots(one: Kept) -> list[Any]:
    found = one.instance.backend.database_snapshots.values()
    return [it for it in found if it.dbi_resource_id == one.resource]
