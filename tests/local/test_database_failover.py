"""A database of the local cloud whose primary falls silent: who serves when, on fake servers and a fake clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from quartermaster.fleet.errors import OpsError
from quartermaster.infra.local import database, moto_rds, moto_rds_restart
from quartermaster.infra.local.database import Database
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.moto_rds import DatabaseSpec
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World

ENDPOINT, PLACE = "10.0.0.4", "10.0.1.4"
SPEC = DatabaseSpec(
    "orders", "vpc", "10.0.0.0/16", ENDPOINT, "a", 5432, "ops", "secret", "orders", PLACE, "b", parameters={"x": "1"}
)


@dataclass
class FakeNode:
    """A server: what it does is written down, in order, in the list that all share."""

    name: str
    zone: str
    address: str
    done: list[str]
    alive: bool = True
    plugged: bool = True
    powered: bool = True
    recovering: bool = False
    upstream: FakeNode | None = None
    refuses: str = ""
    """A statement that fails the next time."""
    names: str = ""

    def answers(self) -> bool:
        return self.alive and self.plugged

    def start(self) -> None:
        self.alive = self.powered = True
        self.done.append(f"{self.name} starts")

    def stop(self) -> None:
        self.alive = False

    def set(self, asked: Mapping[str, str]) -> None: ...

    def certify(self, *_: bytes) -> None: ...

    def plug(self, plugged: bool) -> None:
        self.plugged = plugged and self.powered

    def lose_power(self) -> None:
        self.powered = self.alive = self.plugged = False

    def repair(self) -> None:
        self.powered = self.plugged = True

    def cut(self) -> None:
        self.alive = False

    def strip(self) -> None:
        self.done.append(f"{self.name} is fenced")
        self.address = ""

    def move(self, address: str) -> None:
        self.address = address

    def empty(self) -> None: ...

    def close(self) -> None:
        self.done.append(f"{self.name} is removed")

    def follow(self, upstream: FakeNode, name: str) -> None:
        if not upstream.answers():
            raise OpsError("no upstream")
        self.recovering, self.upstream = True, upstream
        self.done.append(f"{self.name} is copied")

    def sql(self, statement: str, **_: str) -> str:
        if self.refuses and self.refuses in statement:
            self.refuses = ""
            raise OpsError("refused")
        if "pg_promote" in statement:
            self.recovering, self.upstream = False, None
            self.done.append(f"{self.name} is promoted")
        if "alter system" in statement:
            self.names = statement.split("'")[1]
        if statement.startswith("show"):
            return self.names
        return "1" if self.fed else "0"

    fed: bool = True
    """Whether its standby streams from it."""


@dataclass
class Trial:
    """One database under a clock that the test moves."""

    world: World
    seconds: float = 1000.0
    done: list[str] = field(default_factory=list)
    spec: DatabaseSpec = SPEC
    db: Any = None
    parted: bool = False
    """The standby lives, and gets nothing from the primary."""

    def build(self, *, standby: bool = True) -> Trial:
        primary = FakeNode("A", "a", ENDPOINT, self.done)
        authority: Any = type("Authority", (), {"issue": lambda *_: (b"", b"")})()
        self.db = Database(self.world, authority, self.spec, cast(Any, primary))
        if standby:
            self.db.follow(cast(Any, FakeNode("B", "b", PLACE, self.done)))
        self.look()
        assert self.db.synchronous is standby
        self.done.clear()
        return self

    def look(self, seconds: float = 1.0, times: int = 1) -> None:
        """Let time pass and look, so often."""
        for _ in range(times):
            self.seconds += seconds
            self.db.plug()
            if self.db.standby:
                self.db.primary.fed = self.db.standby.answers() and not self.parted
            self.db.tend()

    @property
    def serving(self) -> list[str]:
        """The servers that take writes where clients call."""
        nodes = [node for node in self.db.nodes if node.address == ENDPOINT and node.answers() and not node.recovering]
        return [node.name for node in nodes]


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
        return lambda *_, **given: made.done.append(f"{what} {given}" if given else what)

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
    unhealthy = {"why": "The primary host of the RDS Multi-AZ instance is unhealthy."}
    assert trial.done[:6] == [
        f"failing_over {unhealthy}", "A is fenced", "B is promoted", "B starts", "in sync: False", "available elsewhere"
    ]  # fmt: skip
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
    assert "loss of network connectivity" in trial.done[0]
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
