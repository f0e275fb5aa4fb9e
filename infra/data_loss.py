"""Which changes lose data: what holds it and is deleted or replaced. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from quartermaster.fleet.events import Json
from quartermaster.infra.changes import Change

__all__ = ["HOLDS", "Loss", "losses"]

HOLDS = {
    "aws:rds/instance:Instance": "the database and its automatic backups",
    "aws:dynamodb/table:Table": "the table's items and its point-in-time recovery",
    "aws:dynamodb/tableReplica:TableReplica": "the table's items in that region",
    "aws:s3/bucket:Bucket": "the bucket's objects, all versions of them",
    "aws:backup/vault:Vault": "the recovery points of the vault",
    "aws:ebs/volume:Volume": "what is written on the volume",
    "aws:cloudwatch/logGroup:LogGroup": "the logs",
    "aws:secretsmanager/secret:Secret": "the secret, once its recovery window has passed",
    "aws:kms/key:Key": "whatever the key has encrypted, once its deletion window has passed",
}
"""What is gone with a resource of the type."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that a change loses."""

    urn: str
    name: str
    type: str
    change: str
    """delete or replace."""
    lost: str
    why: str
    """Which property forces it, or that it is no longer declared; and what is left."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def losses(changes: Iterable[Change]) -> list[Loss]:
    """What is lost, in the order of the changes."""
    return [
        Loss(one.urn, one.name, one.type, one.act, HOLDS[one.type], _why(one))
        for one in changes
        if one.act in ("delete", "replace") and one.type in HOLDS
    ]


def _why(change: Change) -> str:
    forced = f"a replacement is forced by {', '.join(change.forced_by) or 'the provider'}"
    return "; ".join([forced if change.act == "replace" else "it is no longer declared", *_left(change)])


def _left(change: Change) -> list[str]:
    """What tempers the loss."""
    inputs = change.before
    if change.protected:
        return ["it is protected, so the engine refuses"]
    if change.type == "aws:rds/instance:Instance" and not inputs.get("skipFinalSnapshot"):
        return [f"a last snapshot {inputs.get('finalSnapshotIdentifier') or ''} stays".replace("  ", " ")]
    if change.type in ("aws:s3/bucket:Bucket", "aws:backup/vault:Vault") and not inputs.get("forceDestroy"):
        return ["AWS refuses while it holds anything"]
    return []
