"""The price table and the region table."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quartermaster.fleet.prices import load_prices
from quartermaster.fleet.regions import known_regions, zone_names

PRICES = load_prices()


def test_sizes_scale_from_large() -> None:
    assert PRICES.instance_hour("m6i.large", "eu-west-1") == Decimal("0.107")
    assert PRICES.instance_hour("m6i.4xlarge", "eu-west-1") == Decimal("0.856")
    assert PRICES.instance_hour("t3.micro", "us-east-1") == Decimal("0.0104")


def test_standby_doubles_a_database() -> None:
    assert PRICES.database_hour("db.m6i.large", "eu-west-1", standby=True) == Decimal("0.392")


@pytest.mark.parametrize(
    ("kind", "region"),
    [("m6i.large", "mars-1"), ("x9.large", "eu-west-1"), ("m6i.huge", "eu-west-1"), ("", "eu-west-1")],
)
def test_what_is_not_in_the_table_has_no_price(kind: str, region: str) -> None:
    assert PRICES.instance_hour(kind, region) is None


@pytest.mark.parametrize(("kind", "vcpu", "gib"), [("m6i.large", 2, 8), ("c7g.2xlarge", 8, 16), ("t3.micro", 2, 1)])
def test_shapes(kind: str, vcpu: int, gib: int) -> None:
    shape = PRICES.shape(kind)
    assert shape is not None
    assert (shape.vcpu, int(shape.memory_gib)) == (vcpu, gib)


def test_every_region_of_the_table_has_every_rate() -> None:
    names = [set(rates) for rates in PRICES._table["rates"].values()]
    assert all(one == names[0] for one in names)
    assert set(PRICES.regions()) <= set(known_regions())


def test_table_is_dated() -> None:
    assert PRICES.dated == "2025-10-01"


def test_zone_names_follow_the_table() -> None:
    assert zone_names("ap-northeast-1") == ("ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d")
    with pytest.raises(KeyError, match="mars-1"):
        zone_names("mars-1")
