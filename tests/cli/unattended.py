"""Unattended work by a clock of our own: schedulers that share their books, and work that only takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from quartermaster.cli.scheduler_turn import Ended, Scheduler
from quartermaster.fleet import journal as journals
from quartermaster.fleet import leases
from quartermaster.fleet.journal import Journal, RunRow
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.planner.drill_needs import Past
from quartermaster.planner.drill_schedule import schedule
from quartermaster.planner.jobs import Calendar, calendar

__all__ = ["STEP", "TEXT", "Faked", "World", "at", "made", "run"]

START = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(hours=1)
TEXT = """
fleet: shop
timezone: Europe/Dublin
stacks: {prod: {target: local, protect: true}}
clusters: {web: {uses: [orders], balancer: {kind: application}}, api: {}}
databases: {orders: {engine: postgres}}
metrics: {demand: {web: {}}}
patching: {web: {window: "Sun 01:00-05:00"}, api: {window: always}}
freezes: [{from: 2026-03-14, to: 2026-03-15, why: launch}]
recovery:
  drills: [{kind: restore, of: orders, every_days: 7}, {kind: instance_loss, of: web, every_days: 10},
           {kind: zone_outage, of: web, every_days: 30}]
  allow: {prod: [restore, instance_loss]}
"""
TOOK = {"patch": timedelta(hours=3), "drill": timedelta(minutes=20)}


class Faked(datetime):
    """The clock that leases and journal read."""

    at = START

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return cls.at


@dataclass
class Work:
    """A command at the boundary: it takes its time by our clock and does nothing."""

    world: World
    command: tuple[str, ...]
    until: datetime
    status: int = 0
    process: tuple[int, str] = (0, "")

    def ended(self) -> Ended | None:
        if Faked.at < self.until:
            return None
        return Ended(self.status, {}, "")

    def stop(self) -> None:
        self.until, self.status = Faked.at, 130


@dataclass
class World:
    """Both schedulers have the same books."""

    fleet: Fleet
    journal: Journal
    leases: Leases
    text: bytes = TEXT.encode()
    begun: list[tuple[datetime, tuple[str, ...]]] = field(default_factory=list)
    under_way: list[Work] = field(default_factory=list)
    past: dict[tuple[str, str], Past] = field(default_factory=dict)

    def now(self) -> datetime:
        return Faked.at

    def file(self) -> bytes:
        return self.text

    def calendar(self, start: datetime, end: datetime) -> Calendar:
        drills = schedule(self.fleet, "prod", {}, Faked.at, 14, self.past).drills
        return calendar(self.fleet, "prod", drills, start, end)

    def midnight(self, at: datetime) -> datetime:
        day = at.astimezone(self.fleet.tz).date() + timedelta(days=1)
        return datetime.combine(day, time(), self.fleet.tz).astimezone(UTC)

    def begin(self, command: Sequence[str]) -> Work:
        self.begun.append((Faked.at, tuple(command)))
        work = Work(self, tuple(command), Faked.at + TOOK.get(command[0], timedelta(minutes=1)))
        self.under_way.append(work)
        if command[:2] == ("drill", "run"):
            runs = self.past[key].runs if (key := (command[2], command[3])) in self.past else 0
            self.past[key] = Past(runs + 1, Faked.at, 900.0)
        return work

    def alive(self, pid: int, started: str) -> bool:
        return False

    def of(self, *words: str) -> list[datetime]:
        """When commands that begin so were begun."""
        return [at for at, command in self.begun if command[: len(words)] == words]

    def jobs(self, subject: str) -> list[RunRow]:
        return self.journal.runs("job", subject=subject)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty world, whose clock journal and leases go by."""
    monkeypatch.setattr(leases, "datetime", Faked)
    monkeypatch.setattr(journals, "datetime", Faked)
    monkeypatch.setattr(leases, "TERM", 2 * STEP)
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 3600.0)  # a turn renews; a thread of real time would not know when
    Faked.at = START
    journal = Journal.open(folder / "ops.db")

    @sa.event.listens_for(journal.engine, "connect")
    def _unsafe(connection: object, _record: object) -> None:
        connection.execute("pragma synchronous=off")  # type: ignore[attr-defined]

    journal.engine.dispose()  # what was open already syncs with every commit
    return World(read_text(TEXT).fleet, journal, Leases(journal.engine))


def run(schedulers: Sequence[Scheduler], until: datetime) -> None:
    """Turns of each, an hour apart."""
    while Faked.at < until:
        for one in schedulers:
            one.turn()
        Faked.at += STEP


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)
