"""Faults on AWS as values: what each does to what, that it ends, is bound to the stack and can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from quartermaster.fleet.errors import GuardRefused
from quartermaster.fleet.journal import Journal
from quartermaster.runbooks.execute import Aborted
from quartermaster.runbooks.experiments import Action, Experiment, Target, fail_over, lose_host, lose_zone
from tests.runbooks.rehearsal import a_plan, assert_whole, finish, start
from tests.runbooks.world import FakeWorld

ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:shop-prod-web-errors"
ROLE = "arn:aws:iam::123456789012:role/shop-prod-experiments"
OURS = {"ops:fleet": "shop", "ops:stack": "prod"}
FAULTS: dict[str, Callable[[], Experiment]] = {
    "host": lambda: lose_host("shop", "prod", "i-1"),
    "zone": lambda: lose_zone("shop", "prod", "eu-west-1a"),
    "database": lambda: fail_over("shop", "prod", "shop-prod-orders"),
}
each_fault = pytest.mark.parametrize("make", FAULTS.values(), ids=FAULTS)


def stoppable(experiment: Experiment) -> Experiment:
    return experiment.stopped_by((ALARM,))


def first(experiment: Experiment) -> tuple[str, Action]:
    return next(iter(experiment.actions.items()))


@each_fault
def test_every_fault_ends_is_bound_to_the_stack_and_can_be_stopped(make: Callable[[], Experiment]) -> None:
    assert stoppable(make()).lacks() == ()
    stoppable(make()).require()


@each_fault
def test_without_an_alarm_no_fault_is_made(make: Callable[[], Experiment]) -> None:
    assert make().lacks() == ("no CloudWatch alarm of the stack would stop it",)
    with pytest.raises(GuardRefused, match=f"the loss of {make().of} may not be made on AWS: no CloudWatch alarm"):
        make().require()


@each_fault
def test_every_template_is_one_that_fis_takes(make: Callable[[], Experiment]) -> None:
    shape = Session().get_service_model("fis").operation_model("CreateExperimentTemplate").input_shape
    body = {"clientToken": "t", **stoppable(make()).template(ROLE)}
    assert ParamValidator().validate(body, shape).generate_report() == ""
    assert body["tags"].items() >= OURS.items()
    for target in body["targets"].values():
        assert target["resourceTags"] == OURS


def test_an_action_that_aws_would_not_end_is_named() -> None:
    whole = stoppable(lose_zone("shop", "prod", "eu-west-1a"))
    endless = replace(whole.actions["cut-network"], parameters={"scope": "all"})
    assert replace(whole, actions={"cut-network": endless}).lacks() == (
        "cut-network (aws:network:disrupt-connectivity) has no duration, so AWS would not end it",
    )


def test_an_action_that_nobody_has_looked_at_is_named() -> None:
    whole = stoppable(lose_host("shop", "prod", "i-1"))
    name, action = first(whole)
    strange = replace(whole, actions={name: replace(action, id="aws:ssm:send-command")})
    assert strange.lacks() == ("lose (aws:ssm:send-command) is not known to end by itself",)


@pytest.mark.parametrize("tags", [{}, {"ops:fleet": "shop"}, {**OURS, "ops:stack": "dev"}])
def test_a_target_that_others_have_too_is_named(tags: dict[str, str]) -> None:
    whole = stoppable(lose_host("shop", "prod", "i-1"))
    loose = replace(whole, targets={"host": Target("aws:ec2:instance", tags)})
    assert loose.lacks() == ("target host is not bound to the stack by its tags",)


def test_an_experiment_without_scope_binds_nothing() -> None:
    whole = stoppable(lose_host("shop", "prod", "i-1"))
    assert replace(whole, scope={}).lacks() == ("target host is not bound to the stack by its tags",)


def test_an_action_without_its_target_is_named() -> None:
    whole = stoppable(lose_host("shop", "prod", "i-1"))
    assert "lose has no target 'host'" in replace(whole, targets={}).lacks()


def test_fis_takes_five_stop_conditions() -> None:
    many = tuple(f"{ALARM}-{number}" for number in range(7))
    assert lose_host("shop", "prod", "i-1").stopped_by(many).stops == many[:5]


def test_the_loss_of_a_zone_is_what_aws_calls_a_loss_of_power() -> None:
    body: dict[str, Any] = stoppable(lose_zone("shop", "prod", "eu-west-1a", minutes=12)).template(ROLE)
    assert {name: action["actionId"] for name, action in body["actions"].items()} == {
        "stop-hosts": "aws:ec2:stop-instances",
        "refuse-launches": "aws:ec2:asg-insufficient-instance-capacity-error",
        "cut-network": "aws:network:disrupt-connectivity",
        "fail-over": "aws:rds:reboot-db-instances",
    }
    assert body["actions"]["stop-hosts"]["parameters"]["startInstancesAfterDuration"] == "PT12M"
    assert body["actions"]["refuse-launches"]["parameters"]["availabilityZoneIdentifiers"] == "eu-west-1a"
    assert body["targets"]["hosts"]["filters"][0] == {"path": "Placement.AvailabilityZone", "values": ["eu-west-1a"]}
    assert body["targets"]["subnets"]["parameters"] == {"availabilityZoneIdentifier": "eu-west-1a"}
    assert body["targets"]["databases"]["parameters"] == {"availabilityZoneIdentifiers": "eu-west-1a"}
    assert body["experimentOptions"]["emptyTargetResolutionMode"] == "skip"


@pytest.mark.parametrize("make", [FAULTS["host"], FAULTS["database"]])
def test_what_is_not_there_cannot_be_lost(make: Callable[[], Experiment]) -> None:
    assert stoppable(make()).template(ROLE)["experimentOptions"]["emptyTargetResolutionMode"] == "fail"


def test_a_fault_that_an_alarm_ended_aborts_the_drill_and_all_is_put_right(journal: Journal) -> None:
    world = FakeWorld()
    plan = a_plan(world)
    said = "experiment EXP1 is stopped: Experiment halted by stop condition."
    with pytest.raises(Aborted, match="stopped: experiment EXP1 is stopped: Experiment halted"):
        finish(start(plan, world, journal, halted=lambda: said if world.killed else ""))
    assert_whole(world, plan)
    (row,) = journal.runs("drill")
    assert row.result is not None
    assert said in str(row.result["failed"])
