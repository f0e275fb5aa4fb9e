"""Where a stack's balancers answer, on an account that has more of them than one answer lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.schema.load import read_text
from quartermaster.fleet.workspace import Workspace
from quartermaster.infra.layout import layout
from quartermaster.infra.outputs import balancer_url

FLEET = """
fleet: shop
region: eu-west-1
clusters: {web: {balancer: {}}}
stacks: {prod: {target: aws, account: "123456789012", state: "s3://shop-state"}}
"""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        session = boto3.Session("AKIATEST", "test", region_name="eu-west-1")
        session.events.register("before-parameter-build.elbv2.DescribeLoadBalancers", _one_page_is_short)
        yield Cloud("shop", "prod", "aws", "eu-west-1", session)


def balancers(cloud: Cloud, *names: str) -> dict[str, Any]:
    subnets = [row["SubnetId"] for row in cloud.client("ec2").describe_subnets()["Subnets"]]
    elb = cloud.client("elbv2")
    made = [elb.create_load_balancer(Name=name, Subnets=subnets[:2])["LoadBalancers"][0] for name in names]
    return {row["LoadBalancerName"]: row["DNSName"] for row in made}


def test_a_balancer_is_found_among_as_many_as_there_are(cloud: Cloud, tmp_path: Any) -> None:
    fleet = read_text(FLEET).fleet
    addresses = balancers(cloud, *(f"other-{number}" for number in range(3)), "shop-prod-web")
    shape, workspace = layout(fleet, "prod"), Workspace(tmp_path / "fleet.yaml")
    assert balancer_url(fleet, shape, workspace, cloud, "web") == f"http://{addresses['shop-prod-web']}"
    cloud.client("elbv2").delete_load_balancer(LoadBalancerArn=_arn(cloud, "shop-prod-web"))
    assert balancer_url(fleet, shape, workspace, cloud, "web") == ""


def _one_page_is_short(params: dict[str, Any], **_: Any) -> None:
    if "Names" not in params:
        params["PageSize"] = 2


def _arn(cloud: Cloud, name: str) -> str:
    return str(cloud.client("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"])
