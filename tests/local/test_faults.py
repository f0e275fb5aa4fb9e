"""Whatever fails, it ends in the right state or a clear error: nothing twice, nothing that the state does not name.

One account for all; in file order.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from census import census
from stacks import Stand, run, stand

from quartermaster.fleet.errors import LeaseHeld, MissingPart, OpsError
from quartermaster.infra.sweep import loose, own_tags

pytestmark = [
    pytest.mark.engine,
    # The SDK leaves the loop of a program open whose `up` failed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FLEET = """
fleet: shop
zones: 2
network: {cidr: 10.20.0.0/16, nat: none}
databases: {sessions: {engine: dynamodb}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("faults"), FLEET) as built:
        built.empty = census(built.cloud)  # type: ignore[attr-defined]
        yield built
    gc.collect()


def left_over(made: Stand) -> tuple[str, ...]:
    """What stands in the account and the state does not name."""
    state = made.deployment()._engine.export()
    return loose(made.cloud, state, own_tags(made.cloud, [made.fleet.region]))


def in_the_end(made: Stand, act: str, tries: int = 3) -> None:
    """Run until it ends well, as a patient person would."""
    for _ in range(tries - 1):
        try:
            run(made.deployment(), act)
        except OpsError as error:
            assert error.remedy
        else:
            return
    run(made.deployment(), act)


def test_credentials_that_are_expired_are_said_to_be(made: Stand) -> None:
    made.fail(percent=100, code="ExpiredToken", status=403)
    with pytest.raises(MissingPart, match="ExpiredToken") as caught:
        run(made.deployment(), "up")
    assert "aws sso login" in caught.value.remedy
    made.fail(percent=0)
    assert census(made.cloud) == made.empty  # type: ignore[attr-defined]


def test_a_name_that_is_anothers_and_credentials_that_expire_half_way_leave_nothing_behind(made: Stand) -> None:
    iam, s3 = made.cloud.client("iam"), made.cloud.client("s3")
    iam.create_role(RoleName="shop-dev-flow-log", AssumeRolePolicyDocument="{}")
    s3.meta.events.register("before-send", _another_account)
    s3.create_bucket(Bucket="shop-dev-ops-123456789012", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(OpsError, match=r"flow-log.*EntityAlreadyExists|BucketAlreadyExists") as caught:
        run(made.deployment(), "up")
    assert "another's" in caught.value.remedy
    assert left_over(made) == ()
    iam.delete_role(RoleName="shop-dev-flow-log")
    s3.delete_bucket(Bucket="shop-dev-ops-123456789012")
    made.fail(percent=100, code="ExpiredToken", status=403, after=60)
    with pytest.raises(OpsError, match="ExpiredToken") as caught:
        run(made.deployment(), "up")
    assert "aws sso login" in caught.value.remedy
    made.fail(percent=0)


def test_a_tenth_of_all_calls_may_fail(made: Stand) -> None:
    made.fail(percent=10)
    in_the_end(made, "up")
    made.fail(percent=0)
    assert left_over(made) == ()
    assert made.deployment().drift().drift == []


def test_of_two_at_once_the_second_is_refused_and_names_the_first(made: Stand) -> None:
    made.fail(percent=10)
    with made.elsewhere("destroy", after=5), pytest.raises(LeaseHeld, match=r"process \d+ works on this stack"):
        run(made.deployment(), "up")
    in_the_end(made, "destroy")
    made.fail(percent=0)
    assert census(made.cloud) == made.empty  # type: ignore[attr-defined]


def _another_account(request: Any, **_: Any) -> None:
    request.headers["x-moto-account-id"] = "999999999999"
