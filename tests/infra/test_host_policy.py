"""A host may reach what its cluster uses, and nothing else."""

from __future__ import annotations

import json
from typing import Any

from quartermaster.fleet.names import host_key_name
from quartermaster.infra.permissions.hosts import Reach, host_policy

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-dev-sessions"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/dev/orders-AbCdEf"
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group:/ops/shop/dev/hosts/web"
BARE = Reach("eu-west-1", "123456789012", "shop-dev-web", key=KEY, bundles="arn:aws:s3:::shop-dev-ops", logs=LOGS)


def allowed(**more: Any) -> dict[str, list[str]]:
    """Action to resources."""
    values = {name: getattr(BARE, name) for name in Reach.__slots__} | more
    rights: dict[str, list[str]] = {}
    for statement in json.loads(host_policy(Reach(**values)))["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            rights.setdefault(action, []).extend(statement["Resource"])
    return rights


def test_a_host_that_uses_nothing_reaches_its_bundle_its_group_its_log_and_sessions() -> None:
    assert {action.partition(":")[0] for action in allowed()} == {
        "s3", "kms", "autoscaling", "logs", "ssm", "ssmmessages",
    }  # fmt: skip
    assert allowed()["s3:GetObject"] == ["arn:aws:s3:::shop-dev-ops/bundles/*"]
    assert "kms:GenerateDataKey" not in allowed()


def test_a_host_writes_its_own_ssh_keys_once_and_no_others() -> None:
    statements = json.loads(host_policy(BARE))["Statement"]
    (puts,) = [one for one in statements if "s3:PutObject" in one["Action"]]
    own = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"
    name = host_key_name("eu-west-1", "123456789012", "i-1")
    assert [text.replace("${ec2:SourceInstanceARN}", own) for text in puts["Resource"]] == [f"{BARE.bundles}/{name}"]
    assert puts["Condition"] == {"Null": {"s3:if-none-match": "false"}}


def test_a_table_comes_with_its_indexes() -> None:
    assert allowed(tables=[TABLE])["dynamodb:Query"] == [TABLE, f"{TABLE}/index/*"]
    assert "dynamodb:DeleteTable" not in allowed(tables=[TABLE])


def test_a_secret_can_be_read_and_not_written() -> None:
    rights = allowed(secrets=[SECRET])
    assert rights["secretsmanager:GetSecretValue"] == [SECRET]
    assert [action for action in rights if action.startswith("secretsmanager:")] == ["secretsmanager:GetSecretValue"]


def test_a_buckets_objects_can_be_written_and_its_settings_not() -> None:
    rights = allowed(buckets=["arn:aws:s3:::shop-dev-pictures"])
    assert rights["s3:PutObject"][1:] == ["arn:aws:s3:::shop-dev-pictures/*"]
    assert rights["s3:ListBucket"] == ["arn:aws:s3:::shop-dev-pictures"]
    assert not any(action.startswith(("s3:PutBucket", "s3:DeleteBucket")) for action in rights)


def test_the_key_works_only_through_a_service_that_the_host_uses() -> None:
    def via(**more: Any) -> list[str]:
        values = {name: getattr(BARE, name) for name in Reach.__slots__} | more
        statements = json.loads(host_policy(Reach(**values)))["Statement"]
        keys = [one for one in statements if one["Action"][0].startswith("kms:")]
        assert [one["Resource"] for one in keys] == [[KEY]]
        found: list[str] = keys[0]["Condition"]["StringEquals"]["kms:ViaService"]
        return found

    assert via() == ["s3.eu-west-1.amazonaws.com"]
    assert via(secrets=[SECRET]) == ["s3.eu-west-1.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com"]


def test_no_action_is_a_wildcard_and_only_session_channels_are_on_everything() -> None:
    rights = allowed(tables=[TABLE], secrets=[SECRET], buckets=["arn:aws:s3:::shop-dev-pictures"])
    assert not any("*" in action for action in rights)
    assert {action.partition(":")[0] for action, resources in rights.items() if "*" in resources} == {"ssmmessages"}
