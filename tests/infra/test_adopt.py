"""What an account runs is read into a fleet.yaml that validates and says what it cannot say."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from mocked import facts, resources
from moto import mock_aws

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.hosts import Hosts
from quartermaster.fleet.names import tags
from quartermaster.fleet.schema import Fleet, load_fleet
from quartermaster.infra.adopt import discover
from quartermaster.infra.adopt_text import fleet_text
from quartermaster.infra.alarms import alarms
from quartermaster.infra.layout import TABLE, layout
from quartermaster.infra.program import declare
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
    discover(replace(cloud))  # its clients are made after the session was told
    assert calls
    assert all(name.startswith(("Describe", "List", "Get")) for name in calls)


KEPT = """
fleet: shop
region: eu-west-1
clusters: {web: {uses: [orders]}}
databases: {orders: {engine: postgres}, sessions: {engine: dynamodb}}
adopted:
  - {type: "aws:autoscaling/group:Group", name: web, id: old-web}
  - {type: "aws:rds/instance:Instance", name: orders, id: old-orders}
  - {type: "aws:dynamodb/table:Table", name: sessions, id: old-sessions}
"""


def test_hosts_and_alarms_call_what_was_there_before_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(KEPT)
    fleet = load_fleet(tmp_path / "fleet.yaml")
    shape = layout(fleet, "dev")
    bundle = tmp_path / "bundle.tar.gz"
    bundle.write_bytes(b"not a real bundle")
    program = functools.partial(declare, fleet, shape, replace(facts(fleet, "dev"), bundle=bundle))
    made = {(one.type, one.name): one.inputs for one in resources(program, "shop", "dev") if one.custom}
    user_data = base64.b64decode(made["aws:ec2/launchTemplate:LaunchTemplate", "web"]["userData"]).decode()
    assert 'GROUP, HOOK = "old-web", "converged"' in user_data
    assert "autoScalingGroupName/old-web" in made["aws:iam/rolePolicy:RolePolicy", "web"]["policy"]
    [hook] = [one for (type_, _), one in made.items() if type_ == "aws:autoscaling/lifecycleHook:LifecycleHook"]
    assert (hook["name"], hook["lifecycleTransition"]) == ("converged", "autoscaling:EC2_INSTANCE_LAUNCHING")
    assert "initialLifecycleHooks" not in made["aws:autoscaling/group:Group", "web"]
    watched = {value for alarm in alarms(fleet, shape) for one in alarm.metrics for value in one.dimensions.values()}
    assert watched == {"old-web", "old-orders", "old-sessions"}
    assert {layout(fleet, "dev").called(TABLE, name) for name in ("sessions", "other")} == {
        "old-sessions",
        "shop-dev-other",
    }


def test_the_group_of_a_cluster_is_found_by_its_tags_whatever_its_name(cloud: Cloud) -> None:
    groups, mine = cloud.client("autoscaling"), replace(cloud, fleet="shop", stack="dev")
    assert Hosts(mine).groups() == {}
    with pytest.raises(KeyError, match="shop-dev-web"):
        Hosts(mine).group("web")
    for stack, cluster in (("dev", "web"), ("prod", "api")):
        groups.create_or_update_tags(
            Tags=[
                {"ResourceId": "old-web-asg", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True,
                 "Key": key, "Value": value}
                for key, value in tags("shop", stack, cluster).items()
            ]
        )  # fmt: skip
        found = Hosts(replace(mine, stack=stack))
        assert list(found.groups()) == [cluster]
        assert found.group(cluster).name == "old-web-asg"
