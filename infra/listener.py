"""What a balancer does with what arrives: forward it, by weight where several clusters share it, or ask for TLS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.connections import KeepAlive
from quartermaster.fleet.schema.servers import Balancer as Declared
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout

__all__ = ["TLS_POLICY", "TLS_PORT", "forward", "listeners"]

TLS_PORT = 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2 with forward secrecy, as AWS recommends for both kinds of balancer:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html"""


def listeners(
    parent: Component,
    layout: Layout,
    cluster: str,
    declared: Declared,
    *,
    balancer: aws.lb.LoadBalancer,
    targets: Mapping[str, aws.lb.TargetGroup],
    certificate: pulumi.Input[str] | None,
    redirects: bool,
    times: KeepAlive,
) -> aws.lb.Listener:
    """Listen on the plain port and, with a certificate, on 443. Returns the listener that forwards.

    With a certificate the plain port of an application balancer redirects to 443, where ``redirects``; that of a
    network balancer, which cannot, goes on forwarding.
    """
    network = declared.kind == "network"
    onward = forward(cluster, declared, {name: group.arn for name, group in targets.items()})
    common: dict[str, Any] = {
        "load_balancer_arn": balancer.arn,
        "tags": dict(layout.tags(cluster)),
        "opts": parent.child(),
    }
    secure = None
    if certificate is not None:
        secure = aws.lb.Listener(
            f"{cluster}-tls",
            port=TLS_PORT,
            protocol="TLS" if network else "HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=certificate,
            default_actions=[onward],
            **common,
        )
    redirect: Any = {"port": str(TLS_PORT), "protocol": "HTTPS", "status_code": "HTTP_301"}
    if secure is not None and redirects and not network:
        onward = {"type": "redirect", "redirect": redirect}
    plain = aws.lb.Listener(
        cluster,
        port=declared.port,
        protocol="TCP" if network else "HTTP",
        default_actions=[onward],
        tcp_idle_timeout_seconds=times.idle if network else None,
        **common,
    )
    return secure or plain


def forward(cluster: str, declared: Declared, targets: Mapping[str, pulumi.Input[str]]) -> Any:
    """The action that forwards to one target group, or to several by weight; ``targets``: ARN by cluster.

    A cluster that its own balancer gives no share has the weight 0: its hosts are checked, and get nothing.
    """
    if declared.algorithm != "weighted":
        return {"type": "forward", "target_group_arn": targets[cluster]}
    groups = [{"arn": arn, "weight": declared.weights.get(name, 0)} for name, arn in targets.items()]
    action: dict[str, Any] = {"target_groups": groups}
    if declared.sticky_seconds:
        # Without it a client would keep its host in one cluster, and be sent to another cluster all the same.
        action["stickiness"] = {"enabled": True, "duration": declared.sticky_seconds}
    return {"type": "forward", "forward": action}
