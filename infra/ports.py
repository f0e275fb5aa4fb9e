"""Rules of security groups: one TCP port opened, to an address range or to the members of another group."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

__all__ = ["let_in", "let_out"]


def let_in(
    name: str,
    group_id: pulumi.Input[str],
    port: int,
    *,
    opts: pulumi.ResourceOptions,
    cidr: str | None = None,
    source: pulumi.Input[str] | None = None,
) -> None:
    """Let a range or the members of the group ``source`` reach the members of a group."""
    aws.vpc.SecurityGroupIngressRule(name, **_tcp(group_id, port, cidr, source), opts=opts)


def let_out(
    name: str,
    group_id: pulumi.Input[str],
    port: int,
    *,
    opts: pulumi.ResourceOptions,
    cidr: str | None = None,
    target: pulumi.Input[str] | None = None,
) -> None:
    """Let the members of a group reach a range or the members of the group ``target``."""
    aws.vpc.SecurityGroupEgressRule(name, **_tcp(group_id, port, cidr, target), opts=opts)


def _tcp(group_id: pulumi.Input[str], port: int, cidr: str | None, other: pulumi.Input[str] | None) -> dict[str, Any]:
    return {
        "security_group_id": group_id,
        "ip_protocol": "tcp",
        "from_port": port,
        "to_port": port,
        "cidr_ipv4": cidr,
        "referenced_security_group_id": other,
    }
