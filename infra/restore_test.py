"""Restore testing: every week AWS Backup restores a recovery point where nobody reaches it, and removes it again."""

from __future__ import annotations

import json
from collections.abc import Collection

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import TAG_BACKUP, backup_tag
from quartermaster.infra.backup import NAME_LIMIT, Backup
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.ports import let_in
from quartermaster.infra.postgres import PORT

__all__ = ["RestoreTest"]

_ENGINES = {"postgres": "RDS", "dynamodb": "DynamoDB"}
_WITHIN_DAYS = 30
_WEEKLY = "cron(0 9 ? * MON *)"
"""When people have just come to work, and a whole week is before them."""


class RestoreTest(Component):
    """Plan and selections of the restore test. ``backup`` has a role: there is something to restore.

    https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html
    """

    def __init__(
        self,
        layout: Layout,
        backup: Backup,
        *,
        timezone: str,
        engines: Collection[str],
        vpc_id: pulumi.Input[str],
        subnet_group: pulumi.Input[str],
    ) -> None:
        super().__init__("RestoreTest", "restore-test")
        assert backup.role is not None
        plan = aws.backup.RestoreTestingPlan(
            "restores",
            name=_words(layout.name("restores", limit=NAME_LIMIT)),
            recovery_point_selection={
                "algorithm": "RANDOM_WITHIN_WINDOW",
                "include_vaults": [backup.vault.arn],
                "recovery_point_types": ["SNAPSHOT"],
                "selection_window_days": _WITHIN_DAYS,
            },
            schedule_expression=_WEEKLY,
            schedule_expression_timezone=timezone,
            start_window_hours=8,
            opts=self.child(),
        )
        for engine in sorted(set(engines)):
            overrides = None
            if engine == "postgres":
                # Without them AWS Backup takes the default network, where the account may have none.
                overrides = {
                    "dbSubnetGroupName": subnet_group,
                    "vpcSecurityGroupIds": self._closed(layout, vpc_id).apply(lambda id_: json.dumps([id_])),
                    "multiAz": "false",
                }
            aws.backup.RestoreTestingSelection(
                engine,
                name=engine,
                restore_testing_plan_name=plan.name,
                protected_resource_type=_ENGINES[engine],
                protected_resource_conditions={
                    "string_equals": [
                        {"key": f"aws:ResourceTag/{TAG_BACKUP}", "value": backup_tag(layout.fleet, layout.stack)}
                    ]
                },
                iam_role_arn=backup.role.arn,
                restore_metadata_overrides=overrides,
                validation_window_hours=1,
                opts=self.child(),
            )
        self.register_outputs({"plan": plan.arn})

    def _closed(self, layout: Layout, vpc_id: pulumi.Input[str]) -> pulumi.Output[str]:
        """The group of what is restored: it answers its members only; a host joins it to ask (`ops backup answer`)."""
        group = aws.ec2.SecurityGroup(
            "restored",
            name=layout.name("restored"),
            description="Databases restored to be tested",
            vpc_id=vpc_id,
            opts=self.child(),
        )
        let_in("restored", group.id, PORT, source=group.id, opts=self.child())
        return group.id


def _words(name: str) -> str:
    """AWS takes letters, digits and underscores here."""
    return name.replace("-", "_")
