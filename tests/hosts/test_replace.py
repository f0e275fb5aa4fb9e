"""Hosts replaced by an instance refresh on real hosts under load: the controller killed, a template that is no good."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from quartermaster.fleet.events import Event
from quartermaster.fleet.journal import Journal
from quartermaster.fleet.load import Load
from quartermaster.fleet.names import tags
from quartermaster.playbooks import replace_run
from quartermaster.playbooks.outcomes import outcome
from tests.hosts.apart import apart
from tests.hosts.local_cluster import USER_DATA, LocalCluster, wait
from tests.hosts.replace_driver import Replacing

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def cluster(marked: LocalCluster) -> LocalCluster:
    whose = {"ResourceId": "web", "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True}
    groups = marked.api("autoscaling")
    groups.create_or_update_tags(
        Tags=[{**whose, "Key": key, "Value": value} for key, value in tags("shop", "dev", "web").items()]
    )
    name_version(marked, "1")
    return marked


def name_version(cluster: LocalCluster, version: str) -> None:
    """Let the group name that version, and new hosts count as soon as they serve."""
    template = {"LaunchTemplateName": "web", "Version": version}
    cluster.api("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate=template, DefaultInstanceWarmup=0
    )


def offer(cluster: LocalCluster, user_data: str) -> None:
    """Another version of the template."""
    ec2 = cluster.api("ec2")
    found = ec2.describe_launch_template_versions(LaunchTemplateName="web", Versions=["1"])["LaunchTemplateVersions"]
    data = {**found[0]["LaunchTemplateData"], "UserData": base64.b64encode(user_data.encode()).decode()}
    ec2.create_launch_template_version(LaunchTemplateName="web", LaunchTemplateData=data)


def told(events: Iterator[Event]) -> list[Event]:
    """The events, each also on stdout: what a failing test shows."""
    seen = []
    for event in events:
        print(event.kind, event.step, event.host, getattr(event, "error", ""), getattr(event, "message", ""))  # noqa: T201
        seen.append(event)
    return seen


def test_a_killed_replacement_is_followed_and_no_request_is_lost(cluster: LocalCluster) -> None:
    offer(cluster, USER_DATA + "touch /srv/version-2\n")
    before, workspace = set(cluster.members), cluster.workspace
    with Load(cluster.url, 30, 8) as load:
        with apart("replace_driver", workspace.fleet_file) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith("started host"):
                    break
            child.kill()
        journal = Journal.open(workspace.database)
        row = journal.runs("patch")[0]
        assert row.interrupted
        past = [recorded.event for recorded in journal.events(row.id)]
        replacing = Replacing(workspace.fleet_file)
        told(journal.resume(row.id).record(replace_run.resume(past, replacing.tools())))
        counts = load.counts()
    result = outcome((recorded.event for recorded in journal.events(row.id)), run=row.id)
    assert (result.state, {host.state for host in result.hosts}) == ("done", {"replaced"}), result.to_json()
    assert {host.id for host in result.hosts} == before
    wait(lambda: before.isdisjoint(cluster.members))  # those that went are shut down first
    assert [refresh.status for refresh in replacing.world.history()] == ["Successful"]
    assert (counts.failed, result.requests.failed) == (0, 0)
    assert counts.sent > 300 and result.requests.sent > 300
    assert all(cluster.run(host, "test", "-e", "/srv/version-2").returncode == 0 for host in cluster.members)


def test_a_template_that_never_serves_goes_back_and_the_fleet_keeps_serving(cluster: LocalCluster) -> None:
    wait(cluster.serves)
    offer(cluster, USER_DATA.replace("CONTINUE", "ABANDON"))
    replacing = Replacing(cluster.workspace.fleet_file)
    with Load(cluster.url, 30, 8) as load:
        events = told(replace_run.run(replacing.plan(), replacing.tools()))
        counts = load.counts()
    result = outcome(events, run="r")
    assert result.state == "failed"
    assert "never served" in result.hosts[0].why
    assert replacing.world.history()[0].status == "RollbackSuccessful"
    wait(cluster.serves)
    assert set(replacing.world.versions().values()) == {"2"}
    assert counts.failed == 0
