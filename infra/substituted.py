"""What fleet.yaml asks for that this machine cannot be: stood in for, never refused, and named."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quartermaster.fleet.events import Json
from quartermaster.infra.layout import Layout, recovery_layout

if TYPE_CHECKING:
    from quartermaster.fleet.schema import Fleet

__all__ = ["substituted"]


def substituted(fleet: Fleet, layout: Layout, databases: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Json]]:
    """[{what, asked, used}] on the local target. ``databases`` as the local cloud shows those that run. Pure."""
    here = f"a namespace of this machine ({os.cpu_count()} CPUs shared, {platform.machine()})"
    rows: list[Mapping[str, Json]] = [
        {"what": f"clusters.{name}.instance", "asked": declared.instance, "used": here}
        for name, declared in fleet.clusters.items()
    ]
    waiting = recovery_layout(fleet, layout.stack)
    versions = {row["name"]: str(row["version"]) for row in databases}
    for name, declared in fleet.databases.items():
        used = versions.get(layout.name(name))
        if declared.engine == "postgres" and used is not None and used != str(declared.version):
            rows.append({"what": f"databases.{name}.version", "asked": str(declared.version), "used": used})
        if declared.engine == "postgres" and waiting is not None:
            asked = f"a read replica in {waiting.region}"
            rows.append({"what": f"recovery.{name}.region", "asked": asked, "used": "a record without a server"})
    return rows
