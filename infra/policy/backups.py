"""Backups: that there are any, that they stay, and that they can meet what is promised."""

from __future__ import annotations

from collections.abc import Iterator

from quartermaster.infra.inputs import HIDDEN, items, part, texts
from quartermaster.infra.policy.scene import Breach, Broken, Scene
from quartermaster.infra.resources import Resource

__all__ = ["RULES"]

_DATABASE = "aws:rds/instance:Instance"
_TABLE = "aws:dynamodb/table:Table"
_PLAN = "aws:backup/plan:Plan"
_SELECTION = "aws:backup/selection:Selection"
_VAULT = "aws:backup/vault:Vault"


def backup_coverage(scene: Scene) -> Broken:
    """Every database and table is in a backup plan, by a tag or by its ARN."""
    selections = list(scene.of(_SELECTION))
    arns = [arn for one in selections for arn in texts(one.inputs.get("resources"))]
    unseen = sum(arn in HIDDEN for arn in arns)
    tags = [tag for one in selections for tag in items(one.inputs.get("selectionTags"))]
    if any(one.inputs.get("selectionTags") in HIDDEN for one in selections):
        return
    for one in _own_data(scene):
        name = str(one.inputs.get("identifier" if one.type == _DATABASE else "name"))
        own = part(one.inputs.get("tags"))
        tagged = one.inputs.get("tags") in HIDDEN or any(
            own.get(str(tag.get("key"))) == tag.get("value") for tag in tags
        )
        if tagged or any(arn == "*" or arn.endswith((f":{name}", f"/{name}")) for arn in arns):
            continue
        # ARNs that are not known yet stand for one database each.
        if unseen:
            unseen -= 1
            continue
        yield Breach(one, f"{one.name} is in no backup plan")


def vault_lock(scene: Scene) -> Broken:
    """Vaults are locked: nobody deletes a recovery point early."""
    for one in scene.of(_VAULT):
        lock = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
        named = [other.inputs.get("backupVaultName") for other in scene.of(lock)]
        known = [name for name in named if name not in HIDDEN]
        if one.inputs.get("name") not in known and not any(name in HIDDEN for name in named):
            yield Breach(one, f"recovery points in {one.name} can be deleted at any time")


def region_copies(scene: Scene) -> Broken:
    """What has an objective for losing the region has its backups copied out of it."""
    wanted = sorted(name for name in _region_bound(scene) if name in scene.fleet.databases)
    for one in scene.of(_PLAN) if wanted else ():
        rules = one.inputs.get("rules")
        if rules not in HIDDEN and not any(rule.get("copyActions") for rule in items(rules)):
            yield Breach(one, f"no backup of {', '.join(wanted)} leaves the region, which it must outlive")


def backup_notices(scene: Scene) -> Broken:
    """Somebody is told when a backup fails."""
    rules = scene.of("aws:cloudwatch/eventRule:EventRule")
    patterns = [str(rule.inputs.get("eventPattern")) for rule in rules]
    if any("aws.backup" in pattern or pattern in HIDDEN for pattern in patterns):
        return
    for one in scene.of(_PLAN):
        yield Breach(one, f"nobody is told when a backup of {one.name} fails")


def _own_data(scene: Scene) -> Iterator[Resource]:
    """Databases and tables that are no copy of another."""
    return (one for one in scene.of(_DATABASE, _TABLE) if not one.inputs.get("replicateSourceDb"))


def _region_bound(scene: Scene) -> set[str]:
    return {name for name, aims in scene.fleet.recovery.objectives.items() if aims.region is not None}


RULES = (backup_coverage, vault_lock, region_copies, backup_notices)
