"""Counts everything that our stacks make in an account, by asking its API."""

from __future__ import annotations

from typing import Any

from quartermaster.fleet.aws import Cloud

__all__ = ["CENSUS", "GLOBAL", "census", "everything"]

_EC2 = {
    "vpc": ("describe_vpcs", "Vpcs"),
    "subnet": ("describe_subnets", "Subnets"),
    "internet gateway": ("describe_internet_gateways", "InternetGateways"),
    "address": ("describe_addresses", "Addresses"),
    "route table": ("describe_route_tables", "RouteTables"),
    "flow log": ("describe_flow_logs", "FlowLogs"),
    "security group": ("describe_security_groups", "SecurityGroups"),
    "security group rule": ("describe_security_group_rules", "SecurityGroupRules"),
    "launch template": ("describe_launch_templates", "LaunchTemplates"),
    "key pair": ("describe_key_pairs", "KeyPairs"),
    "volume": ("describe_volumes", "Volumes"),
}
_OTHERS = {
    "group": ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"),
    "scheduled action": ("autoscaling", "describe_scheduled_actions", "ScheduledUpdateGroupActions"),
    "balancer": ("elbv2", "describe_load_balancers", "LoadBalancers"),
    "target group": ("elbv2", "describe_target_groups", "TargetGroups"),
    "database": ("rds", "describe_db_instances", "DBInstances"),
    "database subnet group": ("rds", "describe_db_subnet_groups", "DBSubnetGroups"),
    "database snapshot": ("rds", "describe_db_snapshots", "DBSnapshots"),
    "table": ("dynamodb", "list_tables", "TableNames"),
    "vault": ("backup", "list_backup_vaults", "BackupVaultList"),
    "backup plan": ("backup", "list_backup_plans", "BackupPlansList"),
    "role": ("iam", "list_roles", "Roles"),
    "instance profile": ("iam", "list_instance_profiles", "InstanceProfiles"),
    "bucket": ("s3", "list_buckets", "Buckets"),
    "secret": ("secretsmanager", "list_secrets", "SecretList"),
    "log group": ("logs", "describe_log_groups", "logGroups"),
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms"),
    "dashboard": ("cloudwatch", "list_dashboards", "DashboardEntries"),
    "topic": ("sns", "list_topics", "Topics"),
    "subscription": ("sns", "list_subscriptions", "Subscriptions"),
    "trail": ("cloudtrail", "list_trails", "Trails"),
    "scaling policy": ("autoscaling", "describe_policies", "ScalingPolicies"),
    "event rule": ("events", "list_rules", "Rules"),
    "certificate": ("acm", "list_certificates", "CertificateSummaryList"),
    "hosted zone": ("route53", "list_hosted_zones", "HostedZones"),
    "health check": ("route53", "list_health_checks", "HealthChecks"),
    "parameter group": ("rds", "describe_db_parameter_groups", "DBParameterGroups"),
    "template stack": ("cloudformation", "describe_stacks", "Stacks"),
}
GLOBAL = frozenset({"role", "instance profile", "bucket", "hosted zone", "health check", "trail"})
"""Kinds that every region lists alike."""
CENSUS = {
    "aws:cloudtrail/trail:Trail": "trail",
    "aws:acm/certificate:Certificate": "certificate",
    "aws:autoscaling/group:Group": "group",
    "aws:backup/plan:Plan": "backup plan",
    "aws:backup/vault:Vault": "vault",
    "aws:cloudwatch/logGroup:LogGroup": "log group",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarm",
    "aws:dynamodb/table:Table": "table",
    "aws:ec2/natGateway:NatGateway": "nat gateway",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:iam/role:Role": "role",
    "aws:kms/alias:Alias": "alias",
    "aws:kms/key:Key": "key",
    "aws:lb/loadBalancer:LoadBalancer": "balancer",
    "aws:lb/targetGroup:TargetGroup": "target group",
    "aws:rds/instance:Instance": "database",
    "aws:rds/parameterGroup:ParameterGroup": "parameter group",
    "aws:rds/subnetGroup:SubnetGroup": "database subnet group",
    "aws:secretsmanager/secret:Secret": "secret",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:sns/topic:Topic": "topic",
}
"""By type those kinds of which one resource makes one."""


def everything(cloud: Cloud, region: str = "") -> dict[str, list[Any]]:
    """All resources by kind, as the API describes them."""
    ec2 = cloud.client("ec2", region=region)
    found = {kind: getattr(ec2, operation)()[key] for kind, (operation, key) in _EC2.items()}
    for kind, (service, operation, key) in _OTHERS.items():
        found[kind] = getattr(cloud.client(service, region=region), operation)()[key]
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    found["nat gateway"] = [item for item in gateways if item["State"] not in ("deleted", "deleting")]
    instances = [item for r in ec2.describe_instances()["Reservations"] for item in r["Instances"]]
    found["instance"] = [item for item in instances if item["State"]["Name"] != "terminated"]
    # moto keeps the default one of a deleted VPC.
    found["network acl"] = [item for item in ec2.describe_network_acls()["NetworkAcls"] if not item["IsDefault"]]
    # AWS's own, which moto makes when it is first needed.
    settings = found["parameter group"]
    found["parameter group"] = [item for item in settings if not item["DBParameterGroupName"].startswith("default.")]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    found["endpoint"] = [item for item in endpoints if item["State"].lower() not in ("deleted", "deleting")]
    kms = cloud.client("kms", region=region)
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    # AWS's own keys appear as services are used; a key is never deleted at once, only scheduled to be.
    found["key"] = [
        key for key in keys if key["KeyState"] == "Enabled" and not key["Description"].startswith("Default master key")
    ]
    found["alias"] = [a for a in kms.list_aliases()["Aliases"] if not a["AliasName"].startswith("alias/aws/")]
    return found


def census(cloud: Cloud, region: str = "") -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: len(rows) for kind, rows in everything(cloud, region).items() if rows}
