"""Two clusters through the real Pulumi engine: x86 behind a balancer, replaced host by host, and arm64 without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stacks import Stand, run, stand

pytestmark = pytest.mark.engine

FLEET = """
fleet: shop
region: eu-west-1
zones: 2
stacks: {dev: {target: local}}
network: {cidr: 10.20.0.0/16, nat: none}
clusters:
  web:
    size: {min: 2, max: 8}
    schedule: [{cron: "0 8 * * 1-5", min: 4}, {at: 2099-01-01T08:00:00Z, min: 5}]
    disk_gib: 30
    scaling: {track: requests, predictive: forecast_only}
    balancer: {drain_seconds: 5}
  jobs:
    instance: c7g.large
    image: {family: ubuntu-24.04}
    size: {min: 2, max: 4}
    schedule: [{cron: "0 8 * * 1-5", min: 2}]
    scaling: {target: 70, warm_hosts: 1}
capacity: {web: {unit: 20}}
patching: {web: {method: replace, wave: 50%, soak_minutes: 5}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("clusters"), FLEET) as built:
        run(built.deployment(), "up")
        yield built


def group(made: Stand, name: str) -> dict[str, Any]:
    client = made.cloud.client("autoscaling")
    found: dict[str, Any] = client.describe_auto_scaling_groups(AutoScalingGroupNames=[f"shop-dev-{name}"])
    return found["AutoScalingGroups"][0]  # type: ignore[no-any-return]


def template(made: Stand, name: str) -> dict[str, Any]:
    versions = made.cloud.client("ec2").describe_launch_template_versions(
        LaunchTemplateName=f"shop-dev-{name}", Versions=["$Latest"]
    )
    found: dict[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return found


def policies(made: Stand, name: str) -> dict[str, dict[str, Any]]:
    client = made.cloud.client("autoscaling")
    rows = client.describe_policies(AutoScalingGroupName=f"shop-dev-{name}")["ScalingPolicies"]
    return {row["PolicyName"]: row for row in rows}


def test_each_cluster_has_an_image_of_its_architecture_on_an_encrypted_disk(made: Stand) -> None:
    for name, architecture, device, size in (("web", "x86_64", "/dev/xvda", 30), ("jobs", "arm64", "/dev/sda1", 20)):
        data = template(made, name)
        image = made.cloud.client("ec2").describe_images(ImageIds=[data["ImageId"]])["Images"][0]
        disk = data["BlockDeviceMappings"][0]
        assert (image["Architecture"], disk["DeviceName"], disk["Ebs"]["VolumeSize"]) == (architecture, device, size)
        assert disk["Ebs"]["Encrypted"]
        assert ":key/" in disk["Ebs"]["KmsKeyId"]
        assert data["MetadataOptions"]["HttpTokens"] == "required"


def test_requests_are_tracked_by_what_a_host_carries_and_a_forecast_changes_nothing(made: Stand) -> None:
    found = policies(made, "web")
    tracked = found["web-requests"]["TargetTrackingConfiguration"]
    assert tracked["TargetValue"] == 20 * 60
    label = tracked["PredefinedMetricSpecification"]["ResourceLabel"]
    assert label.startswith("app/shop-dev-web/")
    assert "/targetgroup/shop-dev-web/" in label
    assert found["web-predictive"]["PredictiveScalingConfiguration"]["Mode"] == "ForecastOnly"
    assert policies(made, "jobs")["jobs-cpu"]["TargetTrackingConfiguration"]["TargetValue"] == 70


def test_a_group_has_its_metrics_its_warm_up_and_its_warm_pool(made: Stand) -> None:
    found = group(made, "jobs")
    assert "GroupInServiceInstances" in {item["Metric"] for item in found["EnabledMetrics"]}
    pool = found["WarmPoolConfiguration"]
    assert (pool["PoolState"], pool["MinSize"], pool["MaxGroupPreparedCapacity"]) == ("Stopped", 1, 1)
    assert (found["DefaultInstanceWarmup"], group(made, "web")["DefaultInstanceWarmup"]) == (60, 120)
    assert "WarmPoolConfiguration" not in group(made, "web")


def test_a_second_up_would_change_nothing_and_finds_no_drift(made: Stand) -> None:
    changes = made.deployment().preview().changes
    assert {kind: count for kind, count in changes.items() if count and kind != "same"} == {}
    assert made.deployment().drift().drift == []


def test_another_schedule_and_template_leave_desired_alone_and_replace_nobody(made: Stand) -> None:
    client = made.cloud.client("autoscaling")
    client.set_desired_capacity(AutoScalingGroupName="shop-dev-web", DesiredCapacity=6)
    before = {item["InstanceId"] for item in group(made, "jobs")["Instances"]}
    later = FLEET.replace("2099-01-01T08:00:00Z, min: 5", "2099-02-01T08:00:00Z, min: 7")
    made.write(later.replace("max: 4}", "max: 4}\n    disk_gib: 40"))
    deployment = made.deployment()
    run(deployment, "up")
    changes = deployment.result.changes
    # An action for an action; the template of jobs, and the version that its group names.
    assert (changes["create"], changes["delete"], changes["update"], changes["replace"]) == (1, 1, 2, 0)
    assert group(made, "web")["DesiredCapacity"] == 6
    found = group(made, "jobs")
    assert found["LaunchTemplate"]["Version"] == "2"
    assert template(made, "jobs")["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 40
    assert {item["InstanceId"] for item in found["Instances"]} == before  # patched in place


def test_destroy_takes_the_warm_pool_and_all_else(made: Stand) -> None:
    deployment = made.deployment()
    run(deployment, "destroy")
    assert deployment.result.kept == ()
    assert made.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert made.cloud.client("autoscaling").describe_policies()["ScalingPolicies"] == []
