"""A pilot light through the real engine: a copy without hosts in another region, made and removed with the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from census import census
from stacks import Stand, run, stand

pytestmark = pytest.mark.engine

THERE = "eu-central-1"
FLEET = f"""
fleet: shop
recovery_region: {THERE}
zones: 2
network: {{cidr: 10.20.0.0/16, recovery_cidr: 10.21.0.0/16, nat: single, endpoints: [s3, dynamodb, ssm]}}
clusters:
  web: {{size: {{min: 2, max: 4}}, uses: [orders], balancer: {{}}}}
databases:
  orders: {{}}
recovery:
  web: {{region: {{rto: 1h}}}}
  orders: {{region: {{rto: 1h, rpo: 15m}}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("recovery"), FLEET) as built:
        built.empty = [census(built.cloud), census(built.cloud, THERE)]  # type: ignore[attr-defined]
        run(built.deployment(), "up")
        yield built


def test_the_copy_has_a_network_a_balancer_and_a_group_without_hosts(made: Stand) -> None:
    scaling, elb, ec2 = (made.cloud.client(name, region=THERE) for name in ("autoscaling", "elbv2", "ec2"))
    [group] = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["AutoScalingGroupName"], group["MinSize"], group["MaxSize"]) == ("shop-dev-recovery-web", 0, 4)
    assert group["Instances"] == []
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    assert balancer["LoadBalancerName"] == "shop-dev-recovery-web"
    places = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
    ranges = [subnet["CidrBlock"] for subnet in ec2.describe_subnets(SubnetIds=places)["Subnets"]]
    assert sorted(ranges) == ["10.21.16.0/21", "10.21.48.0/21"]


def test_the_data_follows(made: Stand) -> None:
    [replica] = made.cloud.client("rds", region=THERE).describe_db_instances()["DBInstances"]
    assert replica["ReadReplicaSourceDBInstanceIdentifier"].endswith(":db:shop-dev-orders")


def test_a_second_up_would_change_nothing_and_there_is_no_drift_in_either_region(made: Stand) -> None:
    changes = made.deployment().preview().changes
    assert {kind: count for kind, count in changes.items() if count and kind != "same"} == {}
    assert made.deployment().drift().drift == []


def test_destroy_leaves_both_regions_as_they_were(made: Stand) -> None:
    run(made.deployment(), "destroy")
    assert [census(made.cloud), census(made.cloud, THERE)] == made.empty  # type: ignore[attr-defined]
