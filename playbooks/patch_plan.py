"""The patch plan as a value: it is printed, saved as JSON, reviewed, compared, and taken up again after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from quartermaster.playbooks.approval import Withheld
from quartermaster.playbooks.machine import Update

__all__ = ["Estimate", "GateRule", "HostPlan", "PatchPlan", "Start", "Wave", "spelled"]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host and what is pending on it."""

    id: str
    zone: str
    updates: tuple[Update, ...]
    """Approved."""
    skipped: str = ""
    """Why it is in no wave; empty when it is in one."""
    withheld: tuple[Withheld, ...] = ()
    """Pending and not approved."""
    rollback: str = ""
    """packages, or replacement where a present package can no longer be had; empty: nothing changes."""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> HostPlan:
        """The host back from its JSON object."""
        held = (Withheld(**{**one, "update": Update(**one["update"])}) for one in record.get("withheld", ()))
        updates = tuple(Update(**update) for update in record["updates"])
        return cls(**{**record, "updates": updates, "withheld": tuple(held)})


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
    left_after_loss: int | None = None
    """Of those that serve, when the zones that capacity must survive, the fullest, are lost as well."""
    needed_after_loss: int | None = None
    """Hosts that the hour needs then; None: unknown."""
    seconds: float = 0.0
    """How long it is expected to take, soak included."""
    upper_seconds: float = 0.0
    """It takes longer once in ten times."""


@dataclass(frozen=True, slots=True)
class GateRule:
    """What the balancer must have seen before the next wave starts."""

    min_requests: int
    max_error_rate: float
    max_latency_ratio: float = 2.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the cycle takes."""

    seconds: float
    upper_seconds: float
    """The sum of what each part takes at most nine times in ten."""
    source: str
    """Earlier runs, or the defaults that stood in."""


@dataclass(frozen=True, slots=True)
class Start:
    """When the cycle would best start."""

    starts_at: datetime
    closes_at: datetime | None
    """When window or freeze ends it; None: nothing does."""
    risk: float | None
    """Bound of the chance that demand exceeds what is left in any hour of the cycle; None: unknown."""
    prescale: int
    why: str
    runner_up: Start | None = None

    def to_json(self) -> dict[str, Any]:
        """The start as a JSON object."""
        return {
            **{field: getattr(self, field) for field in ("risk", "prescale", "why")},
            "starts_at": self.starts_at.isoformat(),
            "closes_at": self.closes_at.isoformat() if self.closes_at else None,
            "runner_up": self.runner_up.to_json() if self.runner_up else None,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Start:
        """The start back from its JSON object."""
        other, closes = record["runner_up"], record["closes_at"]
        return cls(
            **{
                **record,
                "starts_at": datetime.fromisoformat(record["starts_at"]),
                "closes_at": datetime.fromisoformat(closes) if closes else None,
                "runner_up": cls.from_json(other) if other else None,
            }
        )


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
    prescale_why: str = ""
    estimate: Estimate | None = None
    start: Start | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    """The part of fleet.yaml that it was decided by."""

    def host(self, host_id: str) -> HostPlan:
        """The plan of that host. Raises KeyError."""
        return next(host for host in self.hosts if host.id == host_id)

    def pinned(self, host_id: str) -> dict[str, str]:
        """Version by package that the host is to come to; what would come anew comes with what needs it."""
        return {update.name: self.pins[update.name] for update in self.host(host_id).updates if update.old}

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {
            **asdict(self),
            "ends_at": self.ends_at.isoformat() if self.ends_at else None,
            "start": self.start.to_json() if self.start else None,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PatchPlan:
        """The plan back from its JSON object."""
        estimate, start = record.get("estimate"), record.get("start")
        return cls(
            **{
                **record,
                "hosts": tuple(HostPlan.from_json(host) for host in record["hosts"]),
                "waves": tuple(Wave(**{**wave, "hosts": tuple(wave["hosts"])}) for wave in record["waves"]),
                "suspend": tuple(record["suspend"]),
                "gate": GateRule(**record["gate"]),
                "ends_at": datetime.fromisoformat(record["ends_at"]) if record["ends_at"] else None,
                "warnings": tuple(record["warnings"]),
                "estimate": Estimate(**estimate) if estimate else None,
                "start": Start.from_json(start) if start else None,
            }
        )


def spelled(versions: Mapping[str, str]) -> str:
    """Versions as one text, ``name=version`` joined by commas, as contracts show them."""
    return ",".join(f"{name}={version}" for name, version in sorted(versions.items()))
