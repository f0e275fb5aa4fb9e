"""Publishing: the content first, then the pointer, and nothing when it is there."""

from __future__ import annotations

import io
import json
from typing import Any

from botocore.exceptions import ClientError

from quartermaster.playbooks.bundle import Bundle
from quartermaster.playbooks.publish import POINTER, current, publish


class FakeS3:
    class exceptions:  # noqa: N801 - as boto3 spells it
        ClientError = ClientError

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        self.puts.append(Key)
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def head_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")


BUNDLE = Bundle(b"content", "abc")


def test_the_pointer_is_put_after_the_content_it_points_to() -> None:
    s3 = FakeS3()
    assert publish(s3, "bucket", BUNDLE)
    assert s3.puts == ["bundles/abc.tar.gz", POINTER]
    assert json.loads(s3.objects[POINTER]) == {"key": "bundles/abc.tar.gz", "sha256": "abc"}


def test_publishing_again_puts_nothing() -> None:
    s3 = FakeS3()
    publish(s3, "bucket", BUNDLE)
    assert not publish(s3, "bucket", BUNDLE)
    assert len(s3.puts) == 2 and current(s3, "bucket") == "abc"


def test_content_that_the_pointer_names_and_nobody_finds_is_put_again() -> None:
    s3 = FakeS3()
    publish(s3, "bucket", BUNDLE)
    del s3.objects[BUNDLE.key]
    assert publish(s3, "bucket", BUNDLE)
    assert BUNDLE.key in s3.objects
