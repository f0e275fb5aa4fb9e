"""Which type is priced where: the table to add a resource type to. What stands in none of the three is unknown."""

from __future__ import annotations

from collections.abc import Mapping

from quartermaster.infra.cost import compute, data, edge
from quartermaster.infra.cost.rates import Price, flat

__all__ = ["BY_USE", "PRICED", "is_free"]

_TABLE_USE = "DynamoDB requests, storage, point-in-time recovery and writes to replicas"

PRICED: Mapping[str, Price] = {
    "aws:autoscaling/group:Group": compute.group,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": flat("composite_alarm_month", "composite alarm"),
    "aws:cloudwatch/dashboard:Dashboard": flat("dashboard_month", "dashboard; an account's first three are free"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": edge.alarm,
    "aws:dynamodb/table:Table": data.table,
    "aws:ebs/volume:Volume": compute.volume,
    "aws:ec2/eip:Eip": flat("public_address_hour", "public address"),
    "aws:ec2/instance:Instance": compute.host,
    "aws:ec2/natGateway:NatGateway": flat("nat_gateway_hour", "NAT gateway"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": edge.endpoint,
    "aws:kms/key:Key": flat("key_month", "key; each yearly rotation adds as much, twice at most"),
    "aws:kms/replicaKey:ReplicaKey": flat("key_month", "copy of a key"),
    "aws:lb/loadBalancer:LoadBalancer": edge.balancer,
    "aws:rds/instance:Instance": data.database,
    "aws:route53/healthCheck:HealthCheck": edge.health_check,
    "aws:route53/zone:Zone": flat("hosted_zone_month", "hosted zone"),
    "aws:secretsmanager/secret:Secret": data.secret,
}
"""Paid for whether used or not."""

BY_USE: Mapping[str, str] = {
    "aws:autoscaling/policy:Policy": "alarms that scaling policies make, hosts that they add above the group's min",
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": "restore tests, by recovery point",
    "aws:backup/vault:Vault": "stored recovery points, their copies and restores",
    "aws:cloudformation/stack:Stack": "Lambda requests and run time",
    "aws:cloudtrail/trail:Trail": "copies of management events beyond the account's first trail",
    "aws:cloudwatch/logGroup:LogGroup": "logs taken in and stored",
    "aws:dynamodb/table:Table": _TABLE_USE,
    "aws:dynamodb/tableReplica:TableReplica": _TABLE_USE,
    "aws:ec2/launchTemplate:LaunchTemplate": "detailed monitoring of hosts, hosts above the group's min",
    "aws:ec2/natGateway:NatGateway": "data through NAT gateways",
    "aws:ec2/vpc:Vpc": "traffic between zones, between regions and to the internet",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "data through interface endpoints",
    "aws:kms/key:Key": "KMS requests",
    "aws:lambda/function:Function": "Lambda requests and run time",
    "aws:lb/loadBalancer:LoadBalancer": "capacity units of balancers",
    "aws:rds/instance:Instance": "database backups beyond the size of the database",
    "aws:route53/zone:Zone": "DNS queries",
    "aws:s3/bucket:Bucket": "S3 storage, requests and replication",
    "aws:secretsmanager/secret:Secret": "requests for secrets",
    "aws:sns/topic:Topic": "notices sent",
}
"""Charges by use that come with a type."""

FREE = (
    "aws:acm/certificate",
    "aws:autoscaling/",
    "aws:backup/",
    "aws:cloudwatch/eventRule:",
    "aws:cloudwatch/eventTarget:",
    "aws:ec2/flowLog:",
    "aws:ec2/internetGateway:",
    "aws:ec2/keyPair:",
    "aws:ec2/networkAcl",
    "aws:ec2/route:",
    "aws:ec2/routeTable:",
    "aws:ec2/routeTableAssociation:",
    "aws:ec2/securityGroup",
    "aws:ec2/subnet:",
    "aws:ec2/vpcEndpoint",
    "aws:iam/",
    "aws:index/",
    "aws:kms/alias:",
    "aws:lambda/permission:",
    "aws:lb/",
    "aws:rds/parameterGroup:",
    "aws:rds/subnetGroup:",
    "aws:route53/record:",
    "aws:s3/bucket",
    "aws:secretsmanager/secretPolicy:",
    "aws:secretsmanager/secretRotation:",
    "aws:secretsmanager/secretVersion:",
    "aws:sns/topic",
    "aws:vpc/securityGroup",
)
"""Types, or beginnings of types, that cost nothing by themselves."""


def is_free(type_: str) -> bool:
    """Does the type cost nothing by itself? Types of other providers and our components cost nothing here."""
    return not type_.startswith("aws:") or type_ in BY_USE or type_.startswith(FREE)
