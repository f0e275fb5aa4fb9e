"""A group of real hosts, under load: replaced host by host without losing a request, and grown by its requests."""

from __future__ import annotations

from typing import Any

import pytest

from quartermaster.fleet.load import Load
from tests.hosts.local_cluster import LocalCluster, wait

pytestmark = pytest.mark.hosts


@pytest.fixture
def cluster(marked: LocalCluster) -> LocalCluster:
    return marked


def refresh(cluster: LocalCluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.api("autoscaling").describe_instance_refreshes(AutoScalingGroupName="web")
    return found["InstanceRefreshes"][0]  # type: ignore[no-any-return]


def test_an_instance_refresh_replaces_every_host_and_loses_no_request(cluster: LocalCluster) -> None:
    wait(cluster.serves)
    before, seen = set(cluster.members), set[int]()
    with Load(cluster.url, 50, 8) as load:
        cluster.api("autoscaling").start_instance_refresh(
            AutoScalingGroupName="web",
            Preferences={
                "MinHealthyPercentage": 33,
                "InstanceWarmup": 0,
                "CheckpointPercentages": [33, 100],
                "CheckpointDelay": 1,
            },
        )

        def over() -> bool:
            row = refresh(cluster)
            seen.add(row["PercentageComplete"])
            assert cluster.healthy()
            return row["Status"] not in ("Pending", "InProgress")

        wait(over)
    assert refresh(cluster)["Status"] == "Successful"
    assert 33 in seen  # the canary, and then the others together
    wait(lambda: before.isdisjoint(cluster.members))  # those that went are shut down first
    assert load.counts().failed == 0


def test_more_requests_than_the_target_make_the_group_grow(cluster: LocalCluster) -> None:
    balancer = cluster.api("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    label = f"{balancer.split(':loadbalancer/')[1]}/{cluster.target_group.split(':')[-1]}"
    metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}
    cluster.api("autoscaling").put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="requests",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"TargetValue": 600.0, "PredefinedMetricSpecification": metric},
    )
    with Load(cluster.url, 60, 8) as load:  # 1,200 a minute and host: twice the target, and max is 5
        wait(lambda: cluster.serves(hosts=5))
    assert load.counts().failed == 0


def test_hosts_that_work_harder_than_the_target_make_the_group_grow(cluster: LocalCluster) -> None:
    groups = cluster.api("autoscaling")
    groups.delete_policy(AutoScalingGroupName="web", PolicyName="requests")
    groups.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    wait(lambda: cluster.serves(hosts=3))
    # They share what this machine has, with whatever else runs on it: a low target is reached on the busiest too.
    groups.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        },
    )
    for host in cluster.members:
        cluster.run(host, "sh", "-c", "timeout 120 sh -c 'while :; do :; done' >/dev/null 2>&1 &")
    wait(lambda: cluster.serves(hosts=5))
    assert "percent of CPU" in (cluster.workspace.folder("local") / "daemon.log").read_text(encoding="utf-8")
