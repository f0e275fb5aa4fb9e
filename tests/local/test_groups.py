"""What an auto-scaling group decides, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quartermaster.infra.local.groups import Facts, Hook, Member, Step, decide

ZONES = ("a", "b", "c")
WEB = Facts(name="web", desired=3, zones=ZONES)
HOOK = Hook("converged", deadline=100.0)


def member(name: str, zone: str = "a", lifecycle: str = "InService", **facts: object) -> Member:
    values = {"healthy": True, "ec2": "running", "launched_at": 0.0, **facts}
    return Member(id=name, zone=zone, lifecycle=lifecycle, **values)  # type: ignore[arg-type]


def group(*members: Member, **changes: object) -> Facts:
    return replace(WEB, members=members, **changes)  # type: ignore[arg-type]


THREE = (member("i-1", "a"), member("i-2", "b"), member("i-3", "c"))


def test_an_empty_group_launches_one_in_each_zone() -> None:
    assert decide(group(), 0) == [Step("launch", to=zone) for zone in ZONES]


def test_a_full_group_does_nothing() -> None:
    assert decide(group(*THREE), 0) == []


def test_a_launch_avoids_a_zone_that_is_cut_off() -> None:
    assert decide(group(THREE[1], THREE[2], zones=("b", "c")), 0) == [Step("launch", to="b")]


def test_no_launch_while_launch_is_suspended() -> None:
    assert decide(group(suspended=frozenset({"Launch"})), 0) == []


def test_a_member_in_standby_is_not_counted() -> None:
    assert decide(group(member("i-1", lifecycle="Standby"), *THREE[1:], desired=2), 0) == []


def test_scale_in_takes_the_longest_running_of_the_fullest_zone() -> None:
    young, old = member("i-4", "b", launched_at=9.0), member("i-2", "b", launched_at=1.0)
    assert decide(group(THREE[0], old, THREE[2], young), 0) == [Step("move", "i-2", "Terminating")]


def test_scale_in_spares_protected_members() -> None:
    crowd = (member("i-1", protected=True), member("i-2", protected=True), member("i-3"))
    assert decide(group(*crowd, desired=2), 0) == [Step("move", "i-3", "Terminating")]


def test_an_unhealthy_member_leaves_and_its_replacement_starts_at_once() -> None:
    sick = replace(THREE[0], healthy=False)
    assert decide(group(sick, *THREE[1:]), 0) == [Step("move", "i-1", "Terminating"), Step("launch", to="a")]


@pytest.mark.parametrize("process", ["ReplaceUnhealthy", "Terminate"])
def test_an_unhealthy_member_stays_while_its_replacement_is_suspended(process: str) -> None:
    sick = replace(THREE[0], healthy=False)
    assert decide(group(sick, *THREE[1:], suspended=frozenset({process})), 0) == []


def test_a_pending_member_waits_for_ec2_then_for_its_hook() -> None:
    new = member("i-9", lifecycle="Pending", ec2="pending")
    assert decide(group(new, desired=1, launch_hooks=(HOOK,)), 0) == []
    up = replace(new, ec2="running")
    assert decide(group(up, desired=1, launch_hooks=(HOOK,)), 0) == [Step("hook", "i-9", "converged")]
    assert decide(group(up, desired=1), 0) == [Step("move", "i-9", "InService")]


def test_a_member_back_from_standby_skips_the_launch_hook() -> None:
    back = member("i-9", lifecycle="Pending", from_standby=True)
    assert decide(group(back, desired=1, launch_hooks=(HOOK,)), 0) == [Step("move", "i-9", "InService")]


@pytest.mark.parametrize(
    ("result", "now", "steps"),
    [
        ("", 99.0, []),
        ("CONTINUE", 0.0, [Step("move", "i-9", "Pending:Proceed")]),
        ("ABANDON", 0.0, [Step("move", "i-9", "Terminating"), Step("launch", to="a")]),
        ("", 100.0, [Step("move", "i-9", "Terminating"), Step("launch", to="a")]),
    ],
)
def test_a_launch_hook_ends_as_completed_or_by_its_default(result: str, now: float, steps: list[Step]) -> None:
    waiting = member("i-9", lifecycle="Pending:Wait", hook=replace(HOOK, result=result))
    assert decide(group(waiting, desired=1, launch_hooks=(HOOK,)), now) == steps


def test_a_terminating_member_drains_then_waits_for_its_hook_then_ends() -> None:
    going = member("i-9", lifecycle="Terminating", draining=True)
    facts = group(going, desired=0, terminate_hooks=(HOOK,))
    assert decide(facts, 0) == []
    drained = replace(going, draining=False)
    assert decide(replace(facts, members=(drained,)), 0) == [Step("hook", "i-9", "converged")]
    waiting = replace(drained, lifecycle="Terminating:Wait", hook=HOOK)
    assert decide(replace(facts, members=(waiting,)), 100) == [Step("move", "i-9", "Terminating:Proceed")]
    assert decide(replace(facts, members=(replace(drained, lifecycle="Terminating:Proceed"),)), 0) == [
        Step("terminate", "i-9")
    ]
    assert decide(replace(facts, members=(replace(drained, ec2="terminated"),)), 0) == [Step("remove", "i-9")]


def test_entering_standby_lasts_until_drained() -> None:
    going = member("i-1", lifecycle="EnteringStandby", draining=True)
    assert decide(group(going, desired=0), 0) == []
    assert decide(group(replace(going, draining=False), desired=0), 0) == [Step("move", "i-1", "Standby")]


def test_an_uneven_group_launches_before_it_terminates() -> None:
    uneven = group(member("i-1", "b"), member("i-2", "b"), member("i-3", "c"))
    assert decide(uneven, 0) == [Step("rebalance", to="a")]
    extra = member("i-4", "a", "Pending", ec2="pending")
    started = replace(uneven, members=(*uneven.members, extra), rebalancing=True)
    assert decide(started, 0) == []
    arrived = replace(started, members=(*uneven.members, member("i-4", "a")))
    assert decide(arrived, 0) == [Step("rebalanced")]
    assert decide(replace(arrived, rebalancing=False), 0) == [Step("move", "i-1", "Terminating")]


def test_no_rebalancing_while_it_is_suspended() -> None:
    uneven = group(member("i-1", "b"), member("i-2", "b"), member("i-3", "c"))
    assert decide(replace(uneven, suspended=frozenset({"AZRebalance"})), 0) == []
