"""Load balancers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quartermaster.infra.local.provider import elb
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State

__all__ = ["KINDS"]

_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "clientKeepAlive": "client_keep_alive.seconds",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
}
_LOGS = {"bucket": "access_logs.s3.bucket", "prefix": "access_logs.s3.prefix", "enabled": "access_logs.s3.enabled"}
_ONLY_APPLICATION = ("idleTimeout", "clientKeepAlive", "dropInvalidHeaderFields", "enableHttp2")
_BOUNDS = {"idleTimeout": (1, 4000), "clientKeepAlive": (60, 604_800)}
"""In seconds: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html"""
_WRITERS = {"application": "logdelivery.elasticloadbalancing.amazonaws.com", "network": "delivery.logs.amazonaws.com"}


def _create(api: Api, given: Given) -> str:
    client = api.client("elbv2")
    groups = {"SecurityGroups": given["securityGroups"]} if given.get("securityGroups") else {}
    answer = client.create_load_balancer(
        Name=given["name"],
        Subnets=given["subnets"],
        Scheme="internal" if given.get("internal") else "internet-facing",
        Type=_type(given),
        **elb.tags(given),
        **groups,
    )
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    _put_attributes(api, arn, given)
    api.wait(f"load balancer {given['name']} is active", lambda: _found(api, arn)["State"]["Code"] == "active")
    return arn


def _type(given: Given) -> str:
    return str(given.get("loadBalancerType") or "application")


def _put_attributes(api: Api, arn: str, given: Given) -> None:
    attributes = [*elb.written(_ATTRIBUTES, given), *elb.written(_LOGS, given.get("accessLogs") or {})]
    if (given.get("accessLogs") or {}).get("enabled"):
        _check_log_bucket(api, given["accessLogs"]["bucket"], _type(given))
    if attributes:
        api.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)


def _check_log_bucket(api: Api, bucket: str, kind: str) -> None:
    """Raises ValueError where AWS could not write: it takes a key of its own only, and must be let in."""
    s3, guide = api.client("s3"), f"docs.aws.amazon.com/elasticloadbalancing/latest/{kind}/enable-access-logging.html"
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    if kind == "application" and encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] != "AES256":
        raise ValueError(f"AWS refuses access logs in {bucket}: its objects must be encrypted with SSE-S3 ({guide})")
    try:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except s3.exceptions.ClientError as exc:
        if exc.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        policy = {"Statement": []}
    let_in = [item for item in policy["Statement"] if item["Effect"] == "Allow" and _WRITERS[kind] in str(item)]
    if not any("s3:PutObject" in str(item["Action"]) for item in let_in):
        raise ValueError(f"AWS refuses access logs in {bucket}: its policy must let {_WRITERS[kind]} write ({guide})")


def _found(api: Api, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
    return found


def _read(api: Api, id_: str, given: Given) -> State | None:
    found = _found(api, id_)
    attributes = api.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
    return {
        "arn": id_,
        "arnSuffix": id_.split(":loadbalancer/", 1)[-1],
        "name": found["LoadBalancerName"],
        "dnsName": found["DNSName"],
        "zoneId": found["CanonicalHostedZoneId"],
        "internal": found["Scheme"] == "internal",
        "loadBalancerType": found["Type"],
        "vpcId": found["VpcId"],
        "subnets": [zone["SubnetId"] for zone in found["AvailabilityZones"]],
        "securityGroups": found.get("SecurityGroups", []),
        "accessLogs": elb.read_attributes(_LOGS, attributes, dict.fromkeys(_LOGS)),
        **elb.read_attributes(_ATTRIBUTES, attributes, given),
        **elb.read_tags_of(api, id_),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    client = api.client("elbv2")
    _put_attributes(api, id_, new)
    if old.get("accessLogs") and not new.get("accessLogs"):
        client.modify_load_balancer_attributes(
            LoadBalancerArn=id_, Attributes=[{"Key": _LOGS["enabled"], "Value": "false"}]
        )
    if new.get("securityGroups") and elb.changed(old, new, "securityGroups"):
        client.set_security_groups(LoadBalancerArn=id_, SecurityGroups=new["securityGroups"])
    if elb.changed(old, new, "subnets"):
        client.set_subnets(LoadBalancerArn=id_, Subnets=new["subnets"])
    elb.retag(api, id_, old, new)


def _delete(api: Api, id_: str, state: Given) -> None:
    client = api.client("elbv2")
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=id_)["Attributes"]
    if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
        raise ValueError(f"AWS refuses to delete {id_}: deletion protection is enabled")
    client.delete_load_balancer(LoadBalancerArn=id_)


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    network = _type(given) == "network"
    for name in _ONLY_APPLICATION:
        if network and name in given:
            yield name, "only application balancers have it"
    for name, (least, most) in _BOUNDS.items():
        seconds = given.get(name)
        if isinstance(seconds, int) and not least <= seconds <= most:
            yield name, f"{seconds} seconds; it is {least} to {most}"
    if not network and given.get("enableCrossZoneLoadBalancing") is False:
        yield "enableCrossZoneLoadBalancing", "always on for an application balancer; its target groups can go without"
    subnets = given.get("subnets")
    if not network and isinstance(subnets, list) and len(subnets) < 2:
        yield "subnets", "an application balancer stands in two zones at least"
    logs = given.get("accessLogs")
    if isinstance(logs, dict) and logs.get("enabled") and not logs.get("bucket"):
        yield "accessLogs", "access logs need a bucket"


KINDS = (
    Kind(
        "aws:lb/loadBalancer:LoadBalancer",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="name internal loadBalancerType",
        live=f"subnets securityGroups accessLogs tags {' '.join(_ATTRIBUTES)}",
        needs="name subnets",
        name="name",
        limits={"name": elb.NAME},
        refuse=_refuse,
    ),
)
