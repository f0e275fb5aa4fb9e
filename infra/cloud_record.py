"""Which local cloud a stack was made on: a cloud that died takes all with it, and that is no drift."""

from __future__ import annotations

import json
from pathlib import Path

from quartermaster.fleet.aws import Cloud, read_local_cloud
from quartermaster.fleet.files import replacing
from quartermaster.fleet.workspace import Workspace

__all__ = ["forget", "forget_all", "matches", "write"]


def matches(workspace: Workspace, stack: str, cloud: Cloud) -> bool:
    """Is the cloud the one that the stack was made on? True for a stack that none was written down for."""
    recorded = _read(workspace).get(stack)
    return recorded is None or recorded == _instance(workspace, cloud)


def write(workspace: Workspace, stack: str, cloud: Cloud) -> None:
    """Write down that the stack stands on this cloud. Only local clouds have an instance."""
    if cloud.target == "local":
        _save(workspace, {**_read(workspace), stack: _instance(workspace, cloud)})


def forget(workspace: Workspace, stack: str) -> None:
    """The stack holds nothing any more."""
    _save(workspace, {name: value for name, value in _read(workspace).items() if name != stack})


def forget_all(workspace: Workspace) -> None:
    """No stack holds anything any more."""
    _file(workspace).unlink(missing_ok=True)


def _instance(workspace: Workspace, cloud: Cloud) -> str:
    local = read_local_cloud(workspace) if cloud.target == "local" else None
    return local.instance if local else ""


def _file(workspace: Workspace) -> Path:
    return workspace.folder("state") / "clouds.json"


def _read(workspace: Workspace) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(_file(workspace).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _save(workspace: Workspace, record: dict[str, str]) -> None:
    with replacing(_file(workspace)) as draft:
        draft.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
