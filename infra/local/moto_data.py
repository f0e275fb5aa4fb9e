"""Teaches moto all that it lacks of the services that hold data."""

from __future__ import annotations

from functools import cache

from quartermaster.infra.local import moto_backup, moto_dynamodb, moto_rds_api, moto_s3, moto_secrets, moto_volumes

__all__ = ["install"]


@cache
def install() -> None:
    """In this process, before moto's server starts. Idempotent."""
    for part in (moto_backup, moto_dynamodb, moto_rds_api, moto_s3, moto_secrets, moto_volumes):
        part.install()
