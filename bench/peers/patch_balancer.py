"""What people put around an upgrade by hand: ``patch_balancer.py out|in GROUP TARGETS HOST ...``, with boto3.

``out`` lowers the group's min, keeps it from rebalancing, puts the hosts into standby and waits until the balancer has
let them go; ``in`` returns them, waits until the balancer calls them healthy, and puts min and rebalancing back.
Credentials and endpoint: the environment's.
"""

from __future__ import annotations

import sys
import time

import boto3


def main() -> None:
    way, name, targets, *hosts = sys.argv[1:]
    groups, balancers = boto3.client("autoscaling"), boto3.client("elbv2")
    size = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]["DesiredCapacity"]
    if way == "out":
        groups.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["AZRebalance"])
        groups.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=size - len(hosts))
        groups.enter_standby(AutoScalingGroupName=name, InstanceIds=hosts, ShouldDecrementDesiredCapacity=True)
    else:
        groups.exit_standby(AutoScalingGroupName=name, InstanceIds=hosts)
    wanted = dict.fromkeys(hosts, "unused" if way == "out" else "healthy")
    asked = [{"Id": host} for host in hosts]
    while True:
        answer = balancers.describe_target_health(TargetGroupArn=targets, Targets=asked)
        seen = {row["Target"]["Id"]: row["TargetHealth"]["State"] for row in answer["TargetHealthDescriptions"]}
        if seen == wanted:
            break
        time.sleep(0.1)
    if way == "in":
        groups.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=size + len(hosts))
        groups.resume_processes(AutoScalingGroupName=name, ScalingProcesses=["AZRebalance"])


if __name__ == "__main__":
    main()
