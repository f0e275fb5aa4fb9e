"""Experiments against moto's FIS: made, followed, found again, stopped; and what keeps them from being made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from moto.moto_api import state_manager

from quartermaster.cli.faults_aws import FisFaults, _arns, stop_alarms
from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import GuardRefused, OpsError
from quartermaster.fleet.schema import Fleet, read_text
from tests.runbooks.stubbed import Clock

ALARM = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:shop-prod-web-errors"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Cloud("shop", "prod", "aws", "eu-west-1", boto3.Session(region_name="eu-west-1"))


@pytest.fixture
def lasting() -> Iterator[None]:
    """Experiments that run until they are stopped."""
    state_manager.set_transition("fis::experiment", {"progression": "manual", "times": 3})
    yield
    state_manager.unset_transition("fis::experiment")


def faults(cloud: Cloud, *stops: str) -> FisFaults:
    return FisFaults(cloud, "123456789012", lambda: stops, Clock())


def experiments(cloud: Cloud) -> list[dict[str, Any]]:
    fis = cloud.client("fis")
    return [fis.get_experiment(id=row["id"])["experiment"] for row in fis.list_experiments()["experiments"]]


def test_a_host_is_lost_by_an_experiment_that_is_over_and_leaves_no_template(cloud: Cloud) -> None:
    faults(cloud, ALARM).kill_host("i-1")
    (made,) = experiments(cloud)
    assert made["state"]["status"] == "completed"
    assert made["roleArn"] == "arn:aws:iam::123456789012:role/shop-prod-experiments"
    assert made["stopConditions"] == [{"source": "aws:cloudwatch:alarm", "value": ALARM}]
    assert made["tags"] == {"ops:fleet": "shop", "ops:stack": "prod", "ops:drill": "host/i-1"}
    assert cloud.client("fis").list_experiment_templates()["experimentTemplates"] == []


@pytest.mark.usefixtures("lasting")
def test_a_zone_is_lost_once_and_given_back_by_stopping_the_experiment(cloud: Cloud) -> None:
    acting = faults(cloud, ALARM)
    acting.fail_zone("eu-west-1a")
    acting.fail_zone("eu-west-1a")
    (made,) = experiments(cloud)
    assert made["actions"]["cut-network"]["parameters"]["duration"] == "PT30M"
    acting.heal_zone("eu-west-1a")
    acting.heal_zone("eu-west-1a")
    (made,) = experiments(cloud)
    assert made["state"]["status"] == "stopped"


@pytest.mark.usefixtures("lasting")
def test_an_experiment_that_an_alarm_stopped_is_told_and_one_that_we_stopped_is_not(cloud: Cloud) -> None:
    acting, fis = faults(cloud, ALARM), cloud.client("fis")
    assert acting.halted() == ""
    acting.fail_zone("eu-west-1a")
    assert acting.halted() == ""
    (made,) = experiments(cloud)
    fis.stop_experiment(id=made["id"])
    told = [acting.halted() for _ in range(5)]
    assert told[-1].startswith(f"experiment {made['id']} is stopped:")
    acting.heal_zone("eu-west-1a")
    assert acting.halted() == ""


@pytest.mark.usefixtures("lasting")
def test_the_experiments_of_others_are_left_alone(cloud: Cloud) -> None:
    faults(cloud, ALARM).fail_zone("eu-west-1a")
    faults(cloud, ALARM).heal_zone("eu-west-1b")
    other = Cloud("shop", "dev", "aws", "eu-west-1", cloud.session)
    faults(other, ALARM).heal_zone("eu-west-1a")
    (made,) = experiments(cloud)
    assert made["state"]["status"] not in ("stopping", "stopped")


def test_without_an_alarm_nothing_is_made(cloud: Cloud) -> None:
    with pytest.raises(GuardRefused, match="no CloudWatch alarm of the stack would stop it"):
        faults(cloud).fail_over("shop-prod-orders")
    assert experiments(cloud) == []


def test_an_experiment_that_aws_ended_says_why() -> None:
    """As where an alarm rang, or the role may not."""
    words = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    fis = boto3.client("fis", **words)
    with Stubber(fis) as stub:
        stub.add_response("list_experiments", {"experiments": []})
        stub.add_response("create_experiment_template", {"experimentTemplate": {"id": "EXT1"}})
        stub.add_response("start_experiment", {"experiment": {"id": "EXP1"}})
        stub.add_response("delete_experiment_template", {"experimentTemplate": {"id": "EXT1"}})
        for status in ("initiating", "running", "stopped"):
            state = {"status": status, "reason": "Experiment halted by stop condition."}
            stub.add_response("get_experiment", {"experiment": {"id": "EXP1", "state": state}}, {"id": "EXP1"})
        session: Any = type("Session", (), {"client": lambda *_args, **_kwargs: fis})()
        stubbed = Cloud("shop", "prod", "aws", "eu-west-1", session)
        with pytest.raises(OpsError, match=r"EXP1 is stopped: Experiment halted by stop condition\. \(host/i-1\)"):
            faults(stubbed, ALARM).kill_host("i-1")
        stub.assert_no_pending_responses()


def test_a_template_is_deleted_also_when_its_experiment_does_not_start() -> None:
    words = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    fis = boto3.client("fis", **words)
    with Stubber(fis) as stub:
        stub.add_response("list_experiments", {"experiments": []})
        stub.add_response("create_experiment_template", {"experimentTemplate": {"id": "EXT1"}})
        stub.add_client_error("start_experiment", "AccessDeniedException", "not authorized", 403)
        stub.add_response("delete_experiment_template", {"experimentTemplate": {"id": "EXT1"}}, {"id": "EXT1"})
        session: Any = type("Session", (), {"client": lambda *_args, **_kwargs: fis})()
        stubbed = Cloud("shop", "prod", "aws", "eu-west-1", session)
        with pytest.raises(OpsError, match="AWS refused to start an experiment") as refused:
            faults(stubbed, ALARM).kill_host("i-1")
        assert "--for drill" in refused.value.remedy
        stub.assert_no_pending_responses()


def a_fleet(clusters: int = 1, more: str = "balancer: {}") -> Fleet:
    names = ", ".join(f"c{number}: {{{more}}}" for number in range(clusters))
    return read_text(
        f"fleet: shop\nregion: eu-west-1\nstacks: {{prod: {{target: aws, account: '123456789012', state: 's3://x'}}}}\n"
        f"clusters: {{{names}}}\n"
    ).fleet


def test_alarms_on_users_stop_experiments_and_those_on_ill_hosts_do_not() -> None:
    assert stop_alarms(a_fleet(), "prod") == ("shop-prod-c0-errors", "shop-prod-c0-latency", "shop-prod-c0-silence")


def test_errors_of_every_cluster_go_before_latency_of_one() -> None:
    names = stop_alarms(a_fleet(4), "prod")
    assert names == (*(f"shop-prod-c{number}-errors" for number in range(4)), "shop-prod-c0-latency")


def test_alarms_must_be_there(cloud: Cloud) -> None:
    put = cloud.client("cloudwatch").put_metric_alarm
    names = stop_alarms(a_fleet(), "prod")
    put(AlarmName=names[0], ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, MetricName="m",
        Namespace="n", Period=60, Statistic="Sum", Threshold=1)  # fmt: skip
    with pytest.raises(GuardRefused, match="shop-prod-c0-latency, shop-prod-c0-silence"):
        _arns(cloud, names)
    assert _arns(cloud, names[:1]) == (f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{names[0]}",)


def test_whether_an_alarm_would_stop_a_fault_is_told_before_it(cloud: Cloud) -> None:
    names = stop_alarms(a_fleet(), "prod")
    lacking = FisFaults(cloud, "123456789012", lambda: _arns(cloud, names), Clock())
    assert "shop-prod-c0-errors" in lacking.unstoppable()
    assert faults(cloud, ALARM).unstoppable() == ""


def test_a_stack_without_such_alarms_can_make_no_fault(cloud: Cloud) -> None:
    names = stop_alarms(a_fleet(more="size: {min: 2, max: 3}, role: base"), "prod")
    assert names == ()
    with pytest.raises(GuardRefused, match="no alarm on errors or latency"):
        _arns(cloud, names)
