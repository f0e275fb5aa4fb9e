"""Backups, recovery objectives, drills."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quartermaster.fleet.schema.base import Duration, Model, Name, StackName, TimeOfDay, WindowText
from quartermaster.fleet.windows import Window

__all__ = ["BackupRule", "Backups", "Drill", "DrillKind", "Lock", "Objective", "Objectives", "Recovery"]

DrillKind = Literal[
    "restore", "instance_loss", "zone_evacuation", "zone_outage", "failover", "region_failover", "tabletop"
]
GENTLE: tuple[DrillKind, ...] = ("restore", "tabletop")
"""What a protected stack permits until it says more: nothing that users could notice."""
_RESERVED = ("drills", "hours", "checks", "allow", "objectives")


class Lock(Model):
    """Recovery points that nobody can delete early."""

    mode: Literal["governance", "compliance"] = "governance"
    """compliance is irreversible: not even AWS can lift it."""
    min_days: Annotated[int, Field(ge=1, le=36_500)] = 7


class BackupRule(Model):
    """One schedule of backups: daily, or monthly with ``on``."""

    name: Name
    at: TimeOfDay = "03:00"
    """HH:MM in the fleet's timezone."""
    on: Annotated[int | None, Field(ge=1, le=28)] = None
    """Day of the month; without it every day."""
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 35
    copy_to: Literal["recovery_region"] | None = None


class Backups(Model):
    """The vault's lock and the rules that fill it."""

    lock: Lock | None = None
    rules: tuple[BackupRule, ...] = (BackupRule(name="daily"),)


class Objective(Model):
    """How long until it serves again (RTO), and how much data may be lost (RPO)."""

    rto: Duration
    rpo: Duration | None = None
    """None where no data is involved."""


class Objectives(Model):
    """Objectives of one cluster or database, for each scope of loss."""

    zone: Objective | None = None
    region: Objective | None = None
    data_loss: Objective | None = None


class Drill(Model):
    """A drill and how often it is due."""

    kind: DrillKind
    of: Name
    every_days: Annotated[int, Field(ge=1, le=730)] = 90


class Recovery(Model):
    """Objectives by name, and the drills that prove them."""

    objectives: dict[Name, Objectives] = Field(default_factory=dict)
    """Written without this word: any key but checks, drills, allow and hours names a database or a cluster."""
    checks: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """SQL that must answer true on restored data."""
    drills: tuple[Drill, ...] = ()
    allow: dict[StackName, tuple[DrillKind, ...]] = Field(default_factory=dict)
    """Drills that a stack permits; a protected stack only restore and tabletop until it says so."""
    hours: WindowText = Window.parse("Mon-Thu 09:00-16:00")
    """When people are there to watch."""

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {} if value is None else value
        reserved = {key: item for key, item in value.items() if key in _RESERVED}
        named = {key: item for key, item in value.items() if key not in _RESERVED}
        return {**reserved, "objectives": named} if named else reserved
