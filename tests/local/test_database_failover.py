"""A database of the local cloud whose primary falls silent: who serves when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import database, moto_rds, moto_rds_restart
from quartermaster.infra.local.database import Database
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World
from tests.local.database_trial import AUTHORITY, SPEC, FakeNode, Trial


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    world = World("0a0b0c", "shop", tmp_path, Timing.named("real"), Ledger(tmp_path / "ledger"), with_hosts=True)
    made = Trial(world)
    world.now = lambda: made.seconds  # type: ignore[method-assign]

    def slept(seconds: float) -> None:
        made.seconds += seconds
        if made.db.standby:
            assert len(made.serving) <= 1, "never two that serve"

    monkeypatch.setattr(database.time, "sleep", slept)

    def told(what: str) -> Any:
        return lambda *_, **given: made.done.append(" ".join([what, *(f"{k}={v}" for k, v in given.items())]))

    def restarted(*_: Any, on_standby: bool) -> None:
        if on_standby:
            made.spec = replace(made.spec, zone=made.spec.standby_zone, standby_zone=made.spec.zone)
        made.done.append("available" + (" elsewhere" if on_standby else ""))

    monkeypatch.setattr(moto_rds, "settings", lambda *_: {"x": "1"})
    monkeypatch.setattr(moto_rds, "specs", lambda *_: {"orders": made.spec})
    monkeypatch.setattr(moto_rds, "event", told("event"))
    monkeypatch.setattr(moto_rds_restart, "restarted", restarted)
    for name in ("failing_over", "recovering"):
        monkeypatch.setattr(moto_rds_restart, name, told(name))
    monkeypatch.setattr(moto_rds_restart, "standby", lambda *_, follows: made.done.append(f"in sync: {follows}"))
    yield made


def test_a_primary_without_power_is_fenced_before_its_standby_is_promoted(trial: Trial) -> None:
    trial.build().db.lose_power()
    trial.look(times=12)
    assert trial.done[:6] == [
        "failing_over cut_off=False alive=False",
        "A is fenced",
        "B is promoted",
        "B starts",
        "in sync: False",
        "available elsewhere",
    ]
    assert trial.done[6:] == ["A is copied", "A starts"]
    trial.look()
    assert (trial.serving, trial.db.synchronous, trial.done[-1]) == (["B"], True, "in sync: True")


def test_it_takes_as_long_as_the_table_says(trial: Trial) -> None:
    trial.build().db.lose_power()
    trial.look(times=10)
    assert trial.done == []  # noticed nothing yet: detection takes ten seconds from the first look
    began = trial.seconds
    trial.look()
    assert trial.serving == ["B"]
    assert trial.seconds - began == pytest.approx(trial.world.timing["database_failover"] - 9)


def test_one_that_answers_again_in_time_stays_the_primary(trial: Trial) -> None:
    trial.build()
    for _ in range(3):
        trial.world.failed_zones.add("a")
        trial.look(times=9)
        trial.world.failed_zones.clear()
        trial.look()
    assert (trial.done, trial.serving) == ([], ["A"])


def test_a_zone_that_is_cut_off_fails_over_and_its_server_comes_back_as_a_standby_only_when_it_heals(
    trial: Trial,
) -> None:
    trial.build().world.failed_zones.add("a")
    trial.look(times=40)
    assert trial.done[0] == "failing_over cut_off=True alive=True"
    assert (trial.serving, trial.done.count("A is copied")) == (["B"], 0)
    trial.world.failed_zones.clear()
    trial.look(times=2)
    assert (trial.serving, trial.db.standby.name, trial.db.synchronous) == (["B"], "A", True)
    assert trial.db.standby.recovering


def test_a_standby_without_the_last_writes_is_never_promoted_and_the_primary_comes_back_instead(trial: Trial) -> None:
    trial.build().db.standby.lose_power()
    trial.look()
    assert trial.done == ["in sync: False"]  # commits wait for nobody from now on
    trial.db.lose_power()
    trial.look(times=12)
    assert trial.done[1:4] == ["recovering", "A starts", "in sync: False"]
    assert trial.serving == ["A"]


def test_a_standby_that_got_nothing_of_late_is_not_promoted_though_it_answers(trial: Trial) -> None:
    trial.build().parted = True
    trial.look()
    trial.db.lose_power()
    trial.look(times=12)
    assert ("B is promoted" in trial.done, trial.serving) == (False, ["A"])


def test_a_standby_that_streams_no_more_is_copied_anew(trial: Trial) -> None:
    trial.build().parted = True
    trial.look(times=16)
    assert trial.done == ["in sync: False"]
    trial.look(times=2)
    trial.parted = False
    trial.look()
    assert (trial.done[1:3], trial.db.synchronous) == (["B is copied", "B starts"], True)


def test_without_a_standby_it_waits_for_its_zone_and_then_comes_back_there(trial: Trial) -> None:
    trial.build(standby=False).db.lose_power()
    trial.world.failed_zones.add("a")
    trial.look(times=100)
    assert trial.done == []
    trial.world.failed_zones.clear()
    trial.look(times=2)
    assert (trial.done, trial.serving) == (["recovering", "A starts", "available", "event"], ["A"])


def test_with_both_zones_cut_off_nobody_is_promoted(trial: Trial) -> None:
    trial.build().world.failed_zones |= {"a", "b"}
    trial.look(times=60)
    assert (trial.done, trial.serving) == ([], [])
    trial.world.failed_zones.discard("a")
    trial.look(times=2)
    assert trial.serving == ["A"]


def test_a_promotion_that_fails_half_way_is_taken_up_and_the_fenced_one_never_started_again(trial: Trial) -> None:
    trial.build().db.lose_power()
    trial.db.standby.refuses = "pg_promote"
    trial.look(times=10)
    with pytest.raises(OpsError, match="refused"):
        trial.look()
    assert (trial.serving, trial.done[-1]) == ([], "A is fenced")
    trial.look(times=2)
    assert (trial.serving, trial.done.count("B is promoted"), "A starts" in trial.done[:5]) == (["B"], 1, False)


def test_power_is_lost_once_however_often_it_is_cut(trial: Trial) -> None:
    trial.build()
    for _ in range(3):
        trial.db.lose_power()
    trial.look(times=14)
    assert (trial.done.count("B is promoted"), trial.serving) == (1, ["B"])


def test_a_forced_failover_without_a_standby_in_sync_is_a_restart_and_says_so(trial: Trial) -> None:
    trial.build().db.standby.lose_power()
    trial.look()
    trial.done.clear()
    trial.db.restart(on_standby=True)
    assert (trial.done, trial.serving) == (["event", "A starts", "in sync: False", "available"], ["A"])


def test_without_the_standby_that_it_had_it_commits_alone_and_fails_over_no_more(trial: Trial) -> None:
    trial.build().db.part()
    assert (trial.done, trial.db.synchronous, trial.db.primary.names) == (["in sync: False", "B is removed"], False, "")
    trial.db.lose_power()
    trial.look(times=12)
    assert trial.done[2:5] == ["recovering", "A starts", "available"]


def test_a_replica_that_its_source_moved_away_from_is_copied_anew(trial: Trial) -> None:
    source = trial.build(standby=False).db
    copy = FakeNode("C", "c", "10.0.2.4", trial.done, recovering=True)
    replica = Database(trial.world, AUTHORITY, replace(SPEC, name="copy", source="orders"), cast(Any, copy))
    for streams in (True, False, True):
        source.primary.fed = streams
        for _ in range(16):
            trial.look()
            replica.keep_up(source)
    assert trial.done == []  # it came back in time
    source.primary.fed = False
    for _ in range(18):
        trial.look()
        replica.keep_up(source)
    assert trial.done == ["C is copied", "C starts"]
