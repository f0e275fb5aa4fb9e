"""Zonal shifts of the local cloud: what ARC takes and refuses, when they end, and what a balancer makes of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from ruamel.yaml import YAML

from quartermaster.infra.local import moto_zonal_shift
from quartermaster.infra.local.balancer import Health
from quartermaster.infra.local.haproxy_servers import decide
from quartermaster.infra.local.ledger import Ledger
from quartermaster.infra.local.moto_zonal_shift import Refused, Shifts, expiry
from quartermaster.infra.local.timing import Timing
from quartermaster.infra.local.world import World
from tests.local.test_haproxy_servers import POOL, SERVER, STICKY

NOW = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
WEB = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1"
FACTS = YAML(typ="safe").load(Path(__file__).with_name("zonal_shift_facts.yaml"))


def region() -> Shifts:
    """A region with one balancer that ARC manages, in two zones."""
    return Shifts(lambda arn: {"euw1-az1": "eu-west-1b", "euw1-az3": "eu-west-1a"} if arn == WEB else None)


def asked(**more: str) -> dict[str, str]:
    return {"resourceIdentifier": WEB, "awayFrom": "euw1-az3", "expiresIn": "10m", "comment": "drill"} | more


def test_a_shift_holds_until_it_expires_and_nobody_need_end_it() -> None:
    shifts = region()
    shift = shifts.start(asked(), NOW)
    assert shifts.active(WEB, NOW + timedelta(minutes=9, seconds=59)) is shift
    assert shifts.resource(WEB, NOW)["appliedWeights"] == {"euw1-az1": 1.0, "euw1-az3": 0.0}
    assert shifts.active(WEB, NOW + timedelta(minutes=10)) is None
    assert shift.status(NOW + timedelta(minutes=10)) == "EXPIRED"
    assert shifts.start(asked(awayFrom="euw1-az1"), NOW + timedelta(minutes=10)).zone == "eu-west-1b"


def test_a_shift_is_cancelled_once_and_may_be_prolonged_only_while_it_holds() -> None:
    shifts = region()
    shift = shifts.start(asked(), NOW)
    assert shifts.update(shift.id, {"expiresIn": "2h"}, NOW).expires_at == NOW + timedelta(hours=2)
    assert shifts.cancel(shift.id, NOW).status(NOW) == "CANCELED"
    assert shifts.active(WEB, NOW) is None
    for late in (lambda: shifts.cancel(shift.id, NOW), lambda: shifts.update(shift.id, {}, NOW)):
        with pytest.raises(Refused, match="CANCELED") as refused:
            late()
        assert refused.value.reason == "ZonalShiftStatusNotActive"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["says"])
def test_what_arc_refuses_is_refused_here(fact: dict[str, Any]) -> None:
    shifts = region()
    for before in fact.get("after", []):
        shifts.start(asked(**before), NOW)
    with pytest.raises(Refused) as refused:
        shifts.start(asked(**fact["asked"]), NOW)
    assert (refused.value.code, refused.value.reason, refused.value.status) == (
        fact["refused"], fact.get("reason", ""), fact["status"],
    )  # fmt: skip


def test_the_longest_shift_is_three_days() -> None:
    assert expiry("72h", NOW) == NOW + timedelta(hours=72)
    assert expiry("4320m", NOW) == NOW + timedelta(hours=72)


@pytest.mark.parametrize(("pool", "state"), [(POOL, "drain"), (STICKY, "maint")])
def test_servers_of_the_zone_are_kept_aside_and_let_in_again(pool: Any, state: str) -> None:
    shifted, back = {"i-1": replace(SERVER, away=True)}, {"i-1": SERVER}
    assert decide(pool, shifted, {"i-1": Health("up", "L7OK")}) == [f"set server web/i-1 state {state}"]
    assert decide(pool, shifted, {"i-1": Health(state, "L7OK")}) == []
    assert decide(POOL, back, {"i-1": Health("maint", "L7OK")}) == ["set server web/i-1 state drain"]
    assert decide(POOL, back, {"i-1": Health("drain", "L7OK")}) == ["set server web/i-1 state ready"]


def test_a_server_that_comes_in_a_shifted_zone_is_checked_but_not_let_in() -> None:
    shifted = {"i-1": replace(SERVER, away=True)}
    assert "enable health web/i-1" in decide(POOL, shifted, {})
    assert decide(POOL, shifted, {"i-1": Health("drain", "L7OK")}) == []


@contextmanager
def cloud(folder: Path) -> Iterator[tuple[World, Any]]:
    """The API with ELB and ARC in this process, without hosts: the world and a maker of clients."""
    from moto.moto_api._internal import moto_api_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, *args: object, **kwargs: object) -> None:
            """Not a line a request."""

    world = World(
        instance="0a0b0c", fleet="shop", home=folder, timing=Timing.named("instant"), ledger=Ledger(folder / "l"),
        with_hosts=False, account="210987654321",
    )  # fmt: skip
    moto_api_backend.reset()  # what other tests of this process made
    dispatcher = DomainDispatcherApplication(create_backend_app)
    moto_zonal_shift.install(world, dispatcher)
    server = make_server("127.0.0.1", 0, dispatcher, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def client(service: str) -> Any:
        return boto3.client(
            service, region_name="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
            aws_access_key_id="a", aws_secret_access_key="b",
        )  # fmt: skip

    try:
        yield world, client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def a_balancer(client: Any) -> str:
    ec2, elb = client("ec2"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"eu-west-1{z}")["Subnet"]["SubnetId"]
        for n, z in enumerate("ab")
    ]
    arn: str = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


def test_arc_answers_over_the_api_as_botocore_reads_it(tmp_path: Path) -> None:
    with cloud(tmp_path) as (world, client):
        world.account = "123456789012"
        arn, arc = a_balancer(client), client("arc-zonal-shift")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            arc.start_zonal_shift(**asked(resourceIdentifier=arn))
        on = [{"Key": "zonal_shift.config.enabled", "Value": "true"}]
        client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=on)
        began = arc.start_zonal_shift(**asked(resourceIdentifier=arn))
        assert began["status"] == "ACTIVE"
        assert began["expiryTime"] - began["startTime"] == timedelta(minutes=10)
        with pytest.raises(arc.exceptions.ConflictException) as refused:
            arc.start_zonal_shift(**asked(resourceIdentifier=arn, awayFrom="euw1-az1"))
        assert refused.value.response["reason"] == "ZonalShiftAlreadyExists"
        assert arc.get_managed_resource(resourceIdentifier=arn)["appliedWeights"]["euw1-az3"] == 0
        assert moto_zonal_shift.away(world, arn, datetime.now(UTC)) == "eu-west-1a"
        (listed,) = arc.list_zonal_shifts(status="ACTIVE", resourceIdentifier=arn)["items"]
        assert listed["zonalShiftId"] == began["zonalShiftId"]
        assert arc.cancel_zonal_shift(zonalShiftId=began["zonalShiftId"])["status"] == "CANCELED"
        assert arc.list_managed_resources()["items"][0]["zonalShifts"] == []
        assert moto_zonal_shift.away(world, arn, datetime.now(UTC)) == ""
