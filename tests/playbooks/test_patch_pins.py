"""Pinned versions in the stack's bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from quartermaster.fleet.errors import OpsError
from quartermaster.playbooks.patch_pins import BucketPins
from tests.playbooks.test_publish import FakeS3

KEY = "bundles/pins/web.json"


class Refusing(FakeS3):
    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def put_object(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": self._code}}, "PutObject")

    def get_object(self, **_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": self._code}}, "GetObject")


def test_what_is_written_is_read_by_that_cluster_alone() -> None:
    s3 = FakeS3()
    web, api = BucketPins(s3, "b", "web"), BucketPins(s3, "b", "api")
    assert web.read() == {}
    web.write({"nginx": "1.2"})
    assert (web.read(), api.read()) == ({"nginx": "1.2"}, {})
    assert json.loads(s3.objects[KEY]) == {"packages": {"nginx": "1.2"}}


def test_to_who_may_not_list_the_bucket_what_is_not_there_is_forbidden() -> None:
    pins = BucketPins(Refusing("AccessDenied"), "b", "web")
    assert pins.read() == {}
    with pytest.raises(OpsError, match=f"cannot be written at s3://b/{KEY}"):
        pins.write({})


def test_any_other_refusal_is_told() -> None:
    with pytest.raises(OpsError, match=f"cannot be read at s3://b/{KEY}"):
        BucketPins(Refusing("SlowDown"), "b", "web").read()
