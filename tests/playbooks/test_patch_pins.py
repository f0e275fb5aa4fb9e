"""Pinned versions in the stack's bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks.patch_pins import BucketPins


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="b", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client


def refusing(s3: Any, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": code}}, "any")

    monkeypatch.setattr(s3, "get_object", refuse)
    monkeypatch.setattr(s3, "put_object", refuse)


def test_what_is_written_is_read_by_that_cluster_alone(s3: Any) -> None:
    web, api = BucketPins(s3, "b", "web"), BucketPins(s3, "b", "api")
    assert web.read() == {}
    web.write({"nginx": "1.2"})
    assert (web.read(), api.read()) == ({"nginx": "1.2"}, {})
    stored = json.loads(s3.get_object(Bucket="b", Key="bundles/pins/web.json")["Body"].read())
    assert stored == {"packages": {"nginx": "1.2"}}


def test_to_who_may_not_list_the_bucket_what_is_not_there_is_forbidden(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(s3, monkeypatch, "AccessDenied")
    assert BucketPins(s3, "b", "web").read() == {}
    with pytest.raises(OpsError, match="cannot be written at s3://b/bundles/pins/web.json"):
        BucketPins(s3, "b", "web").write({})


def test_any_other_refusal_is_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(s3, monkeypatch, "SlowDown")
    with pytest.raises(OpsError, match="cannot be read at s3://b/bundles/pins/web.json"):
        BucketPins(s3, "b", "web").read()
