"""Listeners: what a balancer does with what arrives at a port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quartermaster.infra.local.provider import elb
from quartermaster.infra.local.provider.kind import Api, Given, Kind, State

__all__ = ["KINDS"]

_ATTRIBUTES = {"tcpIdleTimeoutSeconds": "tcp.idle_timeout.seconds"}
_REDIRECT = {
    "host": "Host", "path": "Path", "port": "Port", "protocol": "Protocol", "query": "Query",
    "statusCode": "StatusCode",
}  # fmt: skip
_ANSWER = {"contentType": "ContentType", "messageBody": "MessageBody", "statusCode": "StatusCode"}
_SECURE = ("HTTPS", "TLS")
_GROUPS, _WEIGHT = 5, 999
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html"""


def _create(api: Api, given: Given) -> str:
    answer = api.client("elbv2").create_listener(
        LoadBalancerArn=given["loadBalancerArn"], **elb.tags(given), **_settings(given)
    )
    arn = str(answer["Listeners"][0]["ListenerArn"])
    _put_attributes(api, arn, given)
    return arn


def _settings(given: Given) -> dict[str, Any]:
    settings = {
        "Port": given["port"],
        "Protocol": given["protocol"],
        "DefaultActions": [_action(action) for action in given["defaultActions"]],
    }
    if given.get("certificateArn"):
        settings["Certificates"] = [{"CertificateArn": given["certificateArn"]}]
    if given.get("sslPolicy"):
        settings["SslPolicy"] = given["sslPolicy"]
    return settings


def _put_attributes(api: Api, arn: str, given: Given) -> None:
    if attributes := elb.written(_ATTRIBUTES, given):
        api.client("elbv2").modify_listener_attributes(ListenerArn=arn, Attributes=attributes)


def _action(given: Given) -> dict[str, Any]:
    action: dict[str, Any] = {"Type": given["type"]}
    if given.get("targetGroupArn"):
        action["TargetGroupArn"] = given["targetGroupArn"]
    if forward := given.get("forward"):
        groups = [{"TargetGroupArn": item["arn"], "Weight": item.get("weight", 1)} for item in forward["targetGroups"]]
        action["ForwardConfig"] = {"TargetGroups": groups}
        if sticky := forward.get("stickiness"):
            action["ForwardConfig"]["TargetGroupStickinessConfig"] = {
                "Enabled": bool(sticky.get("enabled", False)),
                "DurationSeconds": sticky["duration"],
            }
    if redirect := given.get("redirect"):
        action["RedirectConfig"] = {
            theirs: str(redirect[ours]) for ours, theirs in _REDIRECT.items() if ours in redirect
        }
    if answer := given.get("fixedResponse"):
        action["FixedResponseConfig"] = {
            theirs: str(answer[ours]) for ours, theirs in _ANSWER.items() if ours in answer
        }
    return action


def _read_action(found: Mapping[str, Any]) -> State:
    action: State = {"type": found["Type"]}
    if found.get("TargetGroupArn"):
        action["targetGroupArn"] = found["TargetGroupArn"]
    if config := found.get("ForwardConfig"):
        sticky = config.get("TargetGroupStickinessConfig") or {}
        action["forward"] = {
            "targetGroups": [
                {"arn": item["TargetGroupArn"], "weight": int(item.get("Weight", 1))} for item in config["TargetGroups"]
            ],
            "stickiness": {
                "enabled": bool(sticky.get("Enabled", False)),
                "duration": int(sticky.get("DurationSeconds") or 0),
            },
        }
    for name, key, fields in (
        ("redirect", "RedirectConfig", _REDIRECT),
        ("fixedResponse", "FixedResponseConfig", _ANSWER),
    ):
        if config := found.get(key):
            action[name] = {ours: str(config[theirs]) for ours, theirs in fields.items() if theirs in config}
    return action


