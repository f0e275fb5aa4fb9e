"""What a provider still does once AWS has made something, done for it where it was cut off in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartermaster.fleet.aws import Cloud

__all__ = ["complete"]

_GROUP = "aws:ec2/securityGroup:SecurityGroup"


def complete(cloud: Cloud, type_: str, id_: str, inputs: Mapping[str, Any]) -> None:
    """Take from a security group the rule that lets everything out, which AWS gives each new one; else nothing.

    Left there, it would stand in the way of the same rule declared, or let out what no rule of the program does. Rules
    of the program bear tags. Changes the account.
    """
    if type_ != _GROUP:
        return
    from botocore.exceptions import ClientError

    ec2 = cloud.client("ec2", region=str(inputs.get("region") or ""))
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [id_]}])["SecurityGroupRules"]
    first = [
        rule["SecurityGroupRuleId"]
        for rule in rules
        if rule["IsEgress"]
        and rule["IpProtocol"] == "-1"
        and rule.get("CidrIpv4") == "0.0.0.0/0"
        and not rule.get("Tags")
    ]
    if not first:
        return
    try:
        ec2.revoke_security_group_egress(GroupId=id_, SecurityGroupRuleIds=first)
    except ClientError as exc:
        if "NotFound" not in exc.response["Error"]["Code"]:  # the provider's own request may still have arrived
            raise
