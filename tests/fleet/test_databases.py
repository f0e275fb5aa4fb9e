"""Databases as RDS shows them: what is read of its answers, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.databases import Databases
from quartermaster.fleet.errors import InputError, OpsError

AT = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
SHOWN: dict[str, Any] = {
    "DBInstanceIdentifier": "old-orders",
    "DBInstanceArn": "arn:aws:rds:eu-west-1:1:db:old-orders",
    "DBInstanceStatus": "available",
    "AvailabilityZone": "eu-west-1a",
    "SecondaryAvailabilityZone": "eu-west-1b",
    "MultiAZ": True,
    "Endpoint": {"Address": "orders.example", "Port": 5432},
    "EngineVersion": "16.9",
    "DBParameterGroups": [{"DBParameterGroupName": "p", "ParameterApplyStatus": "in-sync"}],
    "BackupRetentionPeriod": 0,
    "PreferredBackupWindow": "21:00-22:00",
}


@dataclass
class _Session:
    rds: Any

    def client(self, *_: Any, **__: Any) -> Any:
        return self.rds


@pytest.fixture
def asked() -> Iterator[tuple[Databases, Stubber]]:
    rds = boto3.client("rds", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(rds) as stub:
        cloud = Cloud("shop", "prod", "aws", "eu-west-1", _Session(rds))
        yield Databases(cloud, {"orders": "old-orders"}), stub


def _shows(stub: Stubber, **other: Any) -> None:
    answer = {"DBInstances": [{**SHOWN, **other}]}
    stub.add_response("describe_db_instances", answer, {"DBInstanceIdentifier": "old-orders"})


def test_a_database_is_read_under_the_name_that_the_fleet_has_for_it(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    _shows(stub)
    found = databases.state("orders")
    assert (found.name, found.id, found.zone, found.standby_zone) == (
        "orders",
        "old-orders",
        "eu-west-1a",
        "eu-west-1b",
    )
    assert (found.address, found.port, found.backup_window, found.whole) == ("orders.example", 5432, "", True)


@pytest.mark.parametrize(
    ("other", "whole"),
    [
        ({"DBInstanceStatus": "rebooting"}, False),
        ({"SecondaryAvailabilityZone": ""}, False),
        ({"SecondaryAvailabilityZone": "", "MultiAZ": False}, True),
    ],
)
def test_whole_is_available_with_the_standby_that_was_asked_for(
    asked: tuple[Databases, Stubber], other: dict[str, Any], whole: bool
) -> None:
    databases, stub = asked
    _shows(stub, **other)
    assert databases.state("orders").whole is whole


def test_one_that_is_still_made_has_no_endpoint(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    _shows(stub, DBInstanceStatus="creating", Endpoint={})
    found = databases.state("orders")
    assert (found.address, found.port, found.whole) == ("", 0, False)


def test_events_since_an_instant_come_oldest_first(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    told = [(AT + timedelta(seconds=9), "later"), (AT, "first"), (AT - timedelta(seconds=1), "before")]
    said = {"SourceIdentifier": "old-orders", "SourceType": "db-instance", "StartTime": AT}
    answer = {"Events": [{"Date": at, "Message": message} for at, message in told]}
    stub.add_response("describe_events", answer, said)
    assert [message for _, message in databases.events("orders", AT)] == ["first", "later"]


def test_a_failover_is_a_forced_one_and_a_refusal_names_itself(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    said = {"DBInstanceIdentifier": "old-orders", "ForceFailover": True}
    stub.add_client_error(
        "reboot_db_instance", "InvalidDBInstanceState", "not in available state", expected_params=said
    )
    with pytest.raises(OpsError, match="not in available state"):
        databases.reboot("orders", failover=True)


def test_a_database_that_rds_does_not_have_is_the_users_matter(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    stub.add_client_error("describe_db_instances", "DBInstanceNotFound")
    with pytest.raises(InputError, match="RDS has no database old-orders"):
        databases.state("orders")


def test_all_that_rds_has_are_read_at_once(asked: tuple[Databases, Stubber]) -> None:
    databases, stub = asked
    stub.add_response("describe_db_instances", {"DBInstances": [{**SHOWN, "LatestRestorableTime": AT}], "Marker": "m"})
    stub.add_response(
        "describe_db_instances", {"DBInstances": [{**SHOWN, "DBInstanceIdentifier": "someone-elses"}]}, {"Marker": "m"}
    )
    found = databases.states()
    assert {name: state.restorable_to for name, state in found.items()} == {"orders": AT}
