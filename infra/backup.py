"""Backups: an encrypted, locked vault in each region, a plan made from the fleet's rules, and notices of what fails."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.names import TAG_BACKUP, backup_tag
from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.safety import BackupRule
from quartermaster.infra.component import Component
from quartermaster.infra.keyring import There
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import trust

__all__ = ["Backup", "failures", "schedule"]

NAME_LIMIT = 50
_MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"
_CHANGEABLE_DAYS = 3
"""A compliance lock can be lifted for so long, and by nobody afterwards. The least that AWS takes."""


def schedule(rule: BackupRule) -> str:
    """The rule's hour as AWS Backup's cron expression, in the fleet's time zone."""
    hour, minute = (int(part) for part in rule.at.split(":"))
    return f"cron({minute} {hour} {rule.on or '*'} * ? *)"


def failures(role_arn: str) -> str:
    """The events that tell of a backup, copy or restore by this role that came to nothing. Pure.

    The vault's own notices tell of every job that ends, good or bad, and who is told every night stops reading. A
    restore has a ``status`` where the others have a ``state``:
    https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """
    ended = ["ABORTED", "EXPIRED", "FAILED", "PARTIAL"]
    return json.dumps(
        {
            "source": ["aws.backup"],
            "detail-type": ["Backup Job State Change", "Copy Job State Change", "Restore Job State Change"],
            "detail": {"iamRoleArn": [role_arn], "$or": [{"state": ended}, {"status": ended}]},
        }
    )


class Backup(Component):
    """Vaults, plan and selection. What is backed up bears the tag ``ops:backup``.

    ``topic_arn`` is told of failures; without one nobody is. ``there``: where rules copy to, and its key for backups.
    """

    def __init__(
        self,
        layout: Layout,
        fleet: Fleet,
        *,
        key_arn: pulumi.Input[str],
        there: There | None,
        topic_arn: pulumi.Input[str] | None,
    ) -> None:
        super().__init__("Backup", "backup")
        self._layout, self._fleet = layout, fleet
        self.vault = self._vault("vault", key_arn)
        self._copy = self._vault("recovery-vault", there.key_arn, there.region) if there else None
        self.role: aws.iam.Role | None = None
        """Of AWS Backup; None without a rule."""
        if fleet.backups.rules:
            self.role = self._plan()
            if topic_arn is not None:
                self._tell(topic_arn, self.role)
        self.register_outputs({"vault": self.vault.arn})

    def _vault(self, name: str, key_arn: pulumi.Input[str], region: str | None = None) -> aws.backup.Vault:
        layout, lock = self._layout, self._fleet.backups.lock
        vault = aws.backup.Vault(
            name,
            name=layout.name(name, limit=NAME_LIMIT),
            kms_key_arn=key_arn,
            force_destroy=not layout.protect,
            region=region,
            opts=self.child(protect=layout.protect),
        )
        if lock is not None:
            aws.backup.VaultLockConfiguration(
                name,
                backup_vault_name=vault.name,
                min_retention_days=lock.min_days,
                changeable_for_days=_CHANGEABLE_DAYS if lock.mode == "compliance" else None,
                region=region,
                opts=self.child(protect=layout.protect),
            )
        return vault

    def _plan(self) -> aws.iam.Role:
        layout = self._layout
        role = aws.iam.Role(
            "backup",
            name=layout.name("backup", limit=64),
            assume_role_policy=trust("backup.amazonaws.com"),
            opts=self.child(),
        )
        attached = [
            aws.iam.RolePolicyAttachment(
                f"backup-{what.lower()}", role=role.name, policy_arn=_MANAGED + what, opts=self.child()
            )
            for what in ("Backup", "Restores")
        ]
        plan = aws.backup.Plan(
            "plan",
            name=layout.name("backup", limit=NAME_LIMIT),
            rules=[self._rule(rule) for rule in self._fleet.backups.rules],
            opts=self.child(),
        )
        aws.backup.Selection(
            "tagged",
            name="tagged",
            plan_id=plan.id,
            iam_role_arn=role.arn,
            selection_tags=[
                {"type": "STRINGEQUALS", "key": TAG_BACKUP, "value": backup_tag(layout.fleet, layout.stack)}
            ],
            opts=self.child(depends_on=attached),
        )
        return role

    def _rule(self, rule: BackupRule) -> Any:
        life = {"delete_after": rule.keep_days}
        made: dict[str, Any] = {
            "rule_name": rule.name,
            "target_vault_name": self.vault.name,
            "schedule": schedule(rule),
            "schedule_expression_timezone": self._fleet.timezone,
            "start_window": 60,
            "completion_window": 480,
            "lifecycle": life,
            "recovery_point_tags": dict(self._layout.tags()),
        }
        if rule.copy_to and self._copy is not None:
            made["copy_actions"] = [{"destination_vault_arn": self._copy.arn, "lifecycle": life}]
        return made

    def _tell(self, topic_arn: pulumi.Input[str], role: aws.iam.Role) -> None:
        rule = aws.cloudwatch.EventRule(
            "backup-failures",
            name=self._layout.name("backup-failures", limit=64),
            description=f"Backups of {self._layout.name()} that came to nothing",
            event_pattern=role.arn.apply(failures),
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(
            "backup-failures", rule=rule.name, target_id="notices", arn=topic_arn, opts=self.child()
        )
