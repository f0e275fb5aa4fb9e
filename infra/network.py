"""The network: a VPC over the zones, its subnets in three tiers, ways in and out, and a log of its flows."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from quartermaster.infra.acl import DataAcl
from quartermaster.infra.component import Component
from quartermaster.infra.endpoints import Endpoints
from quartermaster.infra.layout import Layout, Subnet, Tier
from quartermaster.infra.policies import allow, document, trust

__all__ = ["Network"]

_ANYWHERE = "0.0.0.0/0"
_FLOW_LOG_DAYS = 14


class Network(Component):
    """VPC, subnets, gateways, routes; of a network that exists only the ids: nothing of it is touched."""

    def __init__(
        self,
        layout: Layout,
        *,
        endpoints: Sequence[str],
        replicas: bool = False,
        logs_key: pulumi.Input[str],
    ) -> None:
        super().__init__("Network", "network")
        self._layout = layout
        self._logs_key = logs_key
        if layout.vpc:
            self.vpc_id = pulumi.Output.from_input(layout.vpc)
            self._ids = {subnet: pulumi.Output.from_input(subnet.id) for subnet in layout.subnets}
        else:
            self._make(endpoints, replicas=replicas)
        self.register_outputs({"vpc_id": self.vpc_id})

    def subnet_ids(self, tier: Tier) -> list[pulumi.Output[str]]:
        """Ids of the tier's subnets in the order of zones."""
        return [self._ids[subnet] for subnet in self._layout.of(tier)]

    def _make(self, endpoints: Sequence[str], *, replicas: bool) -> None:
        layout = self._layout
        self.vpc_id = aws.ec2.Vpc(
            "vpc",
            cidr_block=str(layout.cidr),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            opts=self.child(),
        ).id
        self._ids = {subnet: self._subnet(subnet) for subnet in layout.subnets}
        self._routes_in()
        private = self._routes_out()
        self._data_routes()
        self._flow_log()
        with self.around():
            Endpoints(layout, endpoints, vpc_id=self.vpc_id, route_tables=private, subnets=self.subnet_ids("private"))
            DataAcl(layout, vpc_id=self.vpc_id, subnets=self.subnet_ids("data"), replicas=replicas)

    def _subnet(self, subnet: Subnet) -> pulumi.Output[str]:
        return aws.ec2.Subnet(
            subnet.name,
            vpc_id=self.vpc_id,
            cidr_block=str(subnet.cidr),
            availability_zone=subnet.zone,
            tags={"ops:tier": subnet.tier},
            opts=self.child(),
        ).id

    def _table(self, name: str, subnets: list[Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc_id, opts=self.child())
        for subnet in subnets:
            aws.ec2.RouteTableAssociation(
                subnet.name, route_table_id=table.id, subnet_id=self._ids[subnet], opts=self.child()
            )
        return table

    def _routes_in(self) -> None:
        self._gateway = aws.ec2.InternetGateway("gateway", vpc_id=self.vpc_id, opts=self.child())
        table = self._table("public", list(self._layout.of("public")))
        aws.ec2.Route(
            "public",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=self._gateway.id,
            opts=self.child(),
        )

    def _routes_out(self) -> list[pulumi.Output[str]]:
        public = {subnet.zone: self._ids[subnet] for subnet in self._layout.of("public")}
        gateways = {}
        for zone in self._layout.nat_zones:
            address = aws.ec2.Eip(f"nat-{zone[-1]}", domain="vpc", opts=self.child(depends_on=[self._gateway]))
            gateways[zone] = aws.ec2.NatGateway(
                f"nat-{zone[-1]}",
                subnet_id=public[zone],
                allocation_id=address.id,
                opts=self.child(depends_on=[self._gateway]),
            )
        tables = []
        for subnet in self._layout.of("private"):
            table = self._table(subnet.name, [subnet])
            tables.append(table.id)
            nat = self._layout.nat_of(subnet.zone)
            if nat is not None:
                aws.ec2.Route(
                    subnet.name,
                    route_table_id=table.id,
                    destination_cidr_block=_ANYWHERE,
                    nat_gateway_id=gateways[nat].id,
                    opts=self.child(),
                )
        return tables

    def _data_routes(self) -> None:
        """Databases have no way out of the network at all."""
        self._table("data", list(self._layout.of("data")))

    def _flow_log(self) -> None:
        layout = self._layout
        group = aws.cloudwatch.LogGroup(
            "flow-log",
            name=f"/ops/{layout.fleet}/{layout.stack}/flow-log",
            retention_in_days=_FLOW_LOG_DAYS,
            kms_key_id=self._logs_key,
            opts=self.child(),
        )
        role = aws.iam.Role(
            "flow-log",
            name=layout.name("flow-log", limit=64),
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com"),
            opts=self.child(),
        )
        writes = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        aws.iam.RolePolicy(
            "flow-log",
            name="write",
            role=role.name,
            policy=group.arn.apply(lambda arn: document([allow(writes, [f"{arn}:*"])])),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            "flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            opts=self.child(),
        )
