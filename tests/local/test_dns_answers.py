"""What names lead to on the local cloud: the failover rule, and a health check that changes its mind slowly."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartermaster.infra.local import moto_route53
from quartermaster.infra.local.moto_route53 import Candidate, Watched, answer
from tests.local.test_zonal_shift import cloud

HERE, THERE = ("10.20.0.5",), ("10.21.0.5",)


def pair(primary: bool, secondary: bool) -> list[Candidate]:
    return [Candidate("SECONDARY", secondary, THERE), Candidate("PRIMARY", primary, HERE)]


@pytest.mark.parametrize(
    ("primary", "secondary", "expected"),
    [(True, True, HERE), (True, False, HERE), (False, True, THERE), (False, False, HERE)],
)
def test_a_name_leads_elsewhere_only_where_that_is_well_and_here_is_ill(
    primary: bool, secondary: bool, expected: tuple[str, ...]
) -> None:
    assert answer(pair(primary, secondary)) == expected


def test_a_name_without_failover_leads_where_its_record_says() -> None:
    assert answer([Candidate("", False, HERE)]) == HERE
    assert answer([Candidate("SECONDARY", False, THERE)]) == THERE
    assert answer([]) == ()


def see(watched: Watched, now: float, *, serves: bool = True, inverted: bool = False) -> bool:
    watched.see(serves, inverted, needed=90, arrives=5, now=now)
    return watched.healthy


def test_an_endpoint_is_called_ill_after_so_many_failures_in_a_row() -> None:
    watched = Watched()
    assert see(watched, 0, serves=False)
    assert see(watched, 60, serves=True)
    assert see(watched, 70, serves=False)
    assert see(watched, 150, serves=False)
    assert not see(watched, 160, serves=False)
    assert not see(watched, 170, serves=True)
    assert see(watched, 260, serves=True)


def test_an_inverted_check_takes_a_moment_and_can_be_taken_back() -> None:
    watched = Watched()
    assert see(watched, 0, inverted=True)
    assert see(watched, 4, inverted=True)
    assert not see(watched, 5, inverted=True)
    assert not see(watched, 6)
    assert see(watched, 11)


def test_route_53_answers_over_the_api_as_botocore_reads_it(tmp_path: Path) -> None:
    with cloud(tmp_path) as (world, client):
        world.account = "123456789012"
        moto_route53.install(world)
        dns = client("route53")
        zone = dns.create_hosted_zone(Name="shop.example", CallerReference="1")["HostedZone"]["Id"]
        record = {"Name": "www.shop.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.9"}]}
        changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
        dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        found = dns.test_dns_answer(HostedZoneId=zone, RecordName="www.shop.example", RecordType="A")
        assert (found["ResponseCode"], found["RecordData"]) == ("NOERROR", ["10.0.0.9"])
        none = dns.test_dns_answer(HostedZoneId=zone, RecordName="ftp.shop.example", RecordType="A")
        assert (none["ResponseCode"], none["RecordData"]) == ("NXDOMAIN", [])
