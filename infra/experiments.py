"""The role in which AWS Fault Injection Service makes the faults of drills; declared where drills are."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import ROLE_OF_EXPERIMENTS
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.permissions.experiments import experiment_policy, experiment_trust
from quartermaster.infra.permissions.rights import Scope

__all__ = ["Experiments", "has_experiments"]

_KINDS = ("instance_loss", "zone_outage", "failover")
"""Drills whose fault is an experiment."""


def has_experiments(fleet: Fleet) -> bool:
    """Does a declared drill need the role? Pure."""
    return any(drill.kind in _KINDS for drill in fleet.recovery.drills)


class Experiments(Component):
    """The role, with what the experiments of this stack do and nothing else."""

    def __init__(self, layout: Layout, *, account: str, vpc_id: pulumi.Input[str]) -> None:
        super().__init__("Experiments", "experiments")
        role = aws.iam.Role(
            "experiments",
            name=layout.name(ROLE_OF_EXPERIMENTS),
            assume_role_policy=experiment_trust(account, layout.region),
            opts=self.child(),
        )
        scope = Scope(layout.fleet, layout.stack, account, (layout.region,))
        vpc = f"arn:aws:ec2:{layout.region}:{account}:vpc"

        def policy(vpc_id: str) -> str:
            return experiment_policy(scope, f"{vpc}/{vpc_id}")

        aws.iam.RolePolicy(
            "experiments",
            name=ROLE_OF_EXPERIMENTS,
            role=role.name,
            policy=pulumi.Output.from_input(vpc_id).apply(policy),
            opts=self.child(),
        )
        self.register_outputs({"arn": role.arn})
