"""What makes faults: the local cloud's control API; on aws only what ends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quartermaster.fleet.errors import MissingPart

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.workspace import Workspace
    from quartermaster.runbooks.acts import FaultInjector

__all__ = ["injector"]


def injector(ops: Session) -> FaultInjector:
    """The faults of the session's target. Raises MissingPart on aws."""
    if ops.cloud.target == "local":
        return _LocalFaults(ops.workspace)
    raise MissingPart(
        "drills on aws are FIS experiments, which this version does not start yet",
        remedy="rehearse on a local stack: ops drill run … --stack dev",
    )


class _LocalFaults:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def kill_host(self, host_id: str) -> None:
        from quartermaster.infra.local.client import kill_host

        kill_host(self._workspace, host_id)
