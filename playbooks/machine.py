"""What a patch cycle asks of one host, and the values it gets back. ``remote`` does it over SSH; tests bring a fake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from quartermaster.fleet.errors import OpsError

__all__ = ["Facts", "HostTrouble", "Limits", "Machine", "Machines", "Saved", "Survey", "Update"]


class HostTrouble(OpsError):
    """One host did not do what it was asked to, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a host may take, in seconds: whatever is waited for has an end."""

    drain_slack: float = 120.0
    """Beyond the drain delay: deregistration takes seconds to arrive."""
    lock: float = 120.0
    """Until whoever holds the host's package lock lets it go."""
    transaction: float = 1800.0
    """For one run of the package manager."""
    converge: float = 1800.0
    reboot: float = 300.0
    """From the order to an answer over SSH."""
    health: float = 60.0
    """From the converge to a healthy answer on the host itself."""
    healthy: float = 300.0
    """From leaving standby to healthy at the balancer."""
    replacement: float = 900.0
    """From the launch of a host in another's place until it serves."""
    clock: float = 60.0
    """How far the host's clock may be off ours. AWS refuses requests at 300 s, apt a release from its future."""
    poll: float = 0.5


@dataclass(frozen=True, slots=True)
class Update:
    """A package that a newer version is offered for."""

    name: str
    old: str
    """Installed version; empty for a package that would come anew."""
    new: str
    security: bool = False
    source: str = ""
    """Where it comes from, as apt says it."""
    first_seen: str = ""
    """When an update of the installed version was first seen pending, ISO 8601; empty: it is not remembered."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is pending on one host."""

    updates: tuple[Update, ...] = ()
    reboot_required: bool = False
    error: str = ""
    """Why the host could not be asked."""
    unsaved: tuple[str, ...] = ()
    """Packages whose present version can no longer be had: an upgrade of them cannot be taken back."""
    drags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By package: others, not approved, that its upgrade would upgrade as well."""
    bundle: str = ""
    """SHA-256 of the role bundle that it applied last; empty: unknown or, once looked into, that of new hosts too."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A host as it is now."""

    boot_id: str
    reboot_required: bool
    versions: Mapping[str, str]
    """Installed versions of the packages asked for; those not installed are missing."""
    clock_ahead: float = 0.0
    """Seconds by which its clock is ahead of ours, to the time that asking takes."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What the upgrade would change, and whether it can be taken back by packages."""

    changes: tuple[Update, ...]
    missing: tuple[str, ...]
    """Packages whose present .deb cannot be had: with any, rollback by packages is impossible."""


class Machine(Protocol):
    """One host. Every act is done at most once per run, however often it is asked. All raise HostTrouble."""

    def facts(self, names: Iterable[str]) -> Facts: ...

    def survey(self) -> Survey: ...

    def drags(self, pins: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        """By pinned package: others, installed and not pinned, that would be upgraded with it. Read-only."""
        ...

    def save(self, run: str, pins: Mapping[str, str]) -> Saved: ...

    def upgrade(self, run: str, pins: Mapping[str, str]) -> Mapping[str, str]:
        """Versions afterwards of every package that changed."""
        ...

    def rollback(self, run: str) -> Mapping[str, str]: ...

    def reboot(self, run: str) -> str:
        """The new boot id, once the host is back."""
        ...

    def converge(self, run: str) -> Mapping[str, Any]:
        """``changed``: how many tasks changed something; ``settled``: that the upgrade left it nothing to do."""
        ...

    def health(self, port: int, path: str, seconds: float) -> str:
        """Empty once the service answers on the host itself, else what it last met."""
        ...

    def close(self) -> None: ...


class Machines(Protocol):
    """The way to the hosts."""

    def open(self, host_id: str) -> Machine:
        """The host; connects when first asked something."""
        ...
