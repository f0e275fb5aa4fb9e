"""A month of unattended work by a clock of our own: a leader killed, the clock set back, a day with nobody there."""

from __future__ import annotations

from collections import Counter
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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(leases, "datetime", Faked)
    monkeypatch.setattr(journals, "datetime", Faked)
    monkeypatch.setattr(leases, "TERM", 2 * STEP)
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 3600.0)  # a turn renews; a thread of real time would not know when
    Faked.at = START
    journal = Journal.open(tmp_path / "ops.db")

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


@pytest.mark.slow
def test_a_month_in_which_much_goes_wrong(world: World) -> None:
    first, second = Scheduler(world, "prod"), Scheduler(world, "prod")
    run([first, second], at(7))
    assert first.leads and not second.leads

    # The leader is killed in the middle of Sunday's patch cycle; its lease runs out, and the other goes on with it.
    run([first, second], at(8, 2))
    assert world.of("patch", "run", "web") == [at(1, 1), at(8, 1)]
    run([second], at(12, 12))
    assert second.leads
    assert world.of("patch", "resume", "web") == [at(8, 3)]

    # The clock is set back by five hours, and runs through them again: nothing is done twice.
    before = list(world.begun)
    Faked.at -= timedelta(hours=5)
    run([second], at(12, 12))
    assert world.begun == before

    # Sunday the 15th is frozen: no patching, while looks go on. From noon on the 21st nobody is there for a day.
    run([second], at(21, 12))
    assert not [moment for moment in world.of("patch") if at(14) <= moment < at(16)]
    second.stop()
    second.reap()
    second.leave()
    Faked.at = at(22, 12)
    third = Scheduler(world, "prod")
    run([third], at(31, 22))

    assert world.of("patch", "run", "web") == [at(1, 1), at(8, 1), at(29, 0, 0) + timedelta(hours=1)]
    missed = [row for row in world.jobs("patch web") if row.state == "skipped"]
    assert len(missed) == 1 and "missed" in str(missed[0].inputs["why"])
    syncs = Counter(moment.date() for moment in world.of("metrics", "sync"))
    assert syncs[at(5).date()] == 24 and syncs[at(14).date()] == 24
    skipped = next(row for row in world.jobs("sync") if row.state == "skipped" and (row.result or {})["missed"] > 12)
    assert (skipped.result or {})["missed"] == 24  # in one line

    # Every drill that the stack allows was run in people's hours, in its cadence, and no other.
    kinds = Counter(command[2] for _, command in world.begun if command[:2] == ("drill", "run"))
    assert set(kinds) == {"restore", "instance_loss"}
    assert 4 <= kinds["restore"] <= 6 and 3 <= kinds["instance_loss"] <= 5
    for moment in world.of("drill", "run"):
        assert world.fleet.recovery.hours.contains(moment, world.fleet.tz)
    assert all(command[-2:] == ("--confirm", "prod") for _, command in world.begun if command[:2] == ("drill", "run"))

    # Nothing was decided twice, and all of it is in the journal.
    rows = [row for row in world.journal.runs("job") if row.state != "stopped"]
    keys = Counter((job["kind"], job["of"], job["opens_at"]) for row in rows for job in row.inputs["jobs"])
    assert set(keys.values()) == {1}
    assert world.journal.broken_at() is None
    left_out = {tuple(item) for row in world.journal.runs("calendar") for item in (row.result or {})["left_out"]}
    assert ("patch api", "window: always names no hour; give it one, or run it by hand") in left_out
    assert any("frozen" in why for _, why in left_out)


def test_stopped_work_goes_on_within_its_window(world: World) -> None:
    one = Scheduler(world, "prod")
    run([one], at(1, 2))
    one.stop()
    one.reap()
    one.leave()
    assert world.jobs("patch web")[0].state == "stopped"
    run([Scheduler(world, "prod")], at(1, 6))
    assert world.of("patch") == [at(1, 1), at(1, 2)]
    assert [row.state for row in world.jobs("patch web")] == ["done", "stopped"]


def test_what_stops_again_is_left_to_a_person(world: World) -> None:
    one = Scheduler(world, "prod")
    run([one], at(1, 1, 30))
    for _ in range(3):
        patching = [work for work in world.under_way if work.command[0] == "patch"][-1]
        patching.status, patching.until = 4, min(patching.until, Faked.at)
        run([one], Faked.at + 2 * STEP)
    assert world.of("patch", "resume", "web") and len(world.of("patch")) == 2


def test_a_drill_that_was_cut_short_is_put_right_whatever_the_hour(world: World) -> None:
    one = Scheduler(world, "prod")
    while not world.of("drill", "run"):
        run([one], Faked.at + STEP)
    Faked.at += timedelta(days=2)  # its machine is gone for two days
    run([Scheduler(world, "prod")], Faked.at + 3 * STEP)
    assert len(world.of("drill", "recover")) == 1


def test_a_change_of_the_file_is_a_new_calendar(world: World) -> None:
    one = Scheduler(world, "prod")
    run([one], at(1, 0, 30))
    world.text = TEXT.replace("2026-03-14", "2026-03-01").encode()
    world.fleet = read_text(world.text.decode()).fleet
    run([one], at(1, 6))
    assert world.of("patch") == []
    assert len(world.journal.runs("calendar")) == 2


def test_a_second_scheduler_stands_by(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Scheduler(world, "prod"), Scheduler(world, "prod")
    run([first, second], at(1, 5))
    assert capsys.readouterr().err.count("standby") == 1
    first.leave()
    second.turn()
    assert second.leads and len(world.of("patch")) == 1


def test_it_stands_in_nobody_s_way(world: World) -> None:
    one = Scheduler(world, "prod")
    one.turn()
    with world.leases.hold(["prod"], run="provision_up"):
        one.turn()
    assert one.leads
