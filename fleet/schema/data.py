"""Databases and buckets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from quartermaster.fleet.schema.base import Model

__all__ = ["Bucket", "Database"]


class Database(Model):
    """A database: a PostgreSQL instance with a standby, or a DynamoDB table."""

    engine: Literal["postgres", "dynamodb"] = "postgres"
    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] = "16"
    """Major version, quoted."""
    instance: Annotated[str, Field(pattern=r"^db\.[a-z][a-z0-9-]*\.[a-z0-9-]+$")] = "db.m6i.large"
    storage_gib: Annotated[int, Field(ge=20, le=65_536)] = 20
    standby: bool = True
    """A synchronous standby in another zone."""
    replicas: Annotated[int, Field(ge=0, le=15)] = 0
    """Read replicas."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Settings of PostgreSQL beside our own, such as work_mem: "65536"."""
    heartbeat: bool = False
    """A row is written each second by `ops backup heartbeat`: restores tell by it how many seconds were lost."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,255}$")] = "id"
    """Partition key of a dynamodb table."""


class Bucket(Model):
    """A bucket for the clusters' objects: private, encrypted, versioned, TLS only."""

    keep_old_days: Annotated[int, Field(ge=1, le=3_650)] = 90
    """Overwritten and deleted objects can be had back for so long."""
    cold_after_days: Annotated[int, Field(ge=0, le=3_650)] = 0
    """Moved to the infrequent-access class then; 0: never. AWS takes 30 or more."""
    replicate: bool | None = None
    """Copied to the recovery region; default: when there is one."""
