"""Each key can be used by those whose purpose it serves, and lent to AWS's services only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quartermaster.infra.keyring import key_policy


def statements(purpose: str) -> dict[str, Any]:
    found = json.loads(key_policy(purpose, "123456789012", "eu-west-1"))["Statement"]
    return {statement["Sid"]: statement for statement in found}


@pytest.mark.parametrize("purpose", ["data", "backup", "logs"])
def test_the_account_administers_each_key(purpose: str) -> None:
    assert statements(purpose)["Account"]["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}


@pytest.mark.parametrize("purpose", ["data", "backup", "logs"])
def test_nobody_else_uses_a_key_without_a_condition(purpose: str) -> None:
    others = [one for sid, one in statements(purpose).items() if sid != "Account"]
    assert all(one["Condition"] for one in others)
    lent = [one for one in others if "kms:CreateGrant" in one["Action"]]
    assert all(one["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"} for one in lent)


def test_auto_scaling_may_start_hosts_from_encrypted_disks() -> None:
    found = statements("data")
    role = found["AutoScaling"]["Condition"]["StringEquals"]["aws:PrincipalArn"]
    assert role.endswith("role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    assert found["AutoScalingLend"]["Action"] == ["kms:CreateGrant"]


def test_the_key_for_logs_opens_no_data() -> None:
    assert statements("logs").keys() == {"Account", "Logs", "Notices"}
    assert (
        "rds.eu-west-1.amazonaws.com" in statements("data")["Services"]["Condition"]["StringEquals"]["kms:ViaService"]
    )
