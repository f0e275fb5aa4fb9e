"""Reads what the program needs to know of the world before it runs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.images import find_images
from quartermaster.infra.keys import passphrase_file, public_key
from quartermaster.infra.layout import Layout

if TYPE_CHECKING:
    from quartermaster.fleet.aws import Cloud
    from quartermaster.fleet.schema import Fleet
    from quartermaster.infra.program import Facts

__all__ = ["gather"]


def gather(fleet: Fleet, layout: Layout, workspace: Workspace, cloud: Cloud, bundle: Path | None) -> Facts:
    """Images, keys and account. Read-only in the cloud; makes missing keys under ``.ops``.

    Raises InputError for a cluster that has no image of its architecture.
    """
    from quartermaster.infra.program import Facts

    declared = fleet.stacks[layout.stack]
    account = declared.account or cloud.client("sts").get_caller_identity()["Account"]
    secret = passphrase_file(workspace).read_bytes()
    return Facts(
        account=account,
        images=find_images(fleet, cloud),
        public_key=public_key(workspace),
        now=datetime.now(UTC),
        bundle=bundle,
        tls=cloud.target != "local",
        last_snapshots=cloud.target != "local",
        seed=hashlib.sha256(b"database passwords\0" + layout.name().encode() + b"\0" + secret).digest(),
    )
