"""What moto's RDS lacks of maintenance: restarts, failover to the standby, parameters that wait, minor versions.

Every function here runs under ``World.lock``. A restart is ordered here and done by ``databases``; of databases that
are records only it is over at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quartermaster.infra.local import moto_rds
from quartermaster.infra.local.world import World, log

__all__ = ["failing_over", "install", "pending_maintenance", "recovering", "restarted", "standby"]

_MINORS: Mapping[str, tuple[str, ...]] = {
    "13": ("13.21", "13.22"),
    "14": ("14.18", "14.19"),
    "15": ("15.13", "15.14"),
    "16": ("16.9", "16.10"),
    "17": ("17.5", "17.6"),
}
"""Two minor versions of each major, of May and August 2025, oldest first: what an upgrade is from and to.
https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html"""


def install(world: World) -> None:
    """Give moto's RDS the operations. Call once, after ``moto_rds.install``."""
    from moto.core.responses import ActionResult
    from moto.rds.models import DBInstance, RDSBackend
    from moto.rds.responses import RDSResponse

    backend: Any = RDSBackend
    modify = backend.modify_db_instance

    def reboot(self: Any) -> Any:
        database = _available(self.backend, self.params["DBInstanceIdentifier"])
        on_standby = bool(self.params.get("ForceFailover"))
        if on_standby and not database.multi_az:
            raise moto_rds.refusal(
                "You cannot set ForceFailover: the instance is not a Multi-AZ one.", "InvalidParameterCombination"
            )
        _order(world, database, "rebooting", on_standby=on_standby)
        return ActionResult({"DBInstance": database})

    def modified(self: Any, name: str, given: dict[str, Any]) -> Any:
        database, wanted = self.databases.get(name), given.get("engine_version")
        upgrade = database is not None and wanted and _is_minor(database, str(wanted))
        rest = {key: value for key, value in given.items() if key != "engine_version"} if upgrade else given
        found = modify(self, name, rest)
        moto_rds.stand_by(found)
        if not upgrade:
            return found
        if given.get("apply_immediately"):
            _upgrade(world, _available(self, name), str(wanted))
        else:
            found.pending_modified_values = {"EngineVersion": str(wanted)}
        return found

    def pending(self: Any) -> Any:
        asked = self.params.get("ResourceIdentifier")
        rows = [
            {"ResourceIdentifier": database.db_instance_arn, "PendingMaintenanceActionDetails": actions}
            for database in self.backend.databases.values()
            if asked in (None, database.db_instance_arn) and (actions := pending_maintenance(database))
        ]
        return ActionResult({"PendingMaintenanceActions": rows})

    def apply(self: Any) -> Any:
        arn, action = self.params["ResourceIdentifier"], self.params["ApplyAction"]
        named = [item for item in self.backend.databases.values() if item.db_instance_arn == arn]
        actions = pending_maintenance(named[0]) if named else []
        if action not in [item["Action"] for item in actions]:
            raise moto_rds.refusal(f"No pending maintenance action {action} for {arn}.", "ResourceNotFoundFault")
        if self.params.get("OptInType") == "immediate":
            database = _available(self.backend, named[0].db_instance_identifier)
            _upgrade(world, database, _newest(database))
        return ActionResult(
            {
                "ResourcePendingMaintenanceActions": {
                    "ResourceIdentifier": arn,
                    "PendingMaintenanceActionDetails": actions,
                }
            }
        )

    def versions(self: Any) -> Any:
        asked = str(self.params.get("EngineVersion") or "")
        asked = _MINORS[asked][0] if asked in _MINORS else asked
        rows = [_row(version) for minors in _MINORS.values() for version in minors]
        return ActionResult({"DBEngineVersions": [row for row in rows if asked in ("", row["EngineVersion"])]})

    backend.modify_db_instance = modified
    operations: dict[str, Callable[[Any], Any]] = {
        "reboot_db_instance": reboot,
        "describe_pending_maintenance_actions": pending,
        "apply_pending_maintenance_action": apply,
        "describe_db_engine_versions": versions,
    }
    for name, operation in operations.items():
        setattr(RDSResponse, name, operation)
    instance: Any = DBInstance
    instance.db_parameter_group_status_list = property(_groups)


def failing_over(world: World, name: str, *, cut_off: bool, alive: bool) -> None:
    """RDS begins to let the standby take over by itself, and says why: of the primary's zone, or of its server.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html
    """
    host = "The primary host of the RDS Multi-AZ instance is"
    why = "The RDS Multi-AZ primary instance is busy and unresponsive." if alive else f"{host} unhealthy."
    for database in moto_rds.named(world, name):
        database.status = "rebooting"
        moto_rds.event(world, name, f"{host} unreachable due to loss of network connectivity." if cut_off else why)
        moto_rds.event(world, name, "Multi-AZ instance failover started")


