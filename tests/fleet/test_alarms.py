"""Which of a stack's alarms fire, asked of moto."""

from __future__ import annotations

import boto3
from moto import mock_aws

from quartermaster.fleet.alarms import firing
from quartermaster.fleet.aws import Cloud


@mock_aws
def test_only_the_stacks_own_alarms_that_fire_are_named() -> None:
    session = boto3.Session("a", "b", region_name="eu-west-1")
    watch = session.client("cloudwatch")
    for name in ("shop-dev-cpu", "shop-dev-queue", "other-dev-cpu"):
        watch.put_metric_alarm(
            AlarmName=name, MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    for name in ("shop-dev-queue", "other-dev-cpu"):
        watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="tried")
    assert firing(Cloud("shop", "dev", "local", "eu-west-1", session)) == ("shop-dev-queue",)
