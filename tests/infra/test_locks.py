"""A lock of a process that is dead is stale, wherever the state lies; that of another machine is not ours to judge."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.infra.locks import bucket_holders

KEY = "ops/.pulumi/locks/organization/shop/prod/1.json"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="AKIATEST", aws_secret_access_key="test")
        client.create_bucket(Bucket="state")
        yield client


def put(s3: Any, **lock: Any) -> None:
    s3.put_object(Bucket="state", Key=KEY, Body=json.dumps({"timestamp": "2026-01-01T00:00:00Z", **lock}))


def held(s3: Any, stack: str = "prod") -> Any:
    return bucket_holders(s3, "s3://state/ops?region=us-east-1", "shop", stack)


def test_a_lock_in_a_bucket_says_whose_it_is_and_goes_when_released(s3: Any) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    put(s3, pid=process.pid, hostname=socket.gethostname())
    (holder,) = held(s3)
    assert (holder.pid, holder.here, holder.alive) == (process.pid, True, False)
    assert holder.place == f"s3://state/{KEY}"
    assert holder.since.startswith("2026")
    holder.release()
    assert held(s3) == ()


def test_a_process_that_is_no_engine_does_not_hold_it(s3: Any) -> None:
    put(s3, pid=os.getpid(), hostname=socket.gethostname())
    assert not held(s3)[0].alive


def test_of_another_machine_nothing_is_known_but_its_name(s3: Any) -> None:
    put(s3, pid=1, hostname="elsewhere")
    (holder,) = held(s3)
    assert (holder.here, holder.host) == (False, "elsewhere")


def test_the_locks_of_other_stacks_are_not_ours(s3: Any) -> None:
    put(s3, pid=1, hostname="elsewhere")
    assert held(s3, "pro") == ()


def test_a_lock_that_is_let_go_between_two_looks_is_none(s3: Any) -> None:
    put(s3, pid=1, hostname="elsewhere")

    def let_go(**_: Any) -> None:
        s3.delete_object(Bucket="state", Key=KEY)

    s3.meta.events.register("before-call.s3.GetObject", let_go)
    assert held(s3) == ()
