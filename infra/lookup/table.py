"""How each type is found again after an interrupted creation. A new type needs a line here or in HARMLESS.

"aws:iam/role:Role": Ask("iam", "get_role", "Role.RoleName", {"RoleName": "{name}"}),
 type                     service  operation  where the id stands  arguments, filled from the resource's inputs
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.lookup.ask import Ask, Inputs, by_tag

__all__ = ["HARMLESS", "LOOKUPS", "record_id", "route_id"]

HARMLESS = frozenset(
    {
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:autoscaling/lifecycleHook:LifecycleHook",
        "aws:autoscaling/policy:Policy",
        "aws:autoscaling/schedule:Schedule",
        "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
    }
)
"""Types whose creation is a setting of something else: done twice it is done once, so nothing is looked for."""


def route_id(inputs: Inputs) -> str:
    """The id that the AWS provider gives a route."""
    return f"r-{inputs['routeTableId']}{zlib.crc32(str(inputs['destinationCidrBlock']).encode())}"


def record_id(inputs: Inputs) -> str:
    """The id that the AWS provider gives a record."""
    parts = (inputs["zoneId"], inputs["name"], inputs["type"], inputs.get("setIdentifier"))
    return "_".join(str(part) for part in parts if part)


def _our_certificate(client: Any, arn: str, tag: str) -> bool:
    """Any number of certificates may bear one name."""
    return {"Key": TAG_URN, "Value": tag} in client.list_tags_for_certificate(CertificateArn=arn)["Tags"]


def _ours_in_dns(type_: str) -> Callable[[Any, str, str], bool]:
    def ours(client: Any, id_: str, tag: str) -> bool:
        found = client.list_tags_for_resource(ResourceType=type_, ResourceId=id_.rpartition("/")[2])
        return {"Key": TAG_URN, "Value": tag} in found["ResourceTagSet"]["Tags"]

    return ours


def _our_key(client: Any, key: str, tag: str) -> bool:
    """Keys have no name, and a deleted one stays listed for weeks."""
    if {"TagKey": TAG_URN, "TagValue": tag} not in client.list_resource_tags(KeyId=key)["Tags"]:
        return False
    return bool(client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled")


def _rule(*, egress: bool) -> Ask:
    """By what it says: AWS refuses a second rule that says the same."""
    # A rule for all protocols has no ports, which the API spells as -1.
    ports = "(IpProtocol=='-1' || (FromPort==`{fromPort}` && ToPort==`{toPort}`))"
    says = f"IsEgress==`{str(egress).lower()}` && IpProtocol=='{{ipProtocol}}' && {ports}"
    cidr = "(CidrIpv4 || 'null')=='{cidrIpv4}' && (CidrIpv6 || 'null')=='{cidrIpv6}'"
    others = (
        "(ReferencedGroupInfo.GroupId || 'null')=='{referencedSecurityGroupId}'"
        " && (PrefixListId || 'null')=='{prefixListId}'"
    )
    return Ask(
        "ec2",
        "describe_security_group_rules",
        f"SecurityGroupRules[?{says} && {cidr} && {others}].SecurityGroupRuleId",
        {"Filters": [{"Name": "group-id", "Values": ["{securityGroupId}"]}]},
    )


_EC2: Mapping[str, Ask] = {
    "aws:ec2/eip:Eip": by_tag("describe_addresses", "Addresses", "AllocationId"),
    "aws:ec2/flowLog:FlowLog": by_tag("describe_flow_logs", "FlowLogs", "FlowLogId"),
    "aws:ec2/internetGateway:InternetGateway": by_tag(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "aws:ec2/keyPair:KeyPair": by_tag("describe_key_pairs", "KeyPairs", "KeyName"),
    "aws:ec2/launchTemplate:LaunchTemplate": by_tag("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    "aws:ec2/natGateway:NatGateway": by_tag("describe_nat_gateways", "NatGateways", "NatGatewayId", filters="Filter"),
    "aws:ec2/networkAcl:NetworkAcl": by_tag("describe_network_acls", "NetworkAcls", "NetworkAclId"),
    "aws:ec2/route:Route": Ask(
        "ec2",
        "describe_route_tables",
        "RouteTables[].Routes[?DestinationCidrBlock=='{destinationCidrBlock}'][].DestinationCidrBlock",
        {"RouteTableIds": ["{routeTableId}"]},
        id_of=route_id,
    ),
    "aws:ec2/routeTable:RouteTable": by_tag("describe_route_tables", "RouteTables", "RouteTableId"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Ask(
        "ec2",
        "describe_route_tables",
        "RouteTables[].Associations[?SubnetId=='{subnetId}'][].RouteTableAssociationId",
        {"RouteTableIds": ["{routeTableId}"]},
    ),
    "aws:ec2/securityGroup:SecurityGroup": by_tag("describe_security_groups", "SecurityGroups", "GroupId"),
    "aws:ec2/subnet:Subnet": by_tag("describe_subnets", "Subnets", "SubnetId"),
    "aws:ec2/vpc:Vpc": by_tag("describe_vpcs", "Vpcs", "VpcId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": by_tag("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule(egress=True),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule(egress=False),
}

_SERVERS: Mapping[str, Ask] = {
    "aws:autoscaling/group:Group": Ask(
        "autoscaling",
        "describe_auto_scaling_groups",
        "AutoScalingGroups[].AutoScalingGroupName",
        {"AutoScalingGroupNames": ["{name}"]},
    ),
    "aws:lb/listener:Listener": Ask(
        "elbv2",
        "describe_listeners",
        "Listeners[?Port==`{port}`].ListenerArn",
        {"LoadBalancerArn": "{loadBalancerArn}"},
    ),
    "aws:lb/loadBalancer:LoadBalancer": Ask(
        "elbv2",
        "describe_load_balancers",
        "LoadBalancers[].LoadBalancerArn",
        {"Names": ["{name}"]},
        state_at="LoadBalancers[].State.Code",
        until_not=("provisioning",),
    ),
    "aws:lb/targetGroup:TargetGroup": Ask(
        "elbv2", "describe_target_groups", "TargetGroups[].TargetGroupArn", {"Names": ["{name}"]}
    ),
}

_DATA: Mapping[str, Ask] = {
    "aws:backup/plan:Plan": Ask(
        "backup", "list_backup_plans", "BackupPlansList[?BackupPlanName=='{name}'].BackupPlanId"
    ),
    "aws:backup/restoreTestingPlan:RestoreTestingPlan": Ask(
        "backup",
        "list_restore_testing_plans",
        "RestoreTestingPlans[?RestoreTestingPlanName=='{name}'].RestoreTestingPlanName",
    ),
    "aws:backup/restoreTestingSelection:RestoreTestingSelection": Ask(
        "backup",
        "list_restore_testing_selections",
        "RestoreTestingSelections[?RestoreTestingSelectionName=='{name}'].RestoreTestingSelectionName",
        {"RestoreTestingPlanName": "{restoreTestingPlanName}"},
        id_of=lambda inputs: f"{inputs['name']}:{inputs['restoreTestingPlanName']}",
    ),
    "aws:backup/selection:Selection": Ask(
        "backup",
        "list_backup_selections",
        "BackupSelectionsList[?SelectionName=='{name}'].SelectionId",
        {"BackupPlanId": "{planId}"},
    ),
    "aws:backup/vault:Vault": Ask("backup", "describe_backup_vault", "BackupVaultName", {"BackupVaultName": "{name}"}),
    "aws:cloudformation/stack:Stack": Ask(
        "cloudformation",
        "list_stacks",
        "StackSummaries[?StackName=='{name}' && StackStatus!='DELETE_COMPLETE'].StackId",
        state_at="StackSummaries[?StackName=='{name}'].StackStatus",
        until_not=("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"),
    ),
    "aws:dynamodb/table:Table": Ask(
        "dynamodb",
        "describe_table",
        "Table.TableName",
        {"TableName": "{name}"},
        state_at="Table.TableStatus",
        until_not=("CREATING",),
    ),
    "aws:rds/instance:Instance": Ask(
        "rds",
        "describe_db_instances",
        "DBInstances[].DbiResourceId",
        {"DBInstanceIdentifier": "{identifier}"},
        state_at="DBInstances[].DBInstanceStatus",
        until_not=("creating", "backing-up", "modifying", "configuring-enhanced-monitoring"),
    ),
    "aws:rds/parameterGroup:ParameterGroup": Ask(
        "rds",
        "describe_db_parameter_groups",
        "DBParameterGroups[].DBParameterGroupName",
        {"DBParameterGroupName": "{name}"},
    ),
    "aws:rds/subnetGroup:SubnetGroup": Ask(
        "rds", "describe_db_subnet_groups", "DBSubnetGroups[].DBSubnetGroupName", {"DBSubnetGroupName": "{name}"}
    ),
    "aws:s3/bucket:Bucket": Ask("s3", "list_buckets", "Buckets[?Name=='{bucket}'].Name"),
}

_NAMES: Mapping[str, Ask] = {
    "aws:acm/certificate:Certificate": Ask(
        "acm",
        "list_certificates",
        "CertificateSummaryList[?DomainName=='{domainName}'].CertificateArn",
        keeps=_our_certificate,
    ),
    "aws:route53/healthCheck:HealthCheck": Ask(
        "route53", "list_health_checks", "HealthChecks[].Id", keeps=_ours_in_dns("healthcheck")
    ),
    "aws:route53/record:Record": Ask(
        "route53",
        "list_resource_record_sets",
        "ResourceRecordSets[?Name=='{name}.' && Type=='{type}' && (SetIdentifier || 'null')=='{setIdentifier}'].Name",
        {"HostedZoneId": "{zoneId}"},
        id_of=record_id,
    ),
    "aws:route53/zone:Zone": Ask(
        "route53", "list_hosted_zones", "HostedZones[?Name=='{name}.'].Id", keeps=_ours_in_dns("hostedzone")
    ),
}

_ACCESS: Mapping[str, Ask] = {
    "aws:iam/instanceProfile:InstanceProfile": Ask(
        "iam",
        "get_instance_profile",
        "InstanceProfile.InstanceProfileName",
        {"InstanceProfileName": "{name}"},
    ),
    "aws:iam/role:Role": Ask("iam", "get_role", "Role.RoleName", {"RoleName": "{name}"}),
    "aws:kms/alias:Alias": Ask("kms", "list_aliases", "Aliases[?AliasName=='{name}'].AliasName"),
    "aws:kms/key:Key": Ask("kms", "list_keys", "Keys[].KeyId", keeps=_our_key),
    "aws:secretsmanager/secret:Secret": Ask(
        "secretsmanager", "describe_secret", "[@][?!DeletedDate].ARN", {"SecretId": "{name}"}
    ),
}

_WATCHING: Mapping[str, Ask] = {
    "aws:cloudtrail/trail:Trail": Ask("cloudtrail", "list_trails", "Trails[?Name=='{name}'].TrailARN"),
    "aws:cloudwatch/dashboard:Dashboard": Ask(
        "cloudwatch", "list_dashboards", "DashboardEntries[?DashboardName=='{dashboardName}'].DashboardName"
    ),
    "aws:cloudwatch/eventRule:EventRule": Ask(
        "events", "list_rules", "Rules[?Name=='{name}'].Name", {"NamePrefix": "{name}"}
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Ask(
        "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName", {"AlarmNames": ["{name}"]}
    ),
    "aws:sns/topic:Topic": Ask("sns", "list_topics", "Topics[?ends_with(TopicArn, ':{name}')].TopicArn"),
    "aws:cloudwatch/logGroup:LogGroup": Ask(
        "logs",
        "describe_log_groups",
        "logGroups[?logGroupName=='{name}'].logGroupName",
        {"logGroupNamePrefix": "{name}"},
    ),
}

LOOKUPS: Mapping[str, Ask] = {**_EC2, **_SERVERS, **_DATA, **_NAMES, **_ACCESS, **_WATCHING}
"""By type token."""
