"""Is it there? Looks a resource up in the account by its tag ``ops:urn``, or by its name where it has no tags."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.names import TAG_URN
from quartermaster.infra.layout import urn_tag

__all__ = ["FOUND_BY", "HARMLESS", "find", "route_id"]

Inputs = Mapping[str, Any]

_EC2_BY_TAG = {
    "aws:ec2/vpc:Vpc": ("describe_vpcs", "Filters", "Vpcs", "VpcId"),
    "aws:ec2/subnet:Subnet": ("describe_subnets", "Filters", "Subnets", "SubnetId"),
    "aws:ec2/internetGateway:InternetGateway": (
        "describe_internet_gateways", "Filters", "InternetGateways", "InternetGatewayId",
    ),
    "aws:ec2/eip:Eip": ("describe_addresses", "Filters", "Addresses", "AllocationId"),
    "aws:ec2/natGateway:NatGateway": ("describe_nat_gateways", "Filter", "NatGateways", "NatGatewayId"),
    "aws:ec2/routeTable:RouteTable": ("describe_route_tables", "Filters", "RouteTables", "RouteTableId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("describe_vpc_endpoints", "Filters", "VpcEndpoints", "VpcEndpointId"),
    "aws:ec2/flowLog:FlowLog": ("describe_flow_logs", "Filters", "FlowLogs", "FlowLogId"),
    "aws:ec2/securityGroup:SecurityGroup": ("describe_security_groups", "Filters", "SecurityGroups", "GroupId"),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "describe_launch_templates", "Filters", "LaunchTemplates", "LaunchTemplateId",
    ),
    "aws:ec2/keyPair:KeyPair": ("describe_key_pairs", "Filters", "KeyPairs", "KeyName"),
}  # fmt: skip
_ENDED = ("deleted", "deleting", "failed")

HARMLESS = frozenset(
    {
        "aws:autoscaling/schedule:Schedule",
        "aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:secretsmanager/secretVersion:SecretVersion",
    }
)
"""Types whose creation is a setting of something else: done twice it is done once, so nothing is looked for."""


def find(cloud: Cloud, type_: str, urn: str, inputs: Inputs) -> tuple[str, ...]:
    """Ids of what bears this URN's tag, or this name, now. Read-only, but waits until what is being made is made.

    Raises KeyError for a type that it cannot look up.
    """
    region = str(inputs.get("region") or "")
    if type_ in _EC2_BY_TAG:
        return _ec2_by_tag(cloud, region, type_, urn)
    look = FOUND_BY[type_]

    def client(service: str) -> Any:
        return cloud.client(service, region=region)

    from botocore.exceptions import ClientError

    try:
        found = look(client, inputs)
    except ClientError as exc:
        code = exc.response["Error"]["Code"]
        if any(word in code for word in ("NotFound", "NoSuch", "404", "DoesNotExist")):
            return ()
        raise
    return (found,) if found else ()


def route_id(table: str, destination: str) -> str:
    """The id that the AWS provider gives a route."""
    return f"r-{table}{zlib.crc32(destination.encode())}"


def _ec2_by_tag(cloud: Cloud, region: str, type_: str, urn: str) -> tuple[str, ...]:
    operation, argument, key, id_key = _EC2_BY_TAG[type_]
    wanted = urn_tag(urn)
    describe = getattr(cloud.client("ec2", region=region), operation)
    rows = describe(**{argument: [{"Name": f"tag:{TAG_URN}", "Values": [wanted]}]})[key]
    return tuple(
        str(row[id_key])
        for row in rows
        if {"Key": TAG_URN, "Value": wanted} in row.get("Tags", []) and str(row.get("State")).lower() not in _ENDED
    )


def _settled(look: Callable[[], str], waiting: tuple[str, ...], seconds: float = 900) -> None:
    until = time.monotonic() + seconds
    while look() in waiting and time.monotonic() < until:
        time.sleep(1)


def _bucket(client: Any, inputs: Inputs) -> str:
    client("s3").head_bucket(Bucket=inputs["bucket"])
    return str(inputs["bucket"])


def _role(client: Any, inputs: Inputs) -> str:
    return str(client("iam").get_role(RoleName=inputs["name"])["Role"]["RoleName"])


def _profile(client: Any, inputs: Inputs) -> str:
    found = client("iam").get_instance_profile(InstanceProfileName=inputs["name"])
    return str(found["InstanceProfile"]["InstanceProfileName"])


def _kms_key(client: Any, inputs: Inputs) -> str:
    kms, tag = client("kms"), inputs["tags"][TAG_URN]
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            if {"TagKey": TAG_URN, "TagValue": tag} not in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]:
                continue
            if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled":
                return str(key["KeyId"])
    return ""


def _alias(client: Any, inputs: Inputs) -> str:
    pages = client("kms").get_paginator("list_aliases").paginate()
    names = {alias["AliasName"] for page in pages for alias in page["Aliases"]}
    return str(inputs["name"]) if inputs["name"] in names else ""


def _secret(client: Any, inputs: Inputs) -> str:
    found = client("secretsmanager").describe_secret(SecretId=inputs["name"])
    return "" if found.get("DeletedDate") else str(found["ARN"])


def _route(client: Any, inputs: Inputs) -> str:
    table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
    routes = client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    there = any(route.get("DestinationCidrBlock") == destination for route in routes)
    return route_id(table, destination) if there else ""


def _association(client: Any, inputs: Inputs) -> str:
    tables = client("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"]
    for item in tables[0]["Associations"]:
        if item.get("SubnetId") == inputs["subnetId"]:
            return str(item["RouteTableAssociationId"])
    return ""


def _rule(client: Any, inputs: Inputs, *, egress: bool) -> str:
    """By what it says: AWS refuses a second rule that says the same."""
    group, wanted = inputs["securityGroupId"], _says(inputs)
    filters = [{"Name": "group-id", "Values": [group]}]
    for row in client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]:
        other = (row.get("ReferencedGroupInfo") or {}).get("GroupId")
        ports = (None, None) if row["IpProtocol"] == "-1" else (row["FromPort"], row["ToPort"])
        if row["IsEgress"] == egress and (row["IpProtocol"], *ports, row.get("CidrIpv4"), other) == wanted:
            return str(row["SecurityGroupRuleId"])
    return ""


def _says(inputs: Inputs) -> tuple[Any, ...]:
    ports = (inputs.get("fromPort"), inputs.get("toPort"))
    return (inputs["ipProtocol"], *ports, inputs.get("cidrIpv4"), inputs.get("referencedSecurityGroupId"))


def _group(client: Any, inputs: Inputs) -> str:
    found = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[inputs["name"]])
    return str(inputs["name"]) if found["AutoScalingGroups"] else ""


def _balancer(client: Any, inputs: Inputs) -> str:
    elb = client("elbv2")

    def state() -> str:
        return str(elb.describe_load_balancers(Names=[inputs["name"]])["LoadBalancers"][0]["State"]["Code"])

    _settled(state, ("provisioning",))
    return str(elb.describe_load_balancers(Names=[inputs["name"]])["LoadBalancers"][0]["LoadBalancerArn"])


def _targets(client: Any, inputs: Inputs) -> str:
    return str(client("elbv2").describe_target_groups(Names=[inputs["name"]])["TargetGroups"][0]["TargetGroupArn"])


def _listener(client: Any, inputs: Inputs) -> str:
    found = client("elbv2").describe_listeners(LoadBalancerArn=inputs["loadBalancerArn"])["Listeners"]
    return next((str(item["ListenerArn"]) for item in found if item["Port"] == inputs["port"]), "")


def _database(client: Any, inputs: Inputs) -> str:
    rds, name = client("rds"), inputs["identifier"]

    def state() -> str:
        return str(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"])

    _settled(state, ("creating", "backing-up", "modifying", "configuring-enhanced-monitoring"))
    return str(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DbiResourceId"])


def _subnet_group(client: Any, inputs: Inputs) -> str:
    found = client("rds").describe_db_subnet_groups(DBSubnetGroupName=inputs["name"])["DBSubnetGroups"]
    return str(found[0]["DBSubnetGroupName"])


def _table(client: Any, inputs: Inputs) -> str:
    dynamodb = client("dynamodb")
    _settled(lambda: str(dynamodb.describe_table(TableName=inputs["name"])["Table"]["TableStatus"]), ("CREATING",))
    return str(dynamodb.describe_table(TableName=inputs["name"])["Table"]["TableName"])


def _vault(client: Any, inputs: Inputs) -> str:
    return str(client("backup").describe_backup_vault(BackupVaultName=inputs["name"])["BackupVaultName"])


def _plan(client: Any, inputs: Inputs) -> str:
    plans = client("backup").list_backup_plans()["BackupPlansList"]
    return next((str(plan["BackupPlanId"]) for plan in plans if plan["BackupPlanName"] == inputs["name"]), "")


def _selection(client: Any, inputs: Inputs) -> str:
    rows = client("backup").list_backup_selections(BackupPlanId=inputs["planId"])["BackupSelectionsList"]
    return next((str(row["SelectionId"]) for row in rows if row["SelectionName"] == inputs["name"]), "")


def _log_group(client: Any, inputs: Inputs) -> str:
    found = client("logs").describe_log_groups(logGroupNamePrefix=inputs["name"])["logGroups"]
    return next((inputs["name"] for group in found if group["logGroupName"] == inputs["name"]), "")


FOUND_BY: Mapping[str, Callable[[Any, Inputs], str]] = {
    "aws:autoscaling/group:Group": _group,
    "aws:backup/plan:Plan": _plan,
    "aws:backup/selection:Selection": _selection,
    "aws:backup/vault:Vault": _vault,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:dynamodb/table:Table": _table,
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _association,
    "aws:iam/instanceProfile:InstanceProfile": _profile,
    "aws:iam/role:Role": _role,
    "aws:kms/alias:Alias": _alias,
    "aws:kms/key:Key": _kms_key,
    "aws:lb/listener:Listener": _listener,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:lb/targetGroup:TargetGroup": _targets,
    "aws:rds/instance:Instance": _database,
    "aws:rds/subnetGroup:SubnetGroup": _subnet_group,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": partial(_rule, egress=True),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": partial(_rule, egress=False),
}
"""(client of a service, inputs) to id, empty where there is none."""
