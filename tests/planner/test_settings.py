"""What fleet.yaml says of a cluster's capacity, as the planner takes it."""

from __future__ import annotations

from datetime import date

import pytest

from quartermaster.fleet.errors import InputError
from quartermaster.fleet.schema import read_text
from quartermaster.planner.calendar import Occasion
from quartermaster.planner.purchase import Commitment
from quartermaster.planner.settings import Settings, calendar_of, of_fleet

TEXT = """fleet: shop
network: {{cidr: {cidr}}}
clusters:
  web:
    size: {{min: 2, max: 6}}
    balancer: {{kind: network, algorithm: flow_hash, cross_zone: {cross}}}
capacity:
  web:
    unit: 20
    budget_per_month: 900
    vcpu_quota: 64
    commitments: [{{instances: 3}}, {{instances: 2, until: 2027-06-30}}]
"""


def web(cidr: str = "10.20.0.0/16", cross: str = "true") -> Settings:
    return of_fleet(read_text(TEXT.format(cidr=cidr, cross=cross)).fleet)["web"][1]


def test_limits_and_commitments_are_those_of_the_file() -> None:
    own = web()
    assert (own.budget_per_month, own.vcpu_quota) == (900, 64)
    assert own.commitments == (Commitment(3), Commitment(2, date(2027, 6, 30)))


def test_without_cross_zone_balancing_rules_go_by_zones() -> None:
    assert web().rules(20).cross_zone
    assert not web(cross="false").rules(20).cross_zone


def test_room_is_that_of_the_private_subnets_with_a_zone_lost() -> None:
    # /20 private subnets in a /16, two of three left: each holds half the group, and a tenth more while it moves.
    assert web().address_room == int((4096 - 5) / (1 / 2 + 0.1))
    smaller = web("10.20.0.0/22").address_room
    assert smaller is not None and smaller < 100


@pytest.mark.parametrize("line", ["budget_per_month: 0", "vcpu_quota: 0", "commitments: [{instances: 0}]"])
def test_limits_that_allow_nothing_are_refused(line: str) -> None:
    with pytest.raises(InputError):
        read_text(f"fleet: shop\nclusters: {{web: {{}}}}\ncapacity:\n  web:\n    unit: 20\n    {line}\n")


def test_the_calendar_has_the_fleets_holidays_and_events_by_series() -> None:
    text = (
        "fleet: shop\ntimezone: Europe/Dublin\nclusters: {web: {}, api: {}}\n"
        "metrics: {source: {kind: parquet, path: m.parquet}, demand: {web: {series: shop-requests}}}\n"
        "events:\n"
        "  - {name: sale, from: 2026-11-27, to: 2026-11-30, of: web, factor: 2.5}\n"
        "  - {name: match, from: 2026-12-04}\n"
    )
    fleet = read_text(text).fleet
    found = calendar_of(fleet)
    assert found.holidays == "IE"
    assert found.events == (
        Occasion("sale", date(2026, 11, 27), date(2026, 11, 30), "shop-requests", 2.5),
        Occasion("match", date(2026, 12, 4), date(2026, 12, 4), "", None),
    )
    assert of_fleet(fleet)["shop-requests"][1].calendar == found
