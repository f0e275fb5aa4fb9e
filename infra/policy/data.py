"""Databases and tables: what keeps them, and what keeps them from being lost."""

from __future__ import annotations

from quartermaster.infra.inputs import HIDDEN, holds, items, part
from quartermaster.infra.policy.scene import Breach, Broken, Scene

__all__ = ["RULES"]

_DATABASE = "aws:rds/instance:Instance"
_TABLE = "aws:dynamodb/table:Table"
_PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
_PROTECTION = {
    _DATABASE: "deletionProtection",
    _TABLE: "deletionProtectionEnabled",
    "aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection",
}


def point_in_time(scene: Scene) -> Broken:
    """Databases and tables can go back to a point in time."""
    for one in scene.of(_DATABASE):
        days = one.inputs.get("backupRetentionPeriod")
        if not one.inputs.get("replicateSourceDb") and days not in HIDDEN and not days:
            yield Breach(one, f"{one.name} cannot go back to a point in time", "backupRetentionPeriod: 7")
    for one in scene.of(_TABLE):
        if not holds(part(one.inputs.get("pointInTimeRecovery")).get("enabled")):
            remedy = "pointInTimeRecovery: {enabled: true}"
            yield Breach(one, f"{one.name} cannot go back to a point in time", remedy)


def database_standby(scene: Scene) -> Broken:
    """Databases have a standby in another zone."""
    for one in scene.of(_DATABASE):
        if not one.inputs.get("replicateSourceDb") and not holds(one.inputs.get("multiAz")):
            yield Breach(one, f"database {one.name} is lost with its zone", f"databases.{one.name}.standby: true")


def database_tls(scene: Scene) -> Broken:
    """Databases take connections over TLS only."""
    for one in scene.of(_PARAMETERS):
        if not str(one.inputs.get("family")).startswith("postgres"):
            continue
        settings = {item.get("name"): item.get("value") for item in items(one.inputs.get("parameters"))}
        if one.inputs.get("parameters") not in HIDDEN and settings.get("rds.force_ssl") not in ("1", *HIDDEN):
            yield Breach(one, f"databases with the settings {one.name} take connections without TLS")
    for one in scene.of(_DATABASE):
        if not one.inputs.get("replicateSourceDb") and not one.inputs.get("parameterGroupName"):
            yield Breach(one, f"database {one.name} has AWS's default settings")


def deletion_protection(scene: Scene) -> Broken:
    """What a protected stack could not get back is not deleted by one call. Others are there to be thrown away."""
    for one in scene.of(*_PROTECTION) if scene.protected else ():
        key = _PROTECTION[one.type]
        if not holds(one.inputs.get(key)):
            yield Breach(one, f"{one.name} of the protected stack {scene.stack} can be deleted", f"{key}: true")
    for one in scene.of("aws:s3/bucket:Bucket", "aws:backup/vault:Vault") if scene.protected else ():
        if one.inputs.get("forceDestroy") is True:
            yield Breach(one, f"{one.name} would be deleted with all that it holds", "forceDestroy: false")


def final_snapshot(scene: Scene) -> Broken:
    """A protected stack's database leaves a snapshot. Others may be thrown away; on the local cloud none can."""
    for one in scene.of(_DATABASE) if scene.protected and scene.on_aws else ():
        if not one.inputs.get("replicateSourceDb") and one.inputs.get("skipFinalSnapshot") is True:
            yield Breach(one, f"database {one.name} would leave nothing behind")


RULES = (point_in_time, database_standby, database_tls, deletion_protection, final_snapshot)
