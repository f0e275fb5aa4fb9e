"""What an account runs is read into a fleet.yaml that validates and says what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.infra.adopt import discover
from quartermaster.infra.adopt_text import fleet_text
from tests.infra.shop_by_hand import build

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        session = boto3.Session("AKIATEST", "test", region_name="eu-west-1")
        made = Cloud("", "", "aws", "eu-west-1", session)
        build(made.client)
        yield made


def adopted(cloud: Cloud, folder: Path, **narrowed: Any) -> tuple[Fleet, list[str], str]:
    text, notes = fleet_text(discover(cloud, **narrowed), "shop", local=False)
    (folder / "fleet.yaml").write_text(text, encoding="utf-8")
    return load_fleet(folder / "fleet.yaml"), notes, text


def test_groups_balancers_and_databases_become_a_valid_fleet(cloud: Cloud, tmp_path: Path) -> None:
    fleet, _, text = adopted(cloud, tmp_path)
    web = fleet.clusters["old-web-asg"]
    assert (web.instance, web.size.min, web.size.max, web.disk_gib) == ("m6i.large", 2, 7, 40)
    assert web.balancer is not None
    assert (web.balancer.port, web.balancer.health, web.balancer.drain_seconds) == (8080, "/up", 45)
    assert web.balancer.algorithm == "least_outstanding_requests"
    orders = fleet.databases["old-orders"]
    assert (orders.version, orders.storage_gib, orders.standby, orders.replicas) == ("16", 100, True, 0)
    assert fleet.databases["old-sessions"].key == "sid"
    assert fleet.network.vpc.startswith("vpc-")
    assert fleet.stacks["prod"].account == "123456789012"
    assert fleet.stacks["prod"].protect
    assert "Nothing was changed" in text


def test_what_cannot_be_said_is_named_in_the_file_and_to_the_person(cloud: Cloud, tmp_path: Path) -> None:
    fleet, notes, text = adopted(cloud, tmp_path)
    assert set(fleet.databases) == {"old-orders", "old-sessions"}
    for word in ("old-mysql", "old-events", "user data", "lonely"):
        assert any(word in note for note in notes), word
    assert all(f"#   {note}" in text for note in notes)


def test_what_was_there_is_named_with_the_id_that_aws_gave_it(cloud: Cloud, tmp_path: Path) -> None:
    fleet, _, _ = adopted(cloud, tmp_path)
    kinds = [item.type.rsplit(":", 1)[-1] for item in fleet.adopted]
    assert kinds == ["Group", "LoadBalancer", "TargetGroup", "Listener", "Instance", "Table"]
    assert [item.id for item in fleet.adopted if item.type.endswith(("group:Group", "Table"))] == [
        "old-web-asg",
        "old-sessions",
    ]


def test_a_tag_narrows_it(cloud: Cloud, tmp_path: Path) -> None:
    fleet, _, _ = adopted(cloud, tmp_path, tag=("app", "shop"))
    assert (list(fleet.clusters), list(fleet.databases)) == (["old-web-asg"], ["old-sessions"])


def test_reading_changes_nothing(cloud: Cloud) -> None:
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    cloud.session.events.register("before-call", note)
    discover(cloud)
    assert calls
    assert all(name.startswith(("Describe", "List", "Get")) for name in calls)
