"""Load balancers, target groups and listeners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.infra.local.provider.kind import Api, Given, Kind, Limit, State
from quartermaster.infra.local.provider.tagging import as_list, as_map, read_tags, split

__all__ = ["KINDS"]

_NAME = Limit(
    r"(?!internal-)(?!-)[a-zA-Z0-9-]{1,32}(?<!-)",
    "up to 32 letters, digits and hyphens, no hyphen at the ends, not beginning with internal-",
)
_BALANCER_ATTRIBUTES = {
    "idleTimeout": "idle_timeout.timeout_seconds",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableHttp2": "routing.http2.enabled",
}
_TARGET_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "slowStart": "slow_start.duration_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text


def _attributes(names: Mapping[str, str], given: Given) -> list[dict[str, str]]:
    return [{"Key": key, "Value": _text(given[name])} for name, key in names.items() if given.get(name) is not None]


def _read_attributes(names: Mapping[str, str], found: list[dict[str, str]], given: Given) -> State:
    values = {item["Key"]: item["Value"] for item in found}
    return {name: _value(values[key]) for name, key in names.items() if key in values and name in given}


def _retag(api: Api, arn: str, old: Given, new: Given) -> None:
    put, drop = split(old, new)
    if put:
        api.client("elbv2").add_tags(ResourceArns=[arn], Tags=as_list(put))
    if drop:
        api.client("elbv2").remove_tags(ResourceArns=[arn], TagKeys=drop)


def _read_arn_tags(api: Api, arn: str) -> State:
    found = api.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return read_tags(as_map(found[0]["Tags"] if found else []))


def _create_balancer(api: Api, given: Given) -> str:
    elb = api.client("elbv2")
    groups = {"SecurityGroups": given["securityGroups"]} if given.get("securityGroups") else {}
    answer = elb.create_load_balancer(
        Name=given["name"],
        Subnets=given["subnets"],
        Scheme="internal" if given.get("internal") else "internet-facing",
        Type=given.get("loadBalancerType", "application"),
        Tags=as_list(given.get("tags")),
        **groups,
    )
    arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
    if attributes := _attributes(_BALANCER_ATTRIBUTES, given):
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    api.wait(f"load balancer {given['name']} is active", lambda: _balancer(api, arn)["State"]["Code"] == "active")
    return arn


def _balancer(api: Api, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
    return found


def _read_balancer(api: Api, id_: str, given: Given) -> State | None:
    found = _balancer(api, id_)
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
        **_read_attributes(_BALANCER_ATTRIBUTES, attributes, given),
        **_read_arn_tags(api, id_),
    }


def _update_balancer(api: Api, id_: str, old: Given, new: Given) -> None:
    elb = api.client("elbv2")
    if attributes := _attributes(_BALANCER_ATTRIBUTES, new):
        elb.modify_load_balancer_attributes(LoadBalancerArn=id_, Attributes=attributes)
    if new.get("securityGroups") and new.get("securityGroups") != old.get("securityGroups"):
        elb.set_security_groups(LoadBalancerArn=id_, SecurityGroups=new["securityGroups"])
    if new.get("subnets") != old.get("subnets"):
        elb.set_subnets(LoadBalancerArn=id_, Subnets=new["subnets"])
    _retag(api, id_, old, new)


def _delete_balancer(api: Api, id_: str, state: Given) -> None:
    api.client("elbv2").delete_load_balancer(LoadBalancerArn=id_)


def _check(given: Given) -> dict[str, Any]:
    check = given.get("healthCheck") or {}
    fields = {
        "enabled": "HealthCheckEnabled",
        "path": "HealthCheckPath",
        "port": "HealthCheckPort",
        "protocol": "HealthCheckProtocol",
        "interval": "HealthCheckIntervalSeconds",
        "timeout": "HealthCheckTimeoutSeconds",
        "healthyThreshold": "HealthyThresholdCount",
        "unhealthyThreshold": "UnhealthyThresholdCount",
    }
    call = {theirs: check[ours] for ours, theirs in fields.items() if check.get(ours) is not None}
    return {**call, "Matcher": {"HttpCode": check["matcher"]}} if check.get("matcher") else call


def _stickiness(given: Given) -> list[dict[str, str]]:
    sticky = given.get("stickiness") or {}
    return [
        {"Key": f"stickiness.{name}", "Value": _text(sticky[name])} for name in ("type", "enabled") if name in sticky
    ]


def _create_targets(api: Api, given: Given) -> str:
    elb = api.client("elbv2")
    answer = elb.create_target_group(
        Name=given["name"],
        Protocol=given["protocol"],
        Port=given["port"],
        VpcId=given["vpcId"],
        TargetType=given.get("targetType", "instance"),
        Tags=as_list(given.get("tags")),
        **_check(given),
    )
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    if attributes := [*_attributes(_TARGET_ATTRIBUTES, given), *_stickiness(given)]:
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return arn


def _read_targets(api: Api, id_: str, given: Given) -> State | None:
    elb = api.client("elbv2")
    found = elb.describe_target_groups(TargetGroupArns=[id_])["TargetGroups"][0]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=id_)["Attributes"]
    check = {
        "enabled": found.get("HealthCheckEnabled", True),
        "path": found.get("HealthCheckPath"),
        "port": found.get("HealthCheckPort"),
        "protocol": found.get("HealthCheckProtocol"),
        "interval": found.get("HealthCheckIntervalSeconds"),
        "timeout": found.get("HealthCheckTimeoutSeconds"),
        "healthyThreshold": found.get("HealthyThresholdCount"),
        "unhealthyThreshold": found.get("UnhealthyThresholdCount"),
        "matcher": (found.get("Matcher") or {}).get("HttpCode"),
    }
    return {
        "arn": id_,
        "arnSuffix": id_.rsplit(":", 1)[-1],
        "name": found["TargetGroupName"],
        "protocol": found["Protocol"],
        "port": found["Port"],
        "vpcId": found["VpcId"],
        "targetType": found["TargetType"],
        "healthCheck": {name: value for name, value in check.items() if value is not None},
        "stickiness": {
            name: _value(item["Value"])
            for item in attributes
            for name in ("type", "enabled")
            if item["Key"] == f"stickiness.{name}"
        },
        **_read_attributes(_TARGET_ATTRIBUTES, attributes, given),
        **_read_arn_tags(api, id_),
    }


def _update_targets(api: Api, id_: str, old: Given, new: Given) -> None:
    elb = api.client("elbv2")
    if _check(new) != _check(old):
        elb.modify_target_group(TargetGroupArn=id_, **_check(new))
    if attributes := [*_attributes(_TARGET_ATTRIBUTES, new), *_stickiness(new)]:
        elb.modify_target_group_attributes(TargetGroupArn=id_, Attributes=attributes)
    _retag(api, id_, old, new)


def _delete_targets(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("elbv2").delete_target_group(TargetGroupArn=id_), ("ResourceInUse",))


def _actions(given: Given) -> list[dict[str, Any]]:
    return [{"Type": item["type"], "TargetGroupArn": item["targetGroupArn"]} for item in given["defaultActions"]]


def _create_listener(api: Api, given: Given) -> str:
    answer = api.client("elbv2").create_listener(
        LoadBalancerArn=given["loadBalancerArn"],
        Port=given["port"],
        Protocol=given["protocol"],
        DefaultActions=_actions(given),
        Tags=as_list(given.get("tags")),
    )
    return str(answer["Listeners"][0]["ListenerArn"])


def _read_listener(api: Api, id_: str, given: Given) -> State | None:
    found = api.client("elbv2").describe_listeners(ListenerArns=[id_])["Listeners"][0]
    actions = [
        {"type": item["Type"], "targetGroupArn": item.get("TargetGroupArn", "")} for item in found["DefaultActions"]
    ]
    return {
        "arn": id_,
        "loadBalancerArn": found["LoadBalancerArn"],
        "port": found["Port"],
        "protocol": found["Protocol"],
        "defaultActions": actions,
        **_read_arn_tags(api, id_),
    }


def _update_listener(api: Api, id_: str, old: Given, new: Given) -> None:
    api.client("elbv2").modify_listener(
        ListenerArn=id_, Port=new["port"], Protocol=new["protocol"], DefaultActions=_actions(new)
    )
    _retag(api, id_, old, new)


def _delete_listener(api: Api, id_: str, state: Given) -> None:
    api.client("elbv2").delete_listener(ListenerArn=id_)


def _refuse_targets(given: Given) -> list[tuple[str, str]]:
    algorithm = given.get("loadBalancingAlgorithmType")
    slow, anomaly = given.get("slowStart"), given.get("loadBalancingAnomalyMitigation")
    faults = []
    if isinstance(slow, int) and slow and algorithm not in (None, "round_robin"):
        faults.append(("slowStart", f"slow start works only with round_robin, not {algorithm}"))
    if isinstance(slow, int) and slow and not 30 <= slow <= 900:
        faults.append(("slowStart", f"{slow} seconds; it is 0 or 30 to 900"))
    if anomaly == "on" and algorithm != "weighted_random":
        faults.append(("loadBalancingAnomalyMitigation", f"works only with weighted_random, not {algorithm}"))
    if algorithm is not None and given.get("protocol") in ("TCP", "UDP", "TLS", "TCP_UDP"):
        faults.append(("loadBalancingAlgorithmType", "network target groups have no algorithm"))
    return faults


KINDS = (
    Kind(
        "aws:lb/loadBalancer:LoadBalancer",
        create=_create_balancer,
        read=_read_balancer,
        update=_update_balancer,
        delete=_delete_balancer,
        fixed="name internal loadBalancerType",
        live=f"subnets securityGroups tags {' '.join(_BALANCER_ATTRIBUTES)}",
        needs="name subnets",
        name="name",
        limits={"name": _NAME},
    ),
    Kind(
        "aws:lb/targetGroup:TargetGroup",
        create=_create_targets,
        read=_read_targets,
        update=_update_targets,
        delete=_delete_targets,
        fixed="name protocol port vpcId targetType",
        live=f"healthCheck stickiness tags {' '.join(_TARGET_ATTRIBUTES)}",
        needs="name protocol port vpcId",
        name="name",
        limits={"name": _NAME},
        refuse=_refuse_targets,
    ),
    Kind(
        "aws:lb/listener:Listener",
        create=_create_listener,
        read=_read_listener,
        update=_update_listener,
        delete=_delete_listener,
        fixed="loadBalancerArn",
        live="port protocol defaultActions tags",
        needs="loadBalancerArn port protocol defaultActions",
    ),
)
