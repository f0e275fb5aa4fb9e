"""Publishing: the content first, then the pointer, and nothing when it is there."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError

from quartermaster.playbooks.bundle import Bundle
from quartermaster.playbooks.publish import POINTER, current, publish


class FakeS3:
    class exceptions:  # noqa: N801 - as boto3 spells it
        ClientError = ClientError

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.puts: list[str] = []

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        Tagging: str = "",  # noqa: N803
    ) -> None:
        self.puts.append(Key)
        self.objects[Key] = Body
        self.tags[Key] = dict(parse_qsl(Tagging))  # a put replaces what was there, tags included

    def get_object_tagging(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObjectTagging")
        return {"TagSet": [{"Key": key, "Value": value} for key, value in self.tags[Key].items()]}

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


def test_the_stacks_tags_stay_on_the_pointer_and_on_content_that_is_there() -> None:
    s3 = FakeS3()
    publish(s3, "bucket", BUNDLE)
    urn = {"ops:urn": "urn:pulumi:dev::shop::a=b&c"}
    s3.tags = {POINTER: urn, BUNDLE.key: urn}
    publish(s3, "bucket", Bundle(b"other", "def"))
    publish(s3, "bucket", BUNDLE)
    assert (s3.tags[POINTER], s3.tags[BUNDLE.key]) == (urn, urn)
