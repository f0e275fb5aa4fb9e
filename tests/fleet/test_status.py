"""How clusters and databases are weighed: what is red, what helps, what is merely unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quartermaster.fleet.databases import DatabaseState
from quartermaster.fleet.hosts import Group, Host
from quartermaster.fleet.status import ClusterFacts, DatabaseFacts, DrillFact, Peak, of_cluster, of_database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOSTS = tuple(
    Host(f"i-{n}", "web", f"eu-west-1{z}", f"10.0.0.{n}", "InService", "healthy") for n, z in enumerate("abc")
)
GROUP = Group("g", "web", 3, 6, 3, ("eu-west-1a", "eu-west-1b", "eu-west-1c"), (), "tg", HOSTS)
PEAK = Peak(NOW + timedelta(hours=3), 5, 3, NOW - timedelta(hours=1), {"p50": None})
READ: dict[str, Any] = {"read_at": NOW, "pending": 0, "security": 0, "oldest_days": None, "last_cycle": None}
DRILL = DrillFact("instance_loss", 30, NOW - timedelta(days=3), 52.0, True, "rehearsed")
WEB = ClusterFacts("web", GROUP, "", PEAK, READ, (DRILL,))
STATE = DatabaseState(
    "orders", "db", "arn", "available", "eu-west-1a", "eu-west-1b", True, "db.example", 5432, "16.9", "", "p", False
)
ORDERS = DatabaseFacts("orders", "postgres", STATE, "", NOW - timedelta(minutes=4), ())


def _group(**changes: Any) -> ClusterFacts:
    return replace(WEB, group=replace(GROUP, **changes))


def test_a_cluster_of_which_all_is_well_needs_no_remark() -> None:
    standing = of_cluster(WEB, NOW)
    assert (standing.level, standing.remarks) == ("fine", ())
    assert standing.to_json()["drills"][0]["due_at"] == NOW + timedelta(days=27)


SICK = replace(HOSTS[0], health="unhealthy")


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (_group(hosts=(SICK, *HOSTS[1:])), "failing", "2 of 3 serve: i-0 InService/unhealthy"),
        (replace(_group(hosts=(SICK, *HOSTS[1:])), busy="patch-1", peak=None), "attention", "patch-1 works on it"),
        (_group(hosts=HOSTS[1:]), "failing", "2 of 3 serve"),
        (
            replace(_group(hosts=HOSTS[1:]), told="09:46 UTC Launching i-9 (no capacity)"),
            "failing",
            "2 of 3 serve; 09:46 UTC Launching i-9 (no capacity)",
        ),
        (_group(suspended=("ReplaceUnhealthy",)), "failing", "lost hosts are not replaced: ReplaceUnhealthy suspended"),
        (replace(WEB, group=None, read=False), "unknown", ""),
        (_group(suspended=("AZRebalance",)), "failing", "AZRebalance suspended, and no run holds them"),
        (replace(WEB, group=None), "unknown", "not provisioned"),
        (replace(WEB, peak=None), "unknown", "demand is unknown"),
        (replace(WEB, peak=replace(PEAK, needed_now=4)), "failing", "3 serve, this hour needs 4"),
        (replace(WEB, peak=replace(PEAK, needed=7)), "failing", "needs 7, size.max is 6"),
        (replace(WEB, peak=replace(PEAK, runway={"p50": "2026-12-01"})), "attention", "size.max is reached by 2026-12"),
        (replace(WEB, peak=replace(PEAK, runway={"p50": "2027-12-01"})), "fine", ""),
        (replace(WEB, peak=replace(PEAK, planned_at=NOW - timedelta(days=9))), "attention", "the plan is 9 days old"),
        (replace(WEB, patching={**READ, "read_at": None}), "unknown", "patches were never read"),
        (replace(WEB, patching={**READ, "security": 2, "oldest_days": 3.0}), "attention", "2 security updates pending"),
        (replace(WEB, patching={**READ, "security": 2, "oldest_days": 31.0}), "failing", "pending for 31 days"),
        (
            replace(WEB, patching={**READ, "last_cycle": {"state": "failed", "why": "gate shut"}}),
            "attention",
            "the last patch cycle failed: gate shut",
        ),
        (replace(WEB, patching={**READ, "last_cycle": {"state": "interrupted", "why": ""}}), "fine", ""),
        (replace(WEB, drills=(replace(DRILL, last_at=None),)), "attention", "instance_loss was never drilled"),
        (
            replace(WEB, drills=(replace(DRILL, last_at=NOW - timedelta(days=35)),)),
            "attention",
            "instance_loss drill overdue by 5 days",
        ),
        (replace(WEB, drills=(replace(DRILL, objective_met=False),)), "attention", "missed its objective"),
        (replace(WEB, drills=(replace(DRILL, every_days=None, last_at=NOW - timedelta(days=900)),)), "fine", ""),
    ],
)
def test_what_is_wrong_with_a_cluster_is_said_with_what_helps(facts: ClusterFacts, level: str, says: str) -> None:
    standing = of_cluster(facts, NOW)
    assert standing.level == level
    if says:
        worst = standing.remarks[0] if level != "attention" else _of(standing.remarks, "attention")
        assert says in worst.text
        assert worst.remedy


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (ORDERS, "fine", ""),
        (replace(ORDERS, state=None), "unknown", "not provisioned"),
        (DatabaseFacts("sessions", "dynamodb", None, "", None, ()), "fine", ""),
        (replace(ORDERS, state=None, read=False), "unknown", ""),
        (replace(ORDERS, state=replace(STATE, status="failed")), "failing", "RDS calls it failed"),
        (replace(ORDERS, state=replace(STATE, status="storage-full")), "failing", "storage-full: it takes no writes"),
        (replace(ORDERS, state=replace(STATE, status="modifying")), "attention", "RDS calls it modifying"),
        (
            replace(ORDERS, state=replace(STATE, status="rebooting"), told="09:50 UTC failover started"),
            "failing",
            "and takes no writes; 09:50 UTC failover started",
        ),
        (replace(ORDERS, state=replace(STATE, status="rebooting"), busy="patch-1"), "attention", "rebooting"),
        (replace(ORDERS, state=replace(STATE, standby_zone="")), "failing", "it has no standby"),
        (replace(ORDERS, last_backup_at=None), "failing", "nothing can be restored"),
    ],
)
def test_what_is_wrong_with_a_database_is_said(facts: DatabaseFacts, level: str, says: str) -> None:
    standing = of_database(facts, NOW)
    assert standing.level == level
    assert not says or says in standing.remarks[0].text
    assert all(remark.remedy and "{" not in remark.remedy for remark in standing.remarks)


def test_the_worst_comes_first() -> None:
    standing = of_cluster(replace(_group(hosts=HOSTS[1:]), peak=None, drills=(replace(DRILL, last_at=None),)), NOW)
    assert [remark.level for remark in standing.remarks] == ["failing", "attention", "unknown"]


def _of(remarks: Any, level: str) -> Any:
    return next(remark for remark in remarks if remark.level == level)
