"""Backups, recovery objectives, drills."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quartermaster.fleet.schema.base import Day, Duration, Model, Name, StackName, TimeOfDay, WindowText
from quartermaster.fleet.windows import Window

__all__ = [
    "GENTLE",
    "RESERVED",
    "Adopted",
    "Alarms",
    "BackupRule",
    "Backups",
    "Drill",
    "DrillKind",
    "IgnoredDrift",
    "Lock",
    "Objective",
    "Objectives",
    "Recovery",
    "Waiver",
]

DrillKind = Literal[
    "restore", "instance_loss", "zone_evacuation", "zone_outage", "failover", "region_failover", "tabletop"
]
GENTLE: tuple[DrillKind, ...] = ("restore", "tabletop")
"""What a protected stack permits until it says more: nothing that users could notice."""
RESERVED = ("drills", "hours", "checks", "allow", "objectives")
"""Keys of ``recovery`` that name no database and no cluster."""


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
    """Left out: governance, for 7 days or as long as the shortest rule keeps. null: none."""
    rules: tuple[BackupRule, ...] = (BackupRule(name="daily"),)
    restore_testing: bool = True
    """AWS Backup restores a random recovery point every week into isolation, and removes it again."""

    @model_validator(mode="after")
    def _locked_by_default(self) -> Backups:
        if "lock" in self.model_fields_set or not self.rules:
            return self
        # Frozen, and made here: not said by the file, so not in model_fields_set either.
        self.__dict__["lock"] = Lock(min_days=min(7, *(rule.keep_days for rule in self.rules)))
        return self


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
    tolerance_days: Annotated[int, Field(ge=0, le=365)] | None = None
    """How far from its due day it may be run; default: a quarter of every_days, at least a day."""


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
        reserved = {key: item for key, item in value.items() if key in RESERVED}
        named = {key: item for key, item in value.items() if key not in RESERVED}
        return {**reserved, "objectives": named} if named else reserved


class Alarms(Model):
    """What wakes people; traffic and saturation follow from the capacity plan."""

    latency_ms: Annotated[int, Field(ge=1, le=60_000)] = 1_000
    """Of the slowest request in a hundred."""
    error_percent: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Of requests answered with a 5xx."""


class Waiver(Model):
    """A policy rule that is set aside for some resources, for a time and a reason."""

    rule: str
    """Id of the rule, such as deletion-protection."""
    resource: str = "*"
    """Name or URN of the resource; * and ? stand for others."""
    reason: Annotated[str, Field(min_length=8)]
    until: Day
    """The last day on which it holds."""


class IgnoredDrift(Model):
    """A difference between the cloud and what was declared that is nobody's fault."""

    urn: str
    """Of the resource; * and ? stand for others."""
    property: str = "*"
    why: Annotated[str, Field(min_length=4)]


class Adopted(Model):
    """A resource that was there before the fleet: `ops adopt` found it, `ops adopt --import` took it in."""

    type: Annotated[str, Field(pattern=r"^aws:[a-z0-9]+/[A-Za-z0-9]+:[A-Za-z0-9]+$")]
    """Pulumi's word for what it is."""
    name: Name
    """Of the cluster or database that it is here."""
    id: Annotated[str, Field(min_length=1)]
    """What AWS calls it: it keeps its name, and what else only a new one could have otherwise."""
