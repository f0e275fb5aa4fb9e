"""Zones: those that the account has, and in a network that exists those of its subnets."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from quartermaster.fleet.aws import Cloud
from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import Fleet
from quartermaster.infra.layout import layout, recovery_layout
from quartermaster.infra.zones import check_zones

FLEET = {
    "fleet": "shop",
    "region": "ap-northeast-1",
    "recovery_region": "eu-central-1",
    "zones": 3,
    "network": {"cidr": "10.20.0.0/16", "recovery_cidr": "10.21.0.0/16"},
    "databases": {"orders": {"engine": "postgres"}},
    "recovery": {"orders": {"region": {"rto": "60m", "rpo": "15m"}}},
}


def only(monkeypatch: pytest.MonkeyPatch, region: str, letters: str) -> None:
    """Let the account see these zones of the region alone."""
    left = [zone for zone in RegionsAndZonesBackend.zones[region] if zone.name[-1] in letters]
    monkeypatch.setitem(RegionsAndZonesBackend.zones, region, left)


@mock_aws
def test_zones_that_the_account_lacks_are_named_with_those_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet.model_validate(FLEET)
    here, there = layout(fleet, "dev"), recovery_layout(fleet, "dev")
    assert there is not None
    session = boto3.Session("AKIA", "x", region_name=fleet.region)
    cloud = Cloud("shop", "dev", "aws", fleet.region, session)
    check_zones(cloud, here, there)
    only(monkeypatch, "ap-northeast-1", "ac")
    only(monkeypatch, "eu-central-1", "bc")
    with pytest.raises(InputError) as caught:
        check_zones(cloud, here, there)
    first, second = caught.value.faults
    assert (first.where, second.where) == ("zones", "recovery_region")
    assert first.problem == (
        "the account has ap-northeast-1a, ap-northeast-1c in ap-northeast-1, and not ap-northeast-1d"
    )
    assert first.remedy.startswith("zones: 2, ")
    assert second.remedy.startswith("another region")  # without its first zone no smaller number helps


def test_the_zones_of_a_network_that_exists_are_not_guessed() -> None:
    network = {"vpc": "vpc-0a", "subnets": ("subnet-1", "subnet-2")}
    fleet = Fleet.model_validate({"fleet": "shop", "zones": 2, "network": network})
    with pytest.raises(ValueError, match="vpc-0a"):
        fleet.zone_names()
    assert layout(fleet, "dev").zones == ()
