"""Leaving a zone, and a region, on real hosts under load: nobody notices, and all comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from quartermaster.cli.zonal import _LocalZones
from quartermaster.fleet.events import StepFinished
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.leases import Leases
from quartermaster.fleet.load import Load
from quartermaster.fleet.schema import Fleet, read_text
from quartermaster.fleet.zonal_shift import ZonalShifts
from quartermaster.infra.local import client
from quartermaster.infra.local.pilot_light import PilotLight
from quartermaster.runbooks import drill
from quartermaster.runbooks.acts import Hands
from quartermaster.runbooks.plan import DrillPlan
from tests.hosts.drill_cluster import DrillCluster, build
from tests.hosts.local_cluster import free_cidr

pytestmark = pytest.mark.hosts


@dataclass(frozen=True)
class Cluster:
    """The cluster with what leaving a zone needs."""

    drilled: DrillCluster
    name: str
    """Of its balancer."""
    hands: Hands

    def asked(self, plan: DrillPlan) -> int:
        """Requests that hosts of the plan's zone have finished, as HAProxy counted them."""
        counts = client.host_requests(self.drilled.workspace, self.name)
        return sum(counts[host] for host in plan.loss.hosts)


@pytest.fixture(scope="module")
def cluster(drilled: DrillCluster) -> Cluster:
    made = drilled
    name, elb = made.fleet.balancer_name("dev", "web"), made.cloud.client("elbv2")
    arn = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
    on = [{"Key": "zonal_shift.config.enabled", "Value": "true"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=on)
    session: Any = type(
        "Session", (), {"workspace": made.workspace, "fleet": made.fleet, "stack": "dev", "hosts": made.hosts}
    )
    shifts = ZonalShifts(made.cloud, {"web": name})
    return Cluster(made, name, replace(made.hands, shifts=shifts, zone_counter=_LocalZones(session)))


@pytest.fixture
def journal(cluster: Cluster) -> Iterator[Journal]:
    opened = Journal.open(cluster.drilled.workspace.database)
    yield opened
    opened.engine.dispose()


def a_plan(cluster: Cluster) -> DrillPlan:
    fleet = cluster.drilled.fleet
    scene = drill.see("zone_evacuation", "web", fleet, cluster.hands)
    return drill.plan(
        "zone_evacuation", "web", scene=scene, fleet=fleet, stack="dev", now=datetime.now(UTC), right_now=True
    )


def test_a_zone_is_left_and_taken_back_and_no_request_fails(cluster: Cluster, journal: Journal) -> None:
    plan, asked = a_plan(cluster), {}
    with Load(cluster.drilled.url, rate_per_second=60, connections=8) as load:
        for event in drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=cluster.hands):
            if isinstance(event, StepFinished):
                asked[event.step] = cluster.asked(plan)
    (row,) = [row for row in journal.runs("drill") if row.subject == "zone_evacuation web"]
    assert row.state == "done"
    assert row.result is not None
    assert row.result["restored"]
    # By the clients' count, and by the balancer's.
    assert load.counts().failed == 0
    assert row.result["requests"]["failed"] == 0
    assert row.result["requests"]["sent"] > 300
    # The zone was asked before, not at all while the others were proven to carry everything, and is asked again.
    assert 0 < asked["shift"] <= asked["leave"] == asked["serves"] < asked["stays"]
    assert tuple(row.result["rto_phases"]) == ("act", "converge", "verify")
    # The shift takes 3 s to arrive here, and 5 s without a request prove the zone empty.
    assert 3 <= row.result["rto_phases"]["act"] <= 60
    assert 4 <= row.result["rto_phases"]["converge"] <= 60
    assert not [host for host in cluster.drilled.hosts.group("web").hosts if host.shifted]


