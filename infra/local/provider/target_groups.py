"""Target groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quartermaster.infra.local.provider import elb
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State
from quartermaster.infra.local.provider.spelling import asked, told

__all__ = ["KINDS"]

_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "slowStart": "slow_start.duration_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
}
_STICKINESS = {
    "type": "stickiness.type",
    "enabled": "stickiness.enabled",
    "cookieDuration": "stickiness.lb_cookie.duration_seconds",
}
_CHECK = {
    "enabled": "HealthCheckEnabled",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "interval": "HealthCheckIntervalSeconds",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
_CHECK_BOUNDS = {"interval": (5, 300), "timeout": (2, 120), "healthyThreshold": (2, 10), "unhealthyThreshold": (2, 10)}
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html"""
_HTTP = ("HTTP", "HTTPS")


def _create(api: Api, given: Given) -> str:
    client = api.client("elbv2")
    answer = client.create_target_group(
        Name=given["name"],
        Protocol=given["protocol"],
        Port=given["port"],
        VpcId=given["vpcId"],
        TargetType=given.get("targetType", "instance"),
        **elb.tags(given),
        **_check(given),
    )
    arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
    if attributes := _attributes(given):
        client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)
    return arn


def _check(given: Given) -> dict[str, Any]:
    check = given.get("healthCheck") or {}
    call = asked(_CHECK, check)
    return {**call, "Matcher": {"HttpCode": check["matcher"]}} if check.get("matcher") else call


def _attributes(given: Given) -> list[dict[str, str]]:
    return [*elb.written(_ATTRIBUTES, given), *elb.written(_STICKINESS, given.get("stickiness") or {})]


def _read(api: Api, id_: str, given: Given) -> State | None:
    client = api.client("elbv2")
    found = client.describe_target_groups(TargetGroupArns=[id_])["TargetGroups"][0]
    attributes = client.describe_target_group_attributes(TargetGroupArn=id_)["Attributes"]
    check = {"enabled": True, **told({**_CHECK, "matcher": "HttpCode"}, {**found, **(found.get("Matcher") or {})})}
    return {
        "arn": id_,
        "arnSuffix": id_.rsplit(":", 1)[-1],
        "name": found["TargetGroupName"],
        "protocol": found["Protocol"],
        "port": found["Port"],
        "vpcId": found["VpcId"],
        "targetType": found["TargetType"],
        "healthCheck": check,
        "stickiness": elb.read_attributes(_STICKINESS, attributes, dict.fromkeys(_STICKINESS)),
        **elb.read_attributes(_ATTRIBUTES, attributes, given),
        **elb.read_tags_of(api, id_),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    client = api.client("elbv2")
    if _check(new) != _check(old):
        client.modify_target_group(TargetGroupArn=id_, **_check(new))
    attributes = _attributes(new)
    if old.get("stickiness") and not new.get("stickiness"):
        attributes.append({"Key": _STICKINESS["enabled"], "Value": "false"})
    if attributes:
        client.modify_target_group_attributes(TargetGroupArn=id_, Attributes=attributes)
    elb.retag(api, id_, old, new)


def _delete(api: Api, id_: str, state: Given) -> None:
    api.patiently(lambda: api.client("elbv2").delete_target_group(TargetGroupArn=id_), ("ResourceInUse",))


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    yield from _refuse_algorithm(given)
    delay = given.get("deregistrationDelay")
    if isinstance(delay, int) and not 0 <= delay <= 3600:
        yield "deregistrationDelay", f"{delay} seconds; it is 0 to 3600"
    if given.get("connectionTermination") is not None and given.get("protocol") in _HTTP:
        yield "connectionTermination", "only target groups of network balancers have it"
    for reason in _sticky_faults(given.get("stickiness"), str(given.get("protocol"))):
        yield "stickiness", reason
    for reason in _check_faults(given.get("healthCheck"), str(given.get("protocol"))):
        yield "healthCheck", reason


def _refuse_algorithm(given: Given) -> Iterator[tuple[str, str]]:
    algorithm, slow = given.get("loadBalancingAlgorithmType"), given.get("slowStart")
    if isinstance(slow, int) and slow and algorithm not in (None, "round_robin"):
        yield "slowStart", f"slow start works only with round_robin, not {algorithm}"
    if isinstance(slow, int) and slow and not 30 <= slow <= 900:
        yield "slowStart", f"{slow} seconds; it is 0 or 30 to 900"
    if given.get("loadBalancingAnomalyMitigation") == "on" and algorithm != "weighted_random":
        yield "loadBalancingAnomalyMitigation", f"works only with weighted_random, not {algorithm}"
    if algorithm is not None and given.get("protocol") not in _HTTP:
        yield "loadBalancingAlgorithmType", "network target groups have no algorithm"


def _sticky_faults(sticky: Any, protocol: str) -> Iterator[str]:
    if not isinstance(sticky, Mapping):
        return
    kind, seconds = sticky.get("type"), sticky.get("cookieDuration")
    if protocol == "TLS" and sticky.get("enabled") is True:
        yield "a target group of protocol TLS cannot be sticky"
    elif (kind == "source_ip") == (protocol in _HTTP):
        yield f"{kind} does not go with {protocol}: HTTP has cookies, TCP and UDP have source_ip"
    if isinstance(seconds, int) and not 1 <= seconds <= 604_800:
        yield f"a cookie of {seconds} seconds; it is 1 second to 7 days"


def _check_faults(check: Any, protocol: str) -> Iterator[str]:
    if not isinstance(check, Mapping):
        return
    for name, (least, most) in _CHECK_BOUNDS.items():
        number = check.get(name)
        if isinstance(number, int) and not least <= number <= most:
            yield f"{name} {number}; it is {least} to {most}"
    interval, timeout, by = check.get("interval"), check.get("timeout"), check.get("protocol")
    if isinstance(interval, int) and isinstance(timeout, int) and timeout >= interval and protocol in _HTTP:
        yield f"the timeout, {timeout} seconds, must be shorter than the interval, {interval}"
    if by == "TCP" and protocol in _HTTP:
        yield f"a target group of protocol {protocol} is asked for health by HTTP or HTTPS"
    if by in ("UDP", "TLS", "TCP_UDP"):
        yield f"nobody can be asked for health by {by}: TCP, HTTP or HTTPS"
    if by == "TCP" and (check.get("path") or check.get("matcher")):
        yield "a check by TCP has no path and no matcher"


KINDS = (
    Kind(
        "aws:lb/targetGroup:TargetGroup",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="name protocol port vpcId targetType",
        live=f"healthCheck stickiness tags {' '.join(_ATTRIBUTES)}",
        needs="name protocol port vpcId",
        name="name",
        limits={"name": elb.NAME},
        refuse=_refuse,
    ),
)
