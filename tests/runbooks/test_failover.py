"""The drill ``failover`` on a database that behaves like RDS's, on a clock that only moves when someone waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.errors import GuardRefused, InputError, OpsError
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.case import Known
from quartermaster.runbooks.document import PHASES
from quartermaster.runbooks.plan import DrillPlan
from tests.runbooks.rehearsal import Events, finish
from tests.runbooks.world import MONDAY

ORDERS = DatabaseState(
    "orders", "shop-dev-orders", "arn:orders", "available", "a", "b", True, "10.0.0.4", 5432, "16.9", "", "p", False
)


def a_fleet(target: str = "local", engine: str = "postgres") -> Fleet:
    stack = "{target: local}" if target == "local" else '{target: aws, account: "123456789012", state: s3://x}'
    more = "" if engine == "postgres" else ", key: id"
    return read_text(
        f"fleet: shop\nregion: eu-west-1\nstacks: {{dev: {stack}}}\ndatabases: {{orders: {{engine: {engine}{more}}}}}\n"
        "recovery: {orders: {zone: {rto: 5m, rpo: 0s}}}\n"
    ).fleet


@dataclass
class FakeRds:
    """Database, faults and clock in one; delays are seconds since the primary is lost."""

    before: DatabaseState = ORDERS
    instant: datetime = MONDAY
    noticed_after: float = 8.0
    begun_after: float = 10.0
    over_after: float = 40.0
    standby_after: float = 60.0
    lost_at: datetime | None = None
    ordered: list[str] = field(default_factory=list)
    older: tuple[str, ...] = ("Multi-AZ instance failover started", "Multi-AZ instance failover completed")
    """Events from before the drill: an earlier failover is none of this one."""

    @property
    def since(self) -> float:
        return (self.instant - self.lost_at).total_seconds() if self.lost_at else -1.0

    def now(self) -> datetime:
        return self.instant

    def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    def group(self, cluster: str) -> Any:
        raise NotImplementedError

    terminate = kill_host = fail_zone = heal_zone = group

    def fail_over(self, instance: str) -> None:
        assert instance == ORDERS.id
        self._lose("lost")

    def reboot(self, name: str, *, failover: bool) -> None:
        assert (name, failover) == ("orders", True)
        self._lose("ordered")

    def _lose(self, how: str) -> None:
        assert not self.ordered, "one failover, and no second"
        self.ordered.append(how)
        self.lost_at = self.instant

    def state(self, name: str) -> DatabaseState:
        if self.since >= self.over_after:
            standby = "a" if self.since >= self.standby_after else ""
            return replace(self.before, zone="b", standby_zone=standby)
        return replace(self.before, status="rebooting") if self.since >= self.begun_after else self.before

    def events(self, name: str, since: datetime) -> list[tuple[datetime, str]]:
        told = [(MONDAY - timedelta(minutes=9), message) for message in self.older]
        for after, message in (
            (1.0, "Backing up DB instance"),
            (self.noticed_after, "The primary host of the RDS Multi-AZ instance is unhealthy."),
            (self.begun_after, "Multi-AZ instance failover started"),
            (self.over_after, "Multi-AZ instance failover completed"),
        ):
            if self.lost_at and self.since >= after:
                told.append((self.lost_at + timedelta(seconds=after), message))
        return [row for row in told if row[0] >= since]


class FakeWriter:
    """A table that forgets some of what it confirmed."""

    def __init__(self, lost: int = 0) -> None:
        self.lost, self.there = lost, False

    def create(self) -> None:
        self.there = True

    def write(self, number: int) -> None: ...

    def count(self, numbers: Sequence[int]) -> int:
        return len(numbers) - self.lost

    def drop(self) -> None:
        self.there = False


def hands(rds: FakeRds, **more: Any) -> Hands:
    return Hands(hosts=rds, faults=rds, clock=rds, databases=rds, **more)


def a_plan(rds: FakeRds, fleet: Fleet | None = None, **more: Any) -> DrillPlan:
    fleet = fleet or a_fleet()
    scene = drill.see("failover", "orders", fleet, hands(rds))
    asked: Mapping[str, Any] = {"stack": "dev", "now": MONDAY, "known": Known({}, ()), **more}
    return drill.plan("failover", "orders", scene=scene, fleet=fleet, **asked)


def start(plan: DrillPlan, rds: FakeRds, journal: Journal, **more: Any) -> Events:
    return drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands(rds, **more))


@pytest.mark.parametrize(("way", "ordered"), [("unplanned", "lost"), ("planned", "ordered")])
def test_the_phases_are_those_of_rds_and_the_standby_is_awaited_beyond_them(
    journal: Journal, way: str, ordered: str
) -> None:
    rds = FakeRds()
    result = finish(start(a_plan(rds, way=way), rds, journal))[1]
    assert rds.ordered == [ordered]
    assert tuple(result.rto_phases) == PHASES
    assert result.rto_phases == {"detect": 8.0, "decide": 2.0, "act": 30.0, "converge": 0.0, "verify": 0.0}
    assert (result.rto_seconds, result.restored, result.way) == (40.0, True, way)
    assert rds.since >= rds.standby_after
    assert result.objective_met is False  # nobody wrote, so nobody knows that nothing was lost


@pytest.mark.parametrize("way", ["unplanned", "planned"])
def test_on_aws_both_ways_are_one_act_and_plan_and_evidence_say_so(way: str) -> None:
    on_aws, here = a_plan(FakeRds(), a_fleet("aws"), way=way), a_plan(FakeRds(), way=way)
    assert "--force-failover" in on_aws.document and "one act" in on_aws.loss.why
    assert [warning for warning in on_aws.warnings if "one act" in warning]
    assert "one act" not in here.document and not [warning for warning in here.warnings if "one act" in warning]


@pytest.mark.parametrize(("lost", "rpo", "met"), [(0, 0.0, True), (2, 0.4, False)])
def test_confirmed_writes_that_are_lost_are_the_rpo(journal: Journal, lost: int, rpo: float, met: bool) -> None:
    rds, writer = FakeRds(), FakeWriter(lost)
    result = finish(start(a_plan(rds), rds, journal, writer=lambda _: writer))[1]
    assert (result.rpo_seconds, result.objective_met, writer.there) == (rpo, met, False)
    assert result.detail["writes"]["orders"]["confirmed_and_lost"] == lost


def test_what_rds_told_before_is_not_taken_for_this_failover(journal: Journal) -> None:
    rds = FakeRds(noticed_after=9999, begun_after=9999, over_after=9999)
    with pytest.raises(OpsError, match="noticed"):
        finish(start(a_plan(rds), rds, journal))


def test_every_kill_ends_with_a_standby_and_never_with_a_second_failover(journal: Journal) -> None:
    events = len(finish(start(a_plan(rds := FakeRds()), rds, journal))[0])
    assert events > 12
    for cut in range(1, events):
        rds, writer = FakeRds(), FakeWriter()
        under_way = start(a_plan(rds), rds, journal, writer=lambda _, one=writer: one)
        for _ in range(cut):
            next(under_way)
        under_way.close()
        (row,) = drill.unfinished(journal)
        writer.there = True  # a kill -9 leaves the table
        leases = Leases(journal.engine)
        recovering = drill.recover(
            row, journal=journal, leases=leases, hands=hands(rds, writer=lambda _, one=writer: one)
        )
        result = finish(recovering)[1]
        assert (result.restored, rds.state("orders").whole, writer.there, leases.held()) == (True, True, False, []), cut
        assert rds.lost_at is None or rds.since >= rds.standby_after, "not before RDS has noticed"


def test_one_that_has_moved_since_the_plan_is_left_alone(journal: Journal) -> None:
    plan = a_plan(FakeRds())
    rds = FakeRds(before=replace(ORDERS, zone="b", standby_zone="a"))
    with pytest.raises(OpsError) as refused:
        finish(start(plan, rds, journal))
    assert rds.ordered == []
    assert render(refused.value) == (
        "error: the world has moved since the plan: orders is available in b, standby in a, planned was available "
        "in a\n  remedy: plan anew: ops drill run failover orders\n"
    )


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (replace(ORDERS, standby_zone=""), "standby in no zone"),
        (replace(ORDERS, standby_zone="", multi_az=False), "no standby that could take over"),
        (replace(ORDERS, pending_reboot=True), "settings of orders wait for a restart"),
        (replace(ORDERS, status="backing-up"), "orders is backing-up"),
    ],
)
def test_a_database_that_could_not_come_back_as_it_was_is_refused(state: DatabaseState, why: str) -> None:
    with pytest.raises(GuardRefused, match=why):
        a_plan(FakeRds(before=state)).require()


def test_a_table_without_a_primary_has_no_failover() -> None:
    with pytest.raises(InputError) as refused:
        a_plan(FakeRds(), a_fleet(engine="dynamodb"))
    assert render(refused.value) == (
        "error: orders is of dynamodb: it has no primary to lose\n  remedy: a database of engine postgres\n"
    )


def test_the_document_says_what_a_person_would_do_and_json_gives_the_plan_back() -> None:
    unplanned, planned = a_plan(FakeRds()), a_plan(FakeRds(), way="planned")
    assert "`lose_primary(orders)`" in unplanned.document and "ops local fail database orders" in unplanned.document
    assert "`step_back(orders)`" in planned.document and "reboot-db-instance" in planned.document
    assert unplanned.scopes == ("dev/database/orders", "dev/zone/a", "dev/zone/b")
    assert DrillPlan.from_json(json.loads(json.dumps(unplanned.to_json()))) == unplanned


def test_on_aws_rds_ends_it_and_nobody_takes_its_power(journal: Journal) -> None:
    rds = FakeRds()
    plan = a_plan(rds, a_fleet("aws"))
    plan.require()
    assert "a forced failover" in plan.document
    assert "ops local" not in plan.document
    assert (finish(start(plan, rds, journal))[1].evidence, rds.ordered) == ("proven", ["lost"])
