"""Deciding a drill is pure: which host, why, and every guard's answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quartermaster.cli.errors import render
from quartermaster.fleet.errors import GuardRefused, InputError
from quartermaster.runbooks import drill
from quartermaster.runbooks.case import Demand, Known
from quartermaster.runbooks.kinds import KINDS
from quartermaster.runbooks.plan import DrillPlan, Goal
from quartermaster.runbooks.scene import Scene
from tests.runbooks.world import MONDAY, a_fleet, a_group


def a_plan(**changed: Any) -> DrillPlan:
    group, demand = changed.pop("group", a_group()), changed.pop("demand", None)
    known = Known({"web": demand} if demand else {}, ())
    asked = {"fleet": a_fleet(), "stack": "dev", "now": MONDAY, "known": known, **changed}
    return drill.plan("instance_loss", "web", scene=Scene({"web": group}), **asked)


def verdict(plan: DrillPlan, guard: str) -> str:
    return next(item.verdict for item in plan.guards if item.name == guard)


def test_a_whole_cluster_may_be_drilled_with_unknown_demand_as_a_warning() -> None:
    plan = a_plan()
    plan.require()
    assert verdict(plan, "capacity") == "unknown"
    assert "demand is unknown; 2 hosts would be left, as many as the 2" in plan.warnings[0]


def test_the_same_facts_give_the_same_plan_and_json_gives_it_back() -> None:
    plan = a_plan()
    assert plan == a_plan()
    assert DrillPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_host_is_of_the_fullest_zone_and_the_runner_up_says_why_not() -> None:
    plan = a_plan(group=a_group(4))  # zone a has two
    assert plan.zone == "eu-west-1a"
    assert plan.loss.why.startswith("no zone has more serving hosts than eu-west-1a (2)")
    assert "drawn after it" in plan.loss.runner_up


def test_a_host_that_does_not_serve_is_never_chosen() -> None:
    group = a_group(4)
    sick = replace(group.hosts[0], health="unhealthy")
    plan = a_plan(group=replace(group, hosts=(sick, *group.hosts[1:])))
    assert plan.host != sick.id
    assert verdict(plan, "steady_state") == "refused"


def test_the_draw_changes_with_the_day() -> None:
    hosts = {a_plan(now=MONDAY + timedelta(days=n), right_now=True).host for n in range(14)}
    assert len(hosts) == 3


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        # By hand: 2 hosts left, each 100/s at 0.6, so 100 / 0.6 * 0.85 = 141.7/s at 0.85; two carry 283.
        (Demand(per_second=280, unit_capacity=100), "holds"),
        (Demand(per_second=290, unit_capacity=100), "refused"),
        (None, "unknown"),
    ],
)
def test_what_is_left_must_carry_the_demand(demand: Demand | None, expected: str) -> None:
    assert verdict(a_plan(demand=demand), "capacity") == expected


def test_the_last_host_is_never_taken() -> None:
    plan = a_plan(group=a_group(1))
    assert verdict(plan, "capacity") == "refused"
    with pytest.raises(GuardRefused, match="none of 1 hosts of web would be left"):
        plan.require()


def test_a_group_that_could_not_replace_the_host_is_refused() -> None:
    plan = a_plan(group=a_group(suspended=("Launch",)))
    assert "Launch suspended" in plan.refused[0].found


def test_a_host_missing_from_what_the_group_wants_is_refused() -> None:
    assert verdict(a_plan(group=a_group(3, desired=4)), "steady_state") == "refused"


@pytest.mark.parametrize(("days", "expected"), [(-1, "holds"), (0, "refused"), (2, "refused"), (3, "holds")], ids=str)
def test_freezes_are_whole_days_both_included(days: int, expected: str) -> None:
    fleet = a_fleet(freezes="[{from: 2026-11-16, to: 2026-11-18, why: sale}]")
    plan = a_plan(fleet=fleet, now=MONDAY + timedelta(days=days), right_now=True)
    assert verdict(plan, "freeze") == expected


def test_a_freeze_is_read_in_the_fleets_time_zone() -> None:
    fleet = a_fleet(freezes="[{from: 2026-11-17, to: 2026-11-17}]", timezone="Asia/Tokyo")
    late_monday_utc = MONDAY.replace(hour=16)  # 01:00 on Tuesday in Tokyo
    assert verdict(a_plan(fleet=fleet, now=late_monday_utc, right_now=True), "freeze") == "refused"


def test_outside_the_hours_only_now_helps() -> None:
    evening = MONDAY.replace(hour=20)
    assert verdict(a_plan(now=evening), "hours") == "refused"
    assert verdict(a_plan(now=evening, right_now=True), "hours") == "holds"


def test_now_does_not_break_a_freeze_but_an_override_with_a_reason_does() -> None:
    fleet = a_fleet(freezes="[{from: 2026-11-16, to: 2026-11-18}]")
    assert verdict(a_plan(fleet=fleet, right_now=True), "freeze") == "refused"
    assert verdict(a_plan(fleet=fleet, overrides={"freeze": " "}), "freeze") == "refused"
    plan = a_plan(fleet=fleet, overrides={"freeze": "auditors are here"})
    assert verdict(plan, "freeze") == "overridden"
    assert any("auditors are here" in warning for warning in plan.warnings)


def test_no_override_breaks_health_or_capacity_or_what_the_stack_allows() -> None:
    plan = a_plan(group=a_group(1, desired=2), overrides={"steady_state": "x", "capacity": "x", "allow": "x"})
    assert {verdict(plan, "steady_state"), verdict(plan, "capacity")} == {"refused"}


def test_a_protected_stack_permits_it_only_when_it_says_so() -> None:
    protected = "{dev: {target: local, protect: true}}"
    assert verdict(a_plan(fleet=a_fleet(stacks=protected)), "allow") == "refused"
    allowed = a_fleet(stacks=protected, recovery="{allow: {dev: [instance_loss]}}")
    assert verdict(a_plan(fleet=allowed), "allow") == "holds"


ON_AWS = a_fleet(
    stacks='{dev: {target: aws, account: "123456789012", state: "s3://shop-ops-state"}}', region="eu-west-1"
)


def test_on_aws_a_fault_without_a_server_side_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(a_plan(fleet=ON_AWS), "fault") == "holds"
    endless = replace(KINDS["instance_loss"], ends_on_aws="")
    monkeypatch.setattr(drill, "KINDS", {"instance_loss": endless})
    assert verdict(a_plan(fleet=ON_AWS), "fault") == "refused"


def test_on_aws_a_fault_that_no_alarm_would_stop_is_refused() -> None:
    assert verdict(a_plan(fleet=ON_AWS), "stop_conditions") == "holds"
    without = a_plan(fleet=ON_AWS, known=Known({}, (), "these alarms are not there: shop-dev-web-errors"))
    assert verdict(without, "stop_conditions") == "refused"
    with pytest.raises(GuardRefused, match=r"stop_conditions: these alarms are not there: shop-dev-web-errors"):
        without.require()


def test_the_objective_is_that_of_scope_zone() -> None:
    fleet = a_fleet(recovery="{web: {zone: {rto: 5m}, data_loss: {rto: 60m}}}")
    assert a_plan(fleet=fleet).goal == Goal(300, None)
    assert a_plan().goal is None


def test_leases_cover_the_cluster_and_the_zone() -> None:
    plan = a_plan()
    assert plan.scopes == ("dev/cluster/web", f"dev/zone/{plan.zone}")


@pytest.mark.parametrize(("kind", "of"), [("meteor", "web"), ("instance_loss", "orders")])
def test_what_there_is_not_is_refused_with_what_there_is(kind: str, of: str) -> None:
    with pytest.raises(InputError) as caught:
        drill.accept(kind, of, a_fleet())
    assert "instance_loss" in caught.value.remedy or "web" in caught.value.remedy


CROWDED = Demand(per_second=290, unit_capacity=100)
SICK = replace(a_group(), hosts=(replace(a_group().hosts[0], health="unhealthy"), *a_group().hosts[1:]))
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a stack that permits others": (
        {"fleet": a_fleet(recovery="{allow: {dev: [restore]}}")},
        "allow: stack dev permits only restore",
        "recovery.allow.dev: add instance_loss, once you mean it",
    ),
    "a group that is at work": (
        {"group": a_group(suspended=("Launch",))},
        "steady_state: shop-dev-web has Launch suspended: it would not replace a host",
        "end the work that suspended it (`ops status`), or `ops patch recover`",
    ),
    "a host that is ill": (
        {"group": SICK},
        "steady_state: 2 of 3 hosts serve: i-0 is InService/unhealthy",
        "make it whole first: `ops status`",
    ),
    "nobody who would be left": (
        {"group": a_group(1)},
        "capacity: none of 1 hosts of web would be left",
        "raise clusters.web.size.min, so that its hosts are in more zones than are lost",
    ),
    "too few who would be left": (
        {"demand": CROWDED},
        "capacity: 2 hosts would be left; 290/s (forecast, quantile 0.99) need 3 at 85% utilisation",
        "scale web up first, or choose a quieter hour",
    ),
    "alarms that fire": (
        {"known": Known({}, ("web-errors", "orders-cpu"))},
        "alarms: 2 of the stack fire: web-errors, orders-cpu",
        "find out what they warn of; drill when they are silent",
    ),
    "a frozen day": (
        {"fleet": a_fleet(freezes="[{from: 2026-11-16, to: 2026-11-18, why: sale}]")},
        "freeze: 2026-11-16 is frozen (2026-11-16 to 2026-11-18: sale)",
        "wait until 2026-11-18 is over, or --override freeze --reason …",
    ),
    "an evening": (
        {"now": MONDAY.replace(hour=20)},
        "hours: Mon 20:00 UTC is outside Mon-Thu 09:00-16:00",
        "come back then, or say --now",
    ),
    "alarms that there are not on AWS": (
        {"fleet": ON_AWS, "known": Known({}, (), "no alarm web-errors")},
        "stop_conditions: no alarm web-errors",
        "ops provision up makes the alarms",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_forbids_a_drill_is_told_with_what_to_do(case: str) -> None:
    changed, found, remedy = REFUSED[case]
    with pytest.raises(GuardRefused) as refused:
        a_plan(**changed).require()
    assert render(refused.value) == f"error: instance_loss of web may not run: {found}\n  remedy: {remedy}\n"
