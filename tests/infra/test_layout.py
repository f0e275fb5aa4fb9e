"""The layout is computed before anything is made, and holds for every fleet."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Network
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet, ScheduleEntry
from quartermaster.infra.floors import floor_at
from quartermaster.infra.layout import layout, recovery_layout, urn, urn_tag

RANGES = st.integers(16, 23).flatmap(
    lambda bits: st.integers(0, 2 ** (bits - 8) - 1).map(lambda n: IPv4Network((10 << 24 | n << (32 - bits), bits)))
)


WHOLE = IPv4Network("10.20.0.0/16")


def fleet(cidr: IPv4Network = WHOLE, zones: int = 3, nat: str = "per_zone") -> Fleet:
    network = {"cidr": cidr, "nat": nat}
    return Fleet.model_validate({"fleet": "shop", "region": "us-east-1", "zones": zones, "network": network})


@given(cidr=RANGES, zones=st.integers(2, 6))
def test_subnets_lie_in_the_network_apart_from_each_other_and_are_no_smaller_than_aws_takes(
    cidr: IPv4Network, zones: int
) -> None:
    subnets = layout(fleet(cidr, zones), "dev").subnets
    assert len(subnets) == 3 * zones
    assert all(subnet.cidr.subnet_of(cidr) and 16 <= subnet.cidr.prefixlen <= 28 for subnet in subnets)
    assert not any(one.cidr.overlaps(other.cidr) for one, other in combinations(subnets, 2))
    assert len({subnet.name for subnet in subnets}) == len(subnets)


@given(cidr=RANGES, zones=st.integers(2, 5))
def test_another_zone_moves_none_of_those_that_are_there(cidr: IPv4Network, zones: int) -> None:
    before, after = layout(fleet(cidr, zones), "dev"), layout(fleet(cidr, zones + 1), "dev")
    assert set(before.subnets) < set(after.subnets)


@pytest.mark.parametrize(
    ("nat", "served_by"), [("per_zone", ["a", "b", "c"]), ("single", ["a"] * 3), ("none", [None] * 3)]
)
def test_every_zone_knows_its_way_out(nat: str, served_by: list[str | None]) -> None:
    made = layout(fleet(nat=nat), "dev")
    ways = [made.nat_of(zone) for zone in made.zones]
    assert [way[-1] if way else None for way in ways] == served_by


def test_a_network_too_small_is_refused_with_what_fits() -> None:
    with pytest.raises(InputError) as caught:
        layout(fleet(IPv4Network("10.20.0.0/24")), "dev")
    assert caught.value.faults[0].where == "network.cidr"


RECOVERY = {"cidr": WHOLE, "recovery_cidr": IPv4Network("10.21.0.0/16")}


def survivor(objective: str = "region", network: object = RECOVERY) -> Fleet:
    declared = {"web": {objective: {"rto": "1h"}}}
    more = {"recovery_region": "eu-central-1", "clusters": {"web": {}}, "recovery": declared, "network": network}
    return Fleet.model_validate({"fleet": "shop", "region": "us-east-1", "zones": 6, **more})


def test_the_pilot_light_has_ranges_zones_and_names_of_its_own() -> None:
    here, there = layout(survivor(), "dev"), recovery_layout(survivor(), "dev")
    assert there is not None
    assert there.zones == ("eu-central-1a", "eu-central-1b", "eu-central-1c")
    assert not any(one.cidr.overlaps(other.cidr) for one in here.subnets for other in there.subnets)
    assert (here.name("web"), there.name("web")) == ("shop-dev-web", "shop-dev-recovery-web")
    assert here.name() != there.name()


def test_without_a_region_objective_or_a_range_there_is_no_pilot_light() -> None:
    assert recovery_layout(survivor("zone"), "dev") is None
    assert recovery_layout(survivor(network={"cidr": WHOLE}), "dev") is None


def test_the_urn_tag_takes_only_what_aws_takes() -> None:
    value = urn_tag(urn("dev", "shop", "ops:infra:Network$aws:ec2/vpc:Vpc", "vpc"))
    assert value == "urn:pulumi:dev::shop::ops:infra:Network/aws:ec2/vpc:Vpc::vpc"
    assert len(urn_tag("x" * 300)) == 256


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("entries", "floor"),
    [
        ([], 3),
        ([{"at": "2026-11-20T11:00:00Z", "min": 7}], 7),
        ([{"at": "2026-11-20T13:00:00Z", "min": 7}], 3),
        ([{"cron": "0 8 * * 1-5", "min": 6}], 6),
        ([{"cron": "0 8 * * mon-fri", "min": 6}, {"cron": "30 11 * * *", "min": 4}], 4),
        ([{"cron": "0 8 * * 0", "min": 6}], 6),
        ([{"cron": "0 8 */3 * fri", "min": 6}, {"cron": "0 8 * * thu", "min": 4}], 4),
        ([{"cron": "0 13 * * 5", "min": 9}, {"cron": "0 8 * * 5", "min": 6}], 6),
    ],
)
def test_the_floor_in_force_is_that_of_the_entry_which_fired_last(entries: list[dict[str, object]], floor: int) -> None:
    schedule = [ScheduleEntry.model_validate(entry) for entry in entries]
    assert floor_at(schedule, 3, NOW, ZoneInfo("UTC")) == floor