def _read(api: Api, id_: str, given: Given) -> State | None:
    client = api.client("elbv2")
    found = client.describe_listeners(ListenerArns=[id_])["Listeners"][0]
    certificates = found.get("Certificates") or []
    attributes = (
        client.describe_listener_attributes(ListenerArn=id_)["Attributes"] if _ATTRIBUTES.keys() & given.keys() else []
    )
    return {
        "arn": id_,
        "loadBalancerArn": found["LoadBalancerArn"],
        "port": found["Port"],
        "protocol": found["Protocol"],
        "defaultActions": [_read_action(action) for action in found["DefaultActions"]],
        "sslPolicy": found.get("SslPolicy") or "",
        "certificateArn": certificates[0]["CertificateArn"] if certificates else "",
        **elb.read_attributes(_ATTRIBUTES, attributes, given),
        **elb.read_tags_of(api, id_),
    }


def _update(api: Api, id_: str, old: Given, new: Given) -> None:
    if elb.changed(old, new, "port protocol defaultActions certificateArn sslPolicy"):
        api.client("elbv2").modify_listener(ListenerArn=id_, **_settings(new))
    _put_attributes(api, id_, new)
    elb.retag(api, id_, old, new)


def _delete(api: Api, id_: str, state: Given) -> None:
    api.client("elbv2").delete_listener(ListenerArn=id_)


def _refuse(given: Given) -> Iterator[tuple[str, str]]:
    protocol, certificate = given.get("protocol"), given.get("certificateArn")
    if protocol in _SECURE and "certificateArn" not in given:
        yield "certificateArn", f"a listener of protocol {protocol} needs a certificate"
    for name in ("certificateArn", "sslPolicy"):
        if isinstance(protocol, str) and protocol not in _SECURE and name in given:
            yield name, f"a listener of protocol {protocol} has none"
    balancer = given.get("loadBalancerArn")
    if isinstance(balancer, str) and isinstance(certificate, str):
        here, there = balancer.split(":")[3], certificate.split(":")[3]
        if certificate.split(":")[2] == "acm" and here != there:
            yield "certificateArn", f"a certificate of {there} serves no balancer in {here}"
    if isinstance(balancer, str) and isinstance(protocol, str) and ("/net/" in balancer) == protocol.startswith("HTTP"):
        yield (
            "protocol",
            f"{'a network' if '/net/' in balancer else 'an application'} balancer does not speak {protocol}",
        )
    idle = given.get("tcpIdleTimeoutSeconds")
    if isinstance(idle, int) and not 60 <= idle <= 6000:
        yield "tcpIdleTimeoutSeconds", f"{idle} seconds; it is 60 to 6000"
    for action in given.get("defaultActions") or ():
        if isinstance(action, Mapping):
            yield from (("defaultActions", reason) for reason in _action_faults(action, given))


def _action_faults(action: Given, given: Given) -> Iterator[str]:
    forward = action.get("forward")
    if isinstance(forward, Mapping):
        groups = [item for item in forward.get("targetGroups") or () if isinstance(item, Mapping)]
        if len(groups) > _GROUPS:
            yield f"{len(groups)} target groups; one action forwards to {_GROUPS} at most"
        weights = [item["weight"] for item in groups if isinstance(item.get("weight"), int)]
        if any(not 0 <= weight <= _WEIGHT for weight in weights):
            yield f"weights {weights}; each is 0 to {_WEIGHT}"
        seconds = (forward.get("stickiness") or {}).get("duration")
        if isinstance(seconds, int) and not 1 <= seconds <= 604_800:
            yield f"stickiness of {seconds} seconds; it is 1 second to 7 days"
    redirect = action.get("redirect")
    if isinstance(redirect, Mapping):
        here = {
            "protocol": given.get("protocol"),
            "port": str(given.get("port")),
            "host": "#{host}",
            "path": "/#{path}",
        }
        kept = (redirect.get(name) in (None, f"#{{{name}}}", value) for name, value in here.items())
        if all(kept):
            yield "a redirect to where the request came from never ends"


KINDS = (
    Kind(
        "aws:lb/listener:Listener",
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        fixed="loadBalancerArn",
        live=f"port protocol defaultActions certificateArn sslPolicy tags {' '.join(_ATTRIBUTES)}",
        needs="loadBalancerArn port protocol defaultActions",
        refuse=_refuse,
    ),
)
