"""The patch plan as a value: it is printed, saved as JSON, reviewed, compared, and taken up again after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from quartermaster.playbooks.machine import Update

__all__ = ["GateRule", "HostPlan", "PatchPlan", "Wave", "spelled"]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host and what is pending on it."""

    id: str
    zone: str
    updates: tuple[Update, ...]
    skipped: str = ""
    """Why it is in no wave; empty when it is in one."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts of one zone that are worked on at once."""

    number: int
    zone: str
    hosts: tuple[str, ...]
    canary: bool
    left: int
    """Hosts that serve meanwhile."""
    needed: int | None
    """Hosts that the hour needs; None: unknown."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the balancer must have seen before the next wave starts."""

    min_requests: int
    max_error_rate: float
    max_latency_ratio: float = 2.0


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """What one cycle over one cluster will do."""

    cluster: str
    group: str
    hosts: tuple[HostPlan, ...]
    waves: tuple[Wave, ...]
    pins: Mapping[str, str]
    """Package and version that every host gets, no other."""
    suspend: tuple[str, ...]
    """Scaling processes that are suspended meanwhile."""
    floor: int | None
    """What the group's min is lowered to so that standby fits; None: it fits."""
    drain_seconds: int
    soak_seconds: int
    gate: GateRule
    max_failures: int
    reboot: str
    port: int
    health: str
    """Path that answers 200 on a healthy host; empty without a balancer."""
    ends_at: datetime | None
    """No wave starts after this."""
    warnings: tuple[str, ...] = ()
    prescale: int = 0
    """Hosts above the present desired that the group gets before the first wave; 0: what there is suffices."""

    def host(self, host_id: str) -> HostPlan:
        """The plan of that host. Raises KeyError."""
        return next(host for host in self.hosts if host.id == host_id)

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {**asdict(self), "ends_at": self.ends_at.isoformat() if self.ends_at else None}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PatchPlan:
        """The plan back from its JSON object."""
        hosts = (
            HostPlan(**{**host, "updates": tuple(Update(**update) for update in host["updates"])})
            for host in record["hosts"]
        )
        return cls(
            **{
                **record,
                "hosts": tuple(hosts),
                "waves": tuple(Wave(**{**wave, "hosts": tuple(wave["hosts"])}) for wave in record["waves"]),
                "suspend": tuple(record["suspend"]),
                "gate": GateRule(**record["gate"]),
                "ends_at": datetime.fromisoformat(record["ends_at"]) if record["ends_at"] else None,
                "warnings": tuple(record["warnings"]),
            }
        )


def spelled(versions: Mapping[str, str]) -> str:
    """Versions as one text, ``name=version`` joined by commas, as contracts show them."""
    return ",".join(f"{name}={version}" for name, version in sorted(versions.items()))
