"""Backups: an encrypted vault, a plan made from the fleet's rules, and copies in the recovery region."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from quartermaster.fleet.schema import Fleet
from quartermaster.fleet.schema.safety import BackupRule
from quartermaster.infra.component import Component
from quartermaster.infra.layout import Layout
from quartermaster.infra.policies import trust

__all__ = ["Backup", "schedule"]

_PLAN_LIMIT = 50
_MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"


def schedule(rule: BackupRule) -> str:
    """The rule's hour as AWS Backup's cron expression, in the fleet's time zone."""
    hour, minute = (int(part) for part in rule.at.split(":"))
    return f"cron({minute} {hour} {rule.on or '*'} * ? *)"


class Backup(Component):
    """Vaults, plan and selection of the stack's databases."""

    def __init__(
        self, layout: Layout, fleet: Fleet, key_arn: pulumi.Input[str], databases: list[pulumi.Output[str]]
    ) -> None:
        super().__init__("Backup", "backup")
        self._layout, self._fleet = layout, fleet
        vault = self._vault("vault", key_arn, layout.region)
        copies = any(rule.copy_to for rule in fleet.backups.rules)
        self._copy = self._recovery_vault() if copies else None
        rules = [self._rule(rule, vault) for rule in fleet.backups.rules]
        if rules:
            name = layout.name("backup", limit=_PLAN_LIMIT)
            plan = aws.backup.Plan("plan", name=name, rules=rules, opts=self.child())
            if databases:
                self._select(plan, databases)
        self.register_outputs({"vault": vault.arn})

    def _vault(self, name: str, key_arn: pulumi.Input[str], region: str) -> aws.backup.Vault:
        layout, lock = self._layout, self._fleet.backups.lock
        vault = aws.backup.Vault(
            name,
            name=layout.name(name, limit=_PLAN_LIMIT),
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
                changeable_for_days=3 if lock.mode == "compliance" else None,
                region=region,
                opts=self.child(protect=layout.protect),
            )
        return vault

    def _recovery_vault(self) -> aws.backup.Vault:
        """A vault in the recovery region, with a key of that region: keys do not leave theirs."""
        region = self._fleet.recovery_region
        key = aws.kms.Key(
            "recovery",
            description=f"Recovery points of {self._layout.name()}",
            enable_key_rotation=True,
            deletion_window_in_days=30 if self._layout.protect else 7,
            region=region,
            opts=self.child(protect=self._layout.protect),
        )
        return self._vault("recovery-vault", key.arn, region)

    def _rule(self, rule: BackupRule, vault: aws.backup.Vault) -> Any:
        life = {"delete_after": rule.keep_days}
        made: dict[str, Any] = {
            "rule_name": rule.name,
            "target_vault_name": vault.name,
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

    def _select(self, plan: aws.backup.Plan, databases: list[pulumi.Output[str]]) -> None:
        role = aws.iam.Role(
            "backup",
            name=self._layout.name("backup", limit=64),
            assume_role_policy=trust("backup.amazonaws.com"),
            opts=self.child(),
        )
        attached = [
            aws.iam.RolePolicyAttachment(
                f"backup-{what.lower()}", role=role.name, policy_arn=_MANAGED + what, opts=self.child()
            )
            for what in ("Backup", "Restores")
        ]
        aws.backup.Selection(
            "databases",
            name="databases",
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=databases,
            opts=self.child(depends_on=attached),
        )
