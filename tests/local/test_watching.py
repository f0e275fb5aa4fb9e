"""Alarms, dashboards, topics and trails of the local cloud: made, read back, changed and deleted through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from quartermaster.infra.local.provider.engine import compare
from quartermaster.infra.local.provider.kind import Api, is_gone
from quartermaster.infra.local.provider.table import TABLE
from quartermaster.infra.local.provider.values import plain, project

TOPIC = "arn:aws:sns:eu-west-1:123456789012:shop-dev-notices"
ALARM = {
    "name": "shop-dev-web-latency",
    "alarmDescription": "too slow",
    "comparisonOperator": "GreaterThanThreshold",
    "threshold": 1.5,
    "evaluationPeriods": 5,
    "datapointsToAlarm": 3,
    "treatMissingData": "notBreaching",
    "namespace": "AWS/ApplicationELB",
    "metricName": "TargetResponseTime",
    "extendedStatistic": "p99",
    "dimensions": {"LoadBalancer": "app/shop-dev-web/1"},
    "period": 60,
    "alarmActions": [TOPIC],
    "okActions": [TOPIC],
    "tags": {"ops:fleet": "shop"},
}
MATHS = {
    "name": "shop-dev-web-errors",
    "comparisonOperator": "GreaterThanThreshold",
    "threshold": 1,
    "evaluationPeriods": 1,
    "metricQueries": [
        {"id": "e1", "expression": "100 * m1", "label": "errors", "returnData": True},
        {
            "id": "m1",
            "metric": {
                "namespace": "AWS/ApplicationELB",
                "metricName": "HTTPCode_ELB_5XX_Count",
                "stat": "Sum",
                "period": 300,
                "dimensions": {"LoadBalancer": "app/shop-dev-web/1"},
            },
        },
    ],
}
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": TOPIC,
            }
        ],
    }
)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """An account of moto's in this process, with a topic and a bucket in it."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        made = Api(lambda service, region: boto3.client(service, region_name=region), "eu-west-1", "123456789012")
        made.client("sns").create_topic(Name="shop-dev-notices")
        made.client("s3").create_bucket(
            Bucket="shop-dev-trail", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield made


def lives(api: Api, type_: str, given: dict[str, Any], **change: Any) -> None:
    """Made, it reads as given; changed, as changed; deleted, it is gone."""
    kind = TABLE[type_]
    id_ = kind.create(api, given)
    assert seen(kind.read(api, id_, given), given) == given
    if change:
        changed = {**given, **change}
        assert not any(compare(kind, given, changed).values()), "that change replaces"
        kind.update(api, id_, given, changed)
        assert seen(kind.read(api, id_, changed), changed) == changed
    kind.delete(api, id_, given)
    try:
        assert kind.read(api, id_, given) is None
    except Exception as exc:  # noqa: BLE001 - whatever boto3 raises, the provider asks the same question of it
        assert is_gone(exc), exc


def seen(found: Any, given: dict[str, Any]) -> dict[str, Any]:
    assert found is not None
    return {name: project(value, found[name]) if name in found else value for name, value in given.items()}


def test_an_alarm_lives(api: Api) -> None:
    lives(api, "aws:cloudwatch/metricAlarm:MetricAlarm", ALARM, threshold=2, tags={"ops:fleet": "other"})


def test_an_alarm_on_an_expression_lives(api: Api) -> None:
    lives(api, "aws:cloudwatch/metricAlarm:MetricAlarm", MATHS, evaluationPeriods=3)


def test_an_alarm_changed_behind_our_back_is_seen(api: Api) -> None:
    kind = TABLE["aws:cloudwatch/metricAlarm:MetricAlarm"]
    id_ = kind.create(api, MATHS)
    kind.update(api, id_, MATHS, {**MATHS, "metricQueries": [{**MATHS["metricQueries"][0], "expression": "m1"}]})  # type: ignore[index]
    assert seen(kind.read(api, id_, MATHS), MATHS)["metricQueries"] != MATHS["metricQueries"]


def test_a_dashboard_lives(api: Api) -> None:
    given = {"dashboardName": "shop-dev", "dashboardBody": json.dumps({"widgets": []})}
    lives(api, "aws:cloudwatch/dashboard:Dashboard", given, dashboardBody=json.dumps({"widgets": [{"type": "text"}]}))


def test_a_topic_lives(api: Api) -> None:
    given = {"name": "shop-dev-other", "kmsMasterKeyId": "key-1", "tags": {"ops:fleet": "shop"}}
    lives(api, "aws:sns/topic:Topic", given, kmsMasterKeyId="key-2", tags={"ops:stack": "dev"})


def test_a_topic_policy_falls_back_to_the_accounts_own(api: Api) -> None:
    kind, given = TABLE["aws:sns/topicPolicy:TopicPolicy"], {"arn": TOPIC, "policy": POLICY}
    id_ = kind.create(api, given)
    assert seen(kind.read(api, id_, given), given) == given
    kind.delete(api, id_, given)
    found = kind.read(api, id_, given)
    assert found is not None
    assert "SourceOwner" in found["policy"]


def test_a_subscription_lives(api: Api) -> None:
    given = {"topic": TOPIC, "protocol": "https", "endpoint": "https://hooks.shop.example/ops"}
    lives(api, "aws:sns/topicSubscription:TopicSubscription", given)


def test_a_trail_lives(api: Api) -> None:
    given = {
        "name": "shop-dev-trail",
        "s3BucketName": "shop-dev-trail",
        "isMultiRegionTrail": True,
        "includeGlobalServiceEvents": True,
        "enableLogFileValidation": True,
        "enableLogging": True,
        "tags": {"ops:fleet": "shop"},
    }
    lives(api, "aws:cloudtrail/trail:Trail", given, enableLogging=False, enableLogFileValidation=False)


def test_a_value_not_known_yet_is_not_judged() -> None:
    from pulumi.provider.experimental.property_value import PropertyValue
    from pulumi.runtime import rpc

    unknown = plain(PropertyValue(rpc.UNKNOWN))
    kind = TABLE["aws:cloudwatch/dashboard:Dashboard"]
    assert list(kind.refuse({"dashboardName": "shop", "dashboardBody": unknown})) == []
