"""What makes faults: the local cloud's control API; on aws only what ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quartermaster.cli.session import Session
    from quartermaster.fleet.workspace import Workspace
    from quartermaster.runbooks.acts import FaultInjector

__all__ = ["halted", "injector", "unstoppable"]


def injector(ops: Session) -> FaultInjector:
    """The faults of the session's target."""
    from quartermaster.cli.faults_aws import FisFaults

    return _LocalFaults(ops.workspace) if ops.cloud.target == "local" else FisFaults.of(ops)


def unstoppable(ops: Session) -> str:
    """Why nothing on aws would stop a fault that users suffer from; empty when something would. Read-only."""
    from quartermaster.cli.faults_aws import FisFaults

    return "" if ops.cloud.target == "local" else FisFaults.of(ops).unstoppable()


def halted(ops: Session) -> Callable[[], str]:
    """What tells why the last fault ended before it was taken back; on the local cloud nothing ends one."""
    from quartermaster.cli.faults_aws import FisFaults

    faults = ops.faults
    return faults.halted if isinstance(faults, FisFaults) else lambda: ""


class _LocalFaults:
    def __init__(self, workspace: Workspace) -> None:
        from quartermaster.infra.local import client

        self._workspace, self._client = workspace, client

    def kill_host(self, host_id: str) -> None:
        self._client.kill_host(self._workspace, host_id)

    def fail_over(self, instance: str) -> None:
        self._client.kill_database(self._workspace, instance)

    def fail_zone(self, zone: str) -> None:
        self._client.fail_zone(self._workspace, zone)

    def heal_zone(self, zone: str) -> None:
        self._client.heal_zone(self._workspace, zone)
