"""What the engine's steps say of a resource, and what is lost by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from steps import step

from quartermaster.infra.changes import Change, Property, change_of
from quartermaster.infra.data_loss import losses
from quartermaster.infra.resources import SECRET, UNKNOWN

DATABASE = "aws:rds/instance:Instance"
TABLE = "aws:dynamodb/table:Table"
BUCKET = "aws:s3/bucket:Bucket"
GROUP = "aws:autoscaling/group:Group"


def change(*args: Any, **kwargs: Any) -> Change:
    found = change_of(step(*args, **kwargs))
    assert found is not None
    return found


def test_an_update_names_the_innermost_property() -> None:
    old = {"maxSize": 24, "tags": [{"key": "a", "value": "b"}], "name": "web"}
    found = change("update", GROUP, "web", old=old, new={**old, "maxSize": 30, "tags": [{"key": "a", "value": "c"}]})
    assert found.properties == (Property("maxSize", 24, 30), Property("tags[0].value", "b", "c"))
    assert found.act == "update"


def test_documents_are_looked_into() -> None:
    old, new = (json.dumps({"Statement": [{"Action": action}]}) for action in ("s3:GetObject", "s3:*"))
    found = change("update", "aws:iam/rolePolicy:RolePolicy", "web", old={"policy": old}, new={"policy": new})
    assert found.properties == (Property("policy.Statement[0].Action", "s3:GetObject", "s3:*"),)


def test_secrets_and_what_is_not_known_are_named_as_such() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    found = change(
        "update", DATABASE, "orders",
        old={"password": "[secret]", "kmsKeyId": "key-1"}, new={"password": "[secret]", "kmsKeyId": unknown},
    )  # fmt: skip
    assert found.properties == (Property("kmsKeyId", "key-1", UNKNOWN),)
    moved = step("update", DATABASE, "orders", old={"password": "[secret]"}, new={"password": "[secret]"})
    moved.diffs = ["password"]
    assert change_of(moved).properties == (Property("password", SECRET, SECRET),)  # type: ignore[union-attr]


def test_a_replacement_says_which_property_forces_it() -> None:
    found = change(
        "create-replacement", DATABASE, "orders",
        old={"storageEncrypted": False, "allocatedStorage": 20}, new={"storageEncrypted": True, "allocatedStorage": 30},
        replaces=("storageEncrypted",),
    )  # fmt: skip
    assert (found.act, found.forced_by) == ("replace", ("storageEncrypted",))
    assert [item.replaces for item in found.properties] == [False, True]


@pytest.mark.parametrize("op", ["replace", "delete-replaced", "read"])
def test_inner_steps_are_no_changes(op: str) -> None:
    assert change_of(step(op, DATABASE, "orders", old={"a": 1}, new={"a": 2})) is None


@pytest.mark.parametrize(
    ("op", "type_", "old", "why"),
    [
        ("delete", TABLE, {}, "it is no longer declared"),
        ("delete", DATABASE, {"skipFinalSnapshot": True}, "it is no longer declared"),
        (
            "delete",
            DATABASE,
            {"finalSnapshotIdentifier": "orders-last"},
            "it is no longer declared; a last snapshot orders-last stays",
        ),
        ("delete", BUCKET, {"forceDestroy": False}, "it is no longer declared; AWS refuses while it holds anything"),
        ("delete", BUCKET, {"forceDestroy": True}, "it is no longer declared"),
        ("delete", "aws:backup/vault:Vault", {"forceDestroy": True}, "it is no longer declared"),
        ("delete", "aws:ebs/volume:Volume", {}, "it is no longer declared"),
    ],
)
def test_what_holds_data_and_goes_is_a_loss(op: str, type_: str, old: dict[str, Any], why: str) -> None:
    [loss] = losses([change(op, type_, "orders", old=old)])
    assert (loss.name, loss.change, loss.why) == ("orders", "delete", why)
    assert loss.lost


def test_a_replacement_that_loses_data_says_what_forces_it() -> None:
    [loss] = losses(
        [change("create-replacement", TABLE, "s", old={"hashKey": "id"}, new={"hashKey": "k"}, replaces=("hashKey",))]
    )
    assert (loss.change, loss.why) == ("replace", "a replacement is forced by hashKey")


def test_updates_and_what_holds_nothing_lose_nothing() -> None:
    group = change("delete", GROUP, "web", old={})
    updated = change("update", TABLE, "sessions", old={"a": 1}, new={"a": 2})
    assert losses([group, updated]) == []
