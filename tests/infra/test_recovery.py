"""The pilot light's resources are all in the recovery region, and hold nothing that runs."""

from __future__ import annotations

from functools import cache

from mocked import Declared, declared

from quartermaster.fleet.schema import Fleet, example, read_text
from quartermaster.infra.layout import layout, urn_tag
from quartermaster.infra.recovery import dormant
from quartermaster.infra.state import Pending, known_ids
from quartermaster.infra.substituted import substituted
from quartermaster.infra.sweep import loose

FLEET = read_text(example("shop")).fleet
EVERYWHERE = ("aws:iam/", "aws:route53/", "aws:cloudfront/")


@cache
def made() -> list[Declared]:
    return [one for one in declared(FLEET, "dev") if one.custom]


def test_everything_regional_of_the_pilot_light_is_made_in_the_recovery_region() -> None:
    there = [one for one in made() if "ops:infra:Recovery$" in one.urn]
    kinds = {one.type.rpartition(":")[2] for one in there}
    assert {"Vpc", "LoadBalancer", "LaunchTemplate", "Group", "Bucket", "Role", "Instance"} <= kinds
    for one in there:
        region = None if one.type.startswith(EVERYWHERE) else FLEET.recovery_region
        assert one.inputs.get("region") == region, one.urn


def test_of_the_rest_only_copies_of_data_and_their_keys_went_there() -> None:
    rest = [one for one in made() if "ops:infra:Recovery$" not in one.urn]
    moved = {one.type.partition("/")[0] for one in rest if one.inputs.get("region") == FLEET.recovery_region}
    assert moved <= {"aws:kms", "aws:backup", "aws:s3", "aws:ec2"}
    assert not [one.urn for one in rest if one.type == "aws:ec2/vpc:Vpc" and one.inputs.get("region")]


def test_a_dormant_cluster_has_no_host_and_uses_what_is_there() -> None:
    parts = {"size": {"min": 3, "max": 9}, "scaling": {"warm_hosts": 2, "predictive": "forecast_only"}}
    web = {**parts, "schedule": ({"cron": "0 8 * * *", "min": 5},), "uses": ("orders", "carts")}
    fleet = Fleet.model_validate({"fleet": "shop", "clusters": {"web": web}})
    asleep = dormant(fleet, ["orders"]).clusters["web"]
    assert (asleep.size.min, asleep.size.max) == (0, 9)
    assert (asleep.schedule, asleep.scaling.warm_hosts, asleep.scaling.predictive) == ((), 0, "off")
    assert asleep.uses == ("orders",)
    assert fleet.clusters["web"].size.min == 3


def test_the_same_name_in_another_region_is_another_resource() -> None:
    alias = "aws:kms/alias:Alias"
    state = {"resources": [{"type": alias, "id": "alias/shop-dev-data", "inputs": {"name": "alias/shop-dev-data"}}]}
    here = Pending("urn:a", alias, "creating", {"name": "alias/shop-dev-data"})
    there = Pending("urn:b", alias, "creating", {"name": "alias/shop-dev-data", "region": "eu-central-1"})
    assert known_ids(state, here) == {"alias/shop-dev-data"}
    assert known_ids(state, there) == frozenset()


def test_the_copy_of_a_secret_is_nothing_left_behind() -> None:
    arn = "arn:aws:secretsmanager:{}:123456789012:secret:shop/dev/orders-QjnaDl"
    urn = "urn:pulumi:dev::shop::ops:infra:Database$aws:secretsmanager/secret:Secret::orders"
    kept = {"urn": urn, "type": "aws:secretsmanager/secret:Secret", "custom": True, "id": arn.format("eu-west-1")}
    tags = {arn.format(region): urn_tag(urn) for region in ("eu-west-1", "eu-central-1")}
    assert loose(None, {"resources": [kept]}, tags) == ()  # type: ignore[arg-type]  # no look at the cloud is needed


def test_what_the_local_cloud_makes_of_a_replica_abroad_is_named() -> None:
    rows = {row["what"]: row for row in substituted(FLEET, layout(FLEET, "dev"), [])}
    assert rows["recovery.orders.region"]["asked"] == "a read replica in eu-central-1"


def test_the_pilot_light_is_watched_where_it_is() -> None:
    """By alarms of its own region, and told by a topic of that region: they outlive the other one."""
    there = {(one.type, one.name): one.inputs for one in made() if "ops:infra:Recovery$" in one.urn}
    lag = there["aws:cloudwatch/metricAlarm:MetricAlarm", "orders-lag"]
    assert (lag["region"], lag["name"]) == ("eu-central-1", "shop-dev-recovery-orders-lag")
    assert lag["dimensions"] == {"DBInstanceIdentifier": "shop-dev-recovery-orders"}
    assert there["aws:sns/topic:Topic", "notices"]["name"] == "shop-dev-recovery-notices"
    [told] = lag["alarmActions"]
    assert told.startswith("arn:aws:sns:")
    assert ("aws:cloudwatch/dashboard:Dashboard", "dashboard") not in there
