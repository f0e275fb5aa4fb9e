"""A month of unattended work by a clock of our own: a leader killed, the clock set back, a day with nobody there."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from quartermaster.cli.scheduler_turn import Scheduler
from quartermaster.fleet.schema import read_text
from tests.cli.unattended import STEP, TEXT, Faked, World, at, made, run


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return made(tmp_path, monkeypatch)


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


def test_it_stands_in_nobody_s_way(world: World) -> None:
    one = Scheduler(world, "prod")
    one.turn()
    with world.leases.hold(["prod"], run="provision_up"):
        one.turn()
    assert one.leads
