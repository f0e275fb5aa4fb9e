"""Who may open what: each cluster's role and security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import log_group_name
from quartermaster.fleet.schema.servers import Cluster
from quartermaster.infra.bucket import Bucket
from quartermaster.infra.component import Component
from quartermaster.infra.database import Used
from quartermaster.infra.keyring import Keys
from quartermaster.infra.layout import GROUP, Layout
from quartermaster.infra.listener import TLS_PORT
from quartermaster.infra.permissions.hosts import Reach, host_policy
from quartermaster.infra.policies import trust
from quartermaster.infra.ports import let_in, let_out

__all__ = ["ClusterAccess"]

_LOG_DAYS = 30


class ClusterAccess(Component):
    """What the hosts of one cluster are (role, profile, logs) and whom they talk to (security groups).

    ``buckets`` are the ARNs of the fleet's buckets by name.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        cluster: Cluster,
        *,
        account: str,
        vpc_id: pulumi.Input[str],
        keys: Keys,
        bucket: Bucket,
        databases: Mapping[str, Used],
        buckets: Mapping[str, pulumi.Input[str]],
    ) -> None:
        super().__init__("ClusterAccess", f"{name}-access")
        self._layout, self._cluster, self._name = layout, name, f"{name}-access"
        self.hosts = self._group(name, vpc_id, f"Hosts of {name}")
        self._out(name, self.hosts)
        self.balancer: aws.ec2.SecurityGroup | None = None
        if cluster.balancer is not None:
            self.balancer = self._group(f"{name}-balancer", vpc_id, f"Balancer of {name}")
            self._admit(self.balancer, cluster.balancer.port)
            self._source = str(layout.cidr) if cluster.balancer.internal else "0.0.0.0/0"
            port = cluster.balancer.port
            let_in(f"{name}-balancer", self.balancer.id, port, cidr=self._source, opts=self.child())
        used = [databases[item] for item in cluster.uses if item in databases]
        for database in used:
            database.admit(name, self.hosts)
        objects = [buckets[item] for item in cluster.uses if item not in databases]
        self.profile = self._profile(name, account, keys, bucket, used, objects)
        self.register_outputs({"hosts": self.hosts.id, "profile": self.profile.arn})

    def open_tls(self) -> None:
        """Let clients reach the balancer by TLS too."""
        if self.balancer is not None:
            name = f"{self._cluster}-balancer-tls"
            let_in(name, self.balancer.id, TLS_PORT, cidr=self._source, opts=self.child())

    def stand_behind(self, other: ClusterAccess, port: int) -> None:
        """Let another cluster's balancer reach these hosts."""
        if other.balancer is not None:
            self._admit(other.balancer, port)

    def _admit(self, balancer: aws.ec2.SecurityGroup, port: int) -> None:
        let_in(self._cluster, self.hosts.id, port, source=balancer.id, opts=self.child())
        let_out(f"{self._cluster}-balancer", balancer.id, port, target=self.hosts.id, opts=self.child())

    def _group(self, name: str, vpc_id: pulumi.Input[str], description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name, name=self._layout.name(name), description=description, vpc_id=vpc_id, opts=self.child()
        )

    def _out(self, name: str, group: aws.ec2.SecurityGroup) -> None:
        """Hosts fetch packages: all ways out are open, and all go through the NAT gateways."""
        aws.vpc.SecurityGroupEgressRule(
            name, security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", opts=self.child()
        )

    def _log_group(self, name: str, keys: Keys) -> aws.cloudwatch.LogGroup:
        """Where the hosts' logs go, and outlive them."""
        return aws.cloudwatch.LogGroup(
            name,
            name=log_group_name(self._layout.fleet, self._layout.stack, name),
            retention_in_days=_LOG_DAYS,
            kms_key_id=keys.logs.arn,
            opts=self.child(),
        )

    def _profile(
        self,
        name: str,
        account: str,
        keys: Keys,
        bucket: Bucket,
        used: Sequence[Used],
        buckets: Sequence[pulumi.Input[str]],
    ) -> aws.iam.InstanceProfile:
        layout = self._layout
        role = aws.iam.Role(
            name,
            name=layout.name(f"{name}-{layout.region}", limit=64),
            description=f"Hosts of {name}",
            assume_role_policy=trust("ec2.amazonaws.com"),
            opts=self.child(),
        )
        policy = pulumi.Output.all(
            key=keys.data.arn,
            bundles=bucket.bucket.arn,
            logs=self._log_group(name, keys).arn,
            tables=pulumi.Output.all(*(item.table_arn for item in used if item.table_arn is not None)),
            secrets=pulumi.Output.all(*(item.secret_arn for item in used if item.secret_arn is not None)),
            buckets=pulumi.Output.all(*buckets),
        ).apply(lambda found: host_policy(Reach(layout.region, account, layout.called(GROUP, name), **found)))
        aws.iam.RolePolicy(name, name="host", role=role.name, policy=policy, opts=self.child())
        return aws.iam.InstanceProfile(name, name=role.name, role=role.name, opts=self.child())
