"""What AWS Fault Injection Service may do in the name of drills: what their experiments do, to the stack alone.

Pure. Statement by statement as https://docs.aws.amazon.com/fis/latest/userguide/az-availability-scenario.html asks for,
narrowed by the stack's tags, names and network.
"""

from __future__ import annotations

from quartermaster.infra.permissions.rights import Scope
from quartermaster.infra.policies import allow, document

__all__ = ["CAPACITY_ACTION", "experiment_policy", "experiment_trust"]

CAPACITY_ACTION = "aws:ec2:asg-insufficient-instance-capacity-error"
_FIS_OWN = {"managedByFIS": "true"}
"""Tag of the network ACLs by which FIS cuts subnets off, and that it removes again."""
_READ = (
    "autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances", "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "rds:DescribeDBInstances", "tag:GetResources",
)  # fmt: skip
"""They know no resources."""


def experiment_policy(scope: Scope, vpc_arn: str) -> str:
    """The inline policy of the role that FIS takes. ``scope`` is of one region: experiments are the region's own."""
    ours, within = {"StringEquals": scope.tags("aws:ResourceTag")}, {"ArnEquals": {"ec2:Vpc": vpc_arn}}
    acls = scope.arns(["arn:aws:ec2:{region}:{account}:network-acl/*"])
    hosts = ("ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances")
    starting = {"Bool": {"kms:GrantIsForAWSResource": "true"}, **ours}
    groups = scope.arns(["arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}"])
    only_groups = {"StringEquals": {"ec2:FisActionId": [CAPACITY_ACTION]}, "ArnLike": {"ec2:FisTargetArns": groups}}
    made = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in _FIS_OWN.items()}}
    theirs = {"StringEquals": {f"ec2:ResourceTag/{key}": value for key, value in _FIS_OWN.items()}}
    return document(
        [
            allow(_READ, ["*"]),
            allow(hosts, scope.arns(["arn:aws:ec2:{region}:{account}:instance/*"]), Condition=ours),
            # Hosts that are started again need the key of their volumes.
            allow(["kms:CreateGrant"], scope.arns(["arn:aws:kms:{region}:{account}:key/*"]), Condition=starting),
            allow(["ec2:InjectApiError"], ["*"], Condition=only_groups),
            allow(["rds:RebootDBInstance"], scope.arns(["arn:aws:rds:{region}:{account}:db:{name}"]), Condition=ours),
            allow(["ec2:CreateNetworkAcl"], [vpc_arn]),
            allow(["ec2:CreateNetworkAcl"], acls, Condition=made),
            allow(
                ["ec2:CreateTags"],
                acls,
                Condition={"StringEquals": {"ec2:CreateAction": "CreateNetworkAcl", **made["StringEquals"]}},
            ),
            allow(["ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAcl"], acls, Condition=theirs),
            # The ACL that a subnet goes back to is whichever it had.
            allow(
                ["ec2:ReplaceNetworkAclAssociation"],
                [*acls, *scope.arns(["arn:aws:ec2:{region}:{account}:subnet/*"])],
                Condition=within,
            ),
        ]
    )


def experiment_trust(account: str, region: str) -> str:
    """Who may take the role: FIS, for experiments of this account and region."""
    only = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:fis:{region}:{account}:experiment/*"},
    }
    service = {"Effect": "Allow", "Principal": {"Service": "fis.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return document([{**service, "Condition": only}])
