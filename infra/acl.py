"""The data tier's network ACL: a second door behind the security groups, which no rule of a host can open."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.postgres import PORT

__all__ = ["DataAcl", "Rule", "incoming", "outgoing"]

EPHEMERAL = (1024, 65535)
"""Ports that clients wait at for answers; balancers and older kernels use all of them:
https://docs.aws.amazon.com/vpc/latest/userguide/nacl-ephemeral-ports.html"""
_FIRST, _STEP = 100, 10


@dataclass(frozen=True, slots=True)
class Rule:
    """Lets TCP through. An ACL keeps no state: what comes in at one port goes back to another by a rule of its own."""

    number: int
    cidr: IPv4Network
    ports: tuple[int, int]

    def to_args(self) -> dict[str, Any]:
        """As the AWS provider takes it."""
        low, high = self.ports
        cidr = str(self.cidr)
        return {
            "rule_no": self.number, "action": "allow", "protocol": "tcp", "cidr_block": cidr, "from_port": low,
            "to_port": high,
        }  # fmt: skip


def incoming(layout: Layout, *, replicas: bool) -> tuple[Rule, ...]:
    """Hosts may ask, nobody else. Replicas ask their primary and get answers, both within the tier."""
    return _rules(layout, (PORT, PORT), replicas=replicas)


def outgoing(layout: Layout, *, replicas: bool) -> tuple[Rule, ...]:
    """Answers to hosts; nothing begins in the data tier but replication within it."""
    return _rules(layout, EPHEMERAL, replicas=replicas)


def _rules(layout: Layout, of_hosts: tuple[int, int], *, replicas: bool) -> tuple[Rule, ...]:
    wanted = [(subnet.cidr, of_hosts) for subnet in layout.of("private")]
    # The database's port is one of the ephemeral ones.
    wanted += [(subnet.cidr, EPHEMERAL) for subnet in layout.of("data")] if replicas else []
    return tuple(Rule(_FIRST + _STEP * index, cidr, ports) for index, (cidr, ports) in enumerate(wanted))


class DataAcl(Component):
    """The ACL of the data subnets; whatever no rule lets through is dropped."""

    def __init__(
        self,
        layout: Layout,
        *,
        vpc_id: pulumi.Input[str],
        subnets: list[pulumi.Output[str]],
        replicas: bool,
    ) -> None:
        super().__init__("DataAcl", "data-acl")
        ingress: Any = [rule.to_args() for rule in incoming(layout, replicas=replicas)]
        egress: Any = [rule.to_args() for rule in outgoing(layout, replicas=replicas)]
        self.acl = aws.ec2.NetworkAcl(
            "data", vpc_id=vpc_id, subnet_ids=subnets, ingress=ingress, egress=egress, opts=self.child()
        )
        self.register_outputs({"acl": self.acl.id})
