"""Groups of the local cloud as their API shows them: replacement of hosts, target tracking, quotas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clockwork import Clockwork, clockwork


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Clockwork]:
    with clockwork(tmp_path) as made:
        yield made


def begin(cloud: Clockwork, version: str = "2", **preferences: Any) -> str:
    group = cloud.group()
    template = {"LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"], "Version": version}
    answer = cloud.client("autoscaling").start_instance_refresh(
        AutoScalingGroupName="web",
        DesiredConfiguration={"LaunchTemplate": template},
        Preferences={"MinHealthyPercentage": 60, "InstanceWarmup": 0, **preferences},
    )
    return str(answer["InstanceRefreshId"])


def history(cloud: Clockwork) -> list[dict[str, Any]]:
    """Every refresh, the newest first."""
    answer = cloud.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName="web")
    found: list[dict[str, Any]] = answer["InstanceRefreshes"]
    return found


def status(cloud: Clockwork) -> dict[str, Any]:
    return history(cloud)[0]


def refused(act: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        act(AutoScalingGroupName="web", **arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_refresh_replaces_every_host_and_never_more_than_was_said(cloud: Clockwork) -> None:
    before = set(cloud.serving())
    begin(cloud)
    least, percentages = 3, []
    while status(cloud)["Status"] in ("Pending", "InProgress"):
        cloud.turn()
        least = min(least, len(cloud.serving()))
        percentages.append(status(cloud)["PercentageComplete"])
    assert status(cloud)["Status"] == "Successful"
    assert least == 2
    assert percentages == sorted(percentages)
    assert set(percentages) == {0, 33, 66, 100}
    assert set(cloud.serving().values()) == {"2"}
    assert not before & set(cloud.serving())
    assert cloud.group()["LaunchTemplate"]["Version"] == "2"
    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    cloud.turn(30)
    assert list(cloud.serving().values()) == ["2"] * 4  # also those launched later


def test_a_checkpoint_holds_it_after_the_canary(cloud: Clockwork) -> None:
    begin(cloud, CheckpointPercentages=[33, 100], CheckpointDelay=100)
    cloud.turn(60)
    assert sorted(cloud.serving().values()) == ["1", "1", "2"]
    assert (status(cloud)["PercentageComplete"], status(cloud)["InstancesToUpdate"]) == (33, 2)
    cloud.turn(150)
    assert status(cloud)["Status"] == "Successful"


def test_a_rollback_brings_the_old_version_back(cloud: Clockwork) -> None:
    begin(cloud, CheckpointPercentages=[33, 100], CheckpointDelay=1000)
    cloud.turn(60)
    cloud.client("autoscaling").rollback_instance_refresh(AutoScalingGroupName="web")
    assert status(cloud)["Status"] == "RollbackInProgress"
    cloud.turn(60)
    assert status(cloud)["Status"] == "RollbackSuccessful"
    assert status(cloud)["RollbackDetails"]["PercentageCompleteOnRollback"] == 33
    assert set(cloud.serving().values()) == {"1"}
    assert cloud.group()["LaunchTemplate"]["Version"] == "1"


def test_an_alarm_rolls_it_back_by_itself(cloud: Clockwork) -> None:
    alarms = cloud.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName="errors", MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    begin(cloud, AutoRollback=True, AlarmSpecification={"Alarms": ["errors"]})
    cloud.turn(15)
    alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    cloud.turn(60)
    assert status(cloud)["Status"] == "RollbackSuccessful"
    assert "errors" in status(cloud)["RollbackDetails"]["RollbackReason"]


def test_a_cancelled_refresh_leaves_what_is_and_launches_the_old_version(cloud: Clockwork) -> None:
    begin(cloud, CheckpointPercentages=[33, 100], CheckpointDelay=1000)
    cloud.turn(60)
    cloud.client("autoscaling").cancel_instance_refresh(AutoScalingGroupName="web")
    cloud.turn(2)
    assert status(cloud)["Status"] == "Cancelled"
    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    cloud.turn(30)
    assert sorted(cloud.serving().values()) == ["1", "1", "1", "2"]


def test_a_new_template_version_alone_replaces_nobody(cloud: Clockwork) -> None:
    before = cloud.serving()
    template = {"LaunchTemplateId": cloud.group()["LaunchTemplate"]["LaunchTemplateId"], "Version": "2"}
    cloud.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName="web", LaunchTemplate=template)
    cloud.turn(60)
    assert cloud.serving() == before


def test_refreshes_are_refused_as_on_aws(cloud: Clockwork) -> None:
    client = cloud.client("autoscaling")
    start = client.start_instance_refresh
    assert refused(client.cancel_instance_refresh) == "ActiveInstanceRefreshNotFound"
    assert refused(start, Preferences={"AutoRollback": True}) == "ValidationError"
    assert refused(start, Preferences={"CheckpointPercentages": [50, 20]}) == "ValidationError"
    assert refused(start, Preferences={"MaxHealthyPercentage": 150}) == "ValidationError"
    start(AutoScalingGroupName="web")
    assert refused(start) == "InstanceRefreshInProgress"
    assert refused(client.rollback_instance_refresh) == "IrreversibleInstanceRefresh"


def test_requests_above_the_target_add_hosts_and_quiet_takes_them_away(cloud: Clockwork) -> None:
    cloud.turn(25, {"web": 60})
    assert cloud.group()["DesiredCapacity"] == 3
    cloud.turn(15, {"web": 60})
    assert cloud.group()["DesiredCapacity"] == 6
    cloud.turn(120, {"web": 60})
    assert (cloud.group()["DesiredCapacity"], len(cloud.serving())) == (6, 6)
    cloud.turn(140, {"web": 6})
    assert cloud.group()["DesiredCapacity"] == 6
    cloud.turn(60, {"web": 6})
    assert cloud.group()["DesiredCapacity"] == 3
    causes = cloud.client("autoscaling").describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    assert any("web-requests changed the desired capacity from 3 to 6" in item["Cause"] for item in causes)


def test_without_requests_there_is_no_metric_and_nothing_happens(cloud: Clockwork) -> None:
    cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=5)
    cloud.counts["web"] = 1
    cloud.turn(300)
    assert cloud.group()["DesiredCapacity"] == 5


def test_a_group_takes_125_scheduled_actions_at_times_of_their_own(cloud: Clockwork) -> None:
    put = cloud.client("autoscaling").put_scheduled_update_group_action
    for day in range(125):
        put(AutoScalingGroupName="web", ScheduledActionName=f"floor-{day}", Recurrence=f"{day % 60} 8 * * *", MinSize=3)
    more = {"ScheduledActionName": "more", "Recurrence": "0 9 * * *", "MinSize": 3}
    assert refused(put, **more) == "LimitExceeded"
    put(AutoScalingGroupName="web", ScheduledActionName="floor-0", StartTime="2099-01-01T08:00:00Z", MinSize=4)
    again = {"ScheduledActionName": "floor-1", "StartTime": "2099-01-01T08:00:00Z", "MinSize": 5}
    assert refused(put, **again) == "ValidationError"


def test_protection_from_scale_in_is_refused_as_aws_refuses_it(cloud: Clockwork) -> None:
    protect = cloud.client("autoscaling").set_instance_protection
    assert refused(protect, InstanceIds=["i-none"], ProtectedFromScaleIn=True) == "ValidationError"
    assert refused(protect, InstanceIds=[*cloud.serving()] * 20, ProtectedFromScaleIn=True) == "ValidationError"
    member = next(iter(cloud.serving()))
    cloud.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=member, ShouldDecrementDesiredCapacity=False
    )
    assert refused(protect, InstanceIds=[member], ProtectedFromScaleIn=True) == "ValidationError"
