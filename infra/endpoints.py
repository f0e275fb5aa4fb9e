"""Ways to AWS's services that pass no NAT gateway."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.ports import let_in

__all__ = ["Endpoints"]

_GATEWAYS = ("s3", "dynamodb")
_SSM = ("ssm", "ssmmessages", "ec2messages")
"""What a session over SSM needs:
https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html"""


class Endpoints(Component):
    """Gateway endpoints, which are routes and free, and interface endpoints, which are addresses billed by the hour."""

    def __init__(
        self,
        layout: Layout,
        services: Sequence[str],
        *,
        vpc_id: pulumi.Input[str],
        route_tables: list[pulumi.Output[str]],
        subnets: list[pulumi.Output[str]],
    ) -> None:
        super().__init__("Endpoints", "endpoints")
        for service in _GATEWAYS:
            if service in services:
                aws.ec2.VpcEndpoint(
                    service,
                    vpc_id=vpc_id,
                    service_name=f"com.amazonaws.{layout.region}.{service}",
                    vpc_endpoint_type="Gateway",
                    route_table_ids=route_tables,
                    opts=self.child(),
                )
        if "ssm" in services:
            door = self._door(layout, vpc_id)
            for service in _SSM:
                aws.ec2.VpcEndpoint(
                    service,
                    vpc_id=vpc_id,
                    service_name=f"com.amazonaws.{layout.region}.{service}",
                    vpc_endpoint_type="Interface",
                    subnet_ids=subnets,
                    security_group_ids=[door],
                    # The services' own names then mean the endpoint: no host needs to know of it.
                    private_dns_enabled=True,
                    opts=self.child(),
                )
        self.register_outputs({})

    def _door(self, layout: Layout, vpc_id: pulumi.Input[str]) -> pulumi.Output[str]:
        """The endpoints' own security group: HTTPS from the hosts' subnets."""
        group = aws.ec2.SecurityGroup(
            "endpoints",
            name=layout.name("endpoints"),
            description="Endpoints of AWS services",
            vpc_id=vpc_id,
            opts=self.child(),
        )
        for subnet in layout.of("private"):
            let_in(f"endpoints-{subnet.zone[-1]}", group.id, 443, cidr=str(subnet.cidr), opts=self.child())
        return group.id
