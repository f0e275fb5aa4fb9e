"""What the program declares before a cluster's hosts: balancers, listeners, logs, names, the way to another region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mocked import ACCOUNT, Declared, declared, declared_in

import quartermaster.examples
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.fleet.schema.servers import Balancer
from quartermaster.infra.access_logs import log_policy
from quartermaster.infra.target_group import health_check

EXAMPLE = Path(quartermaster.examples.__path__[0]) / "production" / "fleet.yaml"
SHOP = load_fleet(EXAMPLE)
PROD = {"target": "aws", "account": ACCOUNT, "protect": True, "state": "s3://state"}


def fleet(**more: Any) -> Fleet:
    return Fleet.model_validate({"fleet": "shop", "stacks": {"dev": {"target": "local"}, "prod": PROD}, **more})


def of(made: list[Declared], type_: str) -> dict[str, Declared]:
    """Those of a type in the stack's own region, by name."""
    return {one.name: one for one in made if one.type.endswith(f":{type_}") and "Recovery$" not in one.urn}


def shop(stack: str) -> list[Declared]:
    return list(declared_in(EXAMPLE, stack))


def test_on_aws_the_plain_port_leads_to_tls_and_here_it_serves() -> None:
    plain = {stack: of(shop(stack), "Listener")["web"].inputs["defaultActions"][0] for stack in ("prod", "dev")}
    assert plain["prod"]["redirect"] == {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}
    assert plain["dev"]["type"] == "forward"
    secure = of(shop("prod"), "Listener")["web-tls"].inputs
    assert (secure["port"], secure["protocol"]) == (443, "HTTPS")
    assert secure["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-")
    opened = [one.inputs["fromPort"] for one in of(shop("prod"), "SecurityGroupIngressRule").values()]
    assert {80, 443} <= set(opened)


def test_with_a_pilot_light_the_name_fails_over_when_the_first_region_is_lost() -> None:
    made = shop("prod")
    records = of(made, "Record")
    routing = {name: one.inputs.get("failoverRoutingPolicies") for name, one in records.items()}
    assert routing == {
        "web-validation": None, "web-primary": [{"type": "PRIMARY"}], "web-secondary": [{"type": "SECONDARY"}],
    }  # fmt: skip
    assert {one.inputs["name"] for name, one in records.items() if name != "web-validation"} == {"www.shop.example"}
    check = of(made, "HealthCheck")["web"].inputs
    assert (check["type"], check["port"], check["resourcePath"]) == ("HTTPS", 443, "/healthz")
    assert records["web-primary"].inputs["healthCheckId"] == "web-id"
    there = [one for one in made if one.type == "aws:acm/certificate:Certificate" and "Recovery$" in one.urn]
    assert [one.inputs["region"] for one in there] == [SHOP.recovery_region]


def test_without_a_pilot_light_the_name_has_one_record_and_no_health_check() -> None:
    made = declared(fleet(dns={"zone": "shop.example"}, clusters={"web": {"balancer": {}}}), "prod")
    assert set(of(made, "Record")) == {"web-validation", "web"}
    assert of(made, "HealthCheck") == {}


def test_without_a_name_there_is_no_certificate_and_one_listener() -> None:
    made = declared(fleet(clusters={"web": {"balancer": {}}}), "prod")
    assert set(of(made, "Listener")) == {"web"}
    assert not [one for one in made if one.type.startswith(("aws:acm/", "aws:route53/"))]


def test_clusters_that_share_a_balancer_are_reached_by_it_in_any_order_of_the_file() -> None:
    weighted = {"algorithm": "weighted", "weights": {"green": 10}, "sticky_seconds": 60}
    made = declared(fleet(clusters={"green": {}, "web": {"balancer": weighted}}), "prod")
    forward = of(made, "Listener")["web"].inputs["defaultActions"][0]["forward"]
    assert [group["weight"] for group in forward["targetGroups"]] == [0, 10]
    assert forward["stickiness"] == {"enabled": True, "duration": 60}
    assert {name for name, one in of(made, "Group").items() if one.inputs.get("targetGroupArns")} == {"web", "green"}
    ways = of(made, "SecurityGroupEgressRule")
    assert ways["green-balancer"].inputs["securityGroupId"] == ways["web-balancer"].inputs["securityGroupId"]


def test_a_network_balancer_has_security_groups_and_ends_old_flows_with_the_drain() -> None:
    made = declared(fleet(clusters={"feed": {"balancer": {"kind": "network", "port": 5000, "health": "tcp"}}}), "prod")
    balancer, targets = of(made, "LoadBalancer")["feed"].inputs, of(made, "TargetGroup")["feed"].inputs
    assert balancer["securityGroups"]
    assert "idleTimeout" not in balancer
    assert "accessLogs" not in balancer
    assert targets["connectionTermination"] is True
    assert targets["healthCheck"]["protocol"] == "TCP"
    assert of(made, "Listener")["feed"].inputs["tcpIdleTimeoutSeconds"] == 350


def test_a_network_balancer_on_443_hands_tls_on_to_its_hosts() -> None:
    feed = {"kind": "network", "port": 443, "health": "tcp", "algorithm": "source_ip"}
    made = declared(fleet(dns={"zone": "shop.example"}, clusters={"feed": {"balancer": feed}}), "prod")
    assert [one.inputs["protocol"] for one in of(made, "Listener").values()] == ["TCP"]
    assert set(of(made, "Record")) == {"feed"}


def test_requests_are_logged_to_a_bucket_of_their_own_that_is_emptied_by_age() -> None:
    made = shop("prod")
    assert of(made, "LoadBalancer")["web"].inputs["accessLogs"]["enabled"] is True
    rules = of(made, "BucketServerSideEncryptionConfiguration")["access-logs"].inputs["rules"]
    assert rules[0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    kept = of(made, "BucketLifecycleConfiguration")["access-logs"].inputs["rules"][0]["expiration"]
    assert kept == {"days": 30}
    quiet = declared(fleet(clusters={"web": {"balancer": {"access_logs": False}}}), "prod")
    assert "access-logs" not in of(quiet, "Bucket")


def test_log_delivery_of_this_account_may_write_logs_and_nobody_else_anything() -> None:
    policy = json.loads(log_policy("arn:aws:s3:::logs", ACCOUNT, "eu-west-1", tls=True))
    allowed = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
    assert {one["Principal"]["Service"] for one in allowed} == {
        "logdelivery.elasticloadbalancing.amazonaws.com", "delivery.logs.amazonaws.com",
    }  # fmt: skip
    assert all(ACCOUNT in json.dumps(one["Condition"]) for one in allowed)
    assert {one["Action"] for one in allowed} == {"s3:PutObject", "s3:GetBucketAcl"}


@pytest.mark.parametrize(("seconds", "timeout"), [(5, 3), (6, 4), (10, 5), (300, 5)])
def test_an_answer_is_due_before_the_next_question(seconds: int, timeout: int) -> None:
    check = health_check(Balancer(check_seconds=seconds, unhealthy_after=4, healthy_after=3))
    assert (check["interval"], check["timeout"]) == (seconds, timeout)
    assert (check["unhealthy_threshold"], check["healthy_threshold"]) == (4, 3)
