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
    """The faults of the session's target."""
    return _LocalFaults(ops.workspace) if ops.cloud.target == "local" else _NoFaults()


class _NoFaults:
    """On aws a fault is a FIS experiment. All raise MissingPart."""

    def kill_host(self, host_id: str) -> None:
        raise self._missing(f"the loss of {host_id}")

    def fail_zone(self, zone: str) -> None:
        raise self._missing(f"the loss of {zone}")

    def heal_zone(self, zone: str) -> None:
        raise self._missing(f"the return of {zone}")

    @staticmethod
    def _missing(what: str) -> MissingPart:
        return MissingPart(
            f"{what} would be a FIS experiment on aws, which this version does not start yet",
            remedy="rehearse on a local stack: ops drill run … --stack dev",
        )


class _LocalFaults:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def kill_host(self, host_id: str) -> None:
        from quartermaster.infra.local.client import kill_host

        kill_host(self._workspace, host_id)

    def fail_zone(self, zone: str) -> None:
        from quartermaster.infra.local.client import fail_zone

        fail_zone(self._workspace, zone)

    def heal_zone(self, zone: str) -> None:
        from quartermaster.infra.local.client import heal_zone

        heal_zone(self._workspace, zone)
