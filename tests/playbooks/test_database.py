"""Maintenance of a database: what is decided, and a run over a fake RDS that is killed, late and refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet import write_probe
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.events import Event, StepStarted, from_record, to_record
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.write_probe import Probe
from quartermaster.playbooks import database_plan, database_run
from quartermaster.playbooks.database_plan import Act, DatabasePlan, Instance
from quartermaster.playbooks.database_result import outcome
from quartermaster.playbooks.database_run import Tools
from tests.playbooks.fakes import until

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)  # a Sunday
ORDERS = Instance("shop-dev-orders", "arn:orders", "available", "a", "b", "16.9", False)
WAITING = replace(ORDERS, pending_reboot=True, settings=("max_connections",))


@pytest.fixture(autouse=True)
def _quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_probe, "EVERY_SECONDS", 0.001)


def fleet(*, freezes: tuple[dict[str, str], ...] = (), **policy: str) -> Fleet:
    return Fleet.model_validate(
        {
            "fleet": "shop",
            "databases": {"orders": {"engine": "postgres", "version": "16"}},
            "patching": {"orders": {"window": "Sun 02:00-03:00", **policy}},
            "freezes": freezes,
        }
    )


def planned(found: Instance = WAITING, now: datetime = NOW, **more: Any) -> DatabasePlan:
    policy = {name: more.pop(name) for name in ("minor_versions",) if name in more}
    return database_plan.plan(found, fleet(**policy), "orders", now, **more)


def test_settings_that_wait_are_brought_in_by_the_standby_taking_over() -> None:
    (act,) = planned().acts
    assert (act.step, act.how) == ("reboot:failover", "the standby in b starts with them and takes over")
    assert "max_connections" in act.why
    assert planned(replace(WAITING, standby_zone="")).acts[0].step == "reboot:restart"


def test_nothing_pending_is_nothing_to_do() -> None:
    assert planned(ORDERS).acts == ()


def test_a_pinned_minor_version_is_left_and_named_and_an_automatic_one_is_raised_first() -> None:
    found = replace(WAITING, minors=("16.10", "16.11"))
    left = planned(found)
    assert [act.step for act in left.acts] == ["reboot:failover"]
    assert left.warnings == ("16.11 is left: patching.orders.minor_versions is pinned to 16.9",)
    raised = planned(found, minor_versions="automatic")
    assert [act.step for act in raised.acts] == ["upgrade:16.11", "reboot:failover"]
    both = planned(replace(found, actions=("db-upgrade", "system-update")), minor_versions="automatic")
    assert [act.step for act in both.acts] == ["maintenance:system-update", "maintenance:db-upgrade", "reboot:failover"]


@pytest.mark.parametrize(
    ("found", "now", "why"),
    [
        (WAITING, NOW + timedelta(hours=1), "outside the window"),
        (replace(WAITING, status="backing-up"), NOW, "it is backing-up"),
        (replace(WAITING, backup_window="02:00-03:00"), NOW, "its backup window is open"),
        (replace(WAITING, backup_window="23:30-02:31"), NOW, "its backup window is open"),
    ],
)
def test_window_and_backups_stand_against_it(found: Instance, now: datetime, why: str) -> None:
    with pytest.raises(GuardRefused, match=why):
        planned(found, now)
    if "window '" not in why and "outside" not in why:
        with pytest.raises(GuardRefused, match=why):
            planned(found, now, override="a hole")


def test_a_freeze_holds_and_an_override_is_told() -> None:
    frozen = fleet(freezes=({"from": "2026-11-20", "to": "2026-11-30", "why": "peak"},))
    with pytest.raises(GuardRefused, match="freeze"):
        database_plan.plan(WAITING, frozen, "orders", NOW)
    found = database_plan.plan(WAITING, frozen, "orders", NOW, override="a hole")
    assert "override: a hole" in found.warnings[0]
    assert planned(replace(WAITING, backup_window="03:00-04:00")).ends_at == NOW + timedelta(minutes=30)


@dataclass
class FakeServer:
    """RDS: what it is told takes ``reads`` looks; orders are counted."""

    now: Instance = WAITING
    reads: int = 3
    orders: list[str] = field(default_factory=list)
    told: list[tuple[datetime, str]] = field(default_factory=list)
    under_way: Act | None = None
    left: int = 0
    hides: int = 0
    """Looks that show nothing of an order yet."""

    def read(self) -> Instance:
        if self.under_way is not None and self.hides:
            self.hides -= 1
            return self.now
        if self.under_way is not None:
            self.left -= 1
            if self.left > 0:
                return replace(self.now, status="rebooting")
            self._over(self.under_way)
        return self.now

    def do(self, act: Act) -> None:
        if self.under_way is not None:
            raise OpsError("not in available state")
        self.orders.append(act.step)
        self.under_way, self.left = act, self.reads
        if act.name == "failover":
            self.told.append((NOW + timedelta(seconds=10), "Multi-AZ instance failover started"))

    def events(self, since: datetime) -> list[tuple[datetime, str]]:
        return [row for row in self.told if row[0] >= since]

    def _over(self, act: Act) -> None:
        if act.name == "failover":
            self.now = replace(self.now, zone=self.now.standby_zone, standby_zone=self.now.zone)
            self.told.append((NOW + timedelta(seconds=75), "Multi-AZ instance failover completed"))
        self.now = replace(self.now, pending_reboot=False)
        if act.kind == "upgrade":
            self.now = replace(self.now, version=act.name, minors=())
        self.under_way = None


class _Clock:
    def now(self) -> datetime:
        return NOW + timedelta(minutes=2)

    def sleep(self, seconds: float) -> None:
        """No time passes that a look would not take."""


@dataclass
class FakeWriter:
    """A table; ``fails`` says when a write is not taken, ``loses`` which ones are not there afterwards."""

    fails: range = range(0)
    loses: tuple[int, ...] = ()
    written: set[int] = field(default_factory=set)
    dropped: bool = False

    def create(self) -> None:
        self.dropped = False

    def write(self, number: int) -> None:
        if number in self.fails:
            raise OpsError("no connection")
        self.written.add(number)

    def count(self, numbers: Any) -> int:
        return len((self.written - {*self.loses}) & {*numbers})

    def drop(self) -> None:
        self.dropped = True


def tools(server: FakeServer, writer: FakeWriter | None = None, **more: Any) -> Tools:
    return Tools(server, writer, clock=_Clock(), poll_seconds=0.001, begin_seconds=0.05, act_seconds=30, **more)


def journalled(events: Iterator[Event]) -> list[Event]:
    return [from_record(json.loads(json.dumps(to_record(event)))) for event in events]


def test_a_failover_is_measured_by_writes_and_by_what_rds_tells() -> None:
    server, writer = FakeServer(), FakeWriter()
    found = outcome(journalled(database_run.run(planned(), tools(server, writer))), run="r")
    assert (found["state"], server.orders, writer.dropped) == ("done", ["reboot:failover"], True)
    assert found["hosts"] == [{"id": "shop-dev-orders", "zone": "b", "state": "patched", "from": "16.9 in a", "to": "16.9 in b", "seconds": found["hosts"][0]["seconds"], "why": ""}]  # fmt: skip  # noqa: E501
    assert (found["measured_by"], found["lost_writes"], found["requests"]["failed"]) == ("writes", 0, 0)
    assert found["acts"][0]["event_seconds"] == 65.0


def test_without_a_way_to_write_rds_itself_tells_how_long_it_took() -> None:
    found = outcome(journalled(database_run.run(planned(), tools(FakeServer()))), run="r")
    assert (found["failover_seconds"], found["measured_by"], found["lost_writes"]) == (65.0, "events", None)


def test_the_time_without_a_confirmed_write_and_lost_ones_are_counted() -> None:
    seconds = iter([*range(10), *range(50, 1000)])
    writer = FakeWriter(fails=range(11, 14), loses=(5,))
    probe = Probe(writer, clock=lambda: float(next(seconds)))
    probe.start()
    while probe.confirmed() < 12:
        time.sleep(0.001)
    found = probe.stop()
    assert (found.failed, found.away_seconds, found.lost) == (3, 40.0, 1)  # 41 s between two, less the usual one


def test_an_upgrade_that_restarts_leaves_no_restart_to_do() -> None:
    server = FakeServer(now=replace(WAITING, minors=("16.10",)))
    plan = planned(server.now, minor_versions="automatic")
    found = outcome(journalled(database_run.run(plan, tools(server))), run="r")
    assert (found["state"], server.orders) == ("done", ["upgrade:16.10"])
    assert [act["name"] for act in found["acts"]] == ["upgrade:16.10", "reboot:failover"]


@pytest.mark.parametrize("reads", [1, 4])
def test_a_kill_at_every_boundary_fails_over_once(reads: int) -> None:
    whole = len(list(database_run.run(planned(), tools(FakeServer(), FakeWriter()))))
    for cut in range(1, whole):
        server, writer = FakeServer(reads=reads), FakeWriter()
        past = journalled(iter(until(database_run.run(planned(), tools(server, writer)), cut)))
        past += journalled(database_run.resume(past, tools(server, writer)))
        found = outcome(past, run="r")
        assert (cut, found["state"], server.orders, server.now.zone) == (cut, "done", ["reboot:failover"], "b")
        assert writer.dropped or found["measured_by"] != "writes"


def test_a_kill_between_the_order_and_its_answer_fails_over_once_though_rds_shows_it_late() -> None:
    server = FakeServer(hides=2)
    past = []
    for event in database_run.run(planned(), tools(server)):
        past.append(event)
        if event.step == "reboot:failover" and isinstance(event, StepStarted):
            break
    server.do(planned().acts[0])
    more = journalled(database_run.resume(journalled(iter(past)), tools(server)))
    assert (outcome([*past, *more], run="r")["state"], server.orders) == ("done", ["reboot:failover"])


def test_no_act_begins_after_the_window_or_a_pause() -> None:
    server = FakeServer()
    late = replace(planned(), ends_at=NOW)
    past = journalled(database_run.run(late, tools(server)))
    assert (outcome(past, run="r")["state"], server.orders) == ("stopped", [])
    paused = outcome(journalled(database_run.run(planned(), tools(server, asked=lambda: "pause"))), run="r")
    assert (paused["state"], paused["hosts"][0]["state"], server.orders) == ("stopped", "pending", [])
    past += journalled(database_run.resume(past, tools(server)))
    assert outcome(past, run="r")["state"] == "done"


def test_a_database_that_moved_since_the_plan_is_refused_untouched() -> None:
    server = FakeServer(now=replace(WAITING, zone="b", standby_zone="a"))
    with pytest.raises(GuardRefused, match="no longer as planned"):
        list(database_run.run(planned(), tools(server)))
    assert server.orders == []


def test_an_act_that_never_ends_ends_the_run_with_a_remedy() -> None:
    server = FakeServer(reads=10**9)
    endless = replace(tools(server), act_seconds=0.1)
    with pytest.raises(OpsError) as stopped:
        list(database_run.run(planned(), endless))
    assert render(stopped.value) == (
        "error: orders took more than 0.1 s for failover\n"
        "  remedy: ops patch resume orders, or ops patch recover orders\n"
    )


def test_recover_waits_for_what_rds_is_at_and_begins_nothing() -> None:
    server, writer = FakeServer(), FakeWriter()
    past = []
    for event in database_run.run(planned(), tools(server, writer)):
        past.append(event)
        if event.step == "reboot:failover" and isinstance(event, StepStarted):
            break
    server.do(planned().acts[0])
    past += journalled(database_run.recover(past, tools(server, writer)))
    assert (outcome(past, run="r")["state"], server.orders, writer.dropped) == ("recovered", ["reboot:failover"], True)
    assert server.now.status == "available"


def test_a_plan_survives_the_journal() -> None:
    found = planned()
    assert DatabasePlan.from_json(json.loads(json.dumps(found.to_json()))) == found
