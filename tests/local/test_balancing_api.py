"""Balancers, certificates and DNS of the provider against moto, without the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.infra.local import moto_acm, moto_elbv2
from quartermaster.infra.local.authority import Authority
from quartermaster.infra.local.provider.kind import Api
from quartermaster.infra.local.provider.table import TABLE

ZONE, CERTIFICATE = "aws:route53/zone:Zone", "aws:acm/certificate:Certificate"
RECORD, VALIDATION = "aws:route53/record:Record", "aws:acm/certificateValidation:CertificateValidation"
CHECK, BALANCER = "aws:route53/healthCheck:HealthCheck", "aws:lb/loadBalancer:LoadBalancer"
TARGETS, LISTENER = "aws:lb/targetGroup:TargetGroup", "aws:lb/listener:Listener"
WRITER = "logdelivery.elasticloadbalancing.amazonaws.com"


@pytest.fixture(scope="module", autouse=True)
def corrected() -> None:
    moto_acm.install(Authority.new())
    moto_elbv2.correct()


@pytest.fixture
def api() -> Iterator[Api]:
    with mock_aws():
        yield Api(lambda service, region: boto3.client(service, region_name=region), "eu-west-1", "123456789012")


def make(api: Api, type_: str, **given: Any) -> dict[str, Any]:
    """Create it; what is read of it then, with its id."""
    id_ = TABLE[type_].create(api, given)
    return {**(TABLE[type_].read(api, id_, given) or {}), "id": id_}


def change(api: Api, type_: str, id_: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    TABLE[type_].update(api, id_, old, new)
    return TABLE[type_].read(api, id_, new) or {}


def network(api: Api) -> tuple[str, list[str]]:
    ec2 = api.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    places = (("10.0.0.0/24", "eu-west-1a"), ("10.0.1.0/24", "eu-west-1b"))
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone) for cidr, zone in places]
    return vpc, [subnet["Subnet"]["SubnetId"] for subnet in made]


def test_a_record_is_made_changed_and_gone_with_its_zone(api: Api) -> None:
    zone = make(api, ZONE, name="shop.example", tags={"a": "b"})
    assert (zone["name"], zone["tags"]) == ("shop.example", {"a": "b"})
    given = {"zoneId": zone["zoneId"], "name": "x.shop.example", "type": "CNAME", "ttl": 60, "records": ["y.example."]}
    record = make(api, RECORD, **given)
    assert (record["fqdn"], record["records"], record["ttl"]) == ("x.shop.example", ["y.example."], 60)
    assert record["id"] == f"{zone['zoneId']}_x.shop.example_CNAME"
    assert change(api, RECORD, record["id"], given, {**given, "ttl": 300})["ttl"] == 300
    with pytest.raises(ValueError, match="already exists"):
        make(api, RECORD, **given)
    TABLE[RECORD].delete(api, record["id"], {**given, "ttl": 300})
    assert TABLE[RECORD].read(api, record["id"], given) is None
    TABLE[ZONE].delete(api, zone["id"], {})


def test_records_of_one_name_fail_over(api: Api) -> None:
    zone = make(api, ZONE, name="shop.example")["zoneId"]
    check = make(api, CHECK, type="HTTPS", fqdn="lb.example", port=443, requestInterval=30, tags={"a": "b"})
    assert (check["requestInterval"], check["tags"]) == (30, {"a": "b"})
    alias = [{"name": "lb.example", "zoneId": "Z1", "evaluateTargetHealth": True}]
    shared = {"zoneId": zone, "name": "www.shop.example", "type": "A", "aliases": alias}
    for role in ("PRIMARY", "SECONDARY"):
        given = {**shared, "setIdentifier": role, "failoverRoutingPolicies": [{"type": role}]}
        made = make(api, RECORD, **given)
        assert (made["aliases"], made["failoverRoutingPolicies"]) == (alias, [{"type": role}])
    TABLE[RECORD].delete(api, "", {**shared, "setIdentifier": "PRIMARY"})
    assert TABLE[RECORD].read(api, "", {**shared, "setIdentifier": "PRIMARY"}) is None
    assert TABLE[RECORD].read(api, "", {**shared, "setIdentifier": "SECONDARY"}) is not None


def test_a_certificate_is_issued_when_its_record_is_there_and_not_before(api: Api) -> None:
    zone = make(api, ZONE, name="shop.example")["zoneId"]
    made = make(api, CERTIFICATE, domainName="www.shop.example", validationMethod="DNS", tags={"a": "b"})
    assert (made["status"], made["tags"]) == ("PENDING_VALIDATION", {"a": "b"})
    option = made["domainValidationOptions"][0]
    make(
        api, RECORD, zoneId=zone, name=option["resourceRecordName"].rstrip("."), type=option["resourceRecordType"],
        ttl=300, records=[option["resourceRecordValue"]],
    )  # fmt: skip
    make(api, VALIDATION, certificateArn=made["arn"])
    assert (TABLE[CERTIFICATE].read(api, made["arn"], {}) or {})["status"] == "ISSUED"
    pem = moto_acm.key_pair("123456789012", "eu-west-1", made["arn"])
    assert pem.count("BEGIN") == 2


def test_a_network_balancer_says_so_in_its_arn_and_a_name_is_given_once(api: Api) -> None:
    _, subnets = network(api)
    made = make(api, BALANCER, name="feed", subnets=subnets, loadBalancerType="network", tags={"a": "b"})
    assert made["arnSuffix"].startswith("net/feed/")
    assert made["tags"] == {"a": "b"}
    with pytest.raises(Exception, match="already exists"):
        make(api, BALANCER, name="feed", subnets=subnets)


@pytest.mark.parametrize(("algorithm", "writer", "refusal"), [("aws:kms", WRITER, "SSE-S3"), ("AES256", "x", "policy")])
def test_access_logs_go_to_a_bucket_that_takes_them_only(api: Api, algorithm: str, writer: str, refusal: str) -> None:
    _, subnets = network(api)
    s3 = api.client("s3")
    s3.create_bucket(Bucket="shop-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    logs = {"bucket": "shop-logs", "prefix": "web", "enabled": True}

    def put(algorithm: str, writer: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        s3.put_bucket_encryption(Bucket="shop-logs", ServerSideEncryptionConfiguration={"Rules": [rule]})
        allow = f'{{"Effect": "Allow", "Principal": {{"Service": "{writer}"}}, "Action": "s3:PutObject"}}'
        s3.put_bucket_policy(Bucket="shop-logs", Policy=f'{{"Statement": [{allow}]}}')

    put(algorithm, writer)
    with pytest.raises(ValueError, match=refusal):
        make(api, BALANCER, name="web", subnets=subnets, accessLogs=logs)
    put("AES256", WRITER)
    assert make(api, BALANCER, name="api", subnets=subnets, accessLogs=logs)["accessLogs"] == logs


def test_a_balancer_is_kept_while_it_is_protected(api: Api) -> None:
    _, subnets = network(api)
    given = {"name": "web", "subnets": subnets, "enableDeletionProtection": True, "idleTimeout": 30}
    made = make(api, BALANCER, **given)
    assert (made["enableDeletionProtection"], made["idleTimeout"]) == (True, 30)
    with pytest.raises(ValueError, match="deletion protection"):
        TABLE[BALANCER].delete(api, made["arn"], given)
    free = {**given, "enableDeletionProtection": False}
    assert change(api, BALANCER, made["arn"], given, free)["enableDeletionProtection"] is False
    TABLE[BALANCER].delete(api, made["arn"], free)


def test_target_groups_and_listeners_are_read_as_they_were_given(api: Api) -> None:
    vpc, subnets = network(api)
    balancer = make(api, BALANCER, name="web", subnets=subnets)["arn"]
    sticky = {"type": "lb_cookie", "enabled": True, "cookieDuration": 600}
    check = {"protocol": "HTTP", "path": "/", "matcher": "200", "interval": 5, "timeout": 3}
    common = {"protocol": "HTTP", "port": 80, "vpcId": vpc, "stickiness": sticky, "healthCheck": check}
    groups = [make(api, TARGETS, name=name, deregistrationDelay=3600, **common) for name in ("a", "b")]
    assert groups[0]["stickiness"] == sticky
    assert groups[0]["deregistrationDelay"] == 3600
    assert check.items() <= groups[0]["healthCheck"].items()
    shares = [{"arn": group["arn"], "weight": weight} for group, weight in zip(groups, (90, 10), strict=True)]
    action = {"type": "forward", "forward": {"targetGroups": shares, "stickiness": {"enabled": True, "duration": 60}}}
    given = {"loadBalancerArn": balancer, "port": 80, "protocol": "HTTP", "defaultActions": [action]}
    made = make(api, LISTENER, **given)
    assert made["defaultActions"] == [action]
    redirect = {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}
    found = change(api, LISTENER, made["arn"], given, {**given, "defaultActions": [redirect]})["defaultActions"][0]
    assert redirect["redirect"].items() <= found["redirect"].items()  # type: ignore[attr-defined]
    plain = change(api, TARGETS, groups[0]["arn"], common, {**common, "stickiness": None})
    assert plain["stickiness"]["enabled"] is False
