"""Leases: who may work on what, and when another's lease no longer binds."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa
from moto import mock_aws

from quartermaster.fleet.errors import InputError, LeaseHeld, LeaseLost
from quartermaster.fleet.events import Event, Noted, StepFinished, StepStarted
from quartermaster.fleet.leases import Leases, overlap
from quartermaster.fleet.leases_shared import SharedLeases
from quartermaster.fleet.store import open_engine, open_url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "table"])
def leases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leases]:
    """One contract, kept by all stores."""
    if request.param != "table":
        on_server = request.param == "postgres"
        opened = (
            open_url(request.getfixturevalue("server").database()) if on_server else open_engine(tmp_path / "ops.db")
        )
        yield Leases(opened)
        opened.dispose()
        return
    with mock_aws():
        yield SharedLeases(table(), "shop-ops-state", "shop")


def table() -> Any:
    """A client of a table as `ops bootstrap` makes it."""
    client = boto3.client("dynamodb", "eu-west-1", aws_access_key_id="AKIA", aws_secret_access_key="x")
    client.create_table(
        TableName="shop-ops-state", KeySchema=[{"AttributeName": "scope", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "scope", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )  # fmt: skip
    return client


@pytest.fixture
def kept(engine: sa.Engine) -> Leases:
    return Leases(engine)


def change(engine: sa.Engine, **values: str) -> None:
    """Rewrite what the store says of all leases."""
    with engine.begin() as db:
        for column, value in values.items():
            db.execute(sa.text(f"update leases set {column} = :value"), {"value": value})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("dev", "dev", True),
        ("dev", "prod", False),
        ("dev", "dev/cluster/web", True),
        ("dev", "dev/zone/eu-west-1a", True),
        ("dev/cluster/web", "dev/cluster/web", True),
        ("dev/cluster/web", "dev/cluster/api", False),
        ("dev/cluster/web", "dev/cluster/web-api", False),
        ("dev/cluster/web", "dev/zone/eu-west-1a", False),
        ("dev/zone/eu-west-1a", "dev/zone/eu-west-1b", False),
        ("dev/cluster/web", "prod/cluster/web", False),
        ("dev", "development", False),
    ],
)
def test_scopes_overlap_when_one_is_the_other_or_above_it(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def test_second_hand_is_refused_and_told_who_holds(leases: Leases) -> None:
    refused = pytest.raises(LeaseHeld, match=r"patch-1.*dev/cluster/web")
    with leases.hold(["dev/cluster/web"], run="patch-1"), refused, leases.hold(["dev"], run="drill-1"):
        pytest.fail("two hands on one domain")


def test_apart_scopes_are_held_together(leases: Leases) -> None:
    with leases.hold(["dev/cluster/web"], run="a"), leases.hold(["dev/cluster/api", "prod"], run="b"):
        assert [row.scope for row in leases.held()] == ["dev/cluster/web", "dev/cluster/api", "prod"]


def test_all_scopes_or_none(leases: Leases) -> None:
    with leases.hold(["dev/zone/b"], run="a"):
        with pytest.raises(LeaseHeld), leases.hold(["dev/zone/a", "dev/zone/b"], run="b"):
            pass
        assert [row.scope for row in leases.held()] == ["dev/zone/b"]


def test_lease_ends_with_its_block_also_on_error(leases: Leases) -> None:
    with pytest.raises(RuntimeError), leases.hold(["dev"], run="a"):
        raise RuntimeError
    assert leases.held() == []


def test_each_grant_has_a_larger_token(leases: Leases) -> None:
    with leases.hold(["dev", "prod"], run="a") as first:
        pass
    with leases.hold(["dev"], run="b") as second:
        assert min(second.tokens) > max(first.tokens)


def test_broken_lease_is_lost(leases: Leases) -> None:
    with leases.hold(["dev/cluster/web"], run="a") as lease:
        lease.check()
        [row] = leases.break_scope("dev", reason="its host is gone")
        assert row.run == "a"
        with pytest.raises(LeaseLost):
            lease.check()
        with leases.hold(["dev"], run="b"):
            pass


def test_breaking_needs_a_reason(leases: Leases) -> None:
    with pytest.raises(InputError, match="reason"):
        leases.break_scope("dev", reason=" ")


def test_nothing_is_done_after_the_lease_is_lost(leases: Leases) -> None:
    acts: list[str] = []

    def work() -> Iterator[Event]:
        for step in ("first", "second"):
            yield StepStarted(step=step)
            acts.append(step)
            yield StepFinished(step=step)
            leases.break_scope("dev", reason="test")

    with leases.hold(["dev"], run="a") as lease, pytest.raises(LeaseLost):
        list(lease.fenced(work()))
    assert acts == ["first"]


def test_no_step_of_those_announced_together_is_begun_once_the_lease_is_broken(leases: Leases) -> None:
    acted: list[str] = []

    def work() -> Iterator[Event]:
        yield StepStarted(step="drain", host="i-1", more=True)
        yield StepStarted(step="drain", host="i-2", more=True)
        yield Noted(step="drain", message="at once")
        acted.append("drain")

    with leases.hold(["dev"], run="a") as lease, pytest.raises(LeaseLost):
        leases.break_scope("dev", reason="test")
        list(lease.fenced(work()))
    assert acted == []


def test_expired_lease_is_lost_and_free(kept: Leases, engine: sa.Engine) -> None:
    with kept.hold(["dev"], run="a") as lease:
        change(engine, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
        with pytest.raises(LeaseLost):
            lease.check()
        with kept.hold(["dev"], run="b"):
            assert [row.run for row in kept.held()] == ["b"]


DIES = """
import sys, time
from pathlib import Path
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.store import open_engine, open_url

place = sys.argv[1]
with Leases(open_url(place) if "://" in place else open_engine(Path(place))).hold(["dev"], run="patch-1"):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    time.sleep(60)
"""


@pytest.fixture
def left_behind(place: str, kept: Leases) -> None:
    """A lease on dev whose owner was killed; live until then."""
    with subprocess.Popen([sys.executable, "-c", DIES, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LeaseHeld), kept.hold(["dev/cluster/web"], run="b"):
            pass
        process.send_signal(signal.SIGKILL)


@pytest.mark.usefixtures("left_behind")
def test_dead_owners_lease_is_recovered_on_its_host(kept: Leases) -> None:
    assert kept.held() == []
    with kept.hold(["dev"], run="b"):
        assert [row.run for row in kept.held()] == ["b"]


@pytest.mark.usefixtures("left_behind")
def test_lease_of_another_host_binds_until_it_expires(kept: Leases, engine: sa.Engine) -> None:
    change(engine, host="elsewhere")
    with pytest.raises(LeaseHeld, match="elsewhere"), kept.hold(["dev"], run="b"):
        pass
    change(engine, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    with kept.hold(["dev"], run="b"):
        pass


@pytest.mark.usefixtures("left_behind")
def test_lease_of_another_host_ends_when_broken(kept: Leases, engine: sa.Engine) -> None:
    change(engine, host="elsewhere")
    kept.break_scope("dev/cluster/web", reason="that host burnt down")
    with kept.hold(["dev"], run="b"):
        pass
