"""Recovery points of a database, and which of them is restored. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.events import Json

__all__ = ["COPY", "Choice", "RecoveryPoint", "choose", "continuous", "snapshot"]

COPY = "copy in a vault"
"""The kind of a recovery point in another region: restored there by whoever runs that region, and not from here."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """Something that a database can be restored from."""

    id: str
    """Of the snapshot; of continuous backup the resource's; of one in a vault its ARN."""
    kind: str
    """continuous (any instant between two), automated or manual snapshot, vault (of AWS Backup), copy in a vault."""
    at: datetime
    """The newest instant that it holds."""
    since: datetime
    """The oldest one; a snapshot holds one only."""
    region: str
    size_bytes: int | None
    """None where AWS does not tell."""
    encrypted: bool
    key: str
    """ARN of the KMS key, empty without one."""
    expires_at: datetime | None
    """None: kept until it is deleted."""
    status: str
    vault: str = ""
    """Of AWS Backup; empty for what RDS keeps itself."""
    lock: str = ""
    """Of that vault, by which nobody deletes it early: governance or compliance, and for how many days at least."""

    def to_json(self, now: datetime) -> dict[str, Json]:
        """As JSON, with its age."""
        return {
            **asdict(self),
            "at": self.at.isoformat(),
            "since": self.since.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "age_seconds": round((now - self.at).total_seconds(), 1),
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """What to restore, and why."""

    snapshot: str
    """Restore this one; empty: …"""
    to: datetime | None
    """… to this instant."""
    at: datetime
    """The instant that comes back."""
    why: str


def continuous(row: Mapping[str, Any]) -> RecoveryPoint:
    """Of what RDS tells of an instance's continuous backup. Pure."""
    window = row["RestoreWindow"]
    return RecoveryPoint(
        id=row["DbiResourceId"],
        kind="continuous",
        at=window["LatestTime"],
        since=window["EarliestTime"],
        region=row["Region"],
        size_bytes=None,
        encrypted=bool(row.get("Encrypted")),
        key=row.get("KmsKeyId", ""),
        expires_at=None,
        status="available" if row["Status"] in ("active", "retained") else row["Status"],
    )


def snapshot(row: Mapping[str, Any], days: int) -> RecoveryPoint:
    """Of what RDS tells of a snapshot; automated ones are kept for so many days. Pure."""
    made = row["SnapshotCreateTime"]
    automated = row["SnapshotType"] == "automated"
    return RecoveryPoint(
        id=row["DBSnapshotIdentifier"],
        kind=f"{row['SnapshotType']} snapshot",
        at=made,
        since=made,
        region=row["DBSnapshotArn"].split(":")[3],
        size_bytes=row.get("FullSnapshotSizeInBytes"),
        encrypted=bool(row.get("Encrypted")),
        key=row.get("KmsKeyId", ""),
        expires_at=made + timedelta(days=days) if automated else None,
        status=row["Status"],
    )


def choose(
    points: Sequence[RecoveryPoint], *, to: datetime | None = None, draw: str = "", database: str = "it"
) -> Choice:
    """The newest point, an instant, or by the seed ``draw`` a random one. Pure. Raises InputError where none fits."""
    whole = [point for point in points if point.status == "available"]
    usable = [point for point in whole if point.kind != COPY]
    if not usable and whole:
        copy = max(whole, key=lambda point: point.at)
        start = f"aws backup start-restore-job --region {copy.region} --recovery-point-arn {copy.id}"
        raise InputError(
            f"of {database} there are only copies in {copy.region}, the newest of {copy.at:%F %T} UTC",
            remedy=f"restore it there: {start} --iam-role-arn ROLE --metadata FILE",
        )
    if not usable:
        raise InputError(f"{database} has no recovery point", remedy=f"ops backup run {database}")
    steady = [point for point in usable if point.kind == "continuous"]
    if to is not None:
        if any(point.since <= to <= point.at for point in steady):
            return Choice("", to, to, f"asked for {to:%F %T} UTC")
        spans = "; ".join(f"{point.since:%F %T} to {point.at:%F %T} UTC" for point in steady)
        raise InputError(
            f"{database} cannot be restored to {to:%F %T} UTC", remedy=spans or "it has no continuous backup"
        )
    if draw:
        chosen = random.Random(draw).choice(sorted(usable, key=lambda point: (point.at, point.id)))
        if chosen.kind != "continuous":
            return Choice(chosen.id, None, chosen.at, f"drawn among {len(usable)} recovery points")
        share = random.Random(draw).random()
        at = (chosen.since + share * (chosen.at - chosen.since)).replace(microsecond=0)
        at = max(at, chosen.since)
        return Choice("", at, at, f"drawn among {len(usable)} recovery points, then within its window")
    newest = max(usable, key=lambda point: (point.at, point.kind == "continuous"))
    if newest.kind == "continuous":
        # Not "the latest": what is archived while a restore is ordered was not there at the loss.
        return Choice("", newest.at, newest.at, "the newest instant that can be restored to")
    return Choice(newest.id, None, newest.at, "the newest snapshot: there is no continuous backup")
