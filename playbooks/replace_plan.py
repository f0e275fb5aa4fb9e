"""The plan of a replacement as a value: printed, saved as JSON, reviewed, compared, and taken up again after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from quartermaster.playbooks.patch_plan import GateRule

__all__ = ["HostTurn", "Preferences", "ReplacePlan", "Stage"]


@dataclass(frozen=True, slots=True)
class HostTurn:
    """One host and what it was started as."""

    id: str
    zone: str
    version: str
    """Of the launch template; empty when it was started without one."""
    image: str
    why: str = ""
    """Why it is replaced; empty when it stays."""
    bundle: str = ""
    """SHA-256 of the role bundle that it is of, where new hosts get another."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is replaced until the next checkpoint."""

    number: int
    hosts: int
    """Replaced by its end, in all."""
    percent: int
    """The checkpoint: so much of the group is new by its end."""
    canary: bool
    at_once: int
    left: int
    """Hosts that serve meanwhile."""
    after_zone_loss: int
    """Of those, how many at least when the fullest zone is lost as well: AWS picks hosts of any zone."""
    needed: int | None
    needed_after_zone_loss: int | None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the instance refresh is told, in AWS's words."""

    min_healthy: int
    max_healthy: int
    """Above 100: hosts are launched before others are terminated."""
    checkpoints: tuple[int, ...]
    delay_seconds: int
    """After each checkpoint: the soak, and time to judge it by."""
    alarms: tuple[str, ...]
    """Any of them in ALARM sends it back."""
    auto_rollback: bool = True
    """Only where there is a numbered version to go back to: AWS refuses it otherwise."""
    skip_matching: bool = True
    """Whether AWS itself leaves hosts of the newest version; not where some of them are of an old bundle, which it
    knows nothing of: those that stay are protected from scale-in then, and it leaves those."""

    def to_aws(self) -> dict[str, Any]:
        """As StartInstanceRefresh takes them."""
        said: dict[str, Any] = {
            "MinHealthyPercentage": self.min_healthy,
            "SkipMatching": self.skip_matching,
            "AutoRollback": self.auto_rollback,
            # A host in standby or protected is somebody's work: wait for it rather than pull it away.
            "StandbyInstances": "Wait",
            "ScaleInProtectedInstances": "Wait" if self.skip_matching else "Ignore",
        }
        if self.max_healthy > 100:
            said["MaxHealthyPercentage"] = self.max_healthy
        if self.checkpoints:
            said |= {"CheckpointPercentages": list(self.checkpoints), "CheckpointDelay": self.delay_seconds}
        if self.alarms:
            said["AlarmSpecification"] = {"Alarms": list(self.alarms)}
        return said


@dataclass(frozen=True, slots=True)
class ReplacePlan:
    """What the replacement of one cluster's hosts will do."""

    cluster: str
    group: str
    template: str
    """Id of the launch template."""
    own: str
    """Version that the group names now."""
    before: str
    """Version that a rollback goes back to: what most hosts are."""
    target: str
    """Version that hosts are replaced by."""
    image: str
    """What that version starts."""
    changes: tuple[str, ...]
    """What the two versions say differently."""
    hosts: tuple[HostTurn, ...]
    stages: tuple[Stage, ...]
    preferences: Preferences
    soak_seconds: int
    gate: GateRule
    max_failures: int
    ends_at: datetime | None
    """What is not begun by then waits for the next window."""
    warnings: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[HostTurn, ...]:
        """Hosts that are to be replaced."""
        return tuple(host for host in self.hosts if host.why)

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        record = {**asdict(self), "ends_at": self.ends_at.isoformat() if self.ends_at else None}
        return {"method": "replace", **record}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ReplacePlan:
        """The plan back from its JSON object."""
        values = {name: value for name, value in record.items() if name != "method"}
        chosen = values["preferences"]
        lists = {name: tuple(chosen[name]) for name in ("checkpoints", "alarms")}
        return cls(
            **{
                **values,
                "changes": tuple(values["changes"]),
                "hosts": tuple(HostTurn(**host) for host in values["hosts"]),
                "stages": tuple(Stage(**stage) for stage in values["stages"]),
                "preferences": Preferences(**{**chosen, **lists}),
                "gate": GateRule(**values["gate"]),
                "ends_at": datetime.fromisoformat(values["ends_at"]) if values["ends_at"] else None,
                "warnings": tuple(values["warnings"]),
            }
        )
