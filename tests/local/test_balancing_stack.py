"""Weighted, network and named balancers through the engine: made, unchanged by a second `up`, gone without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from census import census
from stacks import Stand, run, stand

pytestmark = pytest.mark.engine

FLEET = """
fleet: mart
region: eu-west-1
zones: 2
network: {cidr: 10.40.0.0/16, nat: none}
dns: {zone: mart.example, name: www}
clusters:
  canary: {role: web, size: {min: 0, max: 2}}
  web:
    size: {min: 2, max: 4}
    balancer: {algorithm: weighted, weights: {web: 90, canary: 10}, sticky_seconds: 600, slow_start_seconds: 30}
  feed:
    role: web
    size: {min: 2, max: 4}
    balancer: {kind: network, algorithm: flow_hash, port: 8080, health: tcp, cross_zone: false}
backups: {rules: []}
recovery: {web: {zone: {rto: 2m}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("balancing"), FLEET) as built:
        built.empty = census(built.cloud)  # type: ignore[attr-defined]
        run(built.deployment(), "up")
        yield built


def listeners(made: Stand, name: str) -> dict[int, dict[str, Any]]:
    """Listeners of a balancer by port."""
    elb = made.cloud.client("elbv2")
    arn = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
    return {found["Port"]: found for found in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}


def test_clusters_share_a_listener_by_weight_over_tls_and_plain(made: Stand) -> None:
    found = listeners(made, "mart-dev-web")
    for port in (80, 443):
        config = found[port]["DefaultActions"][0]["ForwardConfig"]
        shares = {group["TargetGroupArn"].split("/")[1]: group["Weight"] for group in config["TargetGroups"]}
        assert shares == {"mart-dev-web": 90, "mart-dev-canary": 10}
    assert found[443]["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert {port: one["Protocol"] for port, one in listeners(made, "mart-dev-feed").items()} == {
        8080: "TCP", 443: "TLS",
    }  # fmt: skip


def test_a_cluster_without_balancer_joins_the_target_group_that_the_other_gives_it(made: Stand) -> None:
    client = made.cloud.client("autoscaling")
    group = client.describe_auto_scaling_groups(AutoScalingGroupNames=["mart-dev-canary"])["AutoScalingGroups"][0]
    assert [arn.split("/")[1] for arn in group["TargetGroupARNs"]] == ["mart-dev-canary"]


def test_names_lead_to_balancers_with_certificates_that_were_proven(made: Stand) -> None:
    acm = made.cloud.client("acm")
    arns = [found["CertificateArn"] for found in acm.list_certificates()["CertificateSummaryList"]]
    certificates = [acm.describe_certificate(CertificateArn=arn)["Certificate"] for arn in arns]
    assert {found["DomainName"]: found["Status"] for found in certificates} == {
        "www.mart.example": "ISSUED", "feed.mart.example": "ISSUED",
    }  # fmt: skip
    dns = made.cloud.client("route53")
    zone = dns.list_hosted_zones()["HostedZones"][0]["Id"]
    records = dns.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    aliases = {found["Name"]: found["AliasTarget"]["DNSName"] for found in records if "AliasTarget" in found}
    assert aliases.keys() == {"www.mart.example.", "feed.mart.example."}
    assert aliases["www.mart.example."].startswith("mart-dev-web-")


def test_a_second_up_would_change_nothing_and_there_is_no_drift(made: Stand) -> None:
    changes = made.deployment().preview().changes
    assert {kind: count for kind, count in changes.items() if count and kind != "same"} == {}
    assert made.deployment().drift().drift == []


def test_another_share_is_a_change_of_the_listeners_and_of_nothing_else(made: Stand) -> None:
    made.write(FLEET.replace("web: 90, canary: 10", "web: 50, canary: 50"))
    deployment = made.deployment()
    run(deployment, "up")
    assert (deployment.result.changes["update"], deployment.result.changes["replace"]) == (2, 0)


def test_destroy_leaves_nothing_behind(made: Stand) -> None:
    run(made.deployment(), "destroy")
    assert census(made.cloud) == made.empty  # type: ignore[attr-defined]
