"""Who holds a stack: the engine's lock files in a folder or a bucket, and whether their processes live."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["Holder", "bucket_holders", "holders"]


@dataclass(frozen=True, slots=True)
class Holder:
    """One lock on a stack."""

    place: str
    """The file or object that is the lock."""
    pid: int
    host: str
    since: str
    """When it was taken, as the engine wrote it."""
    release: Callable[[], None]
    """Takes the lock away."""

    @property
    def here(self) -> bool:
        """Is it a process of this machine?"""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Does the very engine process still run? Another process that got its pid is not it."""
        return self.here and _command(self.pid).startswith("pulumi")

    @property
    def parent(self) -> int:
        """Pid of its parent; 0 when it is gone."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0
        return int(text.rpartition(")")[2].split()[1])


def holders(state_file: Path | None) -> tuple[Holder, ...]:
    """The locks on the stack of this checkpoint file. Read-only."""
    if state_file is None:
        return ()
    root = state_file.parents[2]
    folder = root / "locks" / "organization" / state_file.parent.name / state_file.stem
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            lock = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # just released, or being written
        found.append(_holder(str(file), lock, partial(file.unlink, missing_ok=True)))
    return tuple(found)


def bucket_holders(s3: Any, backend: str, project: str, stack: str) -> tuple[Holder, ...]:
    """The locks on a stack whose state lies in a bucket (``s3://bucket/prefix?…``). Read-only."""
    place = backend.removeprefix("s3://").partition("?")[0].rstrip("/")
    bucket, _, prefix = place.partition("/")
    under = "/".join(part for part in (prefix, ".pulumi/locks/organization", project, stack) if part) + "/"
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=under):
        for row in page.get("Contents", []):
            if not row["Key"].endswith(".json"):
                continue
            try:
                lock = json.loads(s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read())
            except s3.exceptions.NoSuchKey:
                continue  # just released
            release = partial(s3.delete_object, Bucket=bucket, Key=row["Key"])
            found.append(_holder(f"s3://{bucket}/{row['Key']}", lock, release))
    return tuple(found)


def _holder(place: str, lock: dict[str, Any], release: Callable[[], Any]) -> Holder:
    return Holder(place, int(lock["pid"]), str(lock["hostname"]), str(lock.get("timestamp", "")), release)


def _command(pid: int) -> str:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