def recovering(world: World, name: str) -> None:
    """RDS begins to bring a dead server back where it was."""
    for database in moto_rds.named(world, name):
        database.status = "rebooting"
        moto_rds.event(
            world, name, "Recovery of the DB instance has started. Recovery time will vary with the amount of data."
        )


def restarted(world: World, name: str, *, on_standby: bool) -> None:
    """The database's server answers again, on its standby's place if so said; the group's settings are in force."""
    found = moto_rds.place(name)
    if found is None:
        return
    for database in moto_rds.named(world, name):
        moto_rds.event(world, name, "DB instance restarted")
        if on_standby:
            found.zone, found.standby_zone = found.standby_zone, found.zone
            database.availability_zone = found.zone
            moto_rds.event(world, name, "Multi-AZ instance failover completed")
        found.booted = moto_rds.group_name(database), moto_rds.parameters(database)
        database.engine_version, found.version = found.version or database.engine_version, ""
        database.status = "available"


def standby(world: World, name: str, *, follows: bool) -> None:
    """The primary confirms nothing without its standby from now on, or has none: only then RDS shows its zone."""
    found = moto_rds.place(name)
    if found is None:
        return
    for database in moto_rds.named(world, name):
        before = database.secondary_availability_zone
        database.secondary_availability_zone = found.standby_zone if follows else None
        if bool(before) != follows:
            moto_rds.event(world, name, "standby in sync" if follows else "standby lost: asynchronous now")


def pending_maintenance(database: Any) -> list[dict[str, Any]]:
    """What RDS would do in the next window: a newer minor version, where it may raise it by itself."""
    newest = _newest(database)
    if not newest or not database.auto_minor_version_upgrade:
        return []
    return [{"Action": "db-upgrade", "Description": f"Upgrade to PostgreSQL {newest}"}]


def _newest(database: Any) -> str:
    """The newest minor version above the database's own; empty when it has it. Without one named it is the oldest."""
    own = str(database.engine_version or "")
    minors = _MINORS.get(own.split(".")[0], ())
    above = minors[minors.index(own) + 1 :] if own in minors else minors[1:]
    return above[-1] if database.engine == "postgres" and above else ""


def _is_minor(database: Any, wanted: str) -> bool:
    own = str(database.engine_version or "")
    return "." in wanted and wanted != own and wanted.split(".")[0] == own.split(".")[0]


def _upgrade(world: World, database: Any, version: str) -> None:
    """RDS upgrades primary and standby at once, so the database is away meanwhile.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.html
    """
    found = moto_rds.place(database.db_instance_identifier)
    if found is None:
        database.engine_version = version
    else:
        found.version = version
    database.pending_modified_values = {}
    _order(world, database, "upgrading", on_standby=False)


def _order(world: World, database: Any, status: str, *, on_standby: bool) -> None:
    name, found = database.db_instance_identifier, moto_rds.place(database.db_instance_identifier)
    if found is None:
        return
    database.status = status
    found.restarts, found.failover = found.restarts + 1, on_standby
    moto_rds.event(world, name, "Multi-AZ instance failover started" if on_standby else "DB instance shutdown")
    log.info("database %s: %s%s", name, status, " on its standby" if on_standby else "")


def _groups(self: Any) -> Any:
    """The parameter group, with whether all it says is in force."""
    groups, found = self.db_parameter_groups(), moto_rds.place(self.db_instance_identifier)
    now, later = (moto_rds.group_name(self), moto_rds.parameters(self)), moto_rds.waiting(self)
    waits = found is not None and self.status != "creating" and _static(now, later) != _static(found.booted, later)
    for group in groups:
        group.ParameterApplyStatus = "pending-reboot" if waits else "in-sync"
    return groups


def _static(said: tuple[str, Mapping[str, str]], later: set[str]) -> tuple[str, dict[str, str]]:
    """What of it waits for a restart: the group, and those of its settings that say so."""
    return said[0], {name: value for name, value in said[1].items() if name in later}


def _available(backend: Any, name: str) -> Any:
    database = backend.describe_db_instances(name)[0]
    if database.status != "available":
        raise moto_rds.refusal(
            f"Instance {name} is not in available state, but {database.status}.", "InvalidDBInstanceState"
        )
    return database


def _row(version: str) -> dict[str, Any]:
    minors = _MINORS[version.split(".")[0]]
    above = minors[minors.index(version) + 1 :]
    targets = [{"Engine": "postgres", "EngineVersion": one, "IsMajorVersionUpgrade": False} for one in above]
    return {"Engine": "postgres", "EngineVersion": version, "ValidUpgradeTarget": targets}