def test_a_shift_left_over_is_cancelled_by_recover(cluster: Cluster, journal: Journal) -> None:
    plan = a_plan(cluster)
    events = drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=cluster.hands)
    next(event for event in events if isinstance(event, StepFinished) and event.step == "shift")
    events.close()
    assert cluster.hands.shifts is not None
    held = cluster.hands.shifts.holding("web")
    assert held is not None
    assert held.zone == plan.zone
    assert {host.id for host in cluster.drilled.hosts.group("web").hosts if host.shifted} == set(plan.loss.hosts)
    (row,) = drill.unfinished(journal)
    for _ in drill.recover(row, journal=journal, leases=Leases(journal.engine), hands=cluster.hands):
        pass
    assert cluster.hands.shifts.holding("web") is None
    assert not [host for host in cluster.drilled.hosts.group("web").hosts if host.shifted]
    assert Leases(journal.engine).held() == []


THERE = "eu-central-1"


@pytest.fixture(scope="module")
def light(cluster: Cluster) -> Fleet:
    """The fleet with a pilot light in another region, and a name that leads to either."""
    made, net = cluster.drilled, free_cidr().removesuffix(".0.0/16")
    build(replace(made.cloud, region=THERE), net, 0, part="recovery-web")
    balancers = {
        region: made.cloud.client("elbv2", region=region).describe_load_balancers()["LoadBalancers"][0]
        for region in (made.cloud.region, THERE)
    }
    dns = made.cloud.client("route53")
    zone = dns.create_hosted_zone(Name="drills.example", CallerReference="1")["HostedZone"]["Id"]
    asked = {
        "Type": "HTTP", "FullyQualifiedDomainName": balancers[made.cloud.region]["DNSName"], "Port": 80,
        "ResourcePath": "/healthz", "RequestInterval": 30, "FailureThreshold": 3,
    }  # fmt: skip
    check = dns.create_health_check(CallerReference="1", HealthCheckConfig=asked)["HealthCheck"]["Id"]
    for role, region, more in (("PRIMARY", made.cloud.region, {"HealthCheckId": check}), ("SECONDARY", THERE, {})):
        alias = {
            "DNSName": balancers[region]["DNSName"], "HostedZoneId": balancers[region]["CanonicalHostedZoneId"],
            "EvaluateTargetHealth": True,
        }  # fmt: skip
        record = {
            "Name": "www.drills.example", "Type": "A", "SetIdentifier": role, "Failover": role, "AliasTarget": alias,
            **more,
        }  # fmt: skip
        changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
        dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    text = made.workspace.fleet_file.read_text(encoding="utf-8")
    text = text.replace("network: {", f"recovery_region: {THERE}\nnetwork: {{recovery_cidr: {net}.0.0/20, ")
    text = text.replace("recovery: {web: {", "recovery: {web: {region: {rto: 10m}, ")
    return read_text(text + "dns: {zone: drills.example, name: www}\n").fleet


@pytest.mark.soak
def test_a_region_takes_over_and_gives_back_and_no_request_fails(
    cluster: Cluster, light: Fleet, journal: Journal
) -> None:
    made = cluster.drilled
    pilot = PilotLight(light, made.cloud, made.workspace)
    hands = replace(cluster.hands, pilot=pilot)
    scene = drill.see("region_failover", "web", light, hands)
    plan = drill.plan(
        "region_failover", "web", scene=scene, fleet=light, stack="dev", now=datetime.now(UTC), right_now=True
    )
    seen = {}
    with Load(made.url, rate_per_second=30, connections=4) as load:
        for event in drill.run(plan, journal=journal, leases=Leases(journal.engine), hands=hands):
            if isinstance(event, StepFinished):
                seen[event.step] = (pilot.leads("web"), len((pilot.group("web") or made.hosts.group("web")).hosts))
    (row,) = [row for row in journal.runs("drill") if row.subject == "region_failover web"]
    assert row.result is not None
    assert (seen["complete"], seen["flip"], seen["sleep"]) == (("here", 3), ("there", 3), ("here", 0))
    assert (row.result["restored"], row.result["objective_met"], row.result["scope"]) == (True, True, "region")
    # Hosts boot for 5 s after 5 s of waiting; a name takes 5 s to lead elsewhere.
    assert row.result["rto_phases"]["converge"] >= 5
    assert row.result["rto_phases"]["verify"] >= 5
    assert load.counts().failed == 0
    assert not pilot.inverted("web")
